//! What people of the newsroom have done at Stripe: a payment given back, a pledge ended.
//!
//! What is asked is stored, with its entry in the audit log, before Stripe is called; the call goes under keys derived from
//! the action, so that the same form sent twice, or again after the line was cut, is done once. Whether it came to pass is
//! said by Stripe's events alone. No transaction is open while Stripe is asked.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::action::{ActionKind, ActionState};
use crate::domain::pledge::PledgeStatus;
use crate::gateway::refund::RefundRequest;
use crate::gateway::subscription::When;
use crate::gateway::{CallError, Gateway};
use crate::id::{ActionId, PaymentId, PledgeId, Random};
use crate::store::{Action, NewAudit, Store, StoreError};

/// Digits by which a form is known from all others.
const FORM: usize = 32;

/// What acting needs.
#[derive(Clone, Debug)]
pub struct Acting {
    pub store: Store,
    pub gateway: Gateway,
    pub clock: Clock,
    pub random: Random,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    Refund { payment: PaymentId, amount_minor: i64 },
    End { pledge: PledgeId, when: When },
}

/// Who asks, why, and by which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    pub actor: String,
    pub reason: String,
    /// Drawn anew for each form that is shown.
    pub form: String,
}

/// Why it was not asked of Stripe. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such payment or pledge.
    #[error("there is no such thing")]
    Missing,
    /// Nothing of it can be given back, or it is over already.
    #[error("this cannot be done any more")]
    TooLate,
    /// So much is not left of the payment; how much is, in minor units.
    #[error("no more than {left_minor} minor units are left")]
    TooMuch { left_minor: i64 },
    /// The same form had asked for something else before.
    #[error("this form was used for something else")]
    Mismatch,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Acting {
    /// Does what is asked, once; answers how far it came, which is never farther than that Stripe took it.
    pub async fn act(&self, wish: Wish, asking: Asking) -> Result<Action, ActError> {
        // What was not drawn by us would make strangers' forms one.
        if asking.form.len() != FORM || !asking.form.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ActError::Mismatch);
        }
        let id = ActionId::derived(&format!("{}\n{}", asking.actor, asking.form));
        let action = match self.store.action(&id).await? {
            Some(known) => known,
            None => self.ask(id, &wish, asking).await?,
        };
        if !is_of(&action, &wish, &self.store).await? {
            return Err(ActError::Mismatch);
        }
        self.send(action).await
    }

    /// Sends an action once more of which nobody knows whether Stripe has it.
    pub async fn again(&self, id: &ActionId) -> Result<Action, ActError> {
        let action = self.store.action(id).await?.ok_or(ActError::Missing)?;
        self.send(action).await
    }

    /// Stores a new action with its entry in the audit log.
    async fn ask(&self, id: ActionId, wish: &Wish, asking: Asking) -> Result<Action, ActError> {
        let now = self.clock.now();
        let (kind, pledge_id, stripe_key, amount_minor, before) = match wish {
            Wish::Refund { payment, amount_minor } => {
                let known = self.store.listed_payment(payment).await?.ok_or(ActError::Missing)?;
                if known.status != "succeeded" || known.stripe_charge_id.is_none() {
                    return Err(ActError::TooLate);
                }
                let left_minor = known.money.amount_minor - known.refunded_minor;
                if left_minor <= 0 {
                    return Err(ActError::TooLate);
                }
                if !(1..=left_minor).contains(amount_minor) {
                    return Err(ActError::TooMuch { left_minor });
                }
                let before = json!({"payment": known.id, "refunded_minor": known.refunded_minor});
                let pledge = PledgeId::parse(&known.pledge_id).map_err(|_| ActError::Missing)?;
                (ActionKind::Refund, pledge, Some(known.stripe_key), Some(*amount_minor), before)
            }
            Wish::End { pledge, when } => {
                let known = self.store.story(pledge).await?.ok_or(ActError::Missing)?;
                let ends = known.subscription_id.is_some() && !is_over(known.status);
                if !ends || (*when == When::AtPeriodEnd && known.to_end) {
                    return Err(ActError::TooLate);
                }
                let before = json!({"status": known.status, "to_end": known.to_end});
                (kind_of(*when), pledge.clone(), None, None, before)
            }
        };
        let action = Action {
            id,
            kind,
            pledge_id,
            stripe_key,
            amount_minor,
            actor: asking.actor,
            reason: asking.reason,
            state: ActionState::Asked,
            attempt: 1,
            stripe_id: None,
            error: None,
            asked_at: now,
        };
        let mut tx = self.store.begin().await?;
        if tx.insert_action(&action).await? {
            let entry = NewAudit { reason: action.reason.clone(), before: before.to_string(), ..entry(&action) };
            tx.audit(entry, now, &self.random).await?;
        }
        tx.commit().await?;
        // Another request with the same form may have been faster, with something else in it.
        self.store.action(&action.id).await?.ok_or(ActError::Missing)
    }

    /// Calls Stripe where that was not answered yet.
    async fn send(&self, mut action: Action) -> Result<Action, ActError> {
        if action.state != ActionState::Asked {
            return Ok(action);
        }
        match self.call(&action).await? {
            Ok(stripe_id) => {
                action.state = ActionState::Sent;
                action.stripe_id = Some(stripe_id);
                action.error = None;
            }
            Err(CallError::Refused { code, .. }) => {
                action.state = ActionState::Refused;
                action.error = Some(code);
            }
            Err(error) => {
                // A stored failure would be replayed under the same key.
                let attempt = action.attempt + i64::from(matches!(error, CallError::Failed { .. }));
                self.store.doubt_action(&action.id, &error.to_string(), attempt).await?;
                action.error = Some(error.to_string());
                return Ok(action);
            }
        }
        let now = self.clock.now();
        self.store.answer_action(&action, entry(&action), now, &self.random).await?;
        // As it is stored: another request may have been faster.
        self.store.action(&action.id).await?.ok_or(ActError::Missing)
    }

    async fn call(&self, action: &Action) -> Result<Result<String, CallError>, ActError> {
        let Some(when) = when_of(action.kind) else { return self.refund(action).await };
        let story = self.store.story(&action.pledge_id).await?.ok_or(ActError::Missing)?;
        let subscription = story.subscription_id.ok_or(ActError::TooLate)?;
        let key = format!("{}-{}", action.id, action.attempt);
        Ok(self.gateway.end_subscription(&subscription, when, &key).await.map(|()| subscription))
    }

    async fn refund(&self, action: &Action) -> Result<Result<String, CallError>, ActError> {
        let (Some(key), Some(amount_minor)) = (&action.stripe_key, action.amount_minor) else {
            return Err(ActError::Missing);
        };
        let charge_id = self.store.charge_of(key).await?.ok_or(ActError::TooLate)?;
        if action.error.is_some() {
            // It may be there: Stripe remembers keys for a day only, and a new key would make a second one.
            match self.gateway.find_refund(&charge_id, action.id.as_str()).await {
                Ok(Some(found)) => return Ok(Ok(found)),
                Ok(None) => {}
                Err(error) => return Ok(Err(unsure(error))),
            }
        }
        let request =
            RefundRequest { action_id: action.id.to_string(), charge_id, amount_minor, attempt: action.attempt };
        Ok(self.gateway.refund(&request).await)
    }
}

