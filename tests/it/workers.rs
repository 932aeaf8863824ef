//! Several at work on one inbox: one effect each, whoever freezes.

use std::time::Duration;

use mainstay::sandbox::{ApiFault, Card, SentEvent};
use mainstay::worker::events::LEASE;
use serde_json::{Value, json};

use crate::journeys::story;
use crate::support::app::{NOON, TestApp, WEBHOOK_SECRET};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::desk::Desk;
use crate::support::process::Server;

/// Posts every event to a server, signed now; each must be taken.
async fn post(url: String, events: Vec<SentEvent>) {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for event in events {
        let signature = mainstay::sandbox::sign(&event.body, WEBHOOK_SECRET, mainstay::clock::Clock::system().now());
        let request = http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", signature);
        let answer = request.body(event.body).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
}

/// Waits until nothing is left to be applied.
async fn caught_up(database: &Database, patience: Duration) {
    let store = database.open().await;
    let done = async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        while store.count_events().await.expect("events are counted")["received"] > 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(patience, done).await.expect("it catches up");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_postgres_that_both_hear_everything_have_one_effect() {
    let story = story(Kind::Postgres).await;
    let database = story.untold(Kind::Postgres).await;
    let folder = database.folder.path();
    let servers = [0, 1].map(|_| Server::start(&database.url, "http://127.0.0.1:9/", folder, &[]));
    let mut posts = tokio::task::JoinSet::new();
    for (n, server) in servers.iter().enumerate() {
        // The one from the beginning, the other from the end.
        let mut events = story.events.clone();
        if n == 1 {
            events.reverse();
        }
        // Four at once, so that both store batches of the same events.
        for share in 0..4 {
            let events = events.iter().skip(share).step_by(4).cloned().collect();
            posts.spawn(post(server.url.clone(), events));
        }
    }
    while let Some(posted) = posts.join_next().await {
        posted.expect("everything is taken");
    }
    caught_up(&database, Duration::from_mins(1)).await;
    for server in servers {
        assert!(server.terminate().success());
    }
    let books = database.books().await;
    let missing: Vec<_> = story.books.iter().filter(|line| !books.contains(line)).collect();
    assert!(missing.is_empty() && books.len() == story.books.len(), "{missing:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_frozen_past_its_lease_is_refused_by_its_token() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        let event =
            app.sandbox.events().into_iter().find(|event| event.kind == "payment_intent.succeeded").expect("told");
        let mut old: Value = serde_json::from_slice(&event.body).expect("JSON");
        old["api_version"] = json!("2019-01-01");
        app.sandbox.fail_api(Some("GET"), "/v1/payment_intents", ApiFault::Stall, 1);
        assert_eq!(app.deliver(old.to_string().as_bytes()).await, 200);
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while app.reads() == 0 {
            looks.tick().await;
        }
        // It holds the event and waits for Stripe. Its lease ends, and another takes the event over.
        app.clock.advance(LEASE + 1);
        let other = Desk::open_towards(&app.database, app.clock.clone(), &app.sandbox.url()).await;
        assert_eq!(other.worker.run_once().await.expect("it works"), 1, "taken over on {kind:?}");
        assert_eq!(app.status(&pledge).await, "paid");
        let row = "SELECT state || ' ' || CAST(attempts AS TEXT) || ' ' || CAST(settled_at AS TEXT) AS line FROM stripe_events";
        let settled = app.database.rows(row).await;
        assert_eq!(settled, [format!("applied 0 {}", NOON + LEASE + 1)]);

        app.clock.advance(100);
        app.sandbox.release();
        // The first one goes on to its next event only when it is done with this one.
        app.settle().await;
        assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0"], "one effect on {kind:?}");
        let first = app
            .database
            .rows("SELECT CAST(settled_at AS TEXT) AS line FROM stripe_events WHERE api_version = '2019-01-01'")
            .await;
        assert_eq!(first, [(NOON + LEASE + 1).to_string()], "what the frozen one brought was refused on {kind:?}");
        let mut tx = app.store().begin().await.expect("a transaction");
        let id = old["id"].as_str().expect("an id");
        let stale =
            tx.settle_events(&[id], "another token", mainstay::domain::event::EventState::Applied, None, 1).await;
        assert!(matches!(stale, Err(mainstay::store::StoreError::LeaseLost)), "{stale:?}");
        tx.rollback().await.expect("undone");
        other.store.close().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stands_still_inside_its_transaction_does_not_hold_up_the_others_for_ever() {
    let app = TestApp::start(Kind::Postgres).await;
    let (pledge, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    app.settle().await;
    let story = crate::support::story::Story::of(app, &[pledge]).await;
    let database = story.untold(Kind::Postgres).await;
    let folder = database.folder.path();
    let mut frozen = Server::start(&database.url, "http://127.0.0.1:9/", folder, &["--stop-at", "apply before commit"]);
    let charge = story.events.iter().find(|event| event.kind == "charge.succeeded").expect("it was told");
    post(frozen.url.clone(), vec![charge.clone()]).await;
    tokio::task::block_in_place(|| frozen.wait_until_stopped());
    let healthy = Server::start(&database.url, "http://127.0.0.1:9/", folder, &[]);
    post(healthy.url.clone(), story.events.clone()).await;
    caught_up(&database, Duration::from_secs(110)).await;
    assert_eq!(database.books().await, story.books, "the other did all of it");
    assert!(healthy.terminate().success());
    frozen.kill();
}
