//! Pledges as they are made and looked at. Their statuses are written by [`super::books`].

use super::{Store, StoreError, Tx};
use crate::domain::money::{Currency, Money};
use crate::domain::new_pledge::{MAX_SOURCES, OTHER_SOURCE};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::domain::reminder::REMINDER_SOURCE;
use crate::id::PledgeId;

/// A pledge with everything the call to Stripe sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pledge {
    pub id: PledgeId,
    pub campaign: String,
    pub campaign_name: String,
    pub frequency: Frequency,
    /// What was chosen.
    pub money: Money,
    /// What is added to it to cover the payment fee, in minor units.
    pub cover_minor: i64,
    pub locale: Option<String>,
    pub source: String,
    pub return_url: String,
    pub status: PledgeStatus,
    pub created_at: i64,
    pub expires_at: i64,
    pub given_up_at: Option<i64>,
    pub settled_at: Option<i64>,
    pub stripe_attempt: i64,
    pub stripe_session_id: Option<String>,
    pub checkout_url: Option<String>,
}

impl Pledge {
    /// What is charged each time.
    pub fn total(&self) -> Money {
        // Both were checked together when the pledge was made.
        Money::new(self.money.amount_minor.saturating_add(self.cover_minor), self.money.currency)
    }
}

/// A checkout on which too many attempts have failed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SpentCheckout {
    pub pledge_id: String,
    /// `cs_…`.
    pub session_id: String,
}

#[derive(sqlx::FromRow)]
struct PledgeRow {
    id: String,
    campaign: String,
    campaign_name: String,
    frequency: String,
    amount_minor: i64,
    cover_minor: i64,
    currency: String,
    locale: Option<String>,
    source: String,
    return_url: String,
    status: String,
    created_at: i64,
    expires_at: i64,
    given_up_at: Option<i64>,
    settled_at: Option<i64>,
    stripe_attempt: i64,
    stripe_session_id: Option<String>,
    checkout_url: Option<String>,
}

impl PledgeRow {
    fn read(self) -> Result<Pledge, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "pledges" };
        let currency = Currency::parse(&self.currency).map_err(|_| CORRUPT)?;
        Ok(Pledge {
            id: PledgeId::parse(&self.id).map_err(|_| CORRUPT)?,
            frequency: Frequency::parse(&self.frequency).ok_or(CORRUPT)?,
            status: PledgeStatus::parse(&self.status).ok_or(CORRUPT)?,
            money: Money::new(self.amount_minor, currency),
            cover_minor: self.cover_minor,
            campaign: self.campaign,
            campaign_name: self.campaign_name,
            locale: self.locale,
            source: self.source,
            return_url: self.return_url,
            created_at: self.created_at,
            expires_at: self.expires_at,
            given_up_at: self.given_up_at,
            settled_at: self.settled_at,
            stripe_attempt: self.stripe_attempt,
            stripe_session_id: self.stripe_session_id,
            checkout_url: self.checkout_url,
        })
    }
}

impl Tx {
    /// Stores a new pledge.
    pub async fn insert_pledge(&mut self, pledge: &Pledge) -> Result<(), StoreError> {
        // The reminder is named in its own row alone: sources are counted.
        let reminder = pledge.source.strip_prefix(REMINDER_SOURCE);
        let said = if reminder.is_some() { "reminder" } else { pledge.source.as_str() };
        let source = if self.knows_source(&pledge.campaign, said).await? { said } else { OTHER_SOURCE };
        self.query(
            "INSERT INTO pledges (id, campaign, frequency, amount_minor, currency, locale, source, return_url, status, \
             created_at, expires_at, stripe_attempt, cover_minor, total_minor) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(pledge.id.as_str())
        .bind(pledge.campaign.as_str())
        .bind(pledge.frequency.as_str())
        .bind(pledge.money.amount_minor)
        .bind(pledge.money.currency.code().to_owned())
        .bind(pledge.locale.clone())
        .bind(source)
        .bind(pledge.return_url.as_str())
        .bind(pledge.status.as_str())
        .bind(pledge.created_at)
        .bind(pledge.expires_at)
        .bind(pledge.stripe_attempt)
        .bind(pledge.cover_minor)
        .bind(pledge.total().amount_minor)
        .run()
        .await?;
        match reminder {
            Some(reminder) => self.use_reminder(reminder, pledge.id.as_str()).await,
            None => Ok(()),
        }
    }

    /// Whether a source may be told apart from others: one that is known, or for which there is still room in its campaign.
    async fn knows_source(&mut self, campaign: &str, source: &str) -> Result<bool, StoreError> {
        if source.is_empty() || self.has_source(campaign, source).await? {
            return Ok(true);
        }
        // A new source is rare. Whoever adds one waits here for others that do, so that none is counted twice or missed.
        let turn = "UPDATE campaigns SET name = name WHERE slug = $1";
        self.query(turn).bind(campaign).run().await?;
        self.query(
            "INSERT INTO sources (campaign, source) SELECT CAST($1 AS TEXT), CAST($2 AS TEXT) \
             WHERE (SELECT COUNT(*) FROM sources WHERE campaign = $1) < $3 ON CONFLICT DO NOTHING",
        )
        .bind(campaign)
        .bind(source)
        .bind(MAX_SOURCES)
        .run()
        .await?;
        self.has_source(campaign, source).await
    }

    async fn has_source(&mut self, campaign: &str, source: &str) -> Result<bool, StoreError> {
        let known = "SELECT source FROM sources WHERE campaign = $1 AND source = $2";
        Ok(self.query(known).bind(campaign).bind(source).maybe::<(String,)>().await?.is_some())
    }
}

impl Store {
    /// The pledge under `id`.
    pub async fn pledge(&self, id: &PledgeId) -> Result<Option<Pledge>, StoreError> {
        let row: Option<PledgeRow> = self
            .db
            .read(
                "SELECT p.id, p.campaign, c.name AS campaign_name, p.frequency, p.amount_minor, p.cover_minor, p.currency, p.locale, \
                 p.source, p.return_url, p.status, p.created_at, p.expires_at, p.given_up_at, p.settled_at, \
                 p.stripe_attempt, p.stripe_session_id, p.checkout_url \
                 FROM pledges p JOIN campaigns c ON c.slug = p.campaign WHERE p.id = $1",
            )
            .bind(id.as_str())
            .maybe()
            .await?;
        row.map(PledgeRow::read).transpose()
    }

