//! Many lines: they are linked a batch at a time, and whoever else writes gets a turn in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::tz::TimeZone;
use mainstay::config::Role;
use mainstay::gateway::list::Pace;
use mainstay::store::Db;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database};
use crate::support::settled::balance;

/// As many rows as there are numbers of five digits.
const DIGITS: &str = "(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_lines_are_linked_while_others_write() {
    for kind in BOTH {
        let app = TestApp::start_as(Role::Web, Database::fresh(kind).await, &[]).await;
        // A worker would link them meanwhile.
        let (_, _session) = app.pledge("once", 2500, "USD").await;
        let numbers = format!(
            "(SELECT a.column1 + 10 * b.column1 + 100 * c.column1 + 1000 * d.column1 + 10000 * e.column1 AS n \
             FROM {DIGITS} a CROSS JOIN {DIGITS} b CROSS JOIN {DIGITS} c CROSS JOIN {DIGITS} d CROSS JOIN {DIGITS} e) AS numbers"
        );
        let name = "CAST(100000 + n AS TEXT)";
        let payments = format!(
            "INSERT INTO payments (stripe_key, id, pledge_id, status, amount_minor, currency, succeeded_at, day, \
             stripe_charge_id) SELECT 'pi_' || {name}, 'pmt_' || {name}, (SELECT id FROM pledges), 'succeeded', 2500, 'USD', \
             1795435200, 20261123, 'ch_' || {name} FROM {numbers}"
        );
        let lines = format!(
            "INSERT INTO balance_transactions (id, kind, category, part, source_id, charge_id, amount_minor, fee_minor, \
             net_minor, currency, created_at, day, available_at) SELECT 'txn_' || {name}, 'charge', 'charge', 'charge', \
             'ch_' || {name}, 'ch_' || {name}, 2500, 103, 2397, 'USD', 1795435200, 20261123, 1795435200 FROM {numbers}"
        );
        let db = Db::open(&app.database.url).await.expect("the database opens");
        for sql in [payments, lines] {
            assert_eq!(db.write(sql.leak()).run().await.expect("it is done"), 100_000);
        }
        db.close().await;

        let (ended, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let other = {
            let (store, ended, written) = (app.store().clone(), Arc::clone(&ended), Arc::clone(&written));
            tokio::spawn(async move {
                while !ended.load(Ordering::SeqCst) {
                    store.check_writable().await.expect("it gets its turn");
                    written.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        };
        let reader = balance(app.store(), &app.sandbox, &app.clock, TimeZone::UTC);
        let reading = reader.run_once(&Pace::new(1_000)).await.expect("it is read");
        ended.store(true, Ordering::SeqCst);
        other.await.expect("it ends");
        assert_eq!(reading.linked, 100_000, "on {kind:?}");
        let turns = written.load(Ordering::SeqCst);
        assert!(turns > 500, "others wrote only {turns} times between 1563 batches, on {kind:?}");
        let sums = "SELECT CAST(SUM(payments) AS TEXT) || ' ' || CAST(SUM(gross_minor) AS TEXT) || ' ' || \
                    CAST(SUM(fees_minor) AS TEXT) AS line FROM settlement_daily";
        assert_eq!(app.database.rows(sums).await, ["100000 250000000 10300000"], "on {kind:?}");
        app.finish().await;
    }
}