/// Looking was refused: that says nothing of what was to be done.
fn unsure(error: CallError) -> CallError {
    match error {
        CallError::Refused { .. } => CallError::Unreadable,
        // No refund failed here, and the key stays.
        CallError::Failed { .. } => CallError::Cut,
        error => error,
    }
}

fn is_over(status: PledgeStatus) -> bool {
    matches!(status, PledgeStatus::Canceled | PledgeStatus::Expired | PledgeStatus::Failed)
}

fn kind_of(when: When) -> ActionKind {
    match when {
        When::Now => ActionKind::Cancel,
        When::AtPeriodEnd => ActionKind::CancelAtPeriodEnd,
    }
}

fn when_of(kind: ActionKind) -> Option<When> {
    match kind {
        ActionKind::Refund => None,
        ActionKind::Cancel => Some(When::Now),
        ActionKind::CancelAtPeriodEnd => Some(When::AtPeriodEnd),
    }
}

/// Whether a stored action is what is wished.
async fn is_of(action: &Action, wish: &Wish, store: &Store) -> Result<bool, StoreError> {
    Ok(match wish {
        Wish::End { pledge, when } => action.kind == kind_of(*when) && action.pledge_id == *pledge,
        Wish::Refund { payment, amount_minor } => {
            let payment = store.listed_payment(payment).await?;
            action.kind == ActionKind::Refund
                && action.amount_minor == Some(*amount_minor)
                && payment.is_some_and(|payment| Some(payment.stripe_key) == action.stripe_key)
        }
    })
}

/// What the audit log says of an action as it is.
fn entry(action: &Action) -> NewAudit {
    let verb = match (action.kind, action.state) {
        (ActionKind::Refund, ActionState::Asked) => "refund.asked",
        (ActionKind::Refund, ActionState::Sent) => "refund.sent",
        (ActionKind::Refund, ActionState::Refused) => "refund.refused",
        (_, ActionState::Asked) => "cancel.asked",
        (_, ActionState::Sent) => "cancel.sent",
        (_, ActionState::Refused) => "cancel.refused",
    };
    let after = json!({
        "action": action.id, "kind": action.kind, "payment": action.stripe_key, "amount_minor": action.amount_minor,
        "stripe": action.stripe_id, "error": action.error,
    });
    NewAudit {
        actor: action.actor.clone(),
        action: verb,
        subject: action.pledge_id.to_string(),
        after: after.to_string(),
        ..NewAudit::default()
    }
}
