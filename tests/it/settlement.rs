//! Fees, net and payouts: what Stripe booked, to the cent, by settlement currency and day.

mod breaks;
mod commands;
mod interrupted;
mod linking;

use jiff::tz::TimeZone;
use mainstay::sandbox::{Card, SettlesIn};

use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::BOTH;
use crate::support::journeys;
use crate::support::settled::{foreign_gift, ours, stripes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_journey_fees_net_and_payouts_equal_stripes_own_ledger() {
    for kind in BOTH {
        for settles_in in [None, Some(SettlesIn { currency: "usd".to_owned(), rate_millionths: 1_083_400 })] {
            let app = TestApp::start(kind).await;
            app.sandbox.configure(|settings| {
                settings.payouts = true;
                settings.settles_in.clone_from(&settles_in);
            });
            let foreign = foreign_gift(&app).await;
            app.sandbox.take_account_fee(200, "usd");
            journeys::all(&app).await;
            let reading = app.read_balance().await.expect("it is read");
            assert!(reading.lines > 30 && reading.payouts > 0, "{reading:?} on {kind:?}");
            let truth = stripes(&app.sandbox, &TimeZone::UTC, &[foreign]);
            assert_eq!(ours(&app.database).await, truth, "{settles_in:?} on {kind:?}");
            let currencies = |lines: &[String]| lines.iter().any(|line| line.starts_with("EUR"));
            assert_eq!(currencies(&truth), settles_in.is_none(), "in the currency of the account");

            let held = app.hold().await;
            assert_eq!(held.open, [], "{settles_in:?} on {kind:?}");
            let net = |whose: &str| {
                let sums: Vec<_> = held.booked.iter().filter(|sums| sums.whose == whose).collect();
                sums.iter().map(|sums| (sums.currency.as_str(), sums.lines, sums.net_minor)).collect::<Vec<_>>()
            };
            assert_eq!(net("foreign"), [("USD", 1, 4200 - 152)], "on a line of its own");
            assert_eq!(net("account"), [("USD", 1, -200)]);

            let payouts = "SELECT status || ' ' || CAST(lines_minor - amount_minor AS TEXT) AS line FROM payouts";
            let payouts = app.database.rows(payouts).await;
            assert!(payouts.iter().all(|payout| payout.ends_with(" 0")), "{payouts:?}");
            assert_eq!(payouts.len(), app.sandbox.objects("payout").len());
            let undated = "SELECT p.stripe_key AS line FROM payments p JOIN balance_transactions b \
                 ON b.stripe_key = p.stripe_key AND b.part = 'charge' LEFT JOIN payouts o ON o.id = b.payout_id \
                 WHERE p.status = 'succeeded' AND o.arrives_on IS NULL";
            let late = app
                .sandbox
                .objects("balance_transaction")
                .into_iter()
                .filter(|line| line["reporting_category"] == "charge" && line["status"] == "pending");
            assert_eq!(app.database.rows(undated).await.len(), late.count(), "the payout's date stands on each gift");

            let again = app.read_balance().await.expect("it is read again");
            assert_eq!((again.lines, again.linked), (0, 0), "what is there changes nothing");
            assert_eq!(ours(&app.database).await, truth);
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_later_is_read_from_where_the_last_reading_ended() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.configure(|settings| settings.payouts = true);
        for day in 0..40 {
            let (_, session) = app.pledge("once", 2500 + day, "USD").await;
            app.pay(&session, Card::Works).await;
            app.settle().await;
            app.clock.advance(DAY);
            if day % 10 == 9 {
                app.settle().await;
                app.read_balance().await.expect("it is read");
            }
        }
        let mut asked = app.sandbox.requests().into_iter().filter(|request| request.path == "/v1/balance_transactions");
        let last = asked.rfind(|request| !request.query.contains("payout")).expect("it was asked");
        let from = NOON + 30 * DAY - 3_600;
        assert!(last.query.contains(&format!("created%5Bgte%5D={from}")), "with an overlap of an hour: {}", last.query);
        assert_eq!(ours(&app.database).await, stripes(&app.sandbox, &TimeZone::UTC, &[]), "on {kind:?}");
        let left = "SELECT CAST(COUNT(payout_id) AS TEXT) AS line FROM balance_transactions WHERE part = 'charge'";
        let left = app.database.rows(left).await;
        assert_eq!(left, ["38"], "payouts are told of lines that were read long before");
        assert_eq!(app.breaks().await, Vec::<String>::new());
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payout_that_is_not_the_sum_of_its_lines_is_shown_and_counted_until_it_is() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.configure(|settings| settings.payouts = true);
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.advance_days(5).await;
        let payout = app.sandbox.objects("payout").pop().expect("a payout");
        let (id, amount) = (payout["id"].as_str().expect("an id"), payout["amount"].as_i64().expect("an amount"));
        app.sandbox.misstate(id, serde_json::json!({"amount": amount + 7}));
        app.read_balance().await.expect("it is read");
        assert_eq!(app.breaks().await, [format!("payout_differs {id}")], "on {kind:?}");
        assert_eq!(app.metric("mainstay_payouts_that_differ ").await, "1");
        assert_eq!(app.metric("mainstay_breaks_open ").await, "1");
        app.sandbox.misstate(id, serde_json::json!({"amount": amount}));
        app.read_balance().await.expect("it is read");
        assert_eq!(app.breaks().await, Vec::<String>::new(), "on {kind:?}");
        assert_eq!(app.metric("mainstay_payouts_that_differ ").await, "0");
        assert_eq!(app.metric("mainstay_breaks_open ").await, "0");
        app.finish().await;
    }
}
