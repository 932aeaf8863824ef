//! The database goes away and comes back: nothing is acknowledged that is not stored, and nobody restarts anything.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mainstay::sandbox::Card;
use mainstay::store::{Db, Store};

use crate::support::app::TestApp;
use crate::support::database::{Database, Kind};
use crate::support::postgres::Cluster;

/// A gift whose events wait to be delivered.
async fn paid(app: &TestApp) -> String {
    let (pledge, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    pledge
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_file_is_answered_503_and_heals() {
    let app = TestApp::start(Kind::Sqlite).await;
    let pledge = paid(&app).await;
    let event = app.sandbox.events().pop().expect("an event");
    let other = Db::open(&app.database.url).await.expect("the database opens");
    let lock = other.begin().await.expect("the write lock");
    assert_eq!(app.deliver(&event.body).await, 503, "after waiting for the lock");
    assert_eq!(app.get("/readyz").await.0, 200, "reading goes on");
    lock.rollback().await.expect("it is let go");
    other.close().await;
    assert_eq!(app.events().await.values().sum::<i64>(), 0, "what was answered 503 was not stored");
    assert_eq!(app.deliver(&event.body).await, 200);
    app.settle().await;
    assert_eq!(app.status(&pledge).await, "paid");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_that_dies_is_answered_503_and_heals() {
    // Of its own and durable: what was acknowledged before it dies must be there after.
    let cluster = Cluster::start(true);
    cluster.create_database("dies").await;
    let url = cluster.url("dies");
    let store = Store::open(&url).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    store.close().await;
    let folder = tempfile::tempdir().expect("a folder");
    let app = TestApp::start_on(Database { url, kind: Kind::Postgres, folder }, &[]).await;
    let pledge = paid(&app).await;
    let events = app.sandbox.events();
    let (last, first) = events.split_last().expect("events");
    for event in first {
        assert_eq!(app.deliver(&event.body).await, 200);
    }
    cluster.stop_immediate();
    assert_eq!(app.deliver(&last.body).await, 503);
    assert_eq!(app.get("/readyz").await.0, 503);
    assert_eq!(app.get("/healthz").await.0, 200, "the process is up");
    cluster.start_again();
    assert_eq!(app.deliver(&last.body).await, 200, "without a restart");
    app.caught_up().await;
    app.settle().await;
    assert_eq!(
        app.events().await.values().sum::<i64>(),
        i64::try_from(events.len()).expect("few"),
        "each is there once"
    );
    assert_eq!(app.status(&pledge).await, "paid");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_that_dies_under_load_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::start(true);
    cluster.create_database("loaded").await;
    let url = cluster.url("loaded");
    let store = Store::open(&url).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    store.close().await;
    let folder = tempfile::tempdir().expect("a folder");
    let app = Arc::new(TestApp::start_on(Database { url, kind: Kind::Postgres, folder }, &[]).await);
    let load = Arc::new(Load::default());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (app, load) = (Arc::clone(&app), Arc::clone(&load));
        tasks.spawn(async move { load.send(&app, task).await });
    }
    load.until(|load| load.taken() >= 200).await;
    // In the middle of whatever is being committed.
    tokio::task::block_in_place(|| cluster.stop_immediate());
    load.until(|load| load.refused() > 0).await;
    tokio::task::block_in_place(|| cluster.start_again());
    let before = load.taken();
    load.until(|load| load.taken() >= before + 200).await;
    load.ended.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.expect("it ends");
    }
    let stored: BTreeSet<String> =
        app.database.rows("SELECT id AS line FROM stripe_events").await.into_iter().collect();
    let acknowledged = load.acknowledged.lock().expect("nobody panicked").clone();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let app = Arc::into_inner(app).expect("all tasks are done");
    let pledge = paid(&app).await;
    app.settle().await;
    assert_eq!(app.status(&pledge).await, "paid", "it reconciles again, without a restart");
    app.finish().await;
}

/// Events that are sent without end, and what was answered.
#[derive(Default)]
struct Load {
    acknowledged: Mutex<BTreeSet<String>>,
    refused: AtomicUsize,
    ended: AtomicBool,
}

impl Load {
    async fn send(&self, app: &TestApp, task: usize) {
        for n in 0.. {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let id = format!("evt_{task}_{n}");
            let body = format!(r#"{{"id":"{id}","type":"some.type","data":{{"object":{{"id":"x_1"}}}}}}"#);
            match app.deliver(body.as_bytes()).await {
                200 => drop(self.acknowledged.lock().expect("nobody panicked").insert(id)),
                503 => drop(self.refused.fetch_add(1, Ordering::SeqCst)),
                other => panic!("{other} is no answer to a signed event"),
            }
        }
    }

    fn taken(&self) -> usize {
        self.acknowledged.lock().expect("nobody panicked").len()
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    async fn until(&self, enough: impl Fn(&Self) -> bool) {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        let waited = async {
            while !enough(self) {
                looks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waited).await.expect("it comes to that");
    }
}
