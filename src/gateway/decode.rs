//! Reading what Stripe sends, leniently.
//!
//! Every field is optional, every enum open, and a reference may be an id or the object itself. Nothing here fails on
//! content: what cannot be read says nothing. Donor data leaves only as [`News::email`].

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::event::{API_VERSION, Envelope, HANDLED, News, Reading};
use crate::domain::facts::{Fact, Links, Object, ObjectKind, Snapshot, State};
use crate::id::hex;

/// The metadata key under which Stripe holds our pledge id, and nothing else of ours.
pub const PLEDGE_KEY: &str = "mainstay_pledge";
/// Longer texts are no ids or types of Stripe's.
const MAX_WORD: usize = 255;

/// What the inbox row of a signed body needs. A body that is no event is named by its hash.
pub fn envelope(body: &[u8]) -> Envelope {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let word = |value: &Value| {
        value
            .as_str()
            .filter(|w| !w.is_empty() && w.len() <= MAX_WORD && w.bytes().all(|b| b.is_ascii_graphic()))
            .map(str::to_owned)
    };
    let object = event.pointer("/data/object").or_else(|| event.pointer("/related_object")).unwrap_or(&Value::Null);
    match (word(&event["id"]), word(&event["type"])) {
        (Some(id), Some(kind)) if id.starts_with("evt_") => Envelope {
            id,
            kind,
            object_id: word(&object["id"]),
            api_version: word(&event["api_version"]),
            livemode: event["livemode"].as_bool(),
            created: event["created"].as_i64(),
        },
        _ => Envelope {
            id: format!("sha256_{}", hex(&Sha256::digest(body))),
            kind: String::new(),
            object_id: None,
            api_version: None,
            livemode: None,
            created: None,
        },
    }
}

/// What a stored event says to us.
pub fn read(envelope: &Envelope, body: &[u8]) -> Reading {
    if !HANDLED.contains(&envelope.kind.as_str()) {
        return Reading::Nothing("a type we do not act on");
    }
    if envelope.api_version.as_deref() != Some(API_VERSION) {
        return match &envelope.object_id {
            Some(object_id) => Reading::Fetch { object_id: object_id.clone() },
            None => Reading::Nothing("another API version, and no object named"),
        };
    }
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let seen = Seen { at: envelope.created.unwrap_or(0), kind: &envelope.kind, event: &envelope.id };
    match event.pointer("/data/object").and_then(|object| object_news(object, seen)) {
        Some(news) => Reading::Said(Box::new(news)),
        None => Reading::Nothing("an object we keep no facts of"),
    }
}

/// What an object fetched from Stripe says; `at` is the time in the `Date` header of the answer.
pub fn read_fetched(body: &[u8], at: i64, envelope: &Envelope) -> Reading {
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    match object_news(&object, Seen { at, kind: &envelope.kind, event: &envelope.id }) {
        Some(news) => Reading::Said(Box::new(news)),
        None => Reading::Nothing("an object we keep no facts of"),
    }
}

/// The path an object is fetched from, by its id's prefix.
pub fn path_of(object_id: &str) -> Option<String> {
    let (prefix, _) = object_id.split_once('_')?;
    let collection = match prefix {
        "cs" => "checkout/sessions",
        "pi" => "payment_intents",
        "ch" | "py" => "charges",
        "in" => "invoices",
        "inpay" => "invoice_payments",
        "sub" => "subscriptions",
        "cus" => "customers",
        _ => return None,
    };
    object_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then(|| format!("/{collection}/{object_id}"))
}

/// When and by which event an object was seen.
#[derive(Clone, Copy)]
struct Seen<'a> {
    at: i64,
    kind: &'a str,
    event: &'a str,
}

impl Seen<'_> {
    /// Within one second: creation, then updates, then endings.
    fn step(self) -> u8 {
        match self.kind.rsplit('.').next().unwrap_or_default() {
            "created" => 0,
            "processing" | "pending" | "finalized" => 1,
            "deleted" | "voided" | "expired" | "canceled" => 4,
            "updated" => 3,
            _ => 2,
        }
    }
}

