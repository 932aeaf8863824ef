//! What donors are told besides receipts: a payment that failed, a pledge that ended, a refund, a renewal to come.
//!
//! As with receipts it looks at the books and not at events, and a row is marked in the transaction that puts its mail
//! down. What only Stripe knows (a bank's reason, the page to pay) is asked when the mail is made, outside of any
//! transaction, and kept in the mail alone. It must not run where no mail is sent.

use serde_json::json;

use super::letters::{Letter, Letters};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::domain::email::{EmailKind, TRY_FOR};
use crate::domain::facts::State;
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;
use crate::gateway::reasons::{Failure, NOT_SAID, Standing, is_on_its_way};
use crate::gateway::{CallError, Gateway};
use crate::id::PledgeId;
use crate::service::later::{Desk, LaterError};
use crate::store::{BATCH, NewEmail, Notice, Renewal, StoreError, Untold};

/// Seconds after something came to pass until its donor is written to: what Stripe says about it comes in several events.
const SETTLES: i64 = MINUTE;
/// Nobody is told of what is older than this, in seconds: after an outage of a week, or where mail is begun to be sent on
/// books of years, it would only puzzle.
pub(super) const NEWS: i64 = 7 * DAY;
/// How often, in seconds, all annual pledges are looked through.
pub const RENEWALS_EVERY: i64 = HOUR;

/// Puts notices to donors into the outbox.
#[derive(Clone, Debug)]
pub struct NoticeWorker {
    pub desk: Desk,
    pub gateway: Gateway,
    /// How many days before an annual renewal its donor is written to; 0: never.
    pub renewal_notice_days: i64,
}

/// Whether a donor is told.
pub(super) enum Told {
    By(Letter),
    /// There is nothing to tell, for good.
    Not,
    /// It is looked at again later.
    Later,
}

/// Rows by their keys, each with its mail if there is one.
pub(super) type Decided = Vec<(String, Option<NewEmail>)>;

impl NoticeWorker {
    /// Looks once through all that nobody was told of, but for renewals, and returns how many rows it is done with. What
    /// has to be looked at again stands in nobody's way.
    pub async fn run_once(&self) -> Result<usize, LaterError> {
        let (now, most) = (self.desk.clock.now(), i64::try_from(BATCH).unwrap_or(1));
        let mut done = 0;
        for notice in Notice::ALL {
            let mut after = String::new();
            loop {
                let untold = self.desk.store.untold_after(&after, notice, now - NEWS, now - SETTLES, most).await?;
                let Some(last) = untold.last() else { break };
                after.clone_from(&last.key);
                let (told, answers) = self.letters(notice, &untold, now).await?;
                done += self.desk.store.tell(notice, told, now).await?;
                if !answers {
                    break;
                }
            }
        }
        Ok(done + self.changes(now).await?)
    }

    /// The mails about these rows, as far as they are decided, and whether Stripe answers.
    async fn letters(&self, notice: Notice, untold: &[Untold], now: i64) -> Result<(Decided, bool), LaterError> {
        let mut letters = Letters::new(&self.desk)?;
        let mut decided = Decided::with_capacity(untold.len());
        for row in untold {
            let frequency = self.present(row).await?;
            match (self.letter(notice, row, frequency, now).await, &row.recipient) {
                (Ok(Told::By(letter)), Some(recipient)) => {
                    decided.push((row.key.clone(), letters.write(recipient, letter, now).await?));
                }
                (Ok(Told::By(_) | Told::Not), _) => decided.push((row.key.clone(), None)),
                (Ok(Told::Later), _) => {}
                (Err(error), _) => {
                    tracing::warn!(about = row.key, %error, "Stripe could not be asked what to tell a donor; trying again");
                    if error.may_be_repeated() {
                        // It is out of reach: the others would only wait for it, one after the other.
                        return Ok((decided, false));
                    }
                }
            }
        }
        Ok((decided, true))
    }

    /// How often is given now, which may be another than was chosen at first.
    async fn present(&self, row: &Untold) -> Result<Frequency, LaterError> {
        if let Some((_, State::Subscription { interval: Some(each), .. })) = &row.object {
            return Ok(Frequency::of_interval(each).unwrap_or(row.frequency));
        }
        let pledge = row.recipient.as_ref().and_then(|recipient| PledgeId::parse(&recipient.pledge_id).ok());
        let Some(pledge) = pledge.filter(|_| row.frequency.recurs()) else { return Ok(row.frequency) };
        let agreement = self.desk.store.recurring(&pledge).await?.and_then(|known| known.agreement);
        Ok(agreement.map_or(row.frequency, |agreement| agreement.frequency))
    }

