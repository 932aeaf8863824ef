//! A pledge's story: what was heard of it, in the order in which it happened, with the event behind each step.
//!
//! It must not decide how a pledge stands ([`super::books`] does); it tells what led there.

use super::facts::{Fact, State};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    Made,
    CheckoutCompleted,
    CheckoutExpired,
    AttemptFailed,
    Paid,
    RefundMade,
    RefundFailed,
    DisputeTook,
    DisputeGaveBack,
    Began,
    Changed,
    ToEnd,
    NotToEnd,
    Overdue,
    Recovered,
    Paused,
    Resumed,
    Ended,
}

impl Happened {
    /// The text that says so.
    pub fn text(self) -> &'static str {
        match self {
            Self::Made => "story-made",
            Self::CheckoutCompleted => "story-checkout-completed",
            Self::CheckoutExpired => "story-checkout-expired",
            Self::AttemptFailed => "story-attempt-failed",
            Self::Paid => "story-paid",
            Self::RefundMade => "story-refund",
            Self::RefundFailed => "story-refund-failed",
            Self::DisputeTook => "story-dispute",
            Self::DisputeGaveBack => "story-dispute-back",
            Self::Began => "story-began",
            Self::Changed => "story-changed",
            Self::ToEnd => "story-to-end",
            Self::NotToEnd => "story-not-to-end",
            Self::Overdue => "story-overdue",
            Self::Recovered => "story-recovered",
            Self::Paused => "story-paused",
            Self::Resumed => "story-resumed",
            Self::Ended => "story-ended",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Unix seconds, Stripe's time but for the first.
    pub at: i64,
    pub what: Happened,
    /// In the currency of the pledge.
    pub amount_minor: Option<i64>,
    /// The event that told of it last; none where it is ours, or where Stripe was asked.
    pub event: Option<String>,
}

/// A payment as the story needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldPayment {
    pub amount_minor: i64,
    pub succeeded_at: Option<i64>,
    /// What is known of its invoice or intent.
    pub fact: Option<Fact>,
}

/// A refund as the story needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRefund {
    pub at: i64,
    pub amount_minor: i64,
    pub status: String,
    pub fact: Option<Fact>,
}

/// A dispute as the story needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldDispute {
    pub amount_minor: i64,
    pub withdrawn_at: Option<i64>,
    pub reinstated_at: Option<i64>,
    pub fact: Option<Fact>,
}

/// All that is told of a pledge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub made_at: i64,
    pub amount_minor: i64,
    pub sessions: Vec<Fact>,
    pub payments: Vec<ToldPayment>,
    pub refunds: Vec<ToldRefund>,
    pub disputes: Vec<ToldDispute>,
    /// Of its subscription, oldest first, each with its event.
    pub versions: Vec<(i64, String, Fact)>,
}

/// The steps, oldest first.
pub fn steps(told: &Told) -> Vec<Step> {
    let step = |at, what, amount_minor, event: Option<&Fact>| Step {
        at,
        what,
        amount_minor,
        event: event.and_then(|fact| event_of(&fact.snapshot.event)),
    };
    let mut steps = vec![step(told.made_at, Happened::Made, Some(told.amount_minor), None)];
    for fact in &told.sessions {
        let State::Session { status, .. } = &fact.state else { continue };
        match status.as_str() {
            "complete" => steps.push(step(fact.snapshot.at, Happened::CheckoutCompleted, None, Some(fact))),
            "expired" => steps.push(step(fact.snapshot.at, Happened::CheckoutExpired, None, Some(fact))),
            _ => {}
        }
    }
    for payment in &told.payments {
        let (fact, amount) = (payment.fact.as_ref(), Some(payment.amount_minor));
        if let Some(at) = fact.and_then(|fact| fact.evidence.failed_at) {
            steps.push(step(at, Happened::AttemptFailed, amount, fact));
        }
        if let Some(at) = payment.succeeded_at {
            steps.push(step(at, Happened::Paid, amount, fact));
        }
    }
    for refund in &told.refunds {
        let fact = refund.fact.as_ref();
        steps.push(step(refund.at, Happened::RefundMade, Some(refund.amount_minor), fact));
        if matches!(refund.status.as_str(), "failed" | "canceled") {
            let at = fact.map_or(refund.at, |fact| fact.snapshot.at);
            steps.push(step(at, Happened::RefundFailed, Some(refund.amount_minor), fact));
        }
    }
    for dispute in &told.disputes {
        let (fact, amount) = (dispute.fact.as_ref(), Some(dispute.amount_minor));
        steps.extend(dispute.withdrawn_at.map(|at| step(at, Happened::DisputeTook, amount, fact)));
        steps.extend(dispute.reinstated_at.map(|at| step(at, Happened::DisputeGaveBack, amount, fact)));
    }
    steps.extend(turns(&told.versions));
    steps.sort_by_key(|step| (step.at, step.what));
    steps
}

/// What came of a subscription, from version to version. A new period alone is no step: its payment tells of it.
fn turns(versions: &[(i64, String, Fact)]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before: Option<Look> = None;
    for (at, event, fact) in versions {
        let Some(now) = Look::of(&fact.state) else { continue };
        for what in now.since(before.as_ref()) {
            let amount_minor =
                if matches!(what, Happened::Began | Happened::Changed) { now.amount_minor } else { None };
            steps.push(Step { at: *at, what, amount_minor, event: event_of(event) });
        }
        before = Some(now);
    }
    steps
}

