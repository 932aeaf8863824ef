//! How fast the dashboard is answered with many supporters while the books move, and how long it takes to read what it keeps
//! at hand: every version of every subscription.
//!
//! The whole server is in the bench's own process, with its guard, its sign-in and what it keeps at hand. Subscriptions are put
//! into the database by generated SQL: each has run for two years and was told of every month.

use std::time::{Duration, Instant};

use mainstay::clock::Clock;
use mainstay::domain::facts::{Billing, Evidence, Fact, Snapshot, State};
use mainstay::service::reports::at_hand::AtHand;
use mainstay::store::{Db, Store};

use super::newsroom::Newsroom;
use super::reports::{numbers, run};
use super::{Bench, times};
use crate::client::count;
use crate::database::open;
use crate::report::Target;

/// Whose monthly gifts run.
const SUPPORTERS: usize = 20_000;
/// Versions of each subscription.
const VERSIONS: usize = 24;
/// How often somebody writes meanwhile.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// Fills a database with supporters, and looks.
pub async fn measure(bench: &mut Bench) {
    let database = bench.template.copy().await;
    let db = open(&database).await;
    fill(&db).await;
    let reading = read(&database.url).await;
    let newsroom = Newsroom::open(&database, &bench.sandbox).await;
    let moving = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(WRITE_EVERY);
        loop {
            ticks.tick().await;
            run(&db, "UPDATE turns SET taken = taken + 1, summed = summed + 1 WHERE name = 'reconcile'".to_owned())
                .await;
        }
    });
    let looked = times(async || assert!(newsroom.page("/admin").await.contains("<svg"), "there are charts"));
    let (p50, p99) = looked.await;
    moving.abort();
    let _ = moving.await;
    newsroom.close().await;
    let what = format!("the dashboard with {} thousand supporters", count(SUPPORTERS) / 1e3);
    bench.add(&format!("{what}, p50, ms"), p50, 2, Target::None);
    bench.add(&format!("{what}, p99, ms"), p99, 2, Target::AtMost(50.0, 50.0));
    bench.add(&format!("{what}, reading what is kept at hand, ms"), reading, 0, Target::None);
    bench.template.forget(database).await;
}

/// A monthly subscription as a version tells of it.
fn fact() -> String {
    let state = State::Subscription {
        status: "active".to_owned(),
        paused: false,
        cancel_at_period_end: false,
        cancel_at: None,
        period_end: Some(1_800_000_000),
        amount_minor: Some(500),
        currency: "USD".to_owned(),
        interval: Some("month".to_owned()),
        billing: Billing::default(),
    };
    let snapshot = Snapshot { grade: 0, at: 1_700_000_000, step: 1, rank: 1, event: "evt_of_the_bench".to_owned() };
    let (after, rivals, evidence) = (Vec::new(), Vec::new(), Evidence::default());
    let fact = Fact { snapshot, state, after, rivals, evidence, donor_as_of: None };
    serde_json::to_string(&fact).expect("a fact")
}

/// How long it takes to read what is kept at hand, in ms.
async fn read(url: &str) -> f64 {
    let store = Store::open(url).await.expect("the database opens");
    let at_hand = AtHand::new(store.clone(), Clock::system(), jiff::tz::TimeZone::UTC);
    let begin = Instant::now();
    let read = at_hand.recurring().await.expect("it is read");
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let running: i64 = read.lines.values().map(|line| line.closing.running.count).sum();
    assert_eq!(usize::try_from(running).ok(), Some(SUPPORTERS));
    store.close().await;
    took
}

async fn fill(db: &Db) {
    let (all, fact) = (numbers(0, SUPPORTERS), fact());
    run(
        db,
        format!(
            "INSERT INTO pledges (id, campaign, frequency, amount_minor, currency, source, return_url, status, created_at, \
             expires_at, stripe_attempt) SELECT 'plg_of_support_' || CAST(i AS TEXT), 'default', 'monthly', 500, 'USD', '', \
             '', 'active', 0, 0, 1 FROM {all}"
        ),
    )
    .await;
    run(
        db,
        format!(
            "INSERT INTO stripe_objects (object_id, kind, pledge_id, fact, updated_at) \
             SELECT 'sub_of_support_' || CAST(i AS TEXT), 'subscription', 'plg_of_support_' || CAST(i AS TEXT), '{fact}', 1 \
             FROM {all}"
        ),
    )
    .await;
    run(
        db,
        format!(
            "INSERT INTO subscription_versions (stripe_subscription_id, at, event_id, fact) \
             SELECT 'sub_of_support_' || CAST(i / {VERSIONS} AS TEXT), 1700000000 + i % {VERSIONS} * 2592000, \
             'evt_of_support_' || CAST(i AS TEXT), '{fact}' FROM {}",
            numbers(0, SUPPORTERS * VERSIONS)
        ),
    )
    .await;
    run(db, "ANALYZE".to_owned()).await;
}
