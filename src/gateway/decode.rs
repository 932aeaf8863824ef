//! Reading what Stripe sends, leniently.
//!
//! Every field is optional, every enum open, and a reference may be an id or the object itself. Nothing here fails on
//! content: what cannot be read says nothing. Donor data leaves only as [`News::email`].

mod objects;

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::event::{API_VERSION, Envelope, News, Reading, SEEN, is_handled};
use crate::id::hex;
use objects::{Seen, news};

/// The metadata key under which Stripe holds our pledge id, and nothing else of ours.
pub const PLEDGE_KEY: &str = "mainstay_pledge";
/// The metadata by which the second phase of a schedule of ours is known: its amount, its interval and when it begins.
pub(super) const AMOUNT_KEY: &str = "mainstay_amount_minor";
pub(super) const INTERVAL_KEY: &str = "mainstay_interval";
pub(super) const AT_KEY: &str = "mainstay_at";
/// Longer texts are no ids or types of Stripe's.
const MAX_WORD: usize = 255;

/// A word of Stripe's: an id, a type, a status. Other text is none, and never reaches the database as one.
pub(super) fn word(value: &Value) -> Option<String> {
    value.as_str().filter(|word| is_word(word)).map(str::to_owned)
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.len() <= MAX_WORD && word.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the inbox row of a signed body needs. A body that is no event is named by its hash.
pub fn envelope(body: &[u8]) -> Envelope {
    quick_envelope(body).unwrap_or_else(|| lenient_envelope(body))
}

/// An event as Stripe writes it, read past everything else without keeping it.
#[derive(serde::Deserialize)]
struct Event<'b> {
    #[serde(borrow)]
    id: Cow<'b, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'b, str>,
    #[serde(borrow)]
    api_version: Cow<'b, str>,
    livemode: bool,
    created: i64,
    #[serde(borrow)]
    data: EventData<'b>,
}

#[derive(serde::Deserialize)]
struct EventData<'b> {
    #[serde(borrow)]
    object: EventObject<'b>,
}

#[derive(serde::Deserialize)]
struct EventObject<'b> {
    #[serde(borrow)]
    id: Cow<'b, str>,
}

/// `None` for whatever is not quite as expected: a missing or doubled field, another type, an odd word.
fn quick_envelope(body: &[u8]) -> Option<Envelope> {
    let event: Event<'_> = serde_json::from_slice(body).ok()?;
    let words = [&event.id, &event.kind, &event.api_version, &event.data.object.id];
    (words.into_iter().all(|word| is_word(word)) && event.id.starts_with("evt_")).then(|| Envelope {
        id: event.id.into_owned(),
        kind: event.kind.into_owned(),
        object_id: Some(event.data.object.id.into_owned()),
        api_version: Some(event.api_version.into_owned()),
        livemode: Some(event.livemode),
        created: Some(event.created),
    })
}

fn lenient_envelope(body: &[u8]) -> Envelope {
    let event = json(body).unwrap_or_default();
    let object = event.pointer("/data/object").or_else(|| event.pointer("/related_object")).unwrap_or(&Value::Null);
    match (word(&event["id"]), word(&event["type"])) {
        (Some(id), Some(kind)) if id.starts_with("evt_") => Envelope {
            id,
            kind,
            object_id: word(&object["id"]),
            api_version: word(&event["api_version"]),
            livemode: event["livemode"].as_bool(),
            created: event["created"].as_i64().or_else(|| thin_time(&event["created"])),
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

/// The time of a thin event, which is text (RFC 3339).
fn thin_time(created: &Value) -> Option<i64> {
    created.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// What a stored event says to us.
pub fn read(envelope: &Envelope, body: &[u8]) -> Reading {
    if !is_handled(&envelope.kind) {
        return Reading::Nothing("a type we do not act on");
    }
    if envelope.api_version.as_deref() != Some(API_VERSION) {
        return match &envelope.object_id {
            Some(object_id) => Reading::Fetch { object_id: object_id.clone() },
            None => Reading::Nothing("another API version, and no object named"),
        };
    }
    if envelope.kind == SEEN {
        return read_fetched(body, envelope.created.unwrap_or(0), envelope);
    }
    let event = json(body).unwrap_or_default();
    let seen = Seen { envelope, fetched_at: None, previous: event.pointer("/data/previous_attributes") };
    reading(event.pointer("/data/object").and_then(|object| news(object, seen)))
}

/// What an object fetched from Stripe says; `at` is the time in the `Date` header of the answer.
pub fn read_fetched(body: &[u8], at: i64, envelope: &Envelope) -> Reading {
    let object = json(body).unwrap_or_default();
    reading(news(&object, Seen { envelope, fetched_at: Some(at), previous: None }))
}

fn reading(news: Option<News>) -> Reading {
    news.map_or(Reading::Nothing("an object we keep no facts of"), |news| Reading::Said(Box::new(news)))
}

/// A body as JSON. By the text's own `parse`, which serde_json holds compiled: its generic readers are compiled here, which a
/// debug build does without optimisation.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    std::str::from_utf8(body).ok()?.parse().ok()
}

/// What a subscription brings each interval, in minor units.
pub fn subscription_amount(subscription: &Value) -> Option<i64> {
    objects::subscription_amount(subscription)
}

/// The row of the inbox for an object that Stripe showed at `at`; none for what has no id.
pub fn envelope_of_object(object: &Value, at: i64) -> Option<Envelope> {
    Some(Envelope::of_object(&word(&object["id"])?, object["livemode"].as_bool(), at))
}

/// An id, or the id of the object that stands in its place.
pub(super) fn reference(value: &Value) -> Option<String> {
    word(value).or_else(|| word(&value["id"]))
}

/// The path an object is fetched from, by its id's prefix.
pub fn path_of(object_id: &str) -> Option<String> {
    let (prefix, _) = object_id.split_once('_')?;
    let collection = match prefix {
        "cs" => "checkout/sessions",
        "pi" => "payment_intents",
        "ch" | "py" => "charges",
        "re" | "pyr" => "refunds",
        "du" | "dp" => "disputes",
        "in" => "invoices",
        "inpay" => "invoice_payments",
        "sub" => "subscriptions",
        "cus" => "customers",
        _ => return None,
    };
    object_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then(|| format!("/{collection}/{object_id}"))
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
            assert_eq!(news.object.fact.evidence.succeeded_at, Some(7));
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
