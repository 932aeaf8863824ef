//! How a pledge stands, by all that Stripe said of it. The table in `docs/ARCHITECTURE.md` says the same in words.

use super::rows::{Payment, PaymentStatus};
use crate::domain::facts::{Object, State};
use crate::domain::pledge::PledgeStatus;

/// A checkout is ended when so many attempts to pay on it have failed. Somebody whose card is declined tries it again, and
/// then another; whoever goes on after that is trying cards.
pub(super) const MAX_FAILED_ATTEMPTS: usize = 5;

/// What the pledge's sessions say together.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four things that may or may not have been seen")]
struct Sessions {
    complete: bool,
    expired: bool,
    paid: bool,
    failed_later: bool,
}

fn sessions(objects: &[&Object]) -> Sessions {
    let mut all = Sessions::default();
    for object in objects {
        if let State::Session { status, payment_status, .. } = &object.fact.state {
            all.complete |= status == "complete";
            all.expired |= status == "expired";
            all.paid |= status == "complete" && payment_status != "unpaid";
            all.failed_later |= object.fact.evidence.failed_at.is_some();
        }
    }
    all
}

pub(super) fn once_status(objects: &[&Object], payments: &[&Payment], given_up: bool) -> PledgeStatus {
    let sessions = sessions(objects);
    let any = |status: PaymentStatus| payments.iter().any(|payment| payment.status == status);
    if sessions.paid || any(PaymentStatus::Succeeded) {
        PledgeStatus::Paid
    } else if sessions.complete && (sessions.failed_later || any(PaymentStatus::Failed)) {
        PledgeStatus::Failed
    } else if sessions.complete || any(PaymentStatus::Processing) {
        PledgeStatus::Processing
    } else if sessions.expired || given_up {
        PledgeStatus::Expired
    } else if any(PaymentStatus::Canceled) {
        PledgeStatus::Canceled
    } else {
        PledgeStatus::Open
    }
}

pub(super) fn recurring_status(objects: &[&Object], has_money: bool, given_up: bool) -> PledgeStatus {
    let sessions = sessions(objects);
    let subscription = objects.iter().find_map(|object| match &object.fact.state {
        State::Subscription { status, paused, .. } => Some((status.as_str(), *paused)),
        _ => None,
    });
    match subscription {
        Some(("active" | "trialing", true) | ("paused", _)) => PledgeStatus::Paused,
        Some(("active" | "trialing", false)) => PledgeStatus::Active,
        Some(("past_due" | "unpaid", _)) => PledgeStatus::PastDue,
        Some(("canceled", _)) => PledgeStatus::Canceled,
        Some(("incomplete_expired", _)) => PledgeStatus::Failed,
        // `incomplete`, and words Stripe may add: what the money and the session say.
        _ if has_money || sessions.paid => PledgeStatus::Active,
        _ if sessions.complete => PledgeStatus::Processing,
        _ if sessions.expired || given_up => PledgeStatus::Expired,
        _ => PledgeStatus::Open,
    }
}

/// When a pledge was canceled: its subscription, or the payment intent of a one-time gift.
pub(super) fn ended_at(objects: &[&Object], recurs: bool) -> Option<i64> {
    let decides = |object: &&&Object| match object.fact.state {
        State::Subscription { .. } => recurs,
        State::PaymentIntent { .. } => !recurs,
        _ => false,
    };
    objects.iter().filter(decides).filter_map(|object| object.fact.evidence.ended_at).min()
}

/// When the last attempt failed that a checkout bears. None once money came or the checkout is complete: attempts to renew a
/// gift are Stripe's own.
pub(super) fn spent_at(objects: &[&Object], has_money: bool) -> Option<i64> {
    if has_money || sessions(objects).complete {
        return None;
    }
    let failed = |object: &&Object| match &object.fact.state {
        State::Charge { status, .. } if status == "failed" => object.fact.evidence.failed_at,
        _ => None,
    };
    // Each charge is here once, however often and in whatever order it was told of.
    let mut failures: Vec<i64> = objects.iter().filter_map(failed).collect();
    failures.sort_unstable();
    failures.get(MAX_FAILED_ATTEMPTS - 1).copied()
}
