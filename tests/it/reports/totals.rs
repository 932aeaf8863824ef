//! Coarse sums are what the daily ones add up to, whichever of them a report reads.

use std::collections::BTreeMap;

use mainstay::domain::report::revenue::{Revenue, Sums};
use mainstay::store::{Db, Store};
use mainstay::worker::TotalsWorker;

use super::{BOTH, told};
use crate::support::database::Database;
use crate::support::reports::asked;
use crate::support::reports::totals_hold;

/// What a program of the release before does: it takes the turn and changes a daily sum, and knows nothing of the others.
async fn book_as_the_release_before(database: &Database) {
    let db = Db::open(&database.url).await.expect("the database opens");
    for sql in [
        "UPDATE turns SET taken = taken + 1 WHERE name = 'reconcile'",
        "UPDATE revenue_daily SET payments = payments + 1, gross_minor = gross_minor + 100",
        "UPDATE settlement_daily SET payments = payments + 1, gross_minor = gross_minor + 100, net_minor = net_minor + 100",
    ] {
        assert!(db.write(sql).run().await.expect("it is changed") > 0, "{sql}");
    }
    db.close().await;
}

type Days<'a> = (&'a str, &'a str);
/// Payments, gross, refunds, disputes and net.
type Figures = [i64; 5];

/// What came in, added up by `key`.
async fn sums<K: Ord>(
    store: &Store,
    (from, to): Days<'_>,
    said: &[(&str, &str)],
    key: impl Fn(&Revenue) -> K,
) -> BTreeMap<K, Figures> {
    let asked = asked("revenue", &[&[("from", from), ("to", to)], said].concat());
    let mut found: BTreeMap<K, Figures> = BTreeMap::new();
    for read in store.revenue(&asked).await.expect("it is read") {
        let Sums { count, gross_minor, refunds_minor, disputes_minor, .. } = read.sums;
        let figures = [count, gross_minor, refunds_minor, disputes_minor, read.sums.net_minor().expect("it fits")];
        let sum = found.entry(key(&read)).or_default();
        sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    found
}

/// Every form of these days has the sums that its days have, by campaign and source: those that are kept line by line.
async fn forms_agree(store: &Store, how: &str) {
    let of_currency = |read: &Revenue| read.currency;
    let of_day = |read: &Revenue| (read.day, read.currency);
    for view in ["charge", "settlement"] {
        for days in [("2026-01-01", "2028-01-01"), ("2026-11-24", "2027-02-03"), ("2026-11-20", "2026-11-29")] {
            let said = |by| [("view", view), ("by", by)];
            let expected = sums(store, days, &said("day,campaign,source"), of_currency).await;
            assert!(!expected.is_empty(), "{view} of {days:?}, {how}");
            for by in ["currency", "day", "week", "month", "year", "month,frequency", "month,source", "year,campaign"] {
                let found = sums(store, days, &said(by), of_currency).await;
                assert_eq!(found, expected, "{view} of {days:?} by {by}, {how}");
            }
            // Each day for itself, and of only some of it.
            let some = [("currency", "USD"), ("frequency", "monthly"), ("frequency", "once")];
            for only in std::iter::once(None).chain(some.map(Some)) {
                let said = |by| said(by).into_iter().chain(only).collect::<Vec<_>>();
                let expected = sums(store, days, &said("day,campaign,source"), of_day).await;
                let found = sums(store, days, &said("day"), of_day).await;
                assert_eq!(found, expected, "{view} of {days:?} day by day, {only:?}, {how}");
                assert!(days.0 > "2026-11-20" || !found.is_empty(), "{view} of {days:?}, {only:?}, {how}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_is_the_sum_of_its_days_also_beside_a_program_that_keeps_no_coarse_sums() {
    for kind in BOTH {
        let (app, _) = told(kind).await;
        totals_hold(app.store(), &format!("after every journey, on {kind:?}")).await;
        forms_agree(app.store(), &format!("on {kind:?}")).await;
        // The worker of this server would make up for it at any time.
        let (database, _sandbox) = app.abandon().await;
        book_as_the_release_before(&database).await;
        let store = database.open().await;
        assert_eq!(store.turns_unsummed().await.expect("it is read"), Some(1), "on {kind:?}");
        forms_agree(&store, &format!("while they do not hold, on {kind:?}")).await;

        let mut worker = TotalsWorker::new(store.clone());
        assert_eq!(worker.run_once().await.expect("a month is done"), 1);
        // What comes in between is not taken for done.
        book_as_the_release_before(&database).await;
        while worker.run_once().await.expect("a month is done") > 0 {}
        assert_eq!(store.turns_unsummed().await.expect("it is read"), Some(2), "on {kind:?}");
        while worker.run_once().await.expect("a month is done") > 0 {}
        totals_hold(&store, &format!("made up, on {kind:?}")).await;
        forms_agree(&store, &format!("made up, on {kind:?}")).await;
        store.close().await;
    }
}