fn object_news(object: &Value, seen: Seen<'_>) -> Option<News> {
    let kind = ObjectKind::from_stripe(object["object"].as_str()?)?;
    let id = object["id"].as_str().filter(|id| id.len() <= MAX_WORD && id.is_ascii())?.to_owned();
    let state = state(kind, object, seen);
    let (grade, rank) = state.order();
    let email = email(kind, object);
    let fact = Fact {
        snapshot: Snapshot { grade, at: seen.at, step: seen.step(), rank, event: seen.event.to_owned() },
        succeeded_at: succeeded_at(&state, object, seen),
        failed_at: failed_at(&state, seen),
        donor_as_of: email.is_some().then_some(seen.at),
        state,
    };
    Some(News { object: Object { id, kind, links: links(kind, object), donor_id: None, fact }, email })
}

fn state(kind: ObjectKind, object: &Value, seen: Seen<'_>) -> State {
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| object[name].as_i64().unwrap_or(0);
    let currency = || text("currency").to_ascii_uppercase();
    match kind {
        ObjectKind::Session => State::Session {
            status: text("status"),
            payment_status: text("payment_status"),
            amount_minor: number("amount_total"),
            currency: currency(),
        },
        ObjectKind::PaymentIntent => State::PaymentIntent {
            status: text("status"),
            amount_minor: number("amount"),
            received_minor: number("amount_received"),
            currency: currency(),
        },
        ObjectKind::Charge => State::Charge {
            status: text("status"),
            amount_minor: object["amount_captured"].as_i64().filter(|n| *n > 0).unwrap_or_else(|| number("amount")),
            currency: currency(),
            balance_transaction: reference(&object["balance_transaction"]),
        },
        ObjectKind::Invoice => State::Invoice {
            status: text("status"),
            due_minor: number("amount_due"),
            paid_minor: number("amount_paid"),
            currency: currency(),
        },
        ObjectKind::InvoicePayment => State::InvoicePayment { status: text("status") },
        ObjectKind::Subscription => subscription(object),
        ObjectKind::Customer => {
            State::Customer { deleted: seen.kind == "customer.deleted" || object["deleted"].as_bool().unwrap_or(false) }
        }
    }
}

fn subscription(object: &Value) -> State {
    let item = object.pointer("/items/data/0").unwrap_or(&Value::Null);
    State::Subscription {
        status: object["status"].as_str().unwrap_or_default().to_owned(),
        paused: object["pause_collection"].is_object(),
        cancel_at_period_end: object["cancel_at_period_end"].as_bool().unwrap_or(false),
        cancel_at: object["cancel_at"].as_i64(),
        period_end: item["current_period_end"].as_i64(),
        amount_minor: item.pointer("/price/unit_amount").and_then(Value::as_i64),
        interval: item.pointer("/price/recurring/interval").and_then(Value::as_str).map(str::to_owned),
    }
}

fn succeeded_at(state: &State, object: &Value, seen: Seen<'_>) -> Option<i64> {
    match state {
        State::Session { status, payment_status, .. } => {
            (status == "complete" && payment_status == "paid").then_some(seen.at)
        }
        State::PaymentIntent { status, .. } | State::Charge { status, .. } => {
            (status == "succeeded").then_some(seen.at)
        }
        State::Invoice { status, .. } if status == "paid" => {
            object.pointer("/status_transitions/paid_at").and_then(Value::as_i64).or(Some(seen.at))
        }
        _ => None,
    }
}

fn failed_at(state: &State, seen: Seen<'_>) -> Option<i64> {
    let failed = match state {
        State::Session { .. } => seen.kind == "checkout.session.async_payment_failed",
        State::PaymentIntent { .. } => seen.kind == "payment_intent.payment_failed",
        State::Charge { status, .. } => status == "failed",
        State::Invoice { .. } => seen.kind == "invoice.payment_failed",
        _ => false,
    };
    failed.then_some(seen.at)
}

