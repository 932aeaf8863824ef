//! Payments and what goes back of them, each derived from all that names it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::rows::{Account, Dispute, Payment, PaymentStatus, Refund};
use crate::domain::calendar::day_of;
use crate::domain::facts::{Object, ObjectKind, State, earliest};

/// Statuses of a refund that gave nothing back.
const GAVE_NOTHING_BACK: [&str; 2] = ["failed", "canceled"];

/// What the objects around `key` come to, for a pledge that does or does not recur.
pub(super) fn account(key: &str, pledge_id: &str, recurs: bool, around: &[&Object], zone: &TimeZone) -> Account {
    let found = match (recurs, key.starts_with("in_")) {
        (true, true) => invoice_payment(key, around),
        (false, false) => once_payment(around),
        // The payment intent behind an invoice only enriches the invoice's payment.
        _ => None,
    };
    let Some(found) = found else { return Account::default() };
    let (stripe_charge_id, stripe_balance_transaction_id) = charge_of(around);
    let payment = Payment {
        stripe_key: key.to_owned(),
        pledge_id: pledge_id.to_owned(),
        day: found.succeeded_at.map(|at| day_of(at, zone)),
        status: found.status,
        amount_minor: found.amount_minor,
        currency: found.currency,
        succeeded_at: found.succeeded_at,
        failed_at: first_failure(around),
        stripe_charge_id,
        stripe_balance_transaction_id,
    };
    Account {
        refunds: refunds(&payment, around, zone),
        disputes: disputes(&payment, around, zone),
        payment: Some(payment),
    }
}

/// What is said of the money itself.
struct Found {
    status: PaymentStatus,
    amount_minor: i64,
    currency: String,
    succeeded_at: Option<i64>,
}

fn invoice_payment(key: &str, around: &[&Object]) -> Option<Found> {
    let invoice = around.iter().find(|object| object.id == key)?;
    let State::Invoice { status, due_minor, paid_minor, currency } = &invoice.fact.state else { return None };
    let paid = status == "paid" && *paid_minor > 0;
    if !paid && *due_minor <= 0 {
        return None;
    }
    let failed = invoice.fact.evidence.failed_at.is_some();
    Some(Found {
        status: match status.as_str() {
            "paid" if paid => PaymentStatus::Succeeded,
            "void" => PaymentStatus::Canceled,
            "uncollectible" => PaymentStatus::Failed,
            "open" if failed => PaymentStatus::Failed,
            _ => PaymentStatus::Pending,
        },
        amount_minor: if paid { *paid_minor } else { *due_minor },
        currency: currency.clone(),
        succeeded_at: if paid { invoice.fact.evidence.succeeded_at } else { None },
    })
}

fn once_payment(around: &[&Object]) -> Option<Found> {
    // A payment intent is believed before its charge, a charge before the session.
    let mut said: Vec<(u8, i64, &String, PaymentStatus)> = around.iter().filter_map(|object| says(object)).collect();
    said.sort_by_key(|(trust, ..)| *trust);
    let succeeded = said.iter().find(|(.., status)| *status == PaymentStatus::Succeeded);
    let (_, amount_minor, currency, status) = *succeeded.or_else(|| said.first())?;
    let proofs = around.iter().filter(|object| says(object).is_some());
    let succeeded_at = proofs.fold(None, |at, object| earliest(at, object.fact.evidence.succeeded_at));
    Some(Found {
        status,
        amount_minor,
        currency: currency.clone(),
        succeeded_at: if status == PaymentStatus::Succeeded { succeeded_at } else { None },
    })
}

/// What one object says of a one-time gift's amount and outcome, with the least trusted last.
fn says(object: &Object) -> Option<(u8, i64, &String, PaymentStatus)> {
    let failed = object.fact.evidence.failed_at.is_some();
    Some(match &object.fact.state {
        State::PaymentIntent { status, amount_minor, received_minor, currency } => {
            let status = match status.as_str() {
                "succeeded" => PaymentStatus::Succeeded,
                "canceled" => PaymentStatus::Canceled,
                "processing" => PaymentStatus::Processing,
                _ if failed => PaymentStatus::Failed,
                _ => PaymentStatus::Pending,
            };
            (0, if status == PaymentStatus::Succeeded { *received_minor } else { *amount_minor }, currency, status)
        }
        State::Charge { status, amount_minor, currency, .. } => {
            let status = match status.as_str() {
                "succeeded" => PaymentStatus::Succeeded,
                "failed" => PaymentStatus::Failed,
                _ => PaymentStatus::Processing,
            };
            (1, *amount_minor, currency, status)
        }
        State::Session { status, payment_status, amount_minor, currency } => {
            let status = match (status.as_str(), payment_status.as_str()) {
                ("complete", "paid") => PaymentStatus::Succeeded,
                ("complete", _) if failed => PaymentStatus::Failed,
                ("complete", _) => PaymentStatus::Processing,
                _ => PaymentStatus::Pending,
            };
            (2, *amount_minor, currency, status)
        }
        _ => return None,
    })
}

