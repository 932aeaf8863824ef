//! What one of Stripe's objects says to us. Every field is optional; what is missing says nothing.

use serde_json::Value;

use super::{AMOUNT_KEY, AT_KEY, INTERVAL_KEY, PLEDGE_KEY, reference, word};
use crate::domain::event::{Envelope, News};
use crate::domain::facts::{Billing, Evidence, Fact, Links, Object, ObjectKind, Pending, Snapshot, State};

/// ISO 4217's code for no currency: what has one that is none is kept and never added to another.
const NO_CURRENCY: &str = "XXX";
/// Within one second an answer to our own question is newer than any event of that second.
const FETCHED: u8 = 5;

/// When and by which event an object was seen.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub envelope: &'a Envelope,
    /// Stripe's time of the answer, where the object was fetched because of the event.
    pub fetched_at: Option<i64>,
    /// What the changed fields held before, where the event says so.
    pub previous: Option<&'a Value>,
}

impl<'a> Seen<'a> {
    /// The last part of the event's type.
    fn verb(self) -> &'a str {
        self.envelope.kind.rsplit('.').next().unwrap_or_default()
    }

    /// Within one second: creation, then updates, then endings.
    fn step(self) -> u8 {
        match self.verb() {
            _ if self.fetched_at.is_some() => FETCHED,
            "created" => 0,
            "processing" | "pending" | "finalized" => 1,
            "updated" | "paused" | "resumed" => 3,
            "deleted" | "voided" | "expired" | "canceled" | "closed" => 4,
            _ => 2,
        }
    }

    /// Which moment the snapshot shows. An answer may miss what happened in its own second, so it is dated by the end of
    /// the second before.
    fn at(self) -> i64 {
        self.fetched_at.map_or(self.envelope.created.unwrap_or(0), |at| at - 1)
    }

    /// When something that the object shows came to pass: the event's time if the event itself tells of it by one of
    /// these verbs, else no later than the snapshot.
    fn told_at(self, verbs: &[&str]) -> i64 {
        self.envelope.created.filter(|_| verbs.contains(&self.verb())).unwrap_or_else(|| self.at())
    }
}

/// What the object says, if it is of a kind we keep facts of.
pub(super) fn news(object: &Value, seen: Seen<'_>) -> Option<News> {
    let kind = ObjectKind::from_stripe(object["object"].as_str()?)?;
    // Of schedules only those we made: others do not say what they bring.
    if kind == ObjectKind::Schedule && object["metadata"][PLEDGE_KEY].is_null() {
        return None;
    }
    let id = word(&object["id"])?;
    let state = state(kind, object, seen);
    let (grade, rank) = state.order();
    let email = email(kind, object);
    let after = came_from(kind, object, seen).filter(|before| *before != state);
    let fact = Fact {
        snapshot: Snapshot { grade, at: seen.at(), step: seen.step(), rank, event: seen.envelope.id.clone() },
        evidence: evidence(&state, object, seen),
        donor_as_of: email.is_some().then_some(seen.at()),
        after: after.into_iter().collect(),
        rivals: Vec::new(),
        state,
    };
    Some(News { object: Object { id, kind, links: links(kind, object), donor_id: None, fact }, email })
}

/// The state before the change that the event tells of.
fn came_from(kind: ObjectKind, object: &Value, seen: Seen<'_>) -> Option<State> {
    let previous = seen.previous.filter(|previous| previous.is_object())?;
    let mut before = object.clone();
    overwrite(&mut before, previous);
    Some(state(kind, &before, seen))
}

/// Puts the members of `with` in place, going into those that are objects on both sides.
fn overwrite(value: &mut Value, with: &Value) {
    match (value, with) {
        (Value::Object(members), Value::Object(with)) => {
            for (name, with) in with {
                overwrite(members.entry(name.clone()).or_insert(Value::Null), with);
            }
        }
        (value, with) => value.clone_from(with),
    }
}

