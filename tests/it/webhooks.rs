//! Where Stripe delivers its events: what is believed, what is kept, and what is answered.

use mainstay::sandbox::{Card, sign};
use serde_json::json;

use crate::support::app::{TestApp, WEBHOOK_SECRET};
use crate::support::database::BOTH;

async fn post(app: &TestApp, body: Vec<u8>, headers: &[(&str, String)]) -> u16 {
    let mut request = app.http.post(format!("{}/webhooks/stripe", app.url));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(body).send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_stripe_signed_just_now_is_stored() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let body = br#"{"id":"evt_1","type":"some.type","data":{"object":{"id":"x_1"}}}"#.to_vec();
        let now = app.clock.now();
        let good = sign(&body, WEBHOOK_SECRET, now);
        for (what, header) in [
            ("no signature", None),
            ("nonsense", Some("nonsense".to_owned())),
            ("another secret", Some(sign(&body, "whsec_other", now))),
            ("another body", Some(sign(b"{}", WEBHOOK_SECRET, now))),
            ("stale", Some(sign(&body, WEBHOOK_SECRET, now - 301))),
            ("future", Some(sign(&body, WEBHOOK_SECRET, now + 301))),
        ] {
            let headers: Vec<(&str, String)> = header.into_iter().map(|value| ("stripe-signature", value)).collect();
            assert_eq!(post(&app, body.clone(), &headers).await, 400, "{what}");
        }
        let encoded = [("stripe-signature", good.clone()), ("content-encoding", "gzip".to_owned())];
        assert_eq!(post(&app, body.clone(), &encoded).await, 415);
        let large = vec![b' '; 1024 * 1024 + 1];
        assert_eq!(post(&app, large.clone(), &[("stripe-signature", sign(&large, WEBHOOK_SECRET, now))]).await, 413);
        assert_eq!(app.events().await.values().sum::<i64>(), 0, "nothing of it was stored");

        assert_eq!(post(&app, body.clone(), &[("stripe-signature", good.clone())]).await, 200);
        assert_eq!(post(&app, body, &[("stripe-signature", good)]).await, 200, "a duplicate too");
        assert_eq!(app.events().await["ignored"], 1, "an unknown type is kept, once, and ignored");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_signed_body_holds_it_is_kept_and_answered_200() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let deep = b"[".repeat(100_000);
        let bodies: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"not json".to_vec(),
            b"\xff\xfe\x00".to_vec(),
            b"null".to_vec(),
            deep,
            br#"{"id":"evt_dup","id":"evt_dup2","type":"a.b"}"#.to_vec(),
            br#"{"id":"evt_nul","type":"a\u0000b"}"#.to_vec(),
            br#"{"id":"evt_num","type":5,"created":"x","livemode":[]}"#.to_vec(),
            br#"{"id":"evt_thin","type":"v1.thing","related_object":{"id":"in_1"}}"#.to_vec(),
        ];
        for body in &bodies {
            assert_eq!(app.deliver(body).await, 200, "{:.40}", String::from_utf8_lossy(body));
        }
        app.caught_up().await;
        let events = app.events().await;
        assert_eq!(usize::try_from(events["ignored"]), Ok(bodies.len()), "{events:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_in_another_api_version_has_its_object_fetched() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        let events = app.sandbox.events();
        let event = events.iter().find(|event| event.kind == "payment_intent.succeeded").expect("it was sent");
        let mut body: serde_json::Value = serde_json::from_slice(&event.body).expect("JSON");
        body["api_version"] = json!("2019-01-01");
        body["data"]["object"] = json!({"id": body["data"]["object"]["id"], "object": "payment_intent"});
        assert_eq!(app.deliver(body.to_string().as_bytes()).await, 200);
        app.caught_up().await;
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        let fetched = app.sandbox.requests().iter().filter(|r| r.path.contains("/payment_intents/pi_")).count();
        assert_eq!(fetched, 1, "by one read");
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_applied_is_parked_and_in_nobodys_way() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let unfetchable = br#"{"id":"evt_old","type":"invoice.paid","api_version":"2019-01-01","created":1,"data":{"object":{"id":"in_gone"}}}"#;
        assert_eq!(app.deliver(unfetchable).await, 200);
        let (pledge, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.sandbox.deliver_pending().await;
        for _ in 0..2_000 {
            if app.status(&pledge).await == "paid" {
                break;
            }
        }
        assert_eq!(app.status(&pledge).await, "paid", "others are not held up");
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(10));
        for _ in 0..3_000 {
            if app.events().await["parked"] == 1 {
                break;
            }
            app.clock.advance(3_600);
            looks.tick().await;
        }
        let parked =
            app.store().list_events(Some(mainstay::domain::event::EventState::Parked), 10).await.expect("listed");
        assert_eq!(parked.len(), 1, "it is parked after its attempts");
        assert_eq!((parked[0].id.as_str(), parked[0].attempts), ("evt_old", 10));
        assert!(parked[0].error.as_ref().is_some_and(|error| error.contains("refused")), "{parked:?}");
        assert_eq!(app.store().replay_events(Some("evt_old")).await.expect("replayed"), 1);
        assert_eq!(app.events().await["parked"], 0, "and can be tried again");
        // Stripe refuses still, so it stays.
        app.abandon().await.1.shutdown().await;
    }
}
