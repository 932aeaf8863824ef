//! What a pledge's story is told from.

use super::{Store, StoreError};
use crate::domain::facts::{Fact, State};
use crate::domain::pledge::PledgeStatus;
use crate::domain::story::{Told, ToldDispute, ToldPayment, ToldRefund};
use crate::id::PledgeId;

/// Payments, refunds and versions that a story takes up, the newest: a monthly pledge of twenty years has fewer.
const MOST: i64 = 300;

/// A pledge and all that is told of it.
#[derive(Debug, Clone)]
pub struct PledgeStory {
    pub status: PledgeStatus,
    /// `sub_…`
    pub subscription_id: Option<String>,
    /// Whether the subscription is to end.
    pub to_end: bool,
    /// Whether it ended here and goes on at Stripe.
    pub runs_on: bool,
    pub told: Told,
    /// The payments of which something can be given back or is to be seen: id, key, what came and what went back.
    pub payments: Vec<StoryPayment>,
    /// Refunds by their ids, with how they stand.
    pub refunds: Vec<(String, String)>,
}

impl PledgeStory {
    /// Whether there is something at Stripe to end.
    pub fn endable(&self) -> bool {
        self.subscription_id.is_some() && (!self.status.is_over() || self.runs_on)
    }
}

/// A payment of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryPayment {
    pub id: String,
    pub status: String,
    pub amount_minor: i64,
    pub refunded_minor: i64,
    pub succeeded_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    status: String,
    created_at: i64,
    total_minor: i64,
    stripe_subscription_id: Option<String>,
    fact: Option<String>,
}