    async fn letter(&self, notice: Notice, row: &Untold, frequency: Frequency, now: i64) -> Result<Told, CallError> {
        let Some(money) = row.money.filter(|_| row.recipient.is_some() && row.news_at > now - NEWS) else {
            return Ok(Told::Not);
        };
        let on = self.desk.day(row.happened_at).to_string();
        let frequency = frequency.as_str();
        let (kind, money, mut facts) = match notice {
            Notice::PaymentFailed => match self.failure(row).await? {
                Standing::Failed(Failure { reason, next_try_at, pay_url }) => {
                    let next_try_on = next_try_at.filter(|at| *at > now).map(|at| self.desk.day(at).to_string());
                    let facts = json!({ "frequency": frequency, "reason": reason, "next_try_on": next_try_on, "pay_url": pay_url });
                    (EmailKind::PaymentFailed, money, facts)
                }
                Standing::OnItsWay => return Ok(Told::Later),
                Standing::Over => return Ok(Told::Not),
            },
            Notice::PledgeEnded => {
                let (why, agreed) = match &row.object {
                    Some((id, state)) => (self.gateway.end_reason(id).await?, agreed(state)),
                    None => (NOT_SAID, None),
                };
                let facts = json!({ "frequency": frequency, "ended_on": on, "why": why });
                (EmailKind::PledgeEnded, agreed.unwrap_or(money), facts)
            }
            Notice::Refund => (EmailKind::Refund, money, json!({ "refunded_on": on })),
        };
        facts["amount_minor"] = json!(money.amount_minor);
        facts["currency"] = json!(money.currency.code());
        let cause = format!("{}:{}", kind.as_str(), row.key);
        let stops = row.frequency != Frequency::Once && kind != EmailKind::PledgeEnded;
        Ok(Told::By(Letter { cause, kind, facts, stops, other: None, patience: TRY_FOR }))
    }

    /// How a payment that the books call failed stands. One that is tried anew may have failed before: it is waited for
    /// without asking.
    async fn failure(&self, row: &Untold) -> Result<Standing, CallError> {
        let intent = match &row.object {
            Some((id, State::PaymentIntent { status, .. })) => Some((id.as_str(), status.as_str())),
            _ => None,
        };
        if intent.is_some_and(|(_, status)| is_on_its_way(status)) {
            return Ok(Standing::OnItsWay);
        }
        self.gateway.failure(&row.key, intent.map(|(id, _)| id)).await
    }

    /// Looks through all annual pledges once, and returns how many donors are told of a renewal.
    pub async fn tell_of_renewals(&self) -> Result<usize, LaterError> {
        let (now, most) = (self.desk.clock.now(), i64::try_from(BATCH).unwrap_or(1));
        let (mut after, mut told) = (String::new(), 0);
        if self.renewal_notice_days == 0 {
            return Ok(told);
        }
        loop {
            let pledges = self.desk.store.renewals_after(&after, most).await?;
            let Some(last) = pledges.last() else { break };
            after.clone_from(&last.pledge_id);
            told += self.tell_of_these(&pledges, now).await?;
        }
        Ok(told)
    }

    async fn tell_of_these(&self, pledges: &[Renewal], now: i64) -> Result<usize, LaterError> {
        let mut due = Vec::new();
        for pledge in pledges {
            due.extend(self.renewal(pledge, now).await?.map(|renewal| (pledge, renewal)));
        }
        if due.is_empty() {
            return Ok(0);
        }
        let mut letters = Letters::new(&self.desk)?;
        let (mut emails, mut told) = (Vec::new(), Vec::new());
        for (pledge, (at, money)) in due {
            let charged_on = self.desk.day(at).to_string();
            let letter = Letter {
                cause: format!("renewal_notice:{}:{charged_on}", pledge.pledge_id),
                kind: EmailKind::RenewalNotice,
                facts: json!({
                    "amount_minor": money.amount_minor, "currency": money.currency.code(), "charged_on": charged_on,
                }),
                stops: true,
                other: None,
                // Once it was charged, the mail would not be true.
                patience: TRY_FOR.min(at - now),
            };
            emails.extend(letters.write(&pledge.recipient, letter, now).await?);
            told.push((pledge.pledge_id.clone(), at));
        }
        self.desk.store.tell_of_renewals(&emails, &told).await?;
        Ok(told.len())
    }

    /// When a pledge renews and what is charged then, where that is near and its donor was not told of that day.
    async fn renewal(&self, pledge: &Renewal, now: i64) -> Result<Option<(i64, Money)>, StoreError> {
        let near = |at: &i64| *at > now && *at - now <= self.renewal_notice_days * DAY;
        let told = |at: &i64| pledge.told_for.is_some_and(|told| self.desk.day(told) == self.desk.day(*at));
        let Some(State::Subscription { period_end: Some(at), .. }) = &pledge.subscription else { return Ok(None) };
        let Some(id) = PledgeId::parse(&pledge.pledge_id).ok().filter(|_| near(at) && !told(at)) else {
            return Ok(None);
        };
        // What is scheduled to become different with the renewal is in it.
        let Some(known) = self.desk.store.recurring(&id).await? else { return Ok(None) };
        let next = known.agreement.filter(|agreement| !agreement.paused).and_then(|agreement| agreement.next);
        let next = next.filter(|next| next.frequency == Frequency::Annual && next.at == *at);
        Ok(next.map(|next| (next.at, Money::new(next.amount_minor, known.currency))))
    }
}

/// What a subscription brings each time.
fn agreed(state: &State) -> Option<Money> {
    let State::Subscription { amount_minor, currency, .. } = state else { return None };
    Some(Money::new((*amount_minor)?, Currency::parse(currency).ok()?))
}
