//! What donors are to be told: payments that failed, pledges that ended, refunds, and renewals to come.

use super::{NewEmail, Store, StoreError};
use crate::domain::facts::{Fact, State};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;

/// What a donor is told once it is in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    PaymentFailed,
    PledgeEnded,
    Refund,
}

impl Notice {
    pub const ALL: [Self; 3] = [Self::PaymentFailed, Self::PledgeEnded, Self::Refund];

    /// Rows nobody was told of: those older than `$1`, which nobody will be, and those not newer than `$2` that are news
    /// to a donor we know; in the order of their keys, after `$3`. Whatever is neither yet may become so by what Stripe
    /// still has to say.
    fn untold(self) -> &'static str {
        match self {
            // An attempt on the checkout's own page was seen to fail; only what fails once that is over is news. The
            // intent is the one that pays the invoice, or the payment itself.
            Self::PaymentFailed => {
                "SELECT y.stripe_key AS row_key, COALESCE(o.updated_at, g.created_at) AS news_at, \
                 COALESCE(o.updated_at, g.created_at) AS happened_at, y.amount_minor, y.currency, g.id AS pledge_id, g.frequency, g.campaign, \
                 g.locale, d.id AS donor_id, d.email_sealed, i.object_id, i.fact \
                 FROM payments y JOIN pledges g ON g.id = y.pledge_id LEFT JOIN donors d ON d.id = g.donor_id AND d.address_gone_at IS NULL \
                 LEFT JOIN stripe_objects o ON o.object_id = y.stripe_key \
                 LEFT JOIN stripe_objects i ON i.object_id = COALESCE((SELECT MIN(p.object_id) FROM stripe_objects p \
                   WHERE p.invoice_id = y.stripe_key AND p.kind = 'payment_intent'), y.stripe_key) \
                 WHERE y.status = 'failed' AND y.failure_told_at IS NULL AND y.stripe_key > $3 \
                 AND (COALESCE(o.updated_at, g.created_at) <= $1 OR (COALESCE(o.updated_at, g.created_at) <= $2 \
                 AND d.id IS NOT NULL AND ((g.frequency = 'once' AND g.status = 'failed') \
                 OR (g.frequency <> 'once' AND g.status IN ('processing', 'active', 'past_due'))))) \
                 ORDER BY y.stripe_key LIMIT $4"
            }
            // What never brought money was not begun.
            Self::PledgeEnded => {
                "SELECT g.id AS row_key, g.ended_at AS news_at, g.ended_at AS happened_at, g.total_minor AS amount_minor, \
                 g.currency, g.id AS pledge_id, g.frequency, g.campaign, g.locale, d.id AS donor_id, d.email_sealed, o.object_id, o.fact \
                 FROM pledges g LEFT JOIN donors d ON d.id = g.donor_id AND d.address_gone_at IS NULL \
                 LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 WHERE g.ended_at IS NOT NULL AND g.end_told_at IS NULL AND g.id > $3 \
                 AND (g.ended_at <= $1 OR (g.ended_at <= $2 AND d.id IS NOT NULL AND g.frequency <> 'once' AND g.status = 'canceled' AND g.paid_at IS NOT NULL)) \
                 ORDER BY g.id LIMIT $4"
            }
            // What only its charge tells of yet has no object of its own, and is waited for.
            Self::Refund => {
                "SELECT r.stripe_refund_id AS row_key, COALESCE(o.updated_at, r.created_at) AS news_at, \
                 r.created_at AS happened_at, r.amount_minor, r.currency, g.id AS pledge_id, g.frequency, g.campaign, g.locale, \
                 d.id AS donor_id, d.email_sealed, o.object_id, o.fact \
                 FROM refunds r JOIN payments y ON y.stripe_key = r.stripe_key JOIN pledges g ON g.id = y.pledge_id \
                 LEFT JOIN donors d ON d.id = g.donor_id AND d.address_gone_at IS NULL \
                 LEFT JOIN stripe_objects o ON o.object_id = r.stripe_refund_id AND o.kind = 'refund' \
                 WHERE r.status = 'succeeded' AND r.told_at IS NULL AND r.stripe_refund_id > $3 \
                 AND (COALESCE(o.updated_at, r.created_at) <= $1 OR (o.updated_at <= $2 AND d.id IS NOT NULL)) ORDER BY r.stripe_refund_id LIMIT $4"
            }
        }
    }

    /// Notes that rows were told of, and answers which of them still were as they are told.
    fn told(self) -> &'static str {
        match self {
            Self::PaymentFailed => {
                "UPDATE payments SET failure_told_at = ? WHERE failure_told_at IS NULL AND status = 'failed' \
                 AND stripe_key IN {?} RETURNING stripe_key"
            }
            Self::PledgeEnded => {
                "UPDATE pledges SET end_told_at = ? WHERE end_told_at IS NULL AND ended_at IS NOT NULL AND id IN {?} \
                 RETURNING id"
            }
            Self::Refund => {
                "UPDATE refunds SET told_at = ? WHERE told_at IS NULL AND status = 'succeeded' \
                 AND stripe_refund_id IN {?} RETURNING stripe_refund_id"
            }
        }
    }
}

/// A donor to be written to about a pledge.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// `plg_…`
    pub pledge_id: String,
    pub campaign: String,
    /// Of the checkout page.
    pub locale: Option<String>,
    pub donor_id: String,
    /// Sealed for `donors`, `email_sealed`, its id.
    pub email_sealed: Vec<u8>,
}