#[derive(sqlx::FromRow)]
struct PaymentRow {
    id: String,
    status: String,
    amount_minor: i64,
    succeeded_at: Option<i64>,
    refunded_minor: i64,
    fact: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RefundRow {
    stripe_refund_id: String,
    created_at: i64,
    amount_minor: i64,
    status: String,
    fact: Option<String>,
}

#[derive(sqlx::FromRow)]
struct DisputeRow {
    amount_minor: i64,
    withdrawn_at: Option<i64>,
    reinstated_at: Option<i64>,
    fact: Option<String>,
}

fn fact(text: Option<&String>) -> Option<Fact> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// What the story is told from, of rows that are there with the newest first.
fn told(
    head: &HeadRow,
    sessions: &[(String,)],
    payments: &[PaymentRow],
    refunds: &[RefundRow],
    disputes: &[DisputeRow],
    mut versions: Vec<(i64, String, String)>,
) -> Told {
    versions.reverse();
    let mut versions: Vec<(i64, String, Fact)> =
        versions.into_iter().filter_map(|(at, event, text)| Some((at, event, fact(Some(&text))?))).collect();
    // Within one second as their snapshots are ordered, not as their events are called.
    versions.sort_by_key(|(at, _, fact)| (*at, fact.snapshot.grade, fact.snapshot.step, fact.snapshot.rank));
    Told {
        made_at: head.created_at,
        amount_minor: head.total_minor,
        sessions: sessions.iter().filter_map(|(text,)| fact(Some(text))).collect(),
        payments: payments
            .iter()
            .map(|row| ToldPayment {
                amount_minor: row.amount_minor,
                succeeded_at: row.succeeded_at,
                fact: fact(row.fact.as_ref()),
            })
            .collect(),
        refunds: refunds
            .iter()
            .map(|row| ToldRefund {
                at: row.created_at,
                amount_minor: row.amount_minor,
                status: row.status.clone(),
                fact: fact(row.fact.as_ref()),
            })
            .collect(),
        disputes: disputes
            .iter()
            .map(|row| ToldDispute {
                amount_minor: row.amount_minor,
                withdrawn_at: row.withdrawn_at,
                reinstated_at: row.reinstated_at,
                fact: fact(row.fact.as_ref()),
            })
            .collect(),
        versions,
    }
}

impl Store {
    /// All that is told of a pledge, if there is such a one.
    pub async fn story(&self, id: &PledgeId) -> Result<Option<PledgeStory>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let head: Option<HeadRow> = tx
            .query(
                "SELECT g.status, g.created_at, g.total_minor, g.stripe_subscription_id, o.fact FROM pledges g \
                 LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id WHERE g.id = $1",
            )
            .bind(id.as_str())
            .maybe()
            .await?;
        let Some(head) = head else { return Ok(None) };
        let sessions: Vec<(String,)> = tx
            .query("SELECT fact FROM stripe_objects WHERE pledge_id = $1 AND kind = 'checkout_session' LIMIT $2")
            .bind(id.as_str())
            .bind(MOST)
            .all()
            .await?;
        let payments: Vec<PaymentRow> = tx
            .query(
                "SELECT y.id, y.status, y.amount_minor, y.succeeded_at, o.fact, \
                 (SELECT CAST(COALESCE(SUM(r.counted_minor), 0) AS BIGINT) FROM refunds r \
                   WHERE r.stripe_key = y.stripe_key) AS refunded_minor \
                 FROM payments y LEFT JOIN stripe_objects o ON o.object_id = y.stripe_key WHERE y.pledge_id = $1 \
                 ORDER BY COALESCE(y.succeeded_at, o.updated_at, 0) DESC, y.id LIMIT $2",
            )
            .bind(id.as_str())
            .bind(MOST)
            .all()
            .await?;
        let refunds: Vec<RefundRow> = tx
            .query(
                "SELECT r.stripe_refund_id, r.created_at, r.amount_minor, r.status, o.fact FROM payments y \
                 JOIN refunds r ON r.stripe_key = y.stripe_key \
                 LEFT JOIN stripe_objects o ON o.object_id = r.stripe_refund_id WHERE y.pledge_id = $1 \
                 ORDER BY r.created_at DESC, r.stripe_refund_id LIMIT $2",
            )
            .bind(id.as_str())
            .bind(MOST)
            .all()
            .await?;
        let disputes: Vec<DisputeRow> = tx
            .query(
                "SELECT d.amount_minor, d.withdrawn_at, d.reinstated_at, o.fact FROM payments y \
                 JOIN disputes d ON d.stripe_key = y.stripe_key \
                 LEFT JOIN stripe_objects o ON o.object_id = d.stripe_dispute_id WHERE y.pledge_id = $1 LIMIT $2",
            )
            .bind(id.as_str())
            .bind(MOST)
            .all()
            .await?;
        let versions: Vec<(i64, String, String)> = tx
            .query(
                "SELECT at, event_id, fact FROM subscription_versions WHERE stripe_subscription_id = $1 \
                 ORDER BY at DESC, event_id DESC LIMIT $2",
            )
            .bind(head.stripe_subscription_id.clone().unwrap_or_default())
            .bind(MOST)
            .all()
            .await?;
        let runs_on = tx.runs_on(head.stripe_subscription_id.as_deref()).await?;
        tx.rollback().await?;
        let told = told(&head, &sessions, &payments, &refunds, &disputes, versions);
        let to_end = fact(head.fact.as_ref()).is_some_and(|fact| {
            matches!(fact.state, State::Subscription { cancel_at_period_end, cancel_at, .. }
                if cancel_at_period_end || cancel_at.is_some())
        });
        let story_payment = |row: PaymentRow| StoryPayment {
            id: row.id,
            status: row.status,
            amount_minor: row.amount_minor,
            refunded_minor: row.refunded_minor,
            succeeded_at: row.succeeded_at,
        };
        Ok(Some(PledgeStory {
            status: PledgeStatus::parse(&head.status).ok_or(StoreError::Corrupt { what: "pledges.status" })?,
            subscription_id: head.stripe_subscription_id,
            to_end,
            runs_on,
            told,
            payments: payments.into_iter().map(story_payment).collect(),
            refunds: refunds.into_iter().map(|row| (row.stripe_refund_id, row.status)).collect(),
        }))
    }
}
