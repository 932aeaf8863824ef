//! Money that goes back: whose event proves it, when it counts, and how much at most.

use mainstay::sandbox::Card;
use serde_json::{Value, json};

use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::BOTH;
use crate::support::reversals::newest_charge;

/// A paid gift of 25.00 USD, all of it told; the charge.
async fn gift(app: &TestApp) -> String {
    let (_, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    app.settle().await;
    newest_charge(app)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_counts_in_its_own_period_and_a_failed_one_in_none() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let charge = gift(&app).await;
        let paid = "20261123 USD 1 2500 0 0";
        app.clock.advance(10 * DAY);
        app.sandbox.refund(&charge, Some(500)).expect("a part");
        app.settle().await;
        let refunded = "20261203 USD 0 0 500 0";
        assert_eq!(app.revenue().await, [paid, refunded], "the gift's own day stays as it was, on {kind:?}");
        app.clock.advance(DAY);
        let failing = app.sandbox.refund(&charge, None).expect("the rest");
        app.settle().await;
        assert_eq!(app.revenue().await, [paid, refunded, "20261204 USD 0 0 2000 0"], "on {kind:?}");
        app.clock.advance(DAY);
        app.sandbox.fail_refund(&failing).expect("it comes back");
        app.settle().await;
        assert_eq!(app.revenue().await, [paid, refunded], "it gave nothing back, on {kind:?}");
        let rows = "SELECT status || ' ' || CAST(amount_minor AS TEXT) || ' ' || CAST(counted_minor AS TEXT) AS line FROM refunds";
        assert_eq!(app.database.rows(rows).await, ["failed 2000 0", "succeeded 500 500"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charge_refunded_alone_counts_and_gives_way_to_the_refunds_themselves() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let charge = gift(&app).await;
        app.clock.advance(DAY);
        app.sandbox.refund(&charge, Some(700)).expect("a part");
        app.sandbox.refund(&charge, Some(300)).expect("another part");
        app.hear(&["charge.refunded"]).await;
        let told = ["20261123 USD 1 2500 0 0", "20261124 USD 0 0 1000 0"];
        assert_eq!(app.revenue().await, told, "by the charge alone, on {kind:?}");
        app.hear(&["refund.created"]).await;
        assert_eq!(app.revenue().await, told, "by the refunds, once, on {kind:?}");
        let ids = app.database.rows("SELECT substr(stripe_refund_id, 1, 3) AS line FROM refunds").await;
        assert_eq!(ids, ["re_", "re_"], "the charge's word is no longer needed");
        app.settle().await;
        app.finish().await;
    }
}

fn refund(id: &str, amount_minor: i64, charge: &Value) -> Value {
    json!({"object": {"id": id, "object": "refund", "amount": amount_minor, "currency": "usd", "created": NOON + DAY,
        "status": "succeeded", "charge": charge}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_never_add_up_to_more_than_was_given() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let charge = gift(&app).await;
        // Stripe would not; a damaged or foreign event might. The charge stands as an id, and as the object.
        let payment_intent = app.sandbox.object(&charge).expect("the charge")["payment_intent"].clone();
        let whole = json!({"id": charge, "object": "charge", "payment_intent": payment_intent});
        app.tell("evt_1", "refund.created", NOON + DAY, refund("re_1", 2000, &json!(charge))).await;
        app.tell("evt_2", "refund.created", NOON + DAY, refund("re_2", 2000, &whole)).await;
        app.tell("evt_3", "refund.created", NOON + DAY, refund("re_3", -5, &json!(charge))).await;
        assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0", "20261124 USD 0 0 2500 0"], "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_counts_when_its_money_moves() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let charge = gift(&app).await;
        let paid = "20261123 USD 1 2500 0 0";
        let dispute = |status: &str, lines: Value| {
            json!({"object": {"id": "du_1", "object": "dispute", "amount": 2500, "currency": "usd", "charge": charge,
                "created": NOON + DAY, "status": status, "balance_transactions": lines}})
        };
        let inquiry = dispute("warning_needs_response", json!([]));
        app.tell("evt_1", "charge.dispute.created", NOON + DAY, inquiry).await;
        assert_eq!(app.revenue().await, [paid], "an inquiry takes nothing, on {kind:?}");
        let out = json!({"amount": -2500, "created": NOON + 2 * DAY});
        app.tell("evt_2", "charge.dispute.funds_withdrawn", NOON + 2 * DAY, dispute("needs_response", json!([out])))
            .await;
        let taken = "20261125 USD 0 0 0 2500";
        assert_eq!(app.revenue().await, [paid, taken], "on {kind:?}");
        app.tell("evt_3", "charge.dispute.updated", NOON + 3 * DAY, dispute("under_review", json!([out]))).await;
        assert_eq!(app.revenue().await, [paid, taken], "on {kind:?}");
        let back = json!({"amount": 2500, "created": NOON + 9 * DAY});
        app.tell("evt_5", "charge.dispute.closed", NOON + 9 * DAY, dispute("won", json!([out, back]))).await;
        assert_eq!(app.revenue().await, [paid, taken, "20261202 USD 0 0 0 -2500"], "won, on {kind:?}");
        app.tell("evt_4", "charge.dispute.funds_reinstated", NOON + 9 * DAY, dispute("won", json!([out, back]))).await;
        assert_eq!(app.revenue().await, [paid, taken, "20261202 USD 0 0 0 -2500"], "once, on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_whose_events_say_little_counts_by_what_they_say() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let charge = gift(&app).await;
        // No balance transactions, no creation: the types alone.
        let bare = |id: &str, status: &str| json!({"object": {"id": id, "object": "dispute", "amount": 2500, "currency": "usd", "charge": charge, "status": status}});
        app.tell("evt_1", "charge.dispute.closed", NOON + DAY, bare("du_1", "lost")).await;
        let lost = ["20261123 USD 1 2500 0 0", "20261124 USD 0 0 0 2500"];
        assert_eq!(app.revenue().await, lost, "lost, so it was taken, on {kind:?}");
        assert_eq!(app.database.rows("SELECT status AS line FROM disputes").await, ["lost"]);
        app.finish().await;
    }
}
