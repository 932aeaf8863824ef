//! Donors are told that what they give has changed, with old and new, and a few days before it goes on after a pause.
//!
//! A change is told once Stripe's events show it; one that they never show is let be after a week.

use serde_json::json;

use super::letters::{Letter, Letters};
use super::notices::{Decided, NEWS, NoticeWorker, Told};
use crate::clock::DAY;
use crate::domain::action::{ActionKind, Standing};
use crate::domain::agreement::Agreement;
use crate::domain::email::{EmailKind, TRY_FOR};
use crate::service::later::LaterError;
use crate::store::{Action, BATCH, Recurring, StoreError};

/// How long before the end of a pause its donor is written to, in seconds.
const RESUME_NOTICE: i64 = 3 * DAY;

impl NoticeWorker {
    /// Looks once through what nobody was told of; how many rows it is done with.
    pub(super) async fn changes(&self, now: i64) -> Result<usize, LaterError> {
        let (store, most) = (&self.desk.store, i64::try_from(BATCH).unwrap_or(1));
        let (mut done, mut after) = (0, String::new());
        loop {
            let untold = store.untold_changes(now + RESUME_NOTICE, &after, most).await?;
            let Some(last) = untold.last() else { return Ok(done) };
            after = last.to_string();
            let mut letters = Letters::new(&self.desk)?;
            let mut decided = Decided::with_capacity(untold.len());
            for id in &untold {
                let Some(action) = store.action(id).await? else { continue };
                match (self.told(&action, now).await?, store.recipient(&action.pledge_id).await?) {
                    (Told::Later, Some(_)) => {}
                    (Told::By(letter), Some(to)) => {
                        decided.push((id.to_string(), letters.write(&to, letter, now).await?));
                    }
                    (Told::Not, _) | (_, None) => decided.push((id.to_string(), None)),
                }
            }
            done += store.tell_changes(decided, now).await?;
        }
    }

    async fn told(&self, action: &Action, now: i64) -> Result<Told, StoreError> {
        let known = self.desk.store.recurring(&action.pledge_id).await?;
        let Some((known, agreement)) = known.as_ref().and_then(|known| Some((known, known.agreement.as_ref()?))) else {
            // It is over: of that they are told.
            return Ok(Told::Not);
        };
        Ok(match action.kind {
            ActionKind::Pause => self.resumes(action, known, agreement, now),
            _ if known.standing(action) == Standing::Done => self.changed(action, known, agreement),
            _ if action.asked_at > now - NEWS => Told::Later,
            _ => Told::Not,
        })
    }

    fn changed(&self, action: &Action, known: &Recurring, agreement: &Agreement) -> Told {
        let Some((before_minor, before)) = action.before else { return Told::Not };
        let mut facts = given(known, agreement);
        let currency = known.currency.code();
        facts["before"] = json!({ "amount_minor": before_minor, "currency": currency, "frequency": before.as_str() });
        facts["next_on"] = json!(agreement.next_charge_at().map(|at| self.desk.day(at).to_string()));
        Told::By(letter(EmailKind::PledgeChanged, action, facts))
    }

    fn resumes(&self, action: &Action, known: &Recurring, agreement: &Agreement, now: i64) -> Told {
        let until = agreement.paused_until.filter(|until| agreement.paused && action.resumes_at == Some(*until));
        let Some(at) = until.filter(|until| *until > now).and_then(|_| agreement.next_charge_at()) else {
            return Told::Not;
        };
        let mut facts = given(known, agreement);
        facts["resumes_on"] = json!(self.desk.day(at).to_string());
        Told::By(letter(EmailKind::ResumeNotice, action, facts))
    }
}

fn given(known: &Recurring, agreement: &Agreement) -> serde_json::Value {
    let (amount_minor, frequency) = agreement.agreed();
    json!({ "amount_minor": amount_minor, "currency": known.currency.code(), "frequency": frequency.as_str() })
}

fn letter(kind: EmailKind, action: &Action, facts: serde_json::Value) -> Letter {
    let cause = format!("{}:{}", kind.as_str(), action.id);
    Letter { cause, kind, facts, stops: true, other: None, patience: TRY_FOR }
}
