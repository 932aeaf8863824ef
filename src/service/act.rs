//! What people of the newsroom have done at Stripe: a payment given back, a pledge ended.
//!
//! What is asked is stored, with its entry in the audit log, before Stripe is called; the call goes under keys derived from
//! the action, so that the same form sent twice, or again after the line was cut, is done once. Whether it came to pass is
//! said by Stripe's events alone. No transaction is open while Stripe is asked.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::action::{ActionKind, ActionState, DONOR, reason};
use crate::domain::agreement::{MAX_PAUSE_MONTHS, may_pause_until};
use crate::domain::campaign::Misfit;
use crate::domain::money::Money;
use crate::domain::pledge::Frequency;
use crate::gateway::refund::RefundRequest;
use crate::gateway::schedule::Later;
use crate::gateway::subscription::When;
use crate::gateway::{CallError, Gateway};
use crate::id::{ActionId, PaymentId, PledgeId, Random};
use crate::store::{Action, NewAudit, Recurring, Store, StoreError};

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
    Refund {
        payment: PaymentId,
        amount_minor: i64,
    },
    End {
        pledge: PledgeId,
        when: When,
    },
    /// Another amount from the next charge on.
    ChangeAmount {
        pledge: PledgeId,
        amount_minor: i64,
    },
    /// Another interval from the next charge on, with the same amount.
    ChangeFrequency {
        pledge: PledgeId,
        frequency: Frequency,
    },
    /// Nothing is charged before this moment.
    Pause {
        pledge: PledgeId,
        until: i64,
    },
    Resume {
        pledge: PledgeId,
    },
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
    /// The campaign takes no such amount.
    #[error("the campaign takes from {min} to {max}")]
    Amount { misfit: Misfit, min: Money, max: Money },
    /// The campaign has no gifts of this interval in this currency.
    #[error("the campaign does not offer this")]
    NotOffered,
    /// The pause would end in the past, or too far away.
    #[error("a pause ends in the future and within {MAX_PAUSE_MONTHS} months")]
    Date,
    /// It is so already.
    #[error("it is so already")]
    Unchanged,
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
        // Of the newsroom nobody acts without saying why.
        if asking.actor != DONOR && reason(&asking.reason).is_none() {
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
        let mut action = Action {
            id,
            kind: ActionKind::Resume,
            pledge_id: pledge_of(wish).cloned().unwrap_or_else(|| PledgeId::new(&self.random)),
            stripe_key: None,
            amount_minor: None,
            frequency: None,
            resumes_at: None,
            before: None,
            actor: asking.actor,
            reason: asking.reason,
            state: ActionState::Asked,
            attempt: 1,
            stripe_id: None,
            error: None,
            asked_at: now,
        };
        let before = match wish {
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
                (action.kind, action.pledge_id) = (ActionKind::Refund, pledge);
                (action.stripe_key, action.amount_minor) = (Some(known.stripe_key), Some(*amount_minor));
                before
            }
            Wish::End { pledge, when } => {
                let known = self.store.story(pledge).await?.ok_or(ActError::Missing)?;
                let ends = known.endable();
                if !ends || (*when == When::AtPeriodEnd && known.to_end) {
                    return Err(ActError::TooLate);
                }
                action.kind = kind_of(*when);
                json!({"status": known.status, "to_end": known.to_end})
            }
            change => self.read_change(change, &mut action).await?,
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
        if action.kind == ActionKind::Refund {
            return self.refund(action).await;
        }
        let known = self.store.recurring(&action.pledge_id).await?.ok_or(ActError::TooLate)?;
        let (id, key) = (known.subscription_id, format!("{}-{}", action.id, action.attempt));
        let done = match (action.kind, action.amount_minor, action.frequency, action.resumes_at) {
            (ActionKind::ChangeAmount, Some(amount_minor), ..) => {
                self.gateway.change_amount(&id, amount_minor, &key).await
            }
            (ActionKind::ChangeFrequency, Some(amount_minor), Some(frequency), _) => {
                self.gateway.change_frequency(&id, Later { amount_minor, frequency }, &key).await
            }
            (ActionKind::Pause, .., Some(until)) => self.gateway.pause(&id, until, &key).await,
            (ActionKind::Resume, ..) => self.gateway.resume(&id, &key).await,
            (ActionKind::Cancel, ..) => self.gateway.end_subscription(&id, When::Now, &key).await,
            (ActionKind::CancelAtPeriodEnd, ..) => self.gateway.end_subscription(&id, When::AtPeriodEnd, &key).await,
            _ => return Err(ActError::Missing),
        };
        Ok(done.map(|()| id))
    }

    /// What is to become of a recurring pledge, held against what it is and what its campaign offers; answers how it was.
    async fn read_change(&self, wish: &Wish, action: &mut Action) -> Result<serde_json::Value, ActError> {
        let known = self.store.recurring(&action.pledge_id).await?.ok_or(ActError::Missing)?;
        let agreement = known.agreement.as_ref().ok_or(ActError::TooLate)?;
        let (amount, frequency) = agreement.agreed();
        action.before = Some((amount, frequency));
        match wish {
            Wish::ChangeAmount { amount_minor, .. } => {
                self.offered(&known, frequency, *amount_minor).await?;
                (action.kind, action.amount_minor) = (ActionKind::ChangeAmount, Some(*amount_minor));
            }
            Wish::ChangeFrequency { frequency, .. } => {
                if agreement.ends_at.is_some() {
                    return Err(ActError::TooLate);
                }
                self.offered(&known, *frequency, amount).await?;
                action.kind = ActionKind::ChangeFrequency;
                (action.amount_minor, action.frequency) = (Some(amount), Some(*frequency));
            }
            Wish::Pause { until, .. } => {
                if !may_pause_until(*until, self.clock.now()) {
                    return Err(ActError::Date);
                }
                (action.kind, action.resumes_at) = (ActionKind::Pause, Some(*until));
            }
            Wish::Resume { .. } => action.kind = ActionKind::Resume,
            Wish::Refund { .. } | Wish::End { .. } => return Err(ActError::Mismatch),
        }
        if agreement.shows(action.kind, action.amount_minor, action.frequency, action.resumes_at) {
            return Err(ActError::Unchanged);
        }
        Ok(json!({
            "amount_minor": amount, "frequency": frequency, "paused": agreement.paused,
            "resumes_at": agreement.paused_until,
        }))
    }

    /// Whether the campaign takes such a gift.
    async fn offered(&self, known: &Recurring, frequency: Frequency, amount_minor: i64) -> Result<(), ActError> {
        let campaign = self.store.campaign(&known.campaign).await?.ok_or(ActError::NotOffered)?;
        let offer = campaign.offer(known.currency, frequency).filter(|_| frequency.recurs());
        let offer = offer.ok_or(ActError::NotOffered)?;
        match offer.misfit(amount_minor) {
            Some(misfit) => Err(ActError::Amount { misfit, min: offer.min(), max: offer.max() }),
            None => Ok(()),
        }
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

fn kind_of(when: When) -> ActionKind {
    match when {
        When::Now => ActionKind::Cancel,
        When::AtPeriodEnd => ActionKind::CancelAtPeriodEnd,
    }
}

/// The pledge that is named.
fn pledge_of(wish: &Wish) -> Option<&PledgeId> {
    match wish {
        Wish::Refund { .. } => None,
        Wish::End { pledge, .. }
        | Wish::ChangeAmount { pledge, .. }
        | Wish::ChangeFrequency { pledge, .. }
        | Wish::Pause { pledge, .. }
        | Wish::Resume { pledge } => Some(pledge),
    }
}

/// Whether a stored action is what is wished.
async fn is_of(action: &Action, wish: &Wish, store: &Store) -> Result<bool, StoreError> {
    if pledge_of(wish).is_some_and(|pledge| *pledge != action.pledge_id) {
        return Ok(false);
    }
    Ok(match wish {
        Wish::End { when, .. } => action.kind == kind_of(*when),
        Wish::ChangeAmount { amount_minor, .. } => {
            action.kind == ActionKind::ChangeAmount && action.amount_minor == Some(*amount_minor)
        }
        Wish::ChangeFrequency { frequency, .. } => {
            action.kind == ActionKind::ChangeFrequency && action.frequency == Some(*frequency)
        }
        Wish::Pause { until, .. } => action.kind == ActionKind::Pause && action.resumes_at == Some(*until),
        Wish::Resume { .. } => action.kind == ActionKind::Resume,
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
        (ActionKind::Cancel | ActionKind::CancelAtPeriodEnd, ActionState::Asked) => "cancel.asked",
        (ActionKind::Cancel | ActionKind::CancelAtPeriodEnd, ActionState::Sent) => "cancel.sent",
        (ActionKind::Cancel | ActionKind::CancelAtPeriodEnd, ActionState::Refused) => "cancel.refused",
        (_, ActionState::Asked) => "change.asked",
        (_, ActionState::Sent) => "change.sent",
        (_, ActionState::Refused) => "change.refused",
    };
    let after = json!({
        "action": action.id, "kind": action.kind, "payment": action.stripe_key, "amount_minor": action.amount_minor,
        "frequency": action.frequency, "resumes_at": action.resumes_at, "stripe": action.stripe_id, "error": action.error,
    });
    NewAudit {
        actor: action.actor.clone(),
        action: verb,
        subject: action.pledge_id.to_string(),
        after: after.to_string(),
        ..NewAudit::default()
    }
}