struct Look {
    standing: Standing,
    to_end: bool,
    amount_minor: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Incomplete,
    Good,
    Overdue,
    Paused,
    Over,
}

impl Look {
    fn of(state: &State) -> Option<Self> {
        let State::Subscription { status, paused, cancel_at_period_end, cancel_at, amount_minor, .. } = state else {
            return None;
        };
        let standing = match (status.as_str(), paused) {
            ("canceled" | "incomplete_expired", _) => Standing::Over,
            ("incomplete", _) => Standing::Incomplete,
            ("paused", _) | ("active" | "trialing", true) => Standing::Paused,
            ("past_due" | "unpaid", _) => Standing::Overdue,
            _ => Standing::Good,
        };
        Some(Self { standing, to_end: *cancel_at_period_end || cancel_at.is_some(), amount_minor: *amount_minor })
    }

    fn since(&self, before: Option<&Self>) -> Vec<Happened> {
        let was = before.map_or(Standing::Incomplete, |before| before.standing);
        let mut happened = Vec::new();
        match (was, self.standing) {
            (was, now) if was == now => {}
            (Standing::Incomplete, Standing::Good) => happened.push(Happened::Began),
            (Standing::Overdue, Standing::Good) => happened.push(Happened::Recovered),
            (Standing::Paused, Standing::Good) => happened.push(Happened::Resumed),
            (_, Standing::Overdue) => happened.push(Happened::Overdue),
            (_, Standing::Paused) => happened.push(Happened::Paused),
            (_, Standing::Over) => happened.push(Happened::Ended),
            _ => {}
        }
        let Some(before) = before else { return happened };
        if before.amount_minor.is_some() && self.amount_minor.is_some() && before.amount_minor != self.amount_minor {
            happened.push(Happened::Changed);
        }
        if self.standing != Standing::Over {
            match (before.to_end, self.to_end) {
                (false, true) => happened.push(Happened::ToEnd),
                (true, false) => happened.push(Happened::NotToEnd),
                _ => {}
            }
        }
        happened
    }
}

/// The id of an event, where it is one and not what Stripe was asked for.
fn event_of(id: &str) -> Option<String> {
    id.starts_with("evt_").then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{Evidence, Snapshot};

    fn fact(at: i64, event: &str, state: State) -> Fact {
        let snapshot = Snapshot { grade: 0, at, step: 0, rank: 0, event: event.to_owned() };
        Fact {
            snapshot,
            state,
            after: Vec::new(),
            rivals: Vec::new(),
            evidence: Evidence::default(),
            donor_as_of: None,
        }
    }

    fn subscription(status: &str, to_end: bool, amount_minor: i64, period_end: i64) -> State {
        State::Subscription {
            status: status.to_owned(),
            paused: false,
            cancel_at_period_end: to_end,
            cancel_at: None,
            period_end: Some(period_end),
            amount_minor: Some(amount_minor),
            currency: "USD".to_owned(),
            interval: Some("month".to_owned()),
            billing: crate::domain::facts::Billing::default(),
        }
    }

    #[test]
    fn a_story_is_told_in_order_with_the_event_behind_each_step() {
        let version = |at, event: &str, state| (at, event.to_owned(), fact(at, event, state));
        let mut failed = fact(
            40,
            "evt_5",
            State::Invoice { status: "paid".to_owned(), due_minor: 500, paid_minor: 500, currency: "USD".to_owned() },
        );
        failed.evidence.failed_at = Some(30);
        let told = Told {
            made_at: 1,
            amount_minor: 500,
            sessions: vec![fact(
                11,
                "evt_1",
                State::Session {
                    status: "complete".to_owned(),
                    payment_status: "paid".to_owned(),
                    amount_minor: 500,
                    currency: "USD".to_owned(),
                },
            )],
            payments: vec![ToldPayment { amount_minor: 500, succeeded_at: Some(40), fact: Some(failed) }],
            versions: vec![
                version(10, "evt_2", subscription("incomplete", false, 500, 20)),
                version(12, "evt_3", subscription("active", false, 500, 20)),
                version(20, "evt_4", subscription("active", false, 500, 40)),
                version(30, "evt_6", subscription("past_due", false, 500, 40)),
                version(40, "fetched", subscription("active", false, 1000, 40)),
                version(50, "evt_7", subscription("active", true, 1000, 60)),
                version(60, "evt_8", subscription("canceled", false, 1000, 60)),
            ],
            ..Told::default()
        };
        let steps = steps(&told);
        let seen: Vec<(i64, Happened, Option<&str>)> =
            steps.iter().map(|step| (step.at, step.what, step.event.as_deref())).collect();
        assert_eq!(
            seen,
            [
                (1, Happened::Made, None),
                (11, Happened::CheckoutCompleted, Some("evt_1")),
                (12, Happened::Began, Some("evt_3")),
                (30, Happened::AttemptFailed, Some("evt_5")),
                (30, Happened::Overdue, Some("evt_6")),
                (40, Happened::Paid, Some("evt_5")),
                (40, Happened::Changed, None),
                (40, Happened::Recovered, None),
                (50, Happened::ToEnd, Some("evt_7")),
                (60, Happened::Ended, Some("evt_8")),
            ]
        );
        let changed = steps.iter().find(|step| step.what == Happened::Changed).unwrap();
        assert_eq!(changed.amount_minor, Some(1000));
    }
}