fn links(kind: ObjectKind, object: &Value) -> Links {
    let pledge_in = |metadata: Option<&Value>| metadata.and_then(|m| m[PLEDGE_KEY].as_str()).map(str::to_owned);
    let own = pledge_in(object.get("metadata"));
    let details = object.pointer("/parent/subscription_details");
    let customer = reference(&object["customer"]);
    match kind {
        ObjectKind::Session => Links {
            pledge: own.or_else(|| {
                object["client_reference_id"].as_str().filter(|id| id.starts_with("plg_")).map(str::to_owned)
            }),
            payment_intent: reference(&object["payment_intent"]),
            invoice: reference(&object["invoice"]),
            subscription: reference(&object["subscription"]),
            customer,
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
            Links { pledge: own, payment_intent: reference(&object["payment_intent"]), customer, ..Links::default() }
        }
        ObjectKind::PaymentIntent | ObjectKind::Subscription => Links { pledge: own, customer, ..Links::default() },
        ObjectKind::Customer => Links::default(),
    }
}

/// An id, or the id of the object that stands in its place.
fn reference(value: &Value) -> Option<String> {
    value
        .as_str()
        .or_else(|| value["id"].as_str())
        .filter(|id| id.len() <= MAX_WORD && id.is_ascii())
        .map(str::to_owned)
}

fn email(kind: ObjectKind, object: &Value) -> Option<String> {
    let address = match kind {
        ObjectKind::Session => object.pointer("/customer_details/email"),
        ObjectKind::Customer => object.get("email"),
        _ => None,
    };
    address.and_then(Value::as_str).map(str::trim).filter(|a| a.contains('@') && a.len() <= 320).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_named(body: &[u8]) -> bool {
        envelope(body).id.starts_with("sha256_")
    }

    #[test]
    fn a_signed_body_that_is_no_event_is_named_by_its_hash_and_never_panics() {
        let deep = "[".repeat(100_000);
        let deep_object = format!("{{\"id\":\"evt_1\",\"type\":\"x\",\"data\":{}", "{\"a\":".repeat(50_000));
        for body in
            [b"".as_slice(), b"null", b"[]", b"{", b"\xff\xfe", b"{\"id\":1}", deep.as_bytes(), deep_object.as_bytes()]
        {
            assert!(hash_named(body));
        }
        assert!(hash_named(br#"{"id":"evt_\u0000","type":"invoice.paid"}"#));
        assert_ne!(envelope(b"1").id, envelope(b"2").id);
    }

    #[test]
    fn duplicate_keys_and_wrong_types_are_read_as_far_as_they_go() {
        let body = br#"{"id":"evt_1","id":"evt_2","type":"invoice.paid","created":"soon","livemode":3,"data":{"object":{"id":"in_1"}}}"#;
        let envelope = envelope(body);
        assert_eq!((envelope.id.as_str(), envelope.created, envelope.livemode), ("evt_2", None, None));
        assert_eq!(envelope.object_id.as_deref(), Some("in_1"));
        assert_eq!(read(&envelope, body), Reading::Fetch { object_id: "in_1".to_owned() });
    }

    #[test]
    fn a_reference_may_be_an_id_or_the_object() {
        for customer in [r#""cus_1""#, r#"{"id":"cus_1","email":"reader@example.org"}"#] {
            let body = format!(
                r#"{{"id":"evt_1","type":"payment_intent.succeeded","api_version":"{API_VERSION}","created":7,"data":{{"object":
                {{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":200,"amount_received":200,"currency":"eur","customer":{customer},"metadata":{{"mainstay_pledge":"plg_1"}}}}}}}}"#
            );
            let Reading::Said(news) = read(&envelope(body.as_bytes()), body.as_bytes()) else {
                panic!("it says something")
            };
            assert_eq!(news.object.links.customer.as_deref(), Some("cus_1"));
            assert_eq!(news.object.links.pledge.as_deref(), Some("plg_1"));
            assert_eq!(news.object.fact.succeeded_at, Some(7));
        }
    }

    #[test]
    fn only_ids_of_stripes_form_become_paths() {
        assert_eq!(path_of("in_1").as_deref(), Some("/invoices/in_1"));
        for wrong in ["", "in", "xx_1", "in_../customers", "in_1?x=1", "cus_%2e"] {
            assert_eq!(path_of(wrong), None, "{wrong}");
        }
    }
}
