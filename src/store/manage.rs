//! How donors come to what they give: mailed links and the sessions they open, links that stop a pledge, and what is shown.

use super::{Store, StoreError, Tx};
use crate::domain::facts::{Fact, State};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::id::PledgeId;

/// A link to be mailed.
#[derive(Debug, Clone)]
pub struct NewManageLink {
    /// `mng_…`.
    pub id: String,
    pub link_hash: String,
    pub email_index: String,
    /// Sealed for `manage_links`, `email_sealed`, its id.
    pub email_sealed: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
}

/// A mailed link as somebody finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManageLink {
    /// It opens a session.
    Good,
    /// It has opened one already.
    Used,
}

/// A browser that opened a link.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ManageSession {
    pub id: String,
    /// Sealed for `manage_links`, `email_sealed`, the id.
    pub email_sealed: Vec<u8>,
    pub expires_at: i64,
}

/// A pledge as its donor sees it.
#[derive(Debug, Clone)]
pub struct ManagedPledge {
    pub id: PledgeId,
    pub campaign: String,
    pub frequency: Frequency,
    /// What was agreed to at first, each time.
    pub money: Money,
    pub status: PledgeStatus,
    pub created_at: i64,
    pub paid_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub customer_id: Option<String>,
    pub subscription_id: Option<String>,
    /// The subscription as last heard of.
    pub subscription: Option<State>,
    /// Whether it ended here and goes on at Stripe.
    pub runs_on: bool,
}

/// A payment as its donor sees it.
#[derive(Debug, Clone)]
pub struct ManagedPayment {
    /// `pmt_…`
    pub id: String,
    /// `plg_…`
    pub pledge_id: String,
    pub money: Money,
    /// What went back of it, minor units of the same currency.
    pub refunded_minor: i64,
    pub succeeded_at: i64,
}

/// A reminder as whoever asked for it sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ManagedReminder {
    /// `rmd_…`
    pub id: String,
    /// 20261123
    pub due_on: i64,
    pub recurring_months: Option<i64>,
    pub frequency: Option<String>,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    pub created_at: i64,
    pub consent_version: String,
}

/// A signup as whoever signed up sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ManagedSignup {
    /// `nls_…`
    pub id: String,
    pub list: String,
    pub confirmed_at: Option<i64>,
    pub consent_version: String,
}

/// Reminders or signups of one person that are shown.
const MOST_WISHES: i64 = 100;

#[derive(sqlx::FromRow)]
struct PledgeRow {
    id: String,
    campaign: String,
    frequency: String,
    total_minor: i64,
    currency: String,
    status: String,
    created_at: i64,
    paid_at: Option<i64>,
    ended_at: Option<i64>,
    stripe_customer_id: Option<String>,
    stripe_subscription_id: Option<String>,
    fact: Option<String>,
    open_break: Option<String>,
}

