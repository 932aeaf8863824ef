//! The database goes away and comes back: nothing is acknowledged that is not stored, and nobody restarts anything.

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
