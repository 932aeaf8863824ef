//! Lists for people, the newest first: pledges, payments and events, a page at a time from behind a place. None loads more
//! than it shows.

use super::{NewAudit, Store, StoreError};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;
use crate::id::{PaymentId, Random};

/// Behind which row a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub at: i64,
    pub id: String,
}

impl Place {
    /// Before the newest.
    pub fn top() -> Self {
        Self { at: i64::MAX, id: String::new() }
    }
}

/// What is wanted of a list; an empty text is anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub status: String,
    pub frequency: String,
    pub currency: String,
    pub campaign: String,
}

/// A pledge in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPledge {
    pub id: String,
    pub created_at: i64,
    pub campaign: String,
    pub source: String,
    pub frequency: Frequency,
    pub status: String,
    /// What is charged each time.
    pub money: Money,
}

/// A payment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPayment {
    /// `pmt_…`
    pub id: String,
    /// `in_…` or `pi_…`
    pub stripe_key: String,
    pub pledge_id: String,
    /// `ch_…`, where known.
    pub stripe_charge_id: Option<String>,
    pub status: String,
    pub money: Money,
    /// When the money came; of one that failed, when that was last heard of.
    pub at: i64,
    pub campaign: String,
    pub frequency: Frequency,
    /// What was given back, in minor units.
    pub refunded_minor: i64,
}

/// An event that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ParkedEvent {
    pub id: String,
    pub kind: String,
    pub object_id: Option<String>,
    pub attempts: i64,
    pub received_at: i64,
    pub settled_at: i64,
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct PledgeRow {
    id: String,
    created_at: i64,
    campaign: String,
    source: String,
    frequency: String,
    status: String,
    total_minor: i64,
    currency: String,
}

#[derive(sqlx::FromRow)]
struct PaymentRow {
    id: String,
    stripe_key: String,
    pledge_id: String,
    stripe_charge_id: Option<String>,
    status: String,
    amount_minor: i64,
    currency: String,
    at: i64,
    campaign: String,
    frequency: String,
    refunded_minor: i64,
}

impl PaymentRow {
    fn read(self) -> Result<ListedPayment, StoreError> {
        Ok(ListedPayment {
            money: money(self.amount_minor, &self.currency)?,
            frequency: frequency(&self.frequency)?,
            id: self.id,
            stripe_key: self.stripe_key,
            pledge_id: self.pledge_id,
            stripe_charge_id: self.stripe_charge_id,
            status: self.status,
            at: self.at,
            campaign: self.campaign,
            refunded_minor: self.refunded_minor,
        })
    }
}

fn money(amount_minor: i64, currency: &str) -> Result<Money, StoreError> {
    let currency = Currency::recorded(currency).map_err(|_| StoreError::Corrupt { what: "a currency" })?;
    Ok(Money::new(amount_minor, currency))
}

fn frequency(word: &str) -> Result<Frequency, StoreError> {
    Frequency::parse(word).ok_or(StoreError::Corrupt { what: "a frequency" })
}

