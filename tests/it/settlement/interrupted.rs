//! Stripe failing in the middle of a reading, and the process killed in it: nothing is missing, nothing doubled.

use std::time::Duration;

use jiff::tz::TimeZone;
use mainstay::clock::Clock;
use mainstay::crash::BALANCE_PLACES;
use mainstay::gateway::list::Pace;
use mainstay::sandbox::{ApiFault, Card, Sandbox};
use mainstay::store::Store;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::Server;
use crate::support::settled::{balance, ours, stripes};

/// More gifts than a page of Stripe's holds, all of them heard of.
const GIFTS: i64 = 130;

async fn many_gifts(kind: Kind) -> TestApp {
    let app = TestApp::start(kind).await;
    for gift in 0..GIFTS {
        let (_, session) = app.pledge("once", 2500 + gift, "USD").await;
        app.pay(&session, Card::Works).await;
        app.clock.advance(60);
    }
    app.settle().await;
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_busy_failing_and_cutting_the_line_leaves_nothing_out_and_doubles_nothing() {
    for kind in BOTH {
        let app = many_gifts(kind).await;
        let lists = "/v1/balance_transactions";
        app.sandbox.fail_api(Some("GET"), lists, ApiFault::TooManyRequests { retry_after_seconds: 1 }, 1);
        app.sandbox.fail_api(Some("GET"), lists, ApiFault::InternalError, 1);
        app.sandbox.fail_api(Some("GET"), lists, ApiFault::Cut, 1);
        app.sandbox.fail_api(Some("GET"), lists, ApiFault::HalfClose, 1);
        let reading = app.read_balance().await.expect("it is waited out");
        assert_eq!(reading.lines, usize::try_from(GIFTS).expect("few"), "on {kind:?}");
        assert_eq!(ours(&app.database).await, stripes(&app.sandbox, &TimeZone::UTC, &[]), "on {kind:?}");
        app.finish().await;
    }
}

/// Waits until a first page was kept and there is more to be read.
async fn a_page_is_kept(store: &Store) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    while store.cursor("balance_transactions").await.expect("it is read").after_id.is_none() {
        looks.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_was_broken_off_goes_on_behind_the_last_page_it_kept() {
    for kind in BOTH {
        let app = many_gifts(kind).await;
        // The second page comes a second after the first, and is stopped then.
        let reader = balance(app.store(), &app.sandbox, &app.clock, TimeZone::UTC);
        let reading = tokio::spawn(async move { reader.run_once(&Pace::new(1)).await });
        tokio::time::timeout(Duration::from_mins(1), a_page_is_kept(app.store())).await.expect("a page is kept");
        app.sandbox.fail_api(Some("GET"), "/v1/balance_transactions", ApiFault::Stall, 1);
        reading.abort();
        assert!(reading.await.is_err(), "it ended in the middle");
        app.sandbox.heal();
        let asked = app.sandbox.requests().len();
        // A gift that came meanwhile is above the place it goes on from, and is left to the next reading.
        let (_, session) = app.pledge("once", 9900, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let rest = app.read_balance().await.expect("it goes on");
        assert_eq!(rest.lines, usize::try_from(GIFTS).expect("few") - 100, "on {kind:?}");
        let on =
            app.sandbox.requests()[asked..].iter().find(|request| request.path == "/v1/balance_transactions").cloned();
        assert!(on.expect("it asked").query.contains("starting_after=txn_"), "on {kind:?}");
        assert_eq!(app.read_balance().await.expect("the next").lines, 1, "on {kind:?}");
        assert_eq!(ours(&app.database).await, stripes(&app.sandbox, &TimeZone::UTC, &[]), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_to_go_on_from_that_stripe_does_not_know_is_forgotten() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.read_balance().await.expect("there is nothing yet");
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        app.database
            .execute("UPDATE cursors SET after_id = 'txn_gone', reached = position WHERE name = 'balance_transactions'")
            .await;
        let refused = app.read_balance().await.expect_err("Stripe knows no such line").code();
        assert!(refused.contains("resource_missing"), "{refused}");
        assert_eq!(app.read_balance().await.expect("it begins anew").lines, 1, "on {kind:?}");
        assert_eq!(ours(&app.database).await, stripes(&app.sandbox, &TimeZone::UTC, &[]), "on {kind:?}");
        app.finish().await;
    }
}

/// Starts the server and waits until everything is read.
async fn read_to_the_end(database: &Database, sandbox: &Sandbox) {
    let server = Server::start(
        &database.url,
        &sandbox.url(),
        database.folder.path(),
        &["--only", "worker", "--sweep-minutes", "15"],
    );
    let store = database.open().await;
    let done = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let cursor = store.cursor("payouts").await.expect("it is read");
            if cursor.position > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done).await.expect("it reads to the end");
    store.close().await;
    assert!(server.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_around_a_page_reads_it_once() {
    for kind in BOTH {
        let app = many_gifts(kind).await;
        let truth = stripes(&app.sandbox, &TimeZone::UTC, &[]);
        let (database, sandbox) = app.abandon().await;
        for place in BALANCE_PLACES {
            // As if nothing had been read yet.
            let db = mainstay::store::Db::open(&database.url).await.expect("the database opens");
            for sql in ["DELETE FROM balance_transactions", "DELETE FROM settlement_daily", "DELETE FROM cursors"] {
                db.write(sql).run().await.expect("it is done");
            }
            db.close().await;
            let arguments = ["--only", "worker", "--sweep-minutes", "15", "--stop-at", place];
            let mut server = Server::start(&database.url, &sandbox.url(), database.folder.path(), &arguments);
            tokio::task::block_in_place(|| server.wait_until_stopped());
            server.kill();
            read_to_the_end(&database, &sandbox).await;
            assert_eq!(ours(&database).await, truth, "killed at {place} on {kind:?}");
            let lines = database.rows("SELECT id AS line FROM balance_transactions").await;
            assert_eq!(lines.len(), usize::try_from(GIFTS).expect("few"), "killed at {place} on {kind:?}");
        }
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_move_with_the_newsrooms_time_zone_and_a_reader_of_the_old_one_stops() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.configure(|settings| settings.payouts = true);
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.advance_days(4).await;
        app.read_balance().await.expect("it is read");
        // 12:00 UTC is the day after on Kiritimati.
        let told = crate::rebuild::rebuild(&app.database, &["--time-zone", "Pacific/Kiritimati"]);
        for line in ["balance transaction txn_", "settlement 20261123 USD once", "settlement 20261124 USD once"] {
            assert!(told.contains(line), "{line} on {kind:?}:\n{told}");
        }
        let zone = TimeZone::get("Pacific/Kiritimati").expect("a zone");
        assert_eq!(ours(&app.database).await, stripes(&app.sandbox, &zone, &[]), "on {kind:?}");
        assert!(app.read_balance().await.expect_err("its days are of another zone").code().contains("restarted"));
        let (store, clock) = (app.store(), Clock::manual(app.clock.now()));
        balance(store, &app.sandbox, &clock, zone.clone()).run_once(&Pace::new(1_000)).await.expect("it is read");
        assert_eq!(ours(&app.database).await, stripes(&app.sandbox, &zone, &[]), "on {kind:?}");
        let told = crate::rebuild::rebuild(&app.database, &[]);
        assert!(told.ends_with("1 pledges recomputed in Pacific/Kiritimati, 0 rows differed\n"), "{told}");
        // A payout is made at midnight UTC, which is the day before in New York.
        let told = crate::rebuild::rebuild(&app.database, &["--time-zone", "America/New_York"]);
        assert!(told.contains("payout po_"), "on {kind:?}:\n{told}");
        app.abandon().await.1.shutdown().await;
    }
}