    /// Records the checkout session Stripe made for a pledge. The first one stays: there is never a second.
    pub async fn set_session(
        &self,
        id: &PledgeId,
        session_id: &str,
        checkout_url: Option<&str>,
    ) -> Result<(), StoreError> {
        self.db
            .write("UPDATE pledges SET stripe_session_id = $1, checkout_url = $2 WHERE id = $3 AND stripe_session_id IS NULL")
            .bind(session_id)
            .bind(checkout_url.map(str::to_owned))
            .bind(id.as_str())
            .run()
            .await
            .map(|_| ())
    }

    /// Moves a pledge on to its next key at Stripe, unless somebody did already.
    pub async fn raise_stripe_attempt(&self, id: &PledgeId, from: i64) -> Result<(), StoreError> {
        self.db
            .write("UPDATE pledges SET stripe_attempt = $1 + 1 WHERE id = $2 AND stripe_attempt = $1")
            .bind(from)
            .bind(id.as_str())
            .run()
            .await
            .map(|_| ())
    }

    /// How many pledges brought money after they had ended.
    pub async fn count_paid_after_end(&self) -> Result<i64, StoreError> {
        let (count,) = self
            .db
            .read("SELECT COUNT(*) AS n FROM pledges WHERE paid_after_end_at IS NOT NULL")
            .one::<(i64,)>()
            .await?;
        Ok(count)
    }

    /// Takes up to `most` spent checkouts that may still be open and are due, and lets them be due again at `again_at`.
    pub async fn claim_spent_checkouts(
        &self,
        now: i64,
        again_at: i64,
        most: i64,
    ) -> Result<Vec<SpentCheckout>, StoreError> {
        // Mostly there are none: then nothing waits for the right to write.
        let due = self
            .db
            .read(
                "SELECT id FROM pledges WHERE spent_at IS NOT NULL AND settled_at IS NULL AND expires_at > $1 \
                 AND stripe_session_id IS NOT NULL AND COALESCE(end_due_at, 0) <= $1 LIMIT 1",
            )
            .bind(now)
            .maybe::<(String,)>()
            .await?;
        if due.is_none() {
            return Ok(Vec::new());
        }
        self.db
            .write(
                "UPDATE pledges SET end_due_at = $1 WHERE spent_at IS NOT NULL AND settled_at IS NULL AND expires_at > $2 \
                 AND stripe_session_id IS NOT NULL AND COALESCE(end_due_at, 0) <= $2 AND id IN (\
                   SELECT id FROM pledges WHERE spent_at IS NOT NULL AND settled_at IS NULL AND expires_at > $2 \
                   AND stripe_session_id IS NOT NULL AND COALESCE(end_due_at, 0) <= $2 ORDER BY spent_at, id LIMIT $3) \
                 RETURNING id AS pledge_id, stripe_session_id AS session_id",
            )
            .bind(again_at)
            .bind(now)
            .bind(most)
            .all()
            .await
    }

    /// Asks for the end of a checkout no more: it is over at Stripe.
    pub async fn leave_spent_checkout(&self, pledge_id: &str) -> Result<(), StoreError> {
        let leave = "UPDATE pledges SET end_due_at = expires_at WHERE id = $1";
        self.db.write(leave).bind(pledge_id).run().await.map(|_| ())
    }

    /// How many checkouts are spent and not yet known to be over.
    pub async fn count_spent_checkouts(&self) -> Result<i64, StoreError> {
        let (count,) = self
            .db
            .read("SELECT COUNT(*) AS n FROM pledges WHERE spent_at IS NOT NULL AND settled_at IS NULL")
            .one::<(i64,)>()
            .await?;
        Ok(count)
    }

    /// Records that no checkout session was ever made for a pledge and that none will be.
    pub async fn give_up(&self, id: &PledgeId, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE pledges SET given_up_at = $1, status = 'expired', settled_at = $1 \
                 WHERE id = $2 AND stripe_session_id IS NULL AND status = 'open'",
            )
            .bind(now)
            .bind(id.as_str())
            .run()
            .await
            .map(|_| ())
    }
}
