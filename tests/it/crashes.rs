//! The process is killed in the middle: nothing acknowledged is lost, nothing counts twice.

use std::collections::BTreeSet;
use std::time::Duration;

use mainstay::clock::Clock;
use mainstay::crash::PLACES;
use mainstay::sandbox::{Card, SentEvent};

use crate::support::app::{TestApp, WEBHOOK_SECRET};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::Server;
use crate::support::reports::sums_hold;
use crate::support::story::Story;

/// Two gifts.
async fn story(kind: Kind) -> Story {
    let app = TestApp::start(kind).await;
    let mut pledges = Vec::new();
    for (frequency, amount_minor, currency) in [("once", 2500, "USD"), ("monthly", 200, "EUR")] {
        let (id, session) = app.pledge(frequency, amount_minor, currency).await;
        app.pay(&session, Card::Works).await;
        pledges.push(id);
    }
    app.settle().await;
    Story::of(app, &pledges).await
}

/// Posts the events; the ids of those that were acknowledged.
async fn post(server: &Server, events: &[SentEvent]) -> BTreeSet<String> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build().expect("a client");
    let mut acknowledged = BTreeSet::new();
    for event in events {
        let signature = mainstay::sandbox::sign(&event.body, WEBHOOK_SECRET, Clock::system().now());
        let request = http.post(format!("{}/webhooks/stripe", server.url)).header("stripe-signature", signature);
        match request.body(event.body.clone()).send().await {
            Ok(answer) if answer.status() == 200 => acknowledged.insert(event.id.clone()),
            // It stands still, or it is gone.
            _ => break,
        };
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_named_place_loses_no_acknowledged_event_and_counts_none_twice() {
    for kind in BOTH {
        let story = story(kind).await;
        for place in PLACES {
            let database = story.untold(kind).await;
            let folder = database.folder.path();
            let mut server = Server::start(&database.url, "http://127.0.0.1:9/", folder, &["--stop-at", place]);
            let acknowledged = post(&server, &story.events).await;
            tokio::task::block_in_place(|| server.wait_until_stopped());
            server.kill();

            let stored: BTreeSet<String> =
                database.rows("SELECT id AS line FROM stripe_events").await.into_iter().collect();
            assert!(acknowledged.is_subset(&stored), "acknowledged and lost at {place} on {kind:?}");

            let server = Server::start(&database.url, "http://127.0.0.1:9/", folder, &[]);
            let missing: Vec<SentEvent> =
                story.events.iter().filter(|event| !acknowledged.contains(&event.id)).cloned().collect();
            assert_eq!(post(&server, &missing).await.len(), missing.len(), "everything else is taken now");
            caught_up(&database).await;
            assert!(server.terminate().success(), "SIGTERM ends it with exit code 0");
            assert_eq!(database.books().await, story.books, "killed at {place} on {kind:?}");
            sums_hold(&database, &format!("killed at {place} on {kind:?}")).await;
        }
    }
}

/// Waits until nothing is left to be applied; leases of the killed process end by themselves after a minute.
async fn caught_up(database: &Database) {
    let store = database.open().await;
    let done = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while store.count_events().await.expect("events are counted")["received"] > 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(150), done).await.expect("it catches up");
    store.close().await;
}
