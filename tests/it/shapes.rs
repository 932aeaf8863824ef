//! What Stripe may send that is not what we know: whatever it holds, it is kept, answered 200, and in nobody's way.

use mainstay::domain::event::API_VERSION;
use mainstay::sandbox::Card;
use serde_json::{Value, json};

use crate::support::app::{NOON, TestApp};
use crate::support::database::BOTH;
use crate::support::reports::asked;

/// The event by which Stripe told of the money of a gift.
async fn told_of(app: &TestApp, kind: &str) -> (String, Value) {
    let (pledge, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    let event = app.sandbox.events().into_iter().rfind(|event| event.kind == kind).expect("it was told");
    (pledge, serde_json::from_slice(&event.body).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_an_older_a_newer_or_no_api_version_has_its_object_fetched_by_one_read() {
    for kind in BOTH {
        for version in [json!("2019-01-01"), json!("2031-09-30.quokka"), Value::Null] {
            let app = TestApp::start(kind).await;
            let (pledge, mut event) = told_of(&app, "payment_intent.succeeded").await;
            event["api_version"] = version.clone();
            // In its version the object may look like anything; only its id is believed.
            event["data"]["object"] = json!({"id": event["data"]["object"]["id"], "status": ["odd"], "amount": "2500"});
            assert_eq!(app.deliver(event.to_string().as_bytes()).await, 200);
            app.caught_up().await;
            assert_eq!(app.status(&pledge).await, "paid", "{version} on {kind:?}");
            assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0"]);
            assert_eq!(app.reads(), 1, "{version} on {kind:?}");
            app.settle().await;
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_of_an_event_whose_object_was_fetched_late_counts_on_the_day_of_the_event() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (_, mut event) = told_of(&app, "payment_intent.succeeded").await;
        event["api_version"] = json!("2019-01-01");
        app.clock.advance(40 * crate::support::app::DAY);
        assert_eq!(app.deliver(event.to_string().as_bytes()).await, 200);
        app.caught_up().await;
        assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0"], "on {kind:?}");
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thin_event_has_its_object_fetched() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, event) = told_of(&app, "payment_intent.succeeded").await;
        let id = event["data"]["object"]["id"].as_str().expect("an id");
        let thin = json!({"id": "evt_thin", "object": "v2.core.event", "type": "v1.payment_intent.succeeded",
            "created": "2026-11-23T12:00:00.000Z", "livemode": false,
            "related_object": {"id": id, "type": "payment_intent", "url": format!("/v1/payment_intents/{id}")}});
        assert_eq!(app.deliver(thin.to_string().as_bytes()).await, 200);
        app.caught_up().await;
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0"], "on its own day");
        app.settle().await;
        app.finish().await;
    }
}

/// Every field of `value`, also those within, as the path to it.
fn paths(value: &Value, at: &str, found: &mut Vec<String>) {
    if let Value::Object(members) = value {
        for (name, inner) in members {
            let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            found.push(path.clone());
            paths(inner, &path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_field_of_an_event_is_missing_or_of_another_type_it_is_taken_in_and_parks_nothing() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (_, session) = app.pledge("monthly", 800, "EUR").await;
        app.pay(&session, Card::Works).await;
        let charge = crate::support::reversals::newest_charge(&app);
        app.sandbox.refund(&charge, Some(100)).expect("it is refunded");
        app.sandbox.dispute(&charge, "fraudulent").expect("it is disputed");
        app.settle().await;
        let before = app.database.books().await;
        let kinds = [
            "checkout.session.completed",
            "invoice.paid",
            "customer.subscription.updated",
            "charge.succeeded",
            "payment_intent.succeeded",
            "refund.created",
            "charge.dispute.funds_withdrawn",
            "invoice_payment.paid",
        ];
        let mut sent = 0;
        for event in app.sandbox.events().iter().filter(|event| kinds.contains(&event.kind.as_str())) {
            let whole: Value = serde_json::from_slice(&event.body).expect("JSON");
            let mut all = Vec::new();
            paths(&whole["data"]["object"], "/data/object", &mut all);
            for (n, path) in all.iter().enumerate() {
                let mut odd = whole.clone();
                // Its own id and type aside, so that it is another event about another object.
                odd["id"] = json!(format!("evt_odd{sent}"));
                odd["data"]["object"]["id"] = json!(format!("x_{sent}"));
                *odd.pointer_mut(path).expect("it is there") =
                    [Value::Null, json!(7.5), json!(["a"]), json!({"a": 1})][n % 4].clone();
                assert_eq!(app.deliver(odd.to_string().as_bytes()).await, 200, "{path} of {}", event.kind);
                sent += 1;
            }
        }
        assert!(sent > 200, "only {sent} were sent");
        app.caught_up().await;
        let events = app.events().await;
        assert_eq!((events["received"], events["parked"]), (0, 0), "{events:?} on {kind:?}");
        assert!(before.len() > 10, "there were books");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_words_fields_types_and_currencies_are_kept_and_reported_as_they_are() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, _) = app.pledge("once", 500, "USD").await;
        for (n, currency) in ["zzz", "usdc", "", "ÄÖÜ", "u\u{0}d"].into_iter().enumerate() {
            let object = json!({"id": format!("pi_{n}"), "object": "payment_intent", "status": "succeeded", "amount": 500,
                "amount_received": 500, "currency": currency, "metadata": {"mainstay_pledge": pledge},
                "brand_new": {"deep": [1, 2, {"er": null}]}, "\u{0}": "\u{0}"});
            app.tell(&format!("evt_{n}"), "payment_intent.succeeded", NOON, json!({"object": object})).await;
        }
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        assert_eq!(
            app.revenue().await,
            ["20261123 XXX 4 2000 0 0", "20261123 ZZZ 1 500 0 0"],
            "never added to another"
        );
        let november = [("from", "2026-11-01"), ("to", "2026-12-01")];
        let rows = app.store().revenue(&asked("revenue", &november)).await.expect("the report reads it");
        assert_eq!(rows.len(), 2);

        let (pledge, _) = app.pledge("monthly", 500, "USD").await;
        let object = json!({"id": "sub_1", "object": "subscription", "status": "hibernating",
            "metadata": {"mainstay_pledge": pledge}});
        app.tell("evt_sub", "customer.subscription.updated", NOON, json!({"object": object})).await;
        assert_eq!(app.status(&pledge).await, "open", "a status we do not know changes nothing");
        let unknown = json!({"id": "evt_new", "object": "event", "type": "payment_intent.teleported",
            "api_version": API_VERSION, "created": NOON, "data": {"object": {"id": "pi_9", "object": "hologram"}}});
        assert_eq!(app.deliver(unknown.to_string().as_bytes()).await, 200);
        assert_eq!(app.events().await["ignored"], 1);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_type_around_a_hostile_object_is_applied_or_ignored_and_never_parked() {
    let open = "[".repeat(100_000);
    let event = |id: &str, object: &str| {
        format!(
            r#"{{"id":"{id}","type":"invoice.paid","api_version":"{API_VERSION}","created":1,"data":{{"object":{object}}}}}"#
        )
    };
    let bodies = [
        event("evt_1", "null"),
        event("evt_2", "[]"),
        event(
            "evt_3",
            r#"{"id":"in_1","object":"invoice","id":"in_2","amount_paid":1,"amount_paid":9223372036854775807,"status":"paid"}"#,
        ),
        event("evt_4", r#"{"id":"in_\u0000","object":"invoice","status":"a\u0000b","currency":"\u0000\u0000\u0000"}"#),
        event("evt_5", r#"{"id":"in_3","object":"invoice","amount_paid":1e400}"#),
        event(
            "evt_6",
            r#"{"id":"in_4","object":"invoice","parent":{"subscription_details":{"subscription":{"id":{"id":"sub_1"}}}}}"#,
        ),
        event("evt_7", &format!(r#"{{"id":"in_5","object":"invoice","lines":{open}{}}}"#, "]".repeat(100_000))),
        event("evt_8", r#"{"id":"in_6","object":"invoice","customer":"\ud800"}"#),
        event("evt_9", &format!(r#"{{"id":"in_7","object":"invoice","description":"{}"}}"#, "x".repeat(900_000))),
    ];
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for body in &bodies {
            assert_eq!(app.deliver(body.as_bytes()).await, 200, "{body:.60}");
        }
        let mut raw = event("evt_10", r#"{"id":"in_8","object":"invoice","description":"?"}"#).into_bytes();
        let at = raw.iter().position(|byte| *byte == b'?').expect("it is there");
        raw[at] = 0xff;
        assert_eq!(app.deliver(&raw).await, 200, "not UTF-8");
        app.caught_up().await;
        let events = app.events().await;
        assert_eq!((events["received"], events["parked"]), (0, 0), "{events:?} on {kind:?}");
        assert_eq!(events.values().sum::<i64>(), 10, "each is kept");
        assert!(app.revenue().await.is_empty(), "none of it is ours");
        app.finish().await;
    }
}
