//! Events that cannot be applied: tried again with growing pauses, then parked, seen, and replayed by hand.

use std::time::Duration;

use mainstay::sandbox::{ApiFault, Card};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database};
use crate::support::process::mainstay;

/// `mainstay events …` on this database: whether it went well, and what it said.
fn events(database: &Database, arguments: &[&str]) -> (bool, String) {
    let output = mainstay(&["events"])
        .args(arguments)
        .current_dir(database.folder.path())
        .env("MAINSTAY_DATABASE_URL", &database.url)
        .output()
        .expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

/// Waits until an event is in this state, moving the clock by an hour at each look.
async fn until(app: &TestApp, state: &str, hours: bool) {
    let looked = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while app.events().await[state] == 0 {
            looks.tick().await;
            if hours {
                app.clock.advance(3_600);
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), looked).await.expect("it comes to that");
}

/// A gift of which an event in another API version tells, whose object Stripe does not give out.
async fn unfetchable(app: &TestApp) -> String {
    let (pledge, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    let event = app.sandbox.events().into_iter().find(|event| event.kind == "payment_intent.succeeded").expect("told");
    let mut body: Value = serde_json::from_slice(&event.body).expect("JSON");
    body["id"] = json!("evt_old");
    body["api_version"] = json!("2019-01-01");
    app.sandbox.fail_api(Some("GET"), "/v1/payment_intents", ApiFault::InternalError, 1_000);
    assert_eq!(app.deliver(body.to_string().as_bytes()).await, 200);
    pledge
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_ten_times_is_parked_listed_shown_and_replayed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = unfetchable(&app).await;
        until(&app, "parked", true).await;

        let (fine, list) = events(&app.database, &["list", "--parked"]);
        assert!(fine && list.lines().count() == 1, "{list}");
        for word in ["parked", "evt_old", "payment_intent.succeeded", "10 failed", "Stripe failed (HTTP 500)"] {
            assert!(list.contains(word), "{word} in {list}");
        }
        let (fine, shown) = events(&app.database, &["show", "evt_old"]);
        assert!(fine, "{shown}");
        for word in
            ["api version   2019-01-01", "mode          test", "failed        10 times", "body          sealed, "]
        {
            assert!(shown.contains(word), "{word} in {shown}");
        }
        assert!(!shown.contains("next try") && !shown.contains("reader@example.com"), "{shown}");
        let (fine, said) = events(&app.database, &["show", "evt_none"]);
        assert!(!fine && said.contains("there is no event evt_none"), "{said}");
        let (fine, said) = events(&app.database, &["replay", "evt_none"]);
        assert!(!fine && said.contains("cannot be replayed"), "{said}");
        assert_eq!(app.status(&pledge).await, "open", "nothing came of it yet");

        app.sandbox.heal();
        assert_eq!(events(&app.database, &["replay", "--all"]), (true, "1 event will be tried again\n".to_owned()));
        until(&app, "applied", false).await;
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        assert_eq!(events(&app.database, &["list", "--parked"]), (true, "no parked events\n".to_owned()));
        let books = app.database.books().await;

        assert_eq!(events(&app.database, &["replay", "evt_old"]), (true, "1 event will be tried again\n".to_owned()));
        app.caught_up().await;
        assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0"], "applied again, it changes nothing, on {kind:?}");
        assert_eq!(app.database.books().await.len(), books.len());
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_tell_how_long_the_oldest_event_has_waited() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let age = "mainstay_oldest_received_event_age_seconds";
        assert_eq!(app.metric(age).await, "0");
        unfetchable(&app).await;
        // After its first failure it waits for ten seconds, by a clock that stands still.
        let rows = "SELECT id AS line FROM stripe_events WHERE attempts > 0";
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while app.database.rows(rows).await.is_empty() {
            looks.tick().await;
        }
        app.clock.advance(7);
        assert_eq!(app.metric(age).await, "7", "on {kind:?}");
        assert_eq!(app.metric("mainstay_events{state=\"received\"}").await, "1");
        until(&app, "parked", true).await;
        assert_eq!(app.metric(age).await, "0", "a parked one waits for nobody but a person");
        assert_eq!(app.metric("mainstay_events{state=\"parked\"}").await, "1");
        app.sandbox.heal();
        app.store().replay_events(None).await.expect("it is replayed");
        app.settle().await;
        app.finish().await;
    }
}
