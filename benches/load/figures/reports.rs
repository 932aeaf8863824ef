//! How fast a year's revenue is answered over millions of payments, whether that grows with them, and whether an export of a
//! million of them keeps its memory.
//!
//! The handler is served by a small server in the bench's own process, on the connections it has in the product; the page
//! is the whole server's, to somebody who has signed in; the export is the program's, in a process of its own. Payments are
//! put into the database by generated SQL, with the daily sums as the sum of them: three currencies, three frequencies, two
//! campaigns and four sources, spread evenly over five years.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use mainstay::clock::Clock;
use mainstay::http::admin::reports::{Reports, show};
use mainstay::store::{Db, Store};
use mainstay::worker::TotalsWorker;

use super::newsroom::Newsroom;
use super::{Bench, times};
use crate::client::count;
use crate::database::{Database, open};
use crate::process::peak_resident_mb;
use crate::report::Target;
use crate::support::loopback;
use crate::support::process::mainstay;

/// A year in the middle of what there is.
const YEAR: &str = "from=2024-01-01&to=2025-01-01";
/// Days over which payments are spread, counted from 2022-01-01.
const DAYS: usize = 5 * 365;
/// Payments written by one statement.
const AT_ONCE: usize = 250_000;
const PLEDGES: usize = 72;
/// How long the program may be looked at while it exports.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Puts payments there step by step, and asks after each.
pub async fn measure(bench: &mut Bench) {
    let database = bench.template.copy().await;
    let db = open(&database).await;
    begin(&db).await;
    let mut there = 0;
    for (step, payments) in bench.scale.payments.iter().copied().enumerate() {
        put(&db, there, payments).await;
        there = payments;
        sum_up(&db, &database).await;
        let millions = count(payments) / 1e6;
        for (by, target) in [
            ("month", Target::AtMost(10.0, 10.0)),
            ("month,frequency", Target::AtMost(10.0, 10.0)),
            ("month,source", Target::AtMost(10.0, 10.0)),
            ("day", Target::AtMost(10.0, 10.0)),
        ] {
            let (p50, p99) = ask(&database, &format!("revenue?{YEAR}&by={by}")).await;
            let what = format!("a year's revenue by {by} as JSON, {millions} million payments");
            bench.add(&format!("{what}, p50, ms"), p50, 2, Target::None);
            bench.add(&format!("{what}, p99, ms"), p99, 2, target);
        }
        let (p50, p99) = look(bench, &database, &format!("revenue?{YEAR}")).await;
        let what = format!("a year's revenue by month as a page, {millions} million payments");
        bench.add(&format!("{what}, p50, ms"), p50, 2, Target::None);
        bench.add(&format!("{what}, p99, ms"), p99, 2, Target::AtMost(10.0, 10.0));
        if step == 0 {
            let (rows, seconds, memory) = export(&database);
            assert_eq!(rows, payments, "each payment is exported once");
            bench.add(
                &format!("{millions} million payments exported as CSV, rows/s"),
                count(rows) / seconds,
                0,
                Target::None,
            );
            bench.add("most memory while payments are exported, MB", memory, 1, Target::Below(100.0, 100.0));
        }
    }
    db.close().await;
    bench.template.forget(database).await;
}

pub(super) async fn run(db: &Db, sql: String) {
    db.write(sql.leak()).run().await.unwrap_or_else(|error| panic!("{error}"));
}

/// A table of the numbers from `from` and before `to`.
pub(super) fn numbers(from: usize, to: usize) -> String {
    format!(
        "(WITH RECURSIVE n(i) AS (SELECT CAST({from} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to}) \
         SELECT i FROM n) AS n"
    )
}

/// Pledges of every kind, and a table of days.
async fn begin(db: &Db) {
    run(
        db,
        "INSERT INTO campaigns (slug, name, default_currency, default_frequency, created_at) \
         VALUES ('spring', 'Spring', 'USD', 'once', 0)"
            .to_owned(),
    )
    .await;
    run(
        db,
        format!(
            "INSERT INTO pledges (id, campaign, frequency, amount_minor, currency, source, return_url, status, created_at, \
             expires_at, stripe_attempt) SELECT 'plg_of_the_bench_' || CAST(i AS TEXT), \
             CASE i % 2 WHEN 0 THEN 'default' ELSE 'spring' END, \
             CASE i / 2 % 3 WHEN 0 THEN 'once' WHEN 1 THEN 'monthly' ELSE 'annual' END, 500, \
             CASE i / 6 % 3 WHEN 0 THEN 'USD' WHEN 1 THEN 'EUR' ELSE 'GBP' END, \
             CASE i / 18 % 4 WHEN 0 THEN '' WHEN 1 THEN 'article' WHEN 2 THEN 'header' ELSE 'letter' END, '', 'paid', 0, 0, 1 \
             FROM {}",
            numbers(0, PLEDGES)
        ),
    )
    .await;
    run(db, "CREATE TABLE bench_days (nth BIGINT NOT NULL PRIMARY KEY, day BIGINT NOT NULL)".to_owned()).await;
    let first = jiff::civil::date(2022, 1, 1);
    let days = (0..DAYS).map(|nth| {
        let day = first.saturating_add(jiff::Span::new().days(i64::try_from(nth).expect("small")));
        format!("({nth}, {})", mainstay::domain::calendar::number_of(day))
    });
    run(db, format!("INSERT INTO bench_days (nth, day) VALUES {}", days.collect::<Vec<_>>().join(", "))).await;
}