/// When the first attempt failed, by whichever of the objects that are tried says so first.
fn first_failure(around: &[&Object]) -> Option<i64> {
    let tried = |object: &&&Object| {
        matches!(
            object.kind,
            ObjectKind::Invoice | ObjectKind::PaymentIntent | ObjectKind::Charge | ObjectKind::Session
        )
    };
    around.iter().filter(tried).fold(None, |at, object| earliest(at, object.fact.evidence.failed_at))
}

/// The charge that brought the money, and where Stripe booked it.
fn charge_of(around: &[&Object]) -> (Option<String>, Option<String>) {
    let succeeded = around.iter().filter_map(|object| match &object.fact.state {
        State::Charge { status, balance_transaction, .. } if status == "succeeded" => {
            Some((object.id.clone(), balance_transaction.clone()))
        }
        _ => None,
    });
    succeeded.min().map_or((None, None), |(charge, booked)| (Some(charge), booked))
}

fn refunds(payment: &Payment, around: &[&Object], zone: &TimeZone) -> BTreeMap<String, Refund> {
    let known = around.iter().filter_map(|object| {
        let State::Refund { status, amount_minor, currency } = &object.fact.state else { return None };
        let created_at = object.fact.evidence.succeeded_at.unwrap_or(object.fact.snapshot.at);
        Some((created_at, object.id.as_str(), status.as_str(), *amount_minor, currency))
    });
    let charges = around.iter().filter(|object| object.kind == ObjectKind::Charge);
    let hinted = charges.filter_map(|charge| {
        let State::Charge { currency, .. } = &charge.fact.state else { return None };
        let missing = charge.fact.evidence.refunded_minor.saturating_sub(known_of(charge, around));
        let at = charge.fact.evidence.refunded_at.filter(|_| missing > 0)?;
        Some((at, charge.id.as_str(), "succeeded", missing, currency))
    });
    let mut all: Vec<_> = known.chain(hinted).collect();
    all.sort_unstable();
    // Never below zero: nothing goes back before it came, and no more than came.
    let mut left = if payment.status == PaymentStatus::Succeeded { payment.amount_minor } else { 0 };
    let rows = all.into_iter().map(|(created_at, id, status, amount_minor, currency)| {
        let counted_minor = if GAVE_NOTHING_BACK.contains(&status) { 0 } else { amount_minor.clamp(0, left.max(0)) };
        left -= counted_minor;
        let refund = Refund {
            stripe_refund_id: id.to_owned(),
            stripe_key: payment.stripe_key.clone(),
            status: status.to_owned(),
            amount_minor,
            counted_minor,
            currency: currency.clone(),
            created_at,
            day: day_of(created_at, zone),
        };
        (refund.stripe_refund_id.clone(), refund)
    });
    rows.collect()
}

/// The sum of the known refunds of a charge, those that failed included.
fn known_of(charge: &Object, around: &[&Object]) -> i64 {
    let own = around.iter().filter(|object| object.links.charge.as_deref().is_none_or(|id| id == charge.id));
    own.fold(0, |sum, object| match &object.fact.state {
        State::Refund { amount_minor, .. } => sum.saturating_add(*amount_minor),
        _ => sum,
    })
}

fn disputes(payment: &Payment, around: &[&Object], zone: &TimeZone) -> BTreeMap<String, Dispute> {
    let counts = payment.status == PaymentStatus::Succeeded;
    let rows = around.iter().filter_map(|object| {
        let State::Dispute { status, amount_minor, currency } = &object.fact.state else { return None };
        let reinstated_at = object.fact.evidence.reinstated_at;
        // What was given back had been taken, even if nobody told us when.
        let withdrawn_at = object.fact.evidence.withdrawn_at.or(reinstated_at);
        let dispute = Dispute {
            stripe_dispute_id: object.id.clone(),
            stripe_key: payment.stripe_key.clone(),
            status: status.clone(),
            amount_minor: *amount_minor,
            counted_minor: if counts { (*amount_minor).max(0) } else { 0 },
            currency: currency.clone(),
            withdrawn_at,
            withdrawn_day: withdrawn_at.map(|at| day_of(at, zone)),
            reinstated_at,
            reinstated_day: reinstated_at.map(|at| day_of(at, zone)),
        };
        Some((dispute.stripe_dispute_id.clone(), dispute))
    });
    rows.collect()
}
