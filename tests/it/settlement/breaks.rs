//! Each way in which our books and Stripe's can differ: it is found, counted, and closes when it is healed.

use mainstay::sandbox::Card;
use mainstay::store::Db;

use crate::support::app::{DAY, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::reversals::newest_charge;
use crate::support::settled::foreign_gift;

/// Runs a statement that must change something.
async fn change(database: &Database, sql: &'static str) {
    let db = Db::open(&database.url).await.expect("the database opens");
    assert!(db.write(sql).run().await.expect("it is done") > 0, "{sql} changed nothing");
    db.close().await;
}

/// A gift that was given, one that was refunded in part, one that is disputed; all told and read, two days ago.
async fn three_gifts(app: &TestApp) -> [String; 3] {
    let mut charges = Vec::new();
    for amount_minor in [2500, 3000, 8000] {
        let (_, session) = app.pledge("once", amount_minor, "USD").await;
        app.pay(&session, Card::Works).await;
        charges.push(newest_charge(app));
    }
    app.settle().await;
    app.clock.advance(DAY);
    app.sandbox.refund(&charges[1], Some(500)).expect("a part");
    app.sandbox.dispute(&charges[2], "fraudulent").expect("it is disputed");
    app.settle().await;
    app.clock.advance(DAY);
    app.read_balance().await.expect("it is read");
    let id_of = |id: String| app.sandbox.object(&id).expect("a charge")["payment_intent"].as_str().unwrap().to_owned();
    let mut keys = charges.into_iter().map(id_of);
    [(); 3].map(|()| keys.next().expect("three"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_difference_is_found_counted_and_closes_when_it_is_healed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let keys = three_gifts(&app).await;
        assert_eq!(app.breaks().await, Vec::<String>::new(), "nothing differs, on {kind:?}");
        let refund = app.sandbox.objects("refund")[0]["id"].as_str().expect("an id").to_owned();
        let dispute = app.sandbox.objects("dispute")[0]["id"].as_str().expect("an id").to_owned();
        for (breaks_it, what, object, heals_it) in [
            (
                "UPDATE payments SET amount_minor = amount_minor + 1 WHERE amount_minor = 2500",
                "payment_differs",
                &keys[0],
                "UPDATE payments SET amount_minor = amount_minor - 1 WHERE amount_minor = 2501",
            ),
            (
                "UPDATE payments SET status = 'failed' WHERE amount_minor = 2500",
                "payment_differs",
                &keys[0],
                "UPDATE payments SET status = 'succeeded' WHERE amount_minor = 2500",
            ),
            (
                "UPDATE balance_transactions SET part = 'account', charge_id = NULL WHERE amount_minor = 2500",
                "payment_unbooked",
                &keys[0],
                "UPDATE balance_transactions SET part = 'charge', charge_id = source_id WHERE amount_minor = 2500",
            ),
            (
                "UPDATE refunds SET amount_minor = 501",
                "refund_differs",
                &refund,
                "UPDATE refunds SET amount_minor = 500",
            ),
            (
                "UPDATE refunds SET status = 'failed'",
                "refund_differs",
                &refund,
                "UPDATE refunds SET status = 'succeeded'",
            ),
            (
                "UPDATE disputes SET reinstated_at = withdrawn_at",
                "dispute_differs",
                &dispute,
                "UPDATE disputes SET reinstated_at = NULL",
            ),
            (
                "UPDATE balance_transactions SET part = 'account', charge_id = NULL WHERE part = 'refund'",
                "refund_unbooked",
                &refund,
                "UPDATE balance_transactions SET part = 'refund', charge_id = (SELECT p.stripe_charge_id FROM payments p \
                 WHERE p.amount_minor = 3000) WHERE amount_minor = -500",
            ),
            (
                "UPDATE balance_transactions SET part = 'account', charge_id = NULL WHERE part = 'dispute'",
                "dispute_unbooked",
                &dispute,
                "UPDATE balance_transactions SET part = 'dispute', charge_id = (SELECT p.stripe_charge_id FROM payments p \
                 WHERE p.amount_minor = 8000) WHERE amount_minor = -8000",
            ),
        ] {
            change(&app.database, breaks_it).await;
            assert_eq!(app.breaks().await, [format!("{what} {object}")], "{breaks_it} on {kind:?}");
            assert_eq!(app.metric("mainstay_breaks_open ").await, "1");
            let opened = app.hold().await.open[0].opened_at;
            app.clock.advance(60);
            assert_eq!(app.hold().await.open[0].opened_at, opened, "it is the same one");
            change(&app.database, heals_it).await;
            assert_eq!(app.breaks().await, Vec::<String>::new(), "{heals_it} on {kind:?}");
            assert_eq!(app.metric("mainstay_breaks_open ").await, "0");
        }
        change(&app.database, "DELETE FROM disputes").await;
        assert_eq!(app.breaks().await, [format!("dispute_unknown {dispute}")], "on {kind:?}");
        crate::rebuild::rebuild(&app.database, &[]);
        assert_eq!(app.breaks().await, Vec::<String>::new(), "the facts still tell of it, on {kind:?}");
        let kept =
            "SELECT what || ' ' || CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END AS line FROM breaks";
        let kept = app.database.rows(kept).await;
        let closed = [
            "dispute_differs",
            "dispute_unbooked",
            "dispute_unknown",
            "payment_differs",
            "payment_unbooked",
            "refund_differs",
            "refund_unbooked",
        ];
        assert_eq!(kept, closed.map(|what| format!("{what} closed")), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_never_heard_of_is_a_difference_until_we_do_and_foreign_money_is_none() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let foreign = foreign_gift(&app).await;
        let (_, once) = app.pledge("once", 2500, "USD").await;
        app.pay(&once, Card::Works).await;
        let charge = newest_charge(&app);
        let (_, monthly) = app.pledge("monthly", 500, "EUR").await;
        app.pay(&monthly, Card::Works).await;
        let renewed = newest_charge(&app);
        // Of the recurring gift we hear that it was begun, and nothing of its money.
        app.hear(&["checkout.session.completed", "customer.subscription.created"]).await;
        app.clock.advance(DAY);
        let refund = app.sandbox.refund(&charge, Some(700)).expect("a part");
        // An hour is left for what is on its way.
        app.read_balance().await.expect("it is read");
        let early = app.breaks().await;
        assert!(!early.contains(&format!("refund_unknown {refund}")), "{early:?}");
        app.clock.advance(3_700);
        app.read_balance().await.expect("it is read");
        let mut found = app.breaks().await;
        found.sort();
        let mut expected = vec![format!("payment_unknown {renewed}"), format!("refund_unknown {refund}")];
        // What the session says of the one-time gift is enough for its payment; its charge was not told.
        let intent = app.sandbox.object(&charge).expect("it is")["payment_intent"].as_str().expect("an id").to_owned();
        expected.extend([format!("payment_unknown {charge}"), format!("payment_unbooked {intent}")]);
        expected.sort();
        assert_eq!(found, expected, "on {kind:?}");
        let booked = app.hold().await.booked;
        let of_others = booked.iter().find(|sums| sums.whose == "foreign").expect("a line of its own");
        assert_eq!((of_others.lines, of_others.charges_minor), (1, 4200), "{foreign} on {kind:?}");
        app.settle().await;
        let reading = app.read_balance().await.expect("it is read");
        assert_eq!(reading.linked, 3, "what was read before it was heard of, on {kind:?}");
        assert_eq!(app.breaks().await, Vec::<String>::new(), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_was_changed_here_is_put_right_by_reading_it_again() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let keys = three_gifts(&app).await;
        let settled = crate::support::settled::ours(&app.database).await;
        change(
            &app.database,
            "UPDATE balance_transactions SET amount_minor = 2400, net_minor = 2297 WHERE amount_minor = 2500",
        )
        .await;
        change(&app.database, "UPDATE settlement_daily SET gross_minor = gross_minor - 100, net_minor = net_minor - 100 WHERE gross_minor > 0")
            .await;
        assert_eq!(app.breaks().await, [format!("payment_differs {}", keys[0])], "on {kind:?}");
        change(&app.database, "UPDATE cursors SET position = 0 WHERE name = 'balance_transactions'").await;
        assert_eq!(app.read_balance().await.expect("it is read").lines, 1);
        assert_eq!(app.breaks().await, Vec::<String>::new(), "on {kind:?}");
        assert_eq!(crate::support::settled::ours(&app.database).await, settled, "and counted once, on {kind:?}");
        let told = crate::rebuild::rebuild(&app.database, &[]);
        assert!(told.contains("total settlement 20261123 USD once"), "changed by hand, its sums are mended: {told}");
        crate::support::reports::totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_lost_are_found_missing_and_come_back_and_the_sums_are_held_against_the_lines() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let keys = three_gifts(&app).await;
        let settled = crate::support::settled::ours(&app.database).await;
        change(&app.database, "DELETE FROM balance_transactions WHERE amount_minor = 2500").await;
        assert_eq!(app.breaks().await, [format!("payment_unbooked {}", keys[0])], "on {kind:?}");
        change(&app.database, "UPDATE cursors SET position = 0 WHERE name = 'balance_transactions'").await;
        assert_eq!(app.read_balance().await.expect("it is read").lines, 1);
        assert_eq!(app.breaks().await, Vec::<String>::new(), "on {kind:?}");
        // Whoever deletes a row by hand leaves its sum behind.
        let told = crate::rebuild::rebuild(&app.database, &[]);
        assert!(told.contains("settlement 20261123 USD once") && told.contains(", 1 rows differed"), "{told}");
        assert_eq!(crate::support::settled::ours(&app.database).await, settled, "on {kind:?}");

        let charge = app.sandbox.object(&keys[1]).expect("it is")["latest_charge"].as_str().expect("an id").to_owned();
        change(&app.database, "DELETE FROM payments WHERE amount_minor = 3000").await;
        change(&app.database, "DELETE FROM refunds").await;
        let refund = app.sandbox.objects("refund")[0]["id"].as_str().expect("an id").to_owned();
        let mut found = app.breaks().await;
        found.sort();
        assert_eq!(found, [format!("payment_unknown {charge}"), format!("refund_unknown {refund}")], "on {kind:?}");
        crate::rebuild::rebuild(&app.database, &[]);
        assert_eq!(app.breaks().await, Vec::<String>::new(), "derived again from what was heard, on {kind:?}");
        assert_eq!(crate::support::settled::ours(&app.database).await, settled, "on {kind:?}");
        app.finish().await;
    }
}
