//! What the webhooks did not bring is found at Stripe: after days, after weeks, and with Stripe on a bad day.

use std::sync::Arc;

use mainstay::clock::Clock;
use mainstay::config::Role;
use mainstay::gateway::list::Pace;
use mainstay::gateway::{Gateway, GatewayConfig};
use mainstay::id::Random;
use mainstay::sandbox::{ApiFault, Card, Sandbox};
use mainstay::service::sweep::{SweepError, SweepReport, Sweeper};
use mainstay::store::{Mark, Store};
use mainstay::vault::Sealer;
use mainstay::worker::{BalanceWorker, SweepWorker};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::journeys::disorder::same;
use crate::journeys::{ours, stripes};
use crate::support::app::{DAY, KEYS, NOON, TestApp};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::desk::Desk;
use crate::support::journeys::{self, subscription_of};
use crate::support::log::Log;
use crate::support::process::{environment, mainstay};
use crate::support::settled::balance;
use crate::support::story::Story;

const SWEEPING: &[(&str, &str)] = &[("SWEEP_MINUTES", "15")];

/// A sweep by hand.
fn sweeper(store: &Store, clock: &Clock, sandbox: &Sandbox) -> Sweeper {
    let random = Random::seeded(3);
    let config = GatewayConfig { api_url: sandbox.url(), secret_key: "sk_test_of_the_tests".into() };
    Sweeper {
        store: store.clone(),
        clock: clock.clone(),
        random: random.clone(),
        sealer: Sealer::parse(&KEYS.public, random.clone()).expect("a key"),
        gateway: Gateway::new(&config, random).expect("a gateway"),
        pace: Arc::new(Pace::new(1000)),
        arrived: Arc::new(Notify::new()),
        dry_run: false,
    }
}

async fn run(sweeper: &Sweeper, since: Option<i64>) -> Result<SweepReport, SweepError> {
    sweeper.run(since, &mut |_| {}).await
}

