//! The line to PostgreSQL is cut at a commit, or falls silent. Nobody can know whether it was done; everybody must be right all the same.

use mainstay::config::Role;
use mainstay::sandbox::Card;

use crate::support::app::TestApp;
use crate::support::database::{Database, Kind};
use crate::support::proxy::{Cut, Proxy};
use crate::support::reports::totals_hold;
use crate::support::story::Story;

const CUTS: [Cut; 2] = [Cut::BeforeCommit, Cut::AfterCommit];

/// The database behind a line that can be cut, and that line.
async fn behind(database: Database) -> (Database, Proxy) {
    let proxy = Proxy::before(&database.url).await;
    let url = proxy.url(&database.url);
    (Database { url, ..database }, proxy)
}

async fn gift() -> Story {
    let app = TestApp::start(Kind::Postgres).await;
    let (pledge, session) = app.pledge("monthly", 900, "EUR").await;
    app.pay(&session, Card::Works).await;
    app.settle().await;
    Story::of(app, &[pledge]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_commit_was_cut_is_answered_503_and_taken_once_when_it_comes_again() {
    for cut in CUTS {
        let (database, proxy) = behind(Database::fresh(Kind::Postgres).await).await;
        // Nobody else commits.
        let app = TestApp::start_as(Role::Web, database, &[]).await;
        let body = br#"{"id":"evt_1","type":"some.type","data":{"object":{"id":"x_1"}}}"#;
        proxy.cut(cut, 1);
        assert_eq!(app.deliver(body).await, 503, "{cut:?}");
        assert_eq!(proxy.cuts(), 1);
        let stored = app.events().await["ignored"];
        assert_eq!(stored, i64::from(cut == Cut::AfterCommit), "{cut:?}");
        assert_eq!(app.deliver(body).await, 200, "again, without a restart, {cut:?}");
        assert_eq!(app.events().await["ignored"], 1, "once, {cut:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_commit_was_cut_goes_on_and_every_event_has_one_effect() {
    let story = gift().await;
    for cut in CUTS {
        // The lease is the first commit, the books are the second.
        for commit in [1, 2] {
            let database = story.untold(Kind::Postgres).await;
            let web = TestApp::start_as(Role::Web, database, &[]).await;
            for event in &story.events {
                assert_eq!(web.deliver(&event.body).await, 200);
            }
            let (database, sandbox) = web.abandon().await;
            sandbox.shutdown().await;
            let (database, proxy) = behind(database).await;
            proxy.cut(cut, commit);
            let worker = TestApp::start_as(Role::Worker, database, &[]).await;
            worker.clock.advance(story.now - worker.clock.now());
            worker.caught_up().await;
            assert_eq!(proxy.cuts(), 1, "{cut:?} at commit {commit}");
            let books = worker.database.books().await;
            assert_eq!(books, story.books, "{cut:?} at commit {commit}");
            totals_hold(worker.store(), &format!("{cut:?} at commit {commit}")).await;
            worker.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_falls_silent_is_given_up_and_work_goes_on_over_another() {
    let story = gift().await;
    // Nobody is told that the line is dead: an event is answered in Stripe's time all the same.
    let (database, proxy) = behind(Database::fresh(Kind::Postgres).await).await;
    let web = TestApp::start_as(Role::Web, database, &[]).await;
    let body = br#"{"id":"evt_1","type":"some.type","data":{"object":{"id":"x_1"}}}"#;
    proxy.cut(Cut::Silence, 1);
    let asked = std::time::Instant::now();
    assert_eq!(web.deliver(body).await, 503);
    assert!(asked.elapsed() < std::time::Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!(web.deliver(body).await, 200, "without a restart");
    assert_eq!(web.events().await["ignored"], 1);
    web.finish().await;

    // And a worker whose books could not be committed takes them up again.
    let (database, proxy) = behind(story.untold(Kind::Postgres).await).await;
    let web = TestApp::start_as(Role::Web, database, &[]).await;
    for event in &story.events {
        assert_eq!(web.deliver(&event.body).await, 200);
    }
    let (database, sandbox) = web.abandon().await;
    sandbox.shutdown().await;
    proxy.cut(Cut::Silence, 2);
    let worker = TestApp::start_as(Role::Worker, database, &[]).await;
    worker.clock.advance(story.now - worker.clock.now());
    worker.caught_up().await;
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(worker.database.books().await, story.books);
    totals_hold(worker.store(), "after the silence").await;
    worker.finish().await;
}