fn state(kind: ObjectKind, object: &Value, seen: Seen<'_>) -> State {
    let text = |name: &str| word(&object[name]).unwrap_or_default();
    let number = |name: &str| object[name].as_i64().unwrap_or(0);
    let currency = || currency(&object["currency"]);
    let status = text("status");
    match kind {
        ObjectKind::Session => State::Session {
            status,
            payment_status: text("payment_status"),
            amount_minor: number("amount_total"),
            currency: currency(),
        },
        ObjectKind::PaymentIntent => State::PaymentIntent {
            status,
            amount_minor: number("amount"),
            received_minor: number("amount_received"),
            currency: currency(),
        },
        ObjectKind::Charge => State::Charge {
            status,
            amount_minor: object["amount_captured"].as_i64().filter(|n| *n > 0).unwrap_or_else(|| number("amount")),
            currency: currency(),
            balance_transaction: reference(&object["balance_transaction"]),
        },
        ObjectKind::Refund => State::Refund { status, amount_minor: number("amount"), currency: currency() },
        ObjectKind::Dispute => State::Dispute { status, amount_minor: number("amount"), currency: currency() },
        ObjectKind::Invoice => State::Invoice {
            status,
            due_minor: number("amount_due"),
            paid_minor: number("amount_paid"),
            currency: currency(),
        },
        ObjectKind::InvoicePayment => State::InvoicePayment { status },
        ObjectKind::Subscription => subscription(object, status),
        ObjectKind::Schedule => State::Schedule { status, next: pending(&object["metadata"]) },
        ObjectKind::Customer => State::Customer {
            deleted: seen.envelope.kind.ends_with("customer.deleted") || object["deleted"].as_bool().unwrap_or(false),
        },
    }
}