/// Gifts of every kind, and what befalls them while nobody listens for `days`.
async fn silence_of(kind: Kind, days: i64) {
    let app = TestApp::start_with(kind, SWEEPING).await;
    let mut sessions = Vec::new();
    for (frequency, amount, currency) in [
        ("once", 2500, "USD"),
        ("once", 700, "EUR"),
        ("monthly", 500, "USD"),
        ("monthly", 900, "EUR"),
        ("annual", 5000, "JPY"),
    ] {
        let (pledge, session) = app.pledge(frequency, amount, currency).await;
        app.pay(&session, Card::Works).await;
        sessions.push(pledge);
    }
    let (debit, session) = app.pledge("once", 6000, "EUR").await;
    app.pay(&session, Card::BankDebitSettles).await;
    let (left, _) = app.pledge("once", 300, "USD").await;
    app.settle().await;
    app.advance_days(28).await;
    let (unpaid, waiting) = app.pledge("once", 1100, "USD").await;
    let (begun, beginning) = app.pledge("monthly", 1200, "EUR").await;
    app.settle().await;
    app.swept().await;

    let clock = app.clock.clone();
    let ending = subscription_of(&app, &sessions[3]);
    let (database, sandbox) = app.abandon().await;
    let pay = |session: String| {
        let sandbox = sandbox.clone();
        async move { sandbox.pay(&session, Card::Works).await.expect("it is open") }
    };
    pay(waiting).await;
    pay(beginning).await;
    let charges = sandbox.objects("charge");
    let charge = |n: usize| charges[n]["id"].as_str().expect("an id").to_owned();
    sandbox.refund(&charge(0), Some(1000)).expect("it is given back");
    sandbox.dispute(&charge(1), "fraudulent").expect("it is disputed");
    sandbox.cancel_subscription(&ending, false);
    for _ in 0..days {
        clock.advance(DAY);
        sandbox.tick().await;
    }

    let app = TestApp::start_beside(Role::All, database, sandbox, clock, SWEEPING).await;
    app.swept().await;
    assert_eq!(ours(&app.database).await, stripes(&app), "after {days} days on {kind:?}");
    for (pledge, status) in
        [(&unpaid, "paid"), (&begun, "active"), (&debit, "paid"), (&left, "expired"), (&sessions[3], "canceled")]
    {
        let line = app.database.books().await.into_iter().find(|line| line.starts_with(&format!("pledge {pledge} ")));
        assert!(line.as_ref().is_some_and(|line| line.contains(status)), "{line:?} is not {status}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_five_days_down_nothing_is_missing() {
    for kind in BOTH {
        silence_of(kind, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_forty_days_down_nothing_is_missing() {
    for kind in BOTH {
        silence_of(kind, 40).await;
    }
}

/// Every journey, with Stripe still there to be asked.
async fn told_and_kept(kind: Kind) -> (Story, Sandbox, Clock) {
    let app = TestApp::start(kind).await;
    let pledges: Vec<String> = journeys::all(&app).await.into_iter().map(|journey| journey.pledge).collect();
    let story = Story::so_far(&app, &pledges).await;
    let clock = app.clock.clone();
    (story, app.abandon().await.1, clock)
}

/// What follows from the objects as they are at the end: every row but those that tell how we learned of it, and but when
/// a bank debit failed (the only gifts once that fail after the checkout), which no object says.
fn told_by_objects(books: Vec<String>) -> Vec<String> {
    let told = books.into_iter().filter(|line| !["version ", "object "].iter().any(|kind| line.starts_with(kind)));
    told.map(|line| {
        let mut fields: Vec<&str> = line.split(' ').collect();
        if line.starts_with("payment pi_") && fields[3] == "failed" {
            fields[8] = "?";
        }
        fields.join(" ")
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_months_that_nobody_told_us_of_are_read_from_the_objects_alone() {
    for kind in BOTH {
        let (story, sandbox, clock) = told_and_kept(kind).await;
        let database = story.untold(kind).await;
        let desk = Desk::open(&database, story.now).await;
        let report = run(&sweeper(&desk.store, &clock, &sandbox), Some(NOON - DAY)).await.expect("it ends");
        assert!(report.objects && report.found(false) > 50, "{report:?}");
        desk.work().await;
        same(&told_by_objects(database.books().await), &told_by_objects(story.books), &format!("on {kind:?}"));
        desk.store.close().await;
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_lost_at_random_are_found() {
    for kind in BOTH {
        let (story, sandbox, clock) = told_and_kept(kind).await;
        for seed in 0..4 {
            let random = Random::seeded(seed);
            let database = story.untold(kind).await;
            let desk = Desk::open(&database, story.now).await;
            for event in &story.events {
                if random.below(3) > 0 {
                    desk.hear(event).await;
                }
            }
            desk.work().await;
            let known = told_by_objects(story.books.clone());
            assert_ne!(told_by_objects(database.books().await), known, "something was lost");
            run(&sweeper(&desk.store, &clock, &sandbox), Some(NOON - DAY)).await.expect("it ends");
            desk.work().await;
            same(&told_by_objects(database.books().await), &known, &format!("seed {seed} on {kind:?}"));
            desk.store.close().await;
        }
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_day_of_stripes_is_waited_out_and_nothing_is_lost_or_doubled() {
    for kind in BOTH {
        let (story, sandbox, clock) = told_and_kept(kind).await;
        let database = story.untold(kind).await;
        let desk = Desk::open(&database, story.now).await;
        for (path, fault, times) in [
            ("/v1/events", ApiFault::TooManyRequests { retry_after_seconds: 1 }, 2),
            ("/v1/charges", ApiFault::InternalError, 3),
            ("/v1/invoices", ApiFault::Cut, 2),
            ("/v1/refunds", ApiFault::HalfClose, 2),
            ("/v1/subscriptions", ApiFault::WorkThenStall, 1),
        ] {
            sandbox.fail_api(Some("GET"), path, fault, times);
        }
        run(&sweeper(&desk.store, &clock, &sandbox), Some(NOON - DAY)).await.expect("it ends");
        desk.work().await;
        same(&told_by_objects(database.books().await), &told_by_objects(story.books), &format!("on {kind:?}"));
        desk.store.close().await;
        sandbox.heal();
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_dies_is_taken_up_where_it_was_and_two_never_sweep_at_once() {
    for kind in BOTH {
        let (story, sandbox, clock) = told_and_kept(kind).await;
        let database = story.untold(kind).await;
        let desk = Desk::open(&database, story.now).await;
        let sweeper = sweeper(&desk.store, &clock, &sandbox);
        let began = Notify::new();
        let mut pages = 0;
        let mut tell = |_: &_| {
            pages += 1;
            if pages == 6 {
                began.notify_one();
            }
        };
        tokio::select! {
            biased;
            () = began.notified() => {}
            ended = sweeper.run(Some(NOON - DAY), &mut tell) => panic!("it was to be stopped, and ended: {ended:?}"),
        }
        let left = desk.store.sweep_under_way().await.expect("it is read").expect("one is under way");
        assert!(left.stage.is_some() && left.objects_from_at.is_some(), "{left:?}");
        assert!(desk.store.mark(Mark::SweptUntil).await.expect("it is read").is_none(), "it has not ended");
        assert!(matches!(run(&sweeper, None).await, Err(SweepError::Busy)), "the dead one still holds it");

        clock.advance(600);
        desk.clock.advance(600);
        let asked_before = sandbox.requests().len();
        run(&sweeper, None).await.expect("it ends");
        let asked: Vec<String> =
            sandbox.requests()[asked_before..].iter().map(|request| request.query.clone()).collect();
        let of_first_list = |query: &String| query.contains("delivery_success");
        assert!(sandbox.requests()[..asked_before].iter().any(|request| of_first_list(&request.query)));
        assert!(!asked.iter().any(of_first_list), "the first list was read before: {asked:?}");
        desk.work().await;
        same(&told_by_objects(database.books().await), &told_by_objects(story.books), &format!("on {kind:?}"));
        assert_eq!(desk.store.mark(Mark::SweptUntil).await.expect("it is read"), Some(story.now), "as it began");
        desk.store.close().await;
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_reads_from_where_the_last_one_ended_and_further_back_when_that_is_wanted() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let sweeper = sweeper(app.store(), &app.clock, &app.sandbox);
        let first = run(&sweeper, None).await.expect("it ends");
        assert_eq!(
            (first.from_at, first.found(true)),
            (NOON - 3600, 0),
            "an hour before the first event that was heard"
        );
        app.clock.advance(2 * DAY);
        let second = run(&sweeper, None).await.expect("it ends");
        assert_eq!((second.from_at, second.objects), (NOON - 3600, false), "an hour before the end of the first");
        let reads = app.reads();
        let third = run(&sweeper, None).await.expect("it ends");
        assert_eq!((third.from_at, app.reads() - reads), (NOON + 2 * DAY - 3600, 3), "an idle sweep is three pages");
        // Where all subscriptions take long to list, they are not listed each time.
        app.store().set_mark(Mark::StandingsDue, app.clock.now() + 1).await.expect("it is set");
        let reads = app.reads();
        assert_eq!(run(&sweeper, None).await.expect("it ends").standings, None);
        assert_eq!(app.reads() - reads, 2);

        let wanted = run(&sweeper, Some(NOON - 60 * DAY)).await.expect("it ends");
        assert_eq!((wanted.from_at, wanted.objects), (NOON - 60 * DAY, true));
        assert!(wanted.found(false) > 0, "objects are read: {wanted:?}");
        app.settle().await;
        assert_eq!(ours(&app.database).await, stripes(&app), "and change nothing that was right");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_whose_end_nobody_told_us_is_looked_up_once_a_day() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (left, _) = app.pledge("once", 300, "USD").await;
        let (paid, session) = app.pledge("once", 2500, "USD").await;
        let (monthly, began) = app.pledge("monthly", 900, "EUR").await;
        let (debit, debited) = app.pledge("once", 6000, "EUR").await;
        for (session, card) in [(session, Card::Works), (began, Card::Works), (debited, Card::BankDebitFails)] {
            app.pay(&session, card).await;
        }
        // Of this one no session was ever made.
        let story = Story::so_far(&app, std::slice::from_ref(&left)).await;
        story.begin_without_session(app.store(), "plg_00000000000000000000000000000001").await;
        let swept = app.clock.now();
        // Events that are past their thirty days, and a last sweep that did not see them.
        app.clock.advance(40 * DAY);
        app.sandbox.tick().await;
        app.store().set_mark(Mark::SweptUntil, swept + 40 * DAY).await.expect("it is set");
        let sweeper = sweeper(app.store(), &app.clock, &app.sandbox);
        assert_eq!(run(&sweeper, None).await.expect("it ends").looked_up, 5, "on {kind:?}");
        app.caught_up().await;
        for (pledge, status) in [(&left, "expired"), (&paid, "paid"), (&monthly, "active"), (&debit, "failed")] {
            let books = app.database.books().await;
            let line = books.iter().find(|line| line.starts_with(&format!("pledge {pledge} "))).expect("it is there");
            assert!(line.contains(&format!(" {status} ")), "{line} is not {status}");
        }
        let none = app.database.books().await.iter().any(|line| line.contains("0001 expired"));
        assert!(none, "that no session was ever made is known now");
        assert_eq!(run(&sweeper, None).await.expect("it ends").looked_up, 0, "all are settled");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backfill_by_hand_tells_what_is_missing_and_then_what_that_changed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        let folder = tempfile::tempdir().expect("a folder");
        let events = app.sandbox.events().len();
        // Without a server, and beside one that works on the database.
        let (database, sandbox, clock) = {
            let clock = app.clock.clone();
            let (database, sandbox) = app.abandon().await;
            (database, sandbox, clock)
        };
        let backfill = |arguments: &[&str]| {
            let mut command = mainstay(&["backfill", "--since", "2026-11-20"]);
            let output = command
                .args(arguments)
                .current_dir(folder.path())
                .envs(environment(&database.url, &sandbox.url()))
                .output()
                .expect("it runs");
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text")
        };
        let counted = backfill(&["--dry-run"]);
        assert!(counted.contains(&format!("{events} new")) && counted.ends_with("Nothing was changed.\n"), "{counted}");
        assert!(ours(&database).await.is_empty(), "a dry run changes nothing");
        let done = backfill(&[]);
        assert!(done.contains("  USD  payments +1  gross $25.00  refunds $0.00  disputes $0.00\n"), "{done}");
        let again = backfill(&[]);
        assert!(again.ends_with("What that changed in the books:\n  nothing\n"), "{again}");

        let app = TestApp::start_beside(Role::All, database, sandbox, clock, &[]).await;
        assert_eq!(app.status(&pledge).await, "paid");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_long_silence_of_stripes_is_shown_at_once_and_warned_of_once_a_day() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        assert_eq!(app.get("/readyz").await.1, "ready\n", "nobody knows what to expect before the first webhook");
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let balance = BalanceWorker {
            balance: balance(app.store(), &app.sandbox, &app.clock, jiff::tz::TimeZone::UTC),
            pace: Arc::new(Pace::new(1000)),
        };
        let mut worker = SweepWorker::new(sweeper(app.store(), &app.clock, &app.sandbox), balance, 900, Some(7200), {
            let known = CancellationToken::new();
            known.cancel();
            known
        });
        let warned = |log: &Log| String::from_utf8_lossy(&log.bytes()).matches("delivered nothing for long").count();
        let (log, _guard) = Log::of_this_thread();
        assert!(worker.run_once().await && warned(&log) == 0);
        app.clock.advance(3 * 3600);
        assert_eq!(app.get("/readyz").await.1, "ready\nlast_webhook_age_seconds 10800\n");
        assert!(app.metric("mainstay_last_webhook_age_seconds").await.starts_with("10800"));
        assert!(worker.run_once().await && warned(&log) == 1);
        app.clock.advance(3600);
        assert!(worker.run_once().await && warned(&log) == 1, "not every quarter of an hour");
        app.clock.advance(DAY);
        assert!(worker.run_once().await && warned(&log) == 2);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_restored_after_weeks_is_made_whole_with_the_pledges_made_since() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, SWEEPING).await;
        let (before, session) = app.pledge("monthly", 500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("backup").display().to_string();
        let run = |database: &Database, command: &str| {
            let output = mainstay(&[command, &file])
                .current_dir(folder.path())
                .envs(environment(&database.url, &app.sandbox.url()))
                .output()
                .expect("it runs");
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        };
        // Gifts go on while it is taken, and for weeks after.
        let (open, waiting) = app.pledge("once", 4200, "EUR").await;
        tokio::join!(async { tokio::task::block_in_place(|| run(&app.database, "backup")) }, async {
            for _ in 0..5 {
                let (_, session) = app.pledge("once", 700, "EUR").await;
                app.pay(&session, Card::Works).await;
                app.settle().await;
            }
        });
        app.pay(&waiting, Card::Works).await;
        let (since, session) = app.pledge("monthly", 900, "EUR").await;
        app.pay(&session, Card::Works).await;
        let (annual, session) = app.pledge("annual", 5000, "JPY").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        app.advance_days(20).await;
        let charge = app.sandbox.objects("charge")[0]["id"].as_str().expect("an id").to_owned();
        app.sandbox.refund(&charge, Some(100)).expect("it is given back");
        app.settle().await;
        app.advance_days(15).await;

        let place = Database::unmigrated(kind).await;
        run(&place, "restore");
        let clock = app.clock.clone();
        let (lost, sandbox) = app.abandon().await;
        let statuses = lost.books().await.into_iter().filter(|line| line.starts_with("pledge ")).count();
        let app = TestApp::start_beside(Role::All, place, sandbox, clock, SWEEPING).await;
        app.swept().await;
        assert_eq!(ours(&app.database).await, stripes(&app), "to the cent on {kind:?}");
        for (pledge, status) in [(&before, "active"), (&open, "paid"), (&since, "active"), (&annual, "active")] {
            let books = app.database.books().await;
            let line = books.iter().find(|line| line.starts_with(&format!("pledge {pledge} "))).expect("it is back");
            assert!(line.contains(&format!(" {status} ")), "{line} is not {status} on {kind:?}");
        }
        let again = app.database.books().await.into_iter().filter(|line| line.starts_with("pledge ")).count();
        assert_eq!(again, statuses, "every pledge is back on {kind:?}");
        assert_eq!(app.store().sweep_wanted().await.expect("it is read"), None, "nothing more is wanted");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_is_on_its_way_is_taken_in_and_is_no_alarm() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let sweeper = sweeper(app.store(), &app.clock, &app.sandbox);
        for (seconds, is_late) in [(60, false), (1200, true)] {
            let (pledge, session) = app.pledge("once", 2500, "USD").await;
            app.pay(&session, Card::Works).await;
            app.clock.advance(seconds);
            let report = run(&sweeper, None).await.expect("it ends");
            assert!(report.found(true) > 0, "{report:?}");
            assert_eq!(report.late_events() > 0, is_late, "after {seconds} s: {report:?}");
            app.caught_up().await;
            assert_eq!(app.status(&pledge).await, "paid");
        }
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_waits_as_long_as_stripe_asks_it_to() {
    let app = TestApp::start(Kind::Sqlite).await;
    // Its own first pause is half a second at most.
    app.sandbox.fail_api(Some("GET"), "/v1/events", ApiFault::TooManyRequests { retry_after_seconds: 2 }, 1);
    let begun = std::time::Instant::now();
    run(&sweeper(app.store(), &app.clock, &app.sandbox), None).await.expect("it ends");
    assert!(begun.elapsed().as_millis() >= 2000, "{:?}", begun.elapsed());
    app.finish().await;
}
