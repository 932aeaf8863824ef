//! Long exports: page by page, each payment once and in order; and where a workbook is too small for them.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use jiff::tz::TimeZone;
use mainstay::service::reports::forms;
use mainstay::service::reports::{ReportError, run};
use mainstay::store::Db;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database};
use crate::support::reports::{ALWAYS, asked};

/// Payments of one pledge, over the days of November, as many as are wanted.
async fn put_payments(app: &TestApp, from: u32, to: u32) {
    let (pledge, _) = app.pledge("once", 2500, "USD").await;
    let numbers = format!(
        "(WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i FROM n) AS n"
    );
    let sql = format!(
        "INSERT INTO payments (stripe_key, id, pledge_id, status, amount_minor, currency, succeeded_at, day) \
         SELECT 'pi_' || CAST(i AS TEXT), 'pmt_' || CAST(i AS TEXT), '{pledge}', 'succeeded', 100 + i, 'USD', 1795435200, \
         20261101 + i % 30 FROM {numbers}"
    );
    execute(&app.database, sql).await;
}

async fn execute(database: &Database, sql: String) {
    let db = Db::open(&database.url).await.expect("the database opens");
    db.write(sql.leak()).run().await.expect("it is done");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_goes_on_from_page_to_page_and_has_each_payment_once() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        put_payments(&app, 1, 4_321).await;
        // Stripe booked one of them in two lines.
        let line = |id: &str| {
            format!(
                "INSERT INTO balance_transactions (id, kind, category, part, stripe_key, amount_minor, fee_minor, net_minor, \
             currency, created_at, day, available_at) VALUES ('{id}', 'charge', 'charge', 'charge', 'pi_77', 177, 7, 170, \
             'USD', 1795435200, 20261123, 1795435200)"
            )
        };
        for id in ["txn_1", "txn_2"] {
            execute(&app.database, line(id)).await;
        }
        let report =
            run(app.store(), &TimeZone::UTC, app.clock.now(), &asked("payments", &ALWAYS)).await.expect("a report");
        let pieces: Vec<String> = forms::csv::pieces(report, false).try_collect().await.expect("it is written");
        assert_eq!(pieces.len(), 1 + 5, "a head and pages of a thousand");
        let text = pieces.concat();
        let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let payments: BTreeSet<&str> = lines.iter().map(|line| line[2]).collect();
        assert_eq!((lines.len(), payments.len()), (4_321, 4_321), "on {kind:?}");
        assert!(lines.is_sorted_by_key(|line| (line[0].to_owned(), line[2].to_owned())), "on {kind:?}");
        let sum: i64 = lines.iter().map(|line| line[7].parse::<i64>().expect("an amount")).sum();
        assert_eq!(sum, (1..=4_321).map(|i| 100 + i).sum::<i64>());
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_takes_a_hundred_thousand_rows_and_says_so_of_one_more() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        put_payments(&app, 1, 100_000).await;
        let read = async || {
            let report = run(app.store(), &TimeZone::UTC, app.clock.now(), &asked("payments", &ALWAYS)).await;
            report.expect("a report").rows.all(forms::xlsx::MAX_ROWS).await
        };
        assert_eq!(read().await.expect("they fit").len(), 100_000, "on {kind:?}");
        put_payments(&app, 100_001, 100_001).await;
        assert!(matches!(read().await, Err(ReportError::TooManyRows(100_000))), "on {kind:?}");
        let url = app.serve_reports().await;
        let asked = format!("{url}/payments?from=2026-01-01&to=2028-01-01&format=xlsx");
        let answer = app.http.get(asked).send().await.expect("an answer");
        assert_eq!(answer.status(), 422);
        let problem: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!(problem["errors"][0]["code"], "too_many_rows", "{problem}");
        app.finish().await;
    }
}