impl PledgeRow {
    fn read(self) -> Result<ManagedPledge, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "pledges" };
        let currency = Currency::recorded(&self.currency).map_err(|_| CORRUPT)?;
        Ok(ManagedPledge {
            id: PledgeId::parse(&self.id).map_err(|_| CORRUPT)?,
            campaign: self.campaign,
            frequency: Frequency::parse(&self.frequency).ok_or(CORRUPT)?,
            money: Money::new(self.total_minor, currency),
            status: PledgeStatus::parse(&self.status).ok_or(CORRUPT)?,
            created_at: self.created_at,
            paid_at: self.paid_at,
            ended_at: self.ended_at,
            customer_id: self.stripe_customer_id,
            subscription_id: self.stripe_subscription_id,
            subscription: self.fact.and_then(|fact| serde_json::from_str::<Fact>(&fact).ok()).map(|fact| fact.state),
            runs_on: self.open_break.is_some(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct PaymentRow {
    id: String,
    pledge_id: String,
    amount_minor: i64,
    currency: String,
    refunded_minor: i64,
    succeeded_at: i64,
}

impl PaymentRow {
    fn read(self) -> Result<ManagedPayment, StoreError> {
        let corrupt = StoreError::Corrupt { what: "payments.currency" };
        let currency = Currency::recorded(&self.currency).map_err(|_| corrupt)?;
        Ok(ManagedPayment {
            id: self.id,
            pledge_id: self.pledge_id,
            money: Money::new(self.amount_minor, currency),
            refunded_minor: self.refunded_minor,
            succeeded_at: self.succeeded_at,
        })
    }
}

impl Store {
    /// How a mailed link stands; none where it is over, or never was.
    pub async fn manage_link(&self, link_hash: &str, now: i64) -> Result<Option<ManageLink>, StoreError> {
        let found: Option<(i64,)> = self
            .db
            .read(
                "SELECT CAST(CASE WHEN session_hash IS NULL THEN 0 ELSE 1 END AS BIGINT) AS used FROM manage_links \
                 WHERE link_hash = $1 AND expires_at > $2",
            )
            .bind(link_hash)
            .bind(now)
            .maybe()
            .await?;
        Ok(found.map(|(used,)| if used == 0 { ManageLink::Good } else { ManageLink::Used }))
    }

    /// Opens a session until `until` by a link that is good and was not used; whether it did.
    pub async fn open_manage_session(
        &self,
        link_hash: &str,
        session_hash: &str,
        now: i64,
        until: i64,
    ) -> Result<bool, StoreError> {
        let opened = self
            .db
            .write(
                "UPDATE manage_links SET session_hash = $1, expires_at = $2 \
                 WHERE link_hash = $3 AND session_hash IS NULL AND expires_at > $4",
            )
            .bind(session_hash)
            .bind(until)
            .bind(link_hash)
            .bind(now)
            .run()
            .await?;
        Ok(opened == 1)
    }

    /// The session of a browser, while it lasts.
    pub async fn manage_session(&self, session_hash: &str, now: i64) -> Result<Option<ManageSession>, StoreError> {
        self.db
            .read("SELECT id, email_sealed, expires_at FROM manage_links WHERE session_hash = $1 AND expires_at > $2")
            .bind(session_hash)
            .bind(now)
            .maybe()
            .await
    }

    /// Ends a session: nothing of it stays.
    pub async fn end_manage_session(&self, session_hash: &str) -> Result<(), StoreError> {
        self.db.write("DELETE FROM manage_links WHERE session_hash = $1").bind(session_hash).run().await.map(|_| ())
    }

    /// Forgets links and sessions that are over.
    pub async fn forget_manage_links(&self, now: i64) -> Result<u64, StoreError> {
        self.db.write("DELETE FROM manage_links WHERE expires_at <= $1").bind(now).run().await
    }

    /// The pledge that a link in a mail stops.
    pub async fn stop_link(&self, token_hash: &str) -> Result<Option<PledgeId>, StoreError> {
        let found: Option<(String,)> =
            self.db.read("SELECT pledge_id FROM stop_links WHERE token_hash = $1").bind(token_hash).maybe().await?;
        found
            .map(|(id,)| PledgeId::parse(&id).map_err(|_| StoreError::Corrupt { what: "stop_links.pledge_id" }))
            .transpose()
    }

    /// Whether somebody can be written to about a pledge.
    pub async fn has_address(&self, id: &PledgeId) -> Result<bool, StoreError> {
        Ok(self.address_of(id).await?.is_some())
    }

    /// The donor of a pledge and their sealed address, where it is still known.
    pub async fn address_of(&self, id: &PledgeId) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let known = tx.address_of(id.as_str()).await?;
        tx.rollback().await?;
        Ok(known.filter(|(_, sealed)| !sealed.is_empty()))
    }

    /// A pledge as its donor sees it.
    pub async fn managed_pledge(&self, id: &PledgeId) -> Result<Option<ManagedPledge>, StoreError> {
        let row: Option<PledgeRow> = self
            .db
            .read(
                "SELECT g.id, g.campaign, g.frequency, g.total_minor, g.currency, g.status, g.created_at, g.paid_at, \
                 g.ended_at, g.stripe_customer_id, g.stripe_subscription_id, o.fact, b.what AS open_break FROM pledges g \
                 LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 LEFT JOIN breaks b ON b.object_id = g.stripe_subscription_id AND b.what = 'subscription_runs_on' \
                 AND b.closed_at IS NULL WHERE g.id = $1",
            )
            .bind(id.as_str())
            .maybe()
            .await?;
        row.map(PledgeRow::read).transpose()
    }

    /// What whoever is found under these indexes gives, gave or began to give, the newest first.
    pub async fn managed_pledges(&self, donor_indexes: &[String]) -> Result<Vec<ManagedPledge>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let mut pledges: Vec<PledgeRow> = tx
            .list(
                "SELECT g.id, g.campaign, g.frequency, g.total_minor, g.currency, g.status, g.created_at, g.paid_at, \
                 g.ended_at, g.stripe_customer_id, g.stripe_subscription_id, o.fact, b.what AS open_break FROM pledges g \
                 JOIN donors d ON d.id = g.donor_id LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 LEFT JOIN breaks b ON b.object_id = g.stripe_subscription_id AND b.what = 'subscription_runs_on' \
                 AND b.closed_at IS NULL WHERE d.email_index IN {?}",
                donor_indexes,
            )
            .await?;
        tx.rollback().await?;
        pledges.sort_by(|one, two| (two.created_at, &two.id).cmp(&(one.created_at, &one.id)));
        pledges.into_iter().map(PledgeRow::read).collect()
    }

    /// What came of whoever is found under these indexes from one day up to another (both included, 20261123), the newest
    /// first, at most so many.
    pub async fn managed_payments(
        &self,
        donor_indexes: &[String],
        (from, to): (i64, i64),
        most: i64,
    ) -> Result<Vec<ManagedPayment>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let payments: Vec<PaymentRow> = tx
            .keyed(
                "SELECT y.id, y.pledge_id, y.amount_minor, y.currency, y.succeeded_at, \
                 (SELECT CAST(COALESCE(SUM(r.counted_minor), 0) AS BIGINT) FROM refunds r \
                   WHERE r.stripe_key = y.stripe_key) AS refunded_minor \
                 FROM payments y JOIN pledges g ON g.id = y.pledge_id JOIN donors d ON d.id = g.donor_id \
                 WHERE d.email_index IN {?} AND y.day >= ? AND y.day <= ? AND y.status = 'succeeded' \
                 AND y.succeeded_at IS NOT NULL \
                 ORDER BY y.succeeded_at DESC, y.id LIMIT ?",
            )
            .keys(donor_indexes)
            .bind(from)
            .bind(to)
            .bind(most)
            .all()
            .await?;
        tx.rollback().await?;
        payments.into_iter().map(PaymentRow::read).collect()
    }

    /// Somebody's reminders that are not over.
    pub async fn managed_reminders(&self, email_index: &str) -> Result<Vec<ManagedReminder>, StoreError> {
        self.db
            .read(
                "SELECT id, due_on, recurring_months, frequency, amount_minor, currency, created_at, consent_version \
                 FROM reminders WHERE email_index = $1 AND state = 'confirmed' ORDER BY due_at, id LIMIT $2",
            )
            .bind(email_index)
            .bind(MOST_WISHES)
            .all()
            .await
    }

    /// Somebody's signups to newsletters that are not over.
    pub async fn managed_signups(&self, email_index: &str) -> Result<Vec<ManagedSignup>, StoreError> {
        self.db
            .read(
                "SELECT id, list, confirmed_at, consent_version FROM newsletter_signups \
                 WHERE email_index = $1 AND state = 'confirmed' ORDER BY confirmed_at, id LIMIT $2",
            )
            .bind(email_index)
            .bind(MOST_WISHES)
            .all()
            .await
    }

    /// Ends a reminder of somebody's own.
    pub async fn cancel_own_reminder(&self, id: &str, email_index: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE reminders SET state = 'done', reason = 'cancelled', done_at = $1, contact_sealed = NULL \
                 WHERE id = $2 AND email_index = $3 AND state IN ('asked', 'confirmed')",
            )
            .bind(now)
            .bind(id)
            .bind(email_index)
            .run()
            .await
            .map(|_| ())
    }

    /// Ends a signup of somebody's own.
    pub async fn end_own_signup(&self, id: &str, email_index: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE newsletter_signups SET state = 'done', reason = 'unsubscribed', done_at = $1, \
                 contact_sealed = NULL WHERE id = $2 AND email_index = $3 AND state IN ('asked', 'confirmed')",
            )
            .bind(now)
            .bind(id)
            .bind(email_index)
            .run()
            .await
            .map(|_| ())
    }
}