/// Payments number `from` to `to`, each booked by Stripe.
async fn put(db: &Db, from: usize, to: usize) {
    let begin = Instant::now();
    let mut next = from;
    while next < to {
        let end = to.min(next + AT_ONCE);
        let numbers = numbers(next, end);
        run(
            db,
            format!(
                "INSERT INTO payments (stripe_key, id, pledge_id, status, amount_minor, currency, succeeded_at, day) \
                 SELECT 'pi_of_the_bench_' || CAST(i AS TEXT), \
                 'pmt_' || CAST(i * 7919 % 1000003 AS TEXT) || '_' || CAST(i AS TEXT), g.id, 'succeeded', 300 + i % 4700, \
                 g.currency, 1640995200 + i % {DAYS} * 86400, d.day FROM {numbers} \
                 JOIN bench_days d ON d.nth = i % {DAYS} \
                 JOIN pledges g ON g.id = 'plg_of_the_bench_' || CAST(i % {PLEDGES} AS TEXT)"
            ),
        )
        .await;
        run(
            db,
            format!(
                "INSERT INTO balance_transactions (id, kind, category, part, stripe_key, amount_minor, fee_minor, net_minor, \
                 currency, created_at, day, available_at) SELECT 'txn_' || CAST(i AS TEXT), 'charge', 'charge', 'charge', \
                 'pi_of_the_bench_' || CAST(i AS TEXT), 300 + i % 4700, 30, 270 + i % 4700, 'USD', 0, d.day, 0 FROM {numbers} \
                 JOIN bench_days d ON d.nth = i % {DAYS}"
            ),
        )
        .await;
        next = end;
    }
    eprintln!("  {to} payments after {:.0} s", begin.elapsed().as_secs_f64());
}

/// The daily revenue as the sum of the payments, and the sums of it as the worker makes them up after a program that keeps
/// none.
async fn sum_up(db: &Db, database: &Database) {
    let forget = "DELETE FROM revenue_daily".to_owned();
    run(db, forget).await;
    // Year by year: PostgreSQL is taken for silent when a statement goes on for too long.
    for year in 2022..=2026 {
        run(
            db,
            format!(
                "INSERT INTO revenue_daily (day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
                 disputes_minor) SELECT p.day, p.currency, g.frequency, g.campaign, g.source, COUNT(*), \
                 CAST(SUM(p.amount_minor) AS BIGINT), 0, 0 FROM payments p JOIN pledges g ON g.id = p.pledge_id \
                 WHERE p.day >= {year}0000 AND p.day < {year}9999 \
                 GROUP BY p.day, p.currency, g.frequency, g.campaign, g.source"
            ),
        )
        .await;
    }
    run(db, "UPDATE turns SET taken = taken + 1 WHERE name = 'reconcile'".to_owned()).await;
    let store = Store::open(&database.url).await.expect("the database opens");
    let mut worker = TotalsWorker::new(store.clone());
    while worker.run_once().await.expect("a month is done") > 0 {}
    store.close().await;
    // As a server that has run for a while has them.
    run(db, "ANALYZE".to_owned()).await;
}

/// The median and the 99th percentile of asking for a report, in ms.
async fn ask(database: &Database, what: &str) -> (f64, f64) {
    let store = Store::open(&database.url).await.expect("the database opens");
    let state = Reports { store: store.clone(), clock: Clock::system(), zone: jiff::tz::TimeZone::UTC };
    let router = axum::Router::new().route("/v1/admin/reports/{name}", axum::routing::get(show)).with_state(state);
    let url = format!("http://{}/v1/admin/reports/{what}", loopback::serve(router).await);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let times = times(async || {
        let answer = client.get(&url).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.expect("a body").len() > 1_000, "there are rows");
    });
    let times = times.await;
    store.close().await;
    times
}

/// The same of the page that the whole server makes of it.
async fn look(bench: &Bench, database: &Database, what: &str) -> (f64, f64) {
    let newsroom = Newsroom::open(database, &bench.sandbox).await;
    let path = format!("/admin/reports/{what}");
    let times = times(async || assert!(newsroom.page(&path).await.contains("</td>"), "there are rows")).await;
    newsroom.close().await;
    times
}

/// Exports by the program: how many rows came, in how many seconds, and the most memory it had.
fn export(database: &Database) -> (usize, f64, f64) {
    let begin = Instant::now();
    let mut child = mainstay(&["report", "payments", "--from", "2022-01-01", "--to", "2027-01-01"])
        .args(["--format", "csv", "--database-url", &database.url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut output = BufReader::with_capacity(64 * 1024, child.stdout.take().expect("standard output"));
    let (mut lines, mut most, mut looked) = (0, 0.0_f64, Instant::now());
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).expect("it is read") > 0 {
        lines += 1;
        line.clear();
        if looked.elapsed() > LOOK_EVERY {
            most = most.max(peak_resident_mb(child.id()));
            looked = Instant::now();
        }
    }
    assert!(child.wait().expect("it ends").success(), "the export ended badly");
    (lines - 1, begin.elapsed().as_secs_f64(), most)
}
