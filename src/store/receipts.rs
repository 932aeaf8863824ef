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

#[derive(sqlx::FromRow)]
struct UnreceiptedRow {
    stripe_key: String,
    amount_minor: i64,
    currency: String,
    succeeded_at: i64,
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
                "SELECT y.stripe_key, y.amount_minor, y.currency, y.succeeded_at, g.frequency, g.campaign, g.locale, \
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