impl Tx {
    /// Whether anything is known of somebody: what they gave, a reminder or a signup that is not over.
    pub async fn is_known(&mut self, donor: &[String], reminder: &str, newsletter: &str) -> Result<bool, StoreError> {
        let gave: Vec<(String,)> = self
            .list(
                "SELECT d.id FROM donors d WHERE d.email_index IN {?} \
                 AND EXISTS (SELECT 1 FROM pledges g WHERE g.donor_id = d.id)",
                donor,
            )
            .await?;
        if !gave.is_empty() {
            return Ok(true);
        }
        let asked: Option<(String,)> = self
            .query(
                "SELECT id FROM reminders WHERE email_index = $1 AND state = 'confirmed' \
                 UNION ALL SELECT id FROM newsletter_signups WHERE email_index = $2 AND state = 'confirmed' LIMIT 1",
            )
            .bind(reminder)
            .bind(newsletter)
            .maybe()
            .await?;
        Ok(asked.is_some())
    }

    /// How many links were made for an address since then.
    pub async fn manage_links_since(&mut self, email_index: &str, since: i64) -> Result<i64, StoreError> {
        let counted = "SELECT COUNT(*) AS n FROM manage_links WHERE email_index = $1 AND created_at > $2";
        let (links,): (i64,) = self.query(counted).bind(email_index).bind(since).one().await?;
        Ok(links)
    }

    /// Stores a link that is to be mailed.
    pub async fn insert_manage_link(&mut self, link: &NewManageLink) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO manage_links (id, link_hash, email_index, email_sealed, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(link.id.as_str())
        .bind(link.link_hash.as_str())
        .bind(link.email_index.as_str())
        .bind(link.email_sealed.clone())
        .bind(link.created_at)
        .bind(link.expires_at)
        .run()
        .await
        .map(|_| ())
    }
}
