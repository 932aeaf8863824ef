//! What people of the newsroom had done at Stripe.

use super::{NewAudit, Store, StoreError, Tx};
use crate::domain::action::{ActionKind, ActionState};
use crate::domain::pledge::Frequency;
use crate::id::{ActionId, PledgeId, Random};

/// An action, as it was asked for and as Stripe answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub id: ActionId,
    pub kind: ActionKind,
    pub pledge_id: PledgeId,
    /// The payment to be refunded: `in_…` or `pi_…`.
    pub stripe_key: Option<String>,
    /// What is to be given back, or each time from now on, in the currency of the pledge.
    pub amount_minor: Option<i64>,
    /// How often it is to be given.
    pub frequency: Option<Frequency>,
    /// When the pause is to end.
    pub resumes_at: Option<i64>,
    /// What was given each time before a change, and how often.
    pub before: Option<(i64, Frequency)>,
    /// `adm_…`, or the donor.
    pub actor: String,
    pub reason: String,
    pub state: ActionState,
    pub attempt: i64,
    /// What Stripe made or ended.
    pub stripe_id: Option<String>,
    pub error: Option<String>,
    pub asked_at: i64,
}

#[derive(sqlx::FromRow)]
struct ActionRow {
    id: String,
    kind: String,
    pledge_id: String,
    stripe_key: Option<String>,
    amount_minor: Option<i64>,
    frequency: Option<String>,
    resumes_at: Option<i64>,
    before_minor: Option<i64>,
    before_frequency: Option<String>,
    actor: String,
    reason: String,
    state: String,
    attempt: i64,
    stripe_id: Option<String>,
    error: Option<String>,
    asked_at: i64,
}

impl ActionRow {
    fn read(self) -> Result<Action, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "actions" };
        let read = |word: &str| Frequency::parse(word).ok_or(CORRUPT);
        let frequency = self.frequency.as_deref().map(read).transpose()?;
        let before = self.before_minor.zip(self.before_frequency.as_deref().map(read).transpose()?);
        Ok(Action {
            id: ActionId::parse(&self.id).map_err(|_| CORRUPT)?,
            kind: ActionKind::parse(&self.kind).ok_or(CORRUPT)?,
            pledge_id: PledgeId::parse(&self.pledge_id).map_err(|_| CORRUPT)?,
            state: ActionState::parse(&self.state).ok_or(CORRUPT)?,
            stripe_key: self.stripe_key,
            amount_minor: self.amount_minor,
            frequency,
            resumes_at: self.resumes_at,
            before,
            actor: self.actor,
            reason: self.reason,
            attempt: self.attempt,
            stripe_id: self.stripe_id,
            error: self.error,
            asked_at: self.asked_at,
        })
    }
}

impl Tx {
    /// Keeps what was asked, unless this was asked before; whether it was new.
    pub async fn insert_action(&mut self, action: &Action) -> Result<bool, StoreError> {
        let inserted = self
            .query(
                "INSERT INTO actions (id, kind, pledge_id, stripe_key, amount_minor, actor, reason, state, attempt, \
                 stripe_id, error, asked_at, frequency, resumes_at, before_minor, before_frequency) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(action.id.as_str())
            .bind(action.kind.as_str())
            .bind(action.pledge_id.as_str())
            .bind(action.stripe_key.clone())
            .bind(action.amount_minor)
            .bind(action.actor.as_str())
            .bind(action.reason.as_str())
            .bind(action.state.as_str())
            .bind(action.attempt)
            .bind(action.stripe_id.clone())
            .bind(action.error.clone())
            .bind(action.asked_at)
            .bind(action.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(action.resumes_at)
            .bind(action.before.map(|(amount_minor, _)| amount_minor))
            .bind(action.before.map(|(_, frequency)| frequency.as_str().to_owned()))
            .run()
            .await?;
        Ok(inserted == 1)
    }
}

impl Store {
    /// The action under `id`.
    pub async fn action(&self, id: &ActionId) -> Result<Option<Action>, StoreError> {
        let row: Option<ActionRow> = self
            .db
            .read(
                "SELECT id, kind, pledge_id, stripe_key, amount_minor, actor, reason, state, attempt, stripe_id, error, \
                 asked_at, frequency, resumes_at, before_minor, before_frequency FROM actions WHERE id = $1",
            )
            .bind(id.as_str())
            .maybe()
            .await?;
        row.map(ActionRow::read).transpose()
    }

    /// What was done about a pledge, the newest first, up to `most`.
    pub async fn actions_of(&self, pledge: &PledgeId, most: i64) -> Result<Vec<Action>, StoreError> {
        let rows: Vec<ActionRow> = self
            .db
            .read(
                "SELECT id, kind, pledge_id, stripe_key, amount_minor, actor, reason, state, attempt, stripe_id, error, \
                 asked_at, frequency, resumes_at, before_minor, before_frequency FROM actions WHERE pledge_id = $1 ORDER BY asked_at DESC, id LIMIT $2",
            )
            .bind(pledge.as_str())
            .bind(most)
            .all()
            .await?;
        rows.into_iter().map(ActionRow::read).collect()
    }

    /// Notes that Stripe took or refused an action, with an entry of the audit log; nothing if that is known already.
    pub async fn answer_action(
        &self,
        action: &Action,
        entry: NewAudit,
        now: i64,
        random: &Random,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let changed = tx
            .query(
                "UPDATE actions SET state = $1, stripe_id = $2, error = $3, answered_at = $4 \
                 WHERE id = $5 AND state = 'asked'",
            )
            .bind(action.state.as_str())
            .bind(action.stripe_id.clone())
            .bind(action.error.clone())
            .bind(now)
            .bind(action.id.as_str())
            .run()
            .await?;
        if changed == 1 {
            tx.audit(entry, now, random).await?;
        }
        tx.commit().await
    }

    /// Notes why it is not known whether Stripe took an action, and under which key it is asked the next time.
    pub async fn doubt_action(&self, id: &ActionId, error: &str, attempt: i64) -> Result<(), StoreError> {
        self.db
            .write("UPDATE actions SET error = $1, attempt = $2 WHERE id = $3 AND state = 'asked' AND attempt <= $2")
            .bind(error)
            .bind(attempt)
            .bind(id.as_str())
            .run()
            .await
            .map(|_| ())
    }
}
