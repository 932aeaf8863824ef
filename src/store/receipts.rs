//! Payments whose donors are to be written to.

use super::{NewEmail, Recipient, Store, StoreError};
use crate::domain::facts::{Fact, State};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;

/// A payment that came, and what a mail about it says.
#[derive(Debug, Clone)]
pub struct Unreceipted {
    /// `in_…` or `pi_…`.
    pub stripe_key: String,
    pub money: Money,
    pub succeeded_at: i64,
    pub frequency: Frequency,
    pub recipient: Recipient,
    /// Whether it is the first of its pledge.
    pub first: bool,
    /// When Stripe says the paid period ends, for what recurs and is not to end with it.
    pub next_at: Option<i64>,
}

/// Another recurring pledge of a donor.
#[derive(Debug, Clone)]
pub struct OtherPledge {
    /// `plg_…`
    pub pledge_id: String,
    /// What it brings each time now.
    pub money: Money,
    pub frequency: Frequency,
}

#[derive(sqlx::FromRow)]
struct OtherRow {
    id: String,
    total_minor: i64,
    currency: String,
    frequency: String,
    fact: Option<String>,
}

impl OtherRow {
    fn read(self) -> Option<OtherPledge> {
        let currency = Currency::recorded(&self.currency).ok()?;
        let fact: Option<Fact> = self.fact.and_then(|fact| serde_json::from_str(&fact).ok());
        // As it was changed since, where that is known.
        let (amount_minor, interval) = match fact.map(|fact| fact.state) {
            Some(State::Subscription { amount_minor, interval, .. }) => (amount_minor, interval),
            _ => (None, None),
        };
        let frequency = interval.as_deref().and_then(Frequency::of_interval);
        Some(OtherPledge {
            pledge_id: self.id,
            money: Money::new(amount_minor.unwrap_or(self.total_minor), currency),
            frequency: frequency.or_else(|| Frequency::parse(&self.frequency))?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct UnreceiptedRow {
    stripe_key: String,
    amount_minor: i64,
    currency: String,
    succeeded_at: i64,
    pledge_id: String,
    frequency: String,
    campaign: String,
    locale: Option<String>,
    donor_id: String,
    email_sealed: Vec<u8>,
    subscription: Option<String>,
    earlier: i64,
}

impl UnreceiptedRow {
    fn read(self) -> Result<Unreceipted, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "payments" };
        let currency = Currency::recorded(&self.currency).map_err(|_| CORRUPT)?;
        let subscription: Option<Fact> = self.subscription.and_then(|fact| serde_json::from_str(&fact).ok());
        let next_at = subscription.and_then(|fact| match fact.state {
            State::Subscription { period_end, cancel_at_period_end: false, cancel_at: None, .. } => period_end,
            _ => None,
        });
        Ok(Unreceipted {
            money: Money::new(self.amount_minor, currency),
            frequency: Frequency::parse(&self.frequency).ok_or(CORRUPT)?,
            stripe_key: self.stripe_key,
            succeeded_at: self.succeeded_at,
            recipient: Recipient {
                pledge_id: self.pledge_id,
                campaign: self.campaign,
                locale: self.locale,
                donor_id: self.donor_id,
                email_sealed: self.email_sealed,
            },
            first: self.earlier == 0,
            next_at,
        })
    }
}

impl Store {
    /// Payments that came after `since` and not after `until`, whose donors are known and were not written to.
    pub async fn unreceipted(&self, since: i64, until: i64, most: i64) -> Result<Vec<Unreceipted>, StoreError> {
        let rows: Vec<UnreceiptedRow> = self
            .db
            .read(
                "SELECT y.stripe_key, y.amount_minor, y.currency, y.succeeded_at, g.id AS pledge_id, g.frequency, g.campaign, g.locale, \
                 d.id AS donor_id, d.email_sealed, o.fact AS subscription, (SELECT COUNT(*) FROM payments e \
                   WHERE e.pledge_id = y.pledge_id AND e.status = 'succeeded' AND e.succeeded_at < y.succeeded_at) AS earlier \
                 FROM payments y JOIN pledges g ON g.id = y.pledge_id JOIN donors d ON d.id = g.donor_id AND d.address_gone_at IS NULL \
                 LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 WHERE y.receipt_at IS NULL AND y.succeeded_at IS NOT NULL AND y.succeeded_at > $1 \
                 AND y.succeeded_at <= $2 AND y.status = 'succeeded' ORDER BY y.succeeded_at LIMIT $3",
            )
            .bind(since)
            .bind(until)
            .bind(most)
            .all()
            .await?;
        rows.into_iter().map(UnreceiptedRow::read).collect()
    }

    /// The newest recurring pledge of a donor besides this one that goes on.
    pub async fn other_running(&self, donor_id: &str, pledge_id: &str) -> Result<Option<OtherPledge>, StoreError> {
        let row: Option<OtherRow> = self
            .db
            .read(
                "SELECT g.id, g.total_minor, g.currency, g.frequency, o.fact FROM pledges g \
                 LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 WHERE g.donor_id = $1 AND g.id <> $2 AND g.frequency <> 'once' AND g.paid_at IS NOT NULL \
                 AND g.status IN ('active', 'past_due', 'paused') ORDER BY g.created_at DESC, g.id LIMIT 1",
            )
            .bind(donor_id)
            .bind(pledge_id)
            .maybe()
            .await?;
        Ok(row.and_then(OtherRow::read))
    }

    /// Puts mails about these payments into the outbox and notes that their donors were written to, both or neither.
    pub async fn put_receipts(&self, emails: &[NewEmail], stripe_keys: &[String], now: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.put_emails(emails).await?;
        tx.keyed("UPDATE payments SET receipt_at = ? WHERE receipt_at IS NULL AND stripe_key IN {?}")
            .bind(now)
            .keys(stripe_keys)
            .run()
            .await?;
        tx.commit().await
    }
}