/// Something nobody was told of yet.
#[derive(Debug, Clone)]
pub struct Untold {
    /// Of its row: a payment's key, a pledge's id, a refund's id.
    pub key: String,
    /// Stripe's time of what was last said about it.
    pub news_at: i64,
    /// When it came to pass.
    pub happened_at: i64,
    /// None where what is recorded is no money we can write.
    pub money: Option<Money>,
    pub frequency: Frequency,
    /// None while the donor is not known, or no more.
    pub recipient: Option<Recipient>,
    /// The object at Stripe that knows more, by its id, and what was last heard of it.
    pub object: Option<(String, State)>,
}

/// An annual pledge that may renew.
#[derive(Debug, Clone)]
pub struct Renewal {
    pub pledge_id: String,
    pub recipient: Recipient,
    /// Its subscription as last heard of; none where what is recorded cannot be read.
    pub subscription: Option<State>,
    /// The renewal its donor was last told of.
    pub told_for: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct UntoldRow {
    row_key: String,
    news_at: i64,
    happened_at: i64,
    amount_minor: i64,
    currency: String,
    pledge_id: String,
    frequency: String,
    campaign: String,
    locale: Option<String>,
    donor_id: Option<String>,
    email_sealed: Option<Vec<u8>>,
    object_id: Option<String>,
    fact: Option<String>,
}

impl UntoldRow {
    fn read(self) -> Result<Untold, StoreError> {
        let currency = Currency::recorded(&self.currency).ok();
        let (pledge_id, campaign, locale) = (self.pledge_id, self.campaign, self.locale);
        Ok(Untold {
            key: self.row_key,
            news_at: self.news_at,
            happened_at: self.happened_at,
            money: currency.map(|currency| Money::new(self.amount_minor, currency)),
            frequency: Frequency::parse(&self.frequency).ok_or(StoreError::Corrupt { what: "pledges.frequency" })?,
            recipient: self.donor_id.zip(self.email_sealed).map(|(donor_id, email_sealed)| Recipient {
                pledge_id,
                campaign,
                locale,
                donor_id,
                email_sealed,
            }),
            object: self.object_id.zip(self.fact.as_deref().and_then(state)),
        })
    }
}

#[derive(sqlx::FromRow)]
struct RenewalRow {
    id: String,
    campaign: String,
    locale: Option<String>,
    donor_id: String,
    email_sealed: Vec<u8>,
    fact: String,
    renewal_told_for: Option<i64>,
}

impl RenewalRow {
    fn read(self) -> Renewal {
        Renewal {
            recipient: Recipient {
                pledge_id: self.id.clone(),
                campaign: self.campaign,
                locale: self.locale,
                donor_id: self.donor_id,
                email_sealed: self.email_sealed,
            },
            pledge_id: self.id,
            subscription: state(&self.fact),
            told_for: self.renewal_told_for,
        }
    }
}

fn state(fact: &str) -> Option<State> {
    serde_json::from_str(fact).ok().map(|fact: Fact| fact.state)
}

impl Store {
    /// What nobody was told of: all that is older than `since`, and what is not newer than `until` and can be told; up to
    /// `most` after the row of this key.
    pub async fn untold_after(
        &self,
        key: &str,
        notice: Notice,
        since: i64,
        until: i64,
        most: i64,
    ) -> Result<Vec<Untold>, StoreError> {
        let query = self.db.read(notice.untold()).bind(since).bind(until).bind(key).bind(most);
        query.all::<UntoldRow>().await?.into_iter().map(UntoldRow::read).collect()
    }

    /// Puts mails into the outbox and notes that the rows of these keys were told of, with or without one; what has changed
    /// meanwhile, or was told of by another worker, is left alone. Returns how many were noted.
    pub async fn tell(
        &self,
        notice: Notice,
        told: Vec<(String, Option<NewEmail>)>,
        now: i64,
    ) -> Result<usize, StoreError> {
        let keys: Vec<String> = told.iter().map(|(key, _)| key.clone()).collect();
        let mut tx = self.db.begin().await?;
        let noted: Vec<(String,)> = tx.keyed(notice.told()).bind(now).keys(&keys).all().await?;
        let still = |key: &String| noted.iter().any(|(noted,)| noted == key);
        let emails: Vec<NewEmail> =
            told.into_iter().filter(|(key, _)| still(key)).filter_map(|(_, email)| email).collect();
        tx.put_emails(&emails).await?;
        tx.commit().await?;
        Ok(noted.len())
    }

    /// Annual pledges that give and whose donors are known: up to `most` after the pledge `id`.
    pub async fn renewals_after(&self, id: &str, most: i64) -> Result<Vec<Renewal>, StoreError> {
        let rows: Vec<RenewalRow> = self
            .db
            .read(
                "SELECT g.id, g.campaign, g.locale, d.id AS donor_id, d.email_sealed, o.fact, \
                 g.renewal_told_for FROM pledges g JOIN donors d ON d.id = g.donor_id AND d.address_gone_at IS NULL \
                 JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 WHERE (g.frequency = 'annual' OR g.id IN (SELECT a.pledge_id FROM actions a WHERE a.kind = 'change_frequency')) AND g.status = 'active' AND g.id > $1 ORDER BY g.id LIMIT $2",
            )
            .bind(id)
            .bind(most)
            .all()
            .await?;
        Ok(rows.into_iter().map(RenewalRow::read).collect())
    }

    /// Puts mails about renewals into the outbox and notes of which renewal of which pledge they tell.
    pub async fn tell_of_renewals(&self, emails: &[NewEmail], told: &[(String, i64)]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.put_emails(emails).await?;
        tx.batch(
            "UPDATE pledges SET renewal_told_for = said.column2 \
             FROM (VALUES {(CAST(? AS TEXT), CAST(? AS BIGINT))}) AS said WHERE pledges.id = said.column1",
            told,
            |query, (pledge, renewal)| query.bind(pledge.clone()).bind(*renewal),
        )
        .await?;
        tx.commit().await
    }
}