fn items(subscription: &Value) -> &[Value] {
    subscription.pointer("/items/data").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Each item's price times its quantity, together.
pub(super) fn subscription_amount(subscription: &Value) -> Option<i64> {
    let price_of = |item: &Value| {
        item.pointer("/price/unit_amount")?.as_i64()?.checked_mul(item["quantity"].as_i64().unwrap_or(1))
    };
    let items = items(subscription);
    let amount_minor = items.iter().try_fold(0_i64, |sum, item| sum.checked_add(price_of(item)?));
    amount_minor.filter(|_| !items.is_empty())
}

fn subscription(object: &Value, status: String) -> State {
    let first = items(object).first().unwrap_or(&Value::Null);
    State::Subscription {
        status,
        paused: object["pause_collection"].is_object(),
        cancel_at_period_end: object["cancel_at_period_end"].as_bool().unwrap_or(false),
        cancel_at: object["cancel_at"].as_i64(),
        period_end: first["current_period_end"].as_i64().or_else(|| object["current_period_end"].as_i64()),
        amount_minor: subscription_amount(object),
        currency: currency(&object["currency"]),
        interval: first.pointer("/price/recurring/interval").and_then(word),
        billing: Billing {
            anchor: object["billing_cycle_anchor"].as_i64(),
            resumes_at: object.pointer("/pause_collection/resumes_at").and_then(Value::as_i64),
            schedule: reference(&object["schedule"]),
        },
    }
}

/// What a schedule of ours brings, from its metadata: it names a price and not what that is.
fn pending(metadata: &Value) -> Option<Pending> {
    let number = |name: &str| metadata[name].as_str()?.parse().ok();
    Some(Pending { at: number(AT_KEY)?, amount_minor: number(AMOUNT_KEY)?, interval: word(&metadata[INTERVAL_KEY])? })
}

fn evidence(state: &State, object: &Value, seen: Seen<'_>) -> Evidence {
    Evidence {
        succeeded_at: succeeded_at(state, object, seen),
        failed_at: failed_at(state, object, seen),
        ended_at: ended_at(state, object, seen),
        withdrawn_at: withdrawn_at(state, object, seen),
        reinstated_at: reinstated_at(state, object, seen),
        ..refunded(state, object, seen)
    }
}

fn succeeded_at(state: &State, object: &Value, seen: Seen<'_>) -> Option<i64> {
    const VERBS: [&str; 5] = ["succeeded", "paid", "completed", "payment_succeeded", "async_payment_succeeded"];
    match state {
        State::Session { status, payment_status, .. } => {
            (status == "complete" && payment_status == "paid").then(|| seen.told_at(&VERBS))
        }
        State::Charge { status, .. } => (status == "succeeded").then(|| {
            // Where Stripe was asked to show it: money is booked as it comes.
            let booked = object.pointer("/balance_transaction/created").and_then(Value::as_i64);
            booked.unwrap_or_else(|| seen.told_at(&VERBS))
        }),
        State::PaymentIntent { status, .. } => (status == "succeeded").then(|| seen.told_at(&VERBS)),
        State::Invoice { status, .. } => (status == "paid").then(|| {
            let paid_at = object.pointer("/status_transitions/paid_at").and_then(Value::as_i64);
            paid_at.unwrap_or_else(|| seen.told_at(&VERBS))
        }),
        // Its money leaves when it is made, also while the bank has not confirmed it.
        State::Refund { .. } => object["created"].as_i64().or_else(|| Some(seen.told_at(&["created"]))),
        _ => None,
    }
}

fn failed_at(state: &State, object: &Value, seen: Seen<'_>) -> Option<i64> {
    let failed = match state {
        State::Session { .. } => seen.verb() == "async_payment_failed",
        State::PaymentIntent { .. } if seen.fetched_at.is_some() => object["last_payment_error"].is_object(),
        State::Invoice { status, .. } if seen.fetched_at.is_some() => {
            matches!(status.as_str(), "open" | "uncollectible") && object["attempt_count"].as_i64() > Some(0)
        }
        State::PaymentIntent { .. } | State::Invoice { .. } => seen.verb() == "payment_failed",
        State::Charge { status, .. } => status == "failed",
        _ => false,
    };
    // A card is declined as it is charged, so the charge itself tells when; a bank debit fails days later.
    let declined = |object: &Value| object.pointer("/payment_method_details/type").is_some_and(|kind| kind == "card");
    let at_once = seen.fetched_at.is_some() && matches!(state, State::Charge { .. }) && declined(object);
    let told = || seen.told_at(&["async_payment_failed", "payment_failed", "failed"]);
    failed.then(|| object["created"].as_i64().filter(|_| at_once).unwrap_or_else(told))
}

fn ended_at(state: &State, object: &Value, seen: Seen<'_>) -> Option<i64> {
    let (ended, field) = match state {
        State::Subscription { status, .. } => {
            (matches!(status.as_str(), "canceled" | "incomplete_expired"), "ended_at")
        }
        State::PaymentIntent { status, .. } => (status == "canceled", "canceled_at"),
        _ => (false, ""),
    };
    ended.then(|| object[field].as_i64().unwrap_or_else(|| seen.told_at(&["deleted", "canceled"])))
}

/// When a dispute took its money: its balance transactions say so, or an event of its own. Where neither is told, one
/// that is not a mere inquiry takes it as it opens.
fn withdrawn_at(state: &State, object: &Value, seen: Seen<'_>) -> Option<i64> {
    let State::Dispute { status, .. } = state else { return None };
    let inquiry = status.starts_with("warning") || status == "prevented";
    let unsaid = object["balance_transactions"].is_null() && !inquiry;
    booked_at(object, seen, "funds_withdrawn", i64::is_negative).or_else(|| {
        (unsaid || status == "lost").then(|| object["created"].as_i64().unwrap_or_else(|| seen.told_at(&["created"])))
    })
}

/// When a dispute gave its money back.
fn reinstated_at(state: &State, object: &Value, seen: Seen<'_>) -> Option<i64> {
    let State::Dispute { status, .. } = state else { return None };
    let unsaid = object["balance_transactions"].is_null() && status == "won";
    booked_at(object, seen, "funds_reinstated", i64::is_positive).or_else(|| unsaid.then(|| seen.told_at(&["closed"])))
}

fn booked_at(object: &Value, seen: Seen<'_>, verb: &str, way: fn(i64) -> bool) -> Option<i64> {
    let lines = object["balance_transactions"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let this_way = lines.iter().filter(|line| line["amount"].as_i64().is_some_and(way));
    let booked = this_way.map(|line| line["created"].as_i64().unwrap_or_else(|| seen.at())).min();
    booked.or_else(|| (seen.verb() == verb).then(|| seen.told_at(&[verb])))
}

fn refunded(state: &State, object: &Value, seen: Seen<'_>) -> Evidence {
    let refunded_minor = object["amount_refunded"].as_i64().filter(|n| *n > 0 && matches!(state, State::Charge { .. }));
    refunded_minor.map_or_else(Evidence::default, |refunded_minor| Evidence {
        refunded_minor,
        refunded_at: Some(seen.told_at(&["refunded"])),
        ..Evidence::default()
    })
}

fn links(kind: ObjectKind, object: &Value) -> Links {
    let pledge_in = |metadata: Option<&Value>| metadata.and_then(|metadata| word(&metadata[PLEDGE_KEY]));
    let own = pledge_in(object.get("metadata"));
    let details = object.pointer("/parent/subscription_details");
    let customer = reference(&object["customer"]);
    let payment_intent = reference(&object["payment_intent"]);
    match kind {
        ObjectKind::Session => Links {
            pledge: own.or_else(|| word(&object["client_reference_id"]).filter(|id| id.starts_with("plg_"))),
            payment_intent,
            invoice: reference(&object["invoice"]),
            subscription: reference(&object["subscription"]),
            customer,
            ..Links::default()
        },
        ObjectKind::Invoice => Links {
            pledge: pledge_in(details.and_then(|details| details.get("metadata"))),
            subscription: details.and_then(|details| reference(&details["subscription"])),
            customer,
            ..Links::default()
        },
        ObjectKind::InvoicePayment => Links {
            payment_intent: reference(&object["payment"]["payment_intent"]),
            invoice: reference(&object["invoice"]),
            ..Links::default()
        },
        ObjectKind::Charge => {
            Links { pledge: own, payment_intent, invoice: reference(&object["invoice"]), customer, ..Links::default() }
        }
        ObjectKind::Refund | ObjectKind::Dispute => {
            let charge = &object["charge"];
            Links {
                pledge: own,
                payment_intent: payment_intent.or_else(|| reference(&charge["payment_intent"])),
                charge: reference(charge),
                ..Links::default()
            }
        }
        ObjectKind::PaymentIntent => Links { pledge: own, invoice: invoice_of(object), customer, ..Links::default() },
        ObjectKind::Subscription => Links { pledge: own, customer, ..Links::default() },
        ObjectKind::Schedule => {
            let held = reference(&object["subscription"]).or_else(|| reference(&object["released_subscription"]));
            Links { pledge: own, subscription: held, customer, ..Links::default() }
        }
        ObjectKind::Customer => Links::default(),
    }
}

/// The invoice a payment intent pays, where it says so itself; otherwise the invoice payment names both.
fn invoice_of(intent: &Value) -> Option<String> {
    let reference_of_order = || reference(intent.pointer("/payment_details/order_reference")?);
    reference(&intent["invoice"]).or_else(|| reference_of_order().filter(|id| id.starts_with("in_")))
}

/// In upper case.
fn currency(value: &Value) -> String {
    let code = value.as_str().filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()));
    code.map_or_else(|| NO_CURRENCY.to_owned(), str::to_ascii_uppercase)
}

fn email(kind: ObjectKind, object: &Value) -> Option<String> {
    let address = match kind {
        ObjectKind::Session => object.pointer("/customer_details/email"),
        ObjectKind::Customer => object.get("email"),
        _ => None,
    };
    address.and_then(Value::as_str).map(str::trim).filter(|a| a.contains('@') && a.len() <= 320).map(str::to_owned)
}