impl Store {
    /// Up to `most` pledges from behind a place.
    pub async fn browse_pledges(
        &self,
        wanted: &Wanted,
        behind: &Place,
        most: i64,
    ) -> Result<Vec<ListedPledge>, StoreError> {
        let rows: Vec<PledgeRow> = self
            .db
            .read(
                "SELECT id, created_at, campaign, source, frequency, status, total_minor, currency FROM pledges \
                 WHERE created_at <= $1 AND (created_at < $1 OR id < $2) AND ($3 = '' OR status = $3) \
                 AND ($4 = '' OR frequency = $4) AND ($5 = '' OR currency = $5) AND ($6 = '' OR campaign = $6) \
                 ORDER BY created_at DESC, id DESC LIMIT $7",
            )
            .bind(behind.at)
            .bind(behind.id.as_str())
            .bind(wanted.status.as_str())
            .bind(wanted.frequency.as_str())
            .bind(wanted.currency.as_str())
            .bind(wanted.campaign.as_str())
            .bind(most)
            .all()
            .await?;
        let read = |row: PledgeRow| {
            Ok(ListedPledge {
                money: money(row.total_minor, &row.currency)?,
                frequency: frequency(&row.frequency)?,
                id: row.id,
                created_at: row.created_at,
                campaign: row.campaign,
                source: row.source,
                status: row.status,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Up to `most` payments that brought money, from behind a place.
    pub async fn browse_payments(
        &self,
        wanted: &Wanted,
        behind: &Place,
        most: i64,
    ) -> Result<Vec<ListedPayment>, StoreError> {
        let rows: Vec<PaymentRow> = self
            .db
            .read(
                "SELECT y.id, y.stripe_key, y.pledge_id, y.stripe_charge_id, y.status, y.amount_minor, y.currency, \
                 y.succeeded_at AS at, g.campaign, g.frequency, \
                 (SELECT CAST(COALESCE(SUM(r.counted_minor), 0) AS BIGINT) FROM refunds r \
                   WHERE r.stripe_key = y.stripe_key) AS refunded_minor \
                 FROM payments y JOIN pledges g ON g.id = y.pledge_id \
                 WHERE y.succeeded_at <= $1 AND (y.succeeded_at < $1 OR y.id < $2) AND y.status = 'succeeded' \
                 AND ($3 = '' OR g.frequency = $3) AND ($4 = '' OR y.currency = $4) AND ($5 = '' OR g.campaign = $5) \
                 ORDER BY y.succeeded_at DESC, y.id DESC LIMIT $6",
            )
            .bind(behind.at)
            .bind(behind.id.as_str())
            .bind(wanted.frequency.as_str())
            .bind(wanted.currency.as_str())
            .bind(wanted.campaign.as_str())
            .bind(most)
            .all()
            .await?;
        rows.into_iter().map(PaymentRow::read).collect()
    }

    /// Up to `most` payments that failed, in the order of their Stripe ids from behind one; empty: from the last.
    pub async fn browse_failed(
        &self,
        wanted: &Wanted,
        behind: &str,
        most: i64,
    ) -> Result<Vec<ListedPayment>, StoreError> {
        let rows: Vec<PaymentRow> = self
            .db
            .read(
                "SELECT y.id, y.stripe_key, y.pledge_id, y.stripe_charge_id, y.status, y.amount_minor, y.currency, \
                 COALESCE(o.updated_at, g.created_at) AS at, g.campaign, g.frequency, \
                 CAST(0 AS BIGINT) AS refunded_minor FROM payments y JOIN pledges g ON g.id = y.pledge_id \
                 LEFT JOIN stripe_objects o ON o.object_id = y.stripe_key \
                 WHERE y.status = 'failed' AND ($1 = '' OR y.stripe_key < $1) \
                 AND ($2 = '' OR g.frequency = $2) AND ($3 = '' OR y.currency = $3) AND ($4 = '' OR g.campaign = $4) \
                 ORDER BY y.stripe_key DESC LIMIT $5",
            )
            .bind(behind)
            .bind(wanted.frequency.as_str())
            .bind(wanted.currency.as_str())
            .bind(wanted.campaign.as_str())
            .bind(most)
            .all()
            .await?;
        rows.into_iter().map(PaymentRow::read).collect()
    }

    /// One payment.
    pub async fn listed_payment(&self, id: &PaymentId) -> Result<Option<ListedPayment>, StoreError> {
        let row: Option<PaymentRow> = self
            .db
            .read(
                "SELECT y.id, y.stripe_key, y.pledge_id, y.stripe_charge_id, y.status, y.amount_minor, y.currency, \
                 COALESCE(y.succeeded_at, g.created_at) AS at, g.campaign, g.frequency, \
                 (SELECT CAST(COALESCE(SUM(r.counted_minor), 0) AS BIGINT) FROM refunds r \
                   WHERE r.stripe_key = y.stripe_key) AS refunded_minor \
                 FROM payments y JOIN pledges g ON g.id = y.pledge_id WHERE y.id = $1",
            )
            .bind(id.as_str())
            .maybe()
            .await?;
        row.map(PaymentRow::read).transpose()
    }

    /// The charge that brought a payment's money.
    pub async fn charge_of(&self, stripe_key: &str) -> Result<Option<String>, StoreError> {
        let charge = "SELECT stripe_charge_id FROM payments WHERE stripe_key = $1";
        let row: Option<(Option<String>,)> = self.db.read(charge).bind(stripe_key).maybe().await?;
        Ok(row.and_then(|(charge,)| charge))
    }

    /// Up to `most` parked events from behind a place.
    pub async fn browse_parked(&self, behind: &Place, most: i64) -> Result<Vec<ParkedEvent>, StoreError> {
        self.db
            .read(
                "SELECT id, kind, object_id, attempts, received_at, COALESCE(settled_at, received_at) AS settled_at, error \
                 FROM stripe_events WHERE state = 'parked' AND settled_at <= $1 AND (settled_at < $1 OR id < $2) \
                 ORDER BY settled_at DESC, id DESC LIMIT $3",
            )
            .bind(behind.at)
            .bind(behind.id.as_str())
            .bind(most)
            .all()
            .await
    }

    /// Lets a parked event be tried again at once, with an entry of the audit log; nothing where it is parked no more.
    pub async fn replay_by_hand(&self, entry: NewAudit, now: i64, random: &Random) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let replayed = tx
            .query(
                "UPDATE stripe_events SET state = 'received', attempts = 0, due_at = 0, settled_at = NULL, error = NULL \
                 WHERE state = 'parked' AND id = $1 \
                 AND EXISTS (SELECT 1 FROM stripe_event_bodies WHERE event_id = stripe_events.id)",
            )
            .bind(entry.subject.as_str())
            .run()
            .await?;
        if replayed == 1 {
            tx.audit(entry, now, random).await?;
        }
        tx.commit().await
    }

    /// How many pledges wait for a payment that failed.
    pub async fn count_overdue(&self) -> Result<i64, StoreError> {
        let count = "SELECT COUNT(*) AS n FROM pledges WHERE status = 'past_due'";
        Ok(self.db.read(count).one::<(i64,)>().await?.0)
    }

    /// How many events are parked.
    pub async fn count_parked(&self) -> Result<i64, StoreError> {
        let count = "SELECT COUNT(*) AS n FROM stripe_events WHERE state = 'parked'";
        Ok(self.db.read(count).one::<(i64,)>().await?.0)
    }
}
