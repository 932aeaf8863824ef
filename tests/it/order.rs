//! Events out of order, each case by its name; the property test of `journeys` shuffles whole stories.

use mainstay::sandbox::{ApiFault, Card};
use serde_json::{Value, json};

use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::BOTH;
use crate::support::journeys::subscription_of;
use crate::support::reversals::newest_charge;

const DAY_OF_NOON: &str = "20261123";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_before_its_charge_counts_once_the_charge_is_known() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.sandbox.refund(&newest_charge(&app), Some(1000)).expect("it is refunded");
        app.hear(&["refund.created"]).await;
        assert!(app.revenue().await.is_empty(), "nothing goes back before it came, on {kind:?}");
        app.hear(&["charge.succeeded"]).await;
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} USD 1 2500 1000 0")], "on {kind:?}");
        app.settle().await;
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} USD 1 2500 1000 0")], "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_a_month_is_found_through_its_invoice_whatever_comes_first() {
    let first = ["refund.created", "charge.succeeded", "invoice_payment.paid", "invoice.paid"];
    let last = ["invoice.paid", "invoice_payment.paid", "refund.created"];
    for kind in BOTH {
        for order in [first.as_slice(), last.as_slice()] {
            let app = TestApp::start(kind).await;
            let (_, session) = app.pledge("monthly", 800, "EUR").await;
            app.pay(&session, Card::Works).await;
            app.sandbox.refund(&newest_charge(&app), None).expect("it is refunded");
            app.hear(order).await;
            assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} EUR 1 800 800 0")], "{order:?} on {kind:?}");
            app.settle().await;
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_before_its_subscription_counts_at_once() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("monthly", 800, "EUR").await;
        app.pay(&session, Card::Works).await;
        app.hear(&["invoice.paid"]).await;
        assert_eq!(app.status(&pledge).await, "active", "money came");
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} EUR 1 800 0 0")], "on {kind:?}");
        app.hear(&["customer.subscription.created"]).await;
        assert_eq!(app.status(&pledge).await, "active", "`incomplete` is what it was before the money");
        app.settle().await;
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} EUR 1 800 0 0")], "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_before_their_pledges_second_transaction_find_the_pledge() {
    for kind in BOTH {
        let app = std::sync::Arc::new(TestApp::start(kind).await);
        app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions", ApiFault::WorkThenStall, 1);
        let asking = tokio::spawn({
            let app = std::sync::Arc::clone(&app);
            async move { app.ask(&json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"}), None).await }
        });
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        let session = loop {
            looks.tick().await;
            if let Some(session) = app.sandbox.objects("checkout.session").pop() {
                break session["id"].as_str().expect("an id").to_owned();
            }
        };
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let pledge = app
            .database
            .rows("SELECT id || ' ' || status || ' ' || COALESCE(stripe_session_id, '-') AS line FROM pledges")
            .await;
        assert!(pledge[0].ends_with(" paid -"), "paid before its session's id is stored: {pledge:?} on {kind:?}");
        app.sandbox.release();
        let (status, body) = asking.await.expect("it answers");
        assert_eq!(status, 201, "{body}");
        let id = body["id"].as_str().expect("an id");
        assert_eq!(app.status(id).await, "paid", "the second transaction takes nothing back, on {kind:?}");
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} USD 1 2500 0 0")]);
        std::sync::Arc::into_inner(app).expect("nobody else").finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_deleted_before_it_was_created_stays_canceled() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("monthly", 800, "EUR").await;
        app.pay(&session, Card::Works).await;
        app.sandbox.cancel_subscription(&subscription_of(&app, &pledge), false);
        app.hear(&["customer.subscription.deleted"]).await;
        assert_eq!(app.status(&pledge).await, "canceled");
        app.hear(&["customer.subscription.created", "customer.subscription.updated", "invoice.paid"]).await;
        assert_eq!(app.status(&pledge).await, "canceled", "on {kind:?}");
        assert_eq!(app.metric("mainstay_pledges_paid_after_end").await, "0", "the money came before the end");
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_completed_after_expired_wins_for_the_money_is_there() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("once", 2500, "USD").await;
        let object = |status: &str, payment_status: &str| {
            json!({"object": {"id": session, "object": "checkout.session", "status": status, "currency": "usd",
                "payment_status": payment_status, "amount_total": 2500, "payment_intent": "pi_late",
                "metadata": {"mainstay_pledge": pledge}}})
        };
        app.tell("evt_2", "checkout.session.expired", NOON + 9, object("expired", "unpaid")).await;
        assert_eq!(app.status(&pledge).await, "expired");
        app.tell("evt_1", "checkout.session.completed", NOON + 5, object("complete", "paid")).await;
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} USD 1 2500 0 0")]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_on_a_canceled_pledge_is_recorded_and_raised_in_either_order() {
    for kind in BOTH {
        for money_first in [false, true] {
            let app = TestApp::start(kind).await;
            let (pledge, _) = app.pledge("monthly", 800, "EUR").await;
            let details = json!({"subscription": "sub_1", "metadata": {"mainstay_pledge": pledge}});
            let paid = json!({"object": {"id": "in_1", "object": "invoice", "status": "paid", "amount_due": 800,
                "amount_paid": 800, "currency": "eur", "parent": {"subscription_details": details},
                "status_transitions": {"paid_at": NOON + DAY}}});
            let deleted = json!({"object": {"id": "sub_1", "object": "subscription", "status": "canceled",
                "ended_at": NOON, "metadata": {"mainstay_pledge": pledge}}});
            let paid = ("evt_paid", "invoice.paid", NOON + DAY, paid);
            let deleted = ("evt_deleted", "customer.subscription.deleted", NOON, deleted);
            let order = if money_first { [paid, deleted] } else { [deleted, paid] };
            for (id, kind, created, data) in order {
                app.tell(id, kind, created, data).await;
            }
            assert_eq!(app.status(&pledge).await, "canceled", "it is over all the same");
            assert_eq!(app.revenue().await, ["20261124 EUR 1 800 0 0"], "the money is in the books");
            assert_eq!(app.metric("mainstay_pledges_paid_after_end").await, "1", "and raised, on {kind:?}");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_invoice_that_is_draft_open_and_paid_within_one_second_is_paid_in_every_order_without_asking() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for (n, order) in orders.into_iter().enumerate() {
            let (pledge, _) = app.pledge("monthly", 800, "EUR").await;
            let told = [("invoice.created", "draft"), ("invoice.finalized", "open"), ("invoice.paid", "paid")];
            for step in order {
                let (event, status) = told[step];
                let details = json!({"metadata": {"mainstay_pledge": pledge}});
                let object = json!({"id": format!("in_{n}"), "object": "invoice", "status": status, "currency": "eur",
                    "amount_due": 800, "amount_paid": if status == "paid" { 800 } else { 0 },
                    "parent": {"subscription_details": details}});
                app.tell(&format!("evt_{n}_{step}"), event, NOON, json!({"object": object})).await;
            }
            assert_eq!(app.status(&pledge).await, "active", "{order:?} on {kind:?}");
        }
        assert_eq!(app.revenue().await, [format!("{DAY_OF_NOON} EUR 6 4800 0 0")]);
        assert_eq!(app.reads(), 0);
        app.finish().await;
    }
}

/// A subscription's update at `NOON` to a status, from another if Stripe says so.
fn update(pledge: &str, id: &str, status: &str, from: Option<&str>) -> Value {
    let mut data = json!({"object": {"id": id, "object": "subscription", "status": status, "currency": "eur",
        "metadata": {"mainstay_pledge": pledge}}});
    if let Some(from) = from {
        data["previous_attributes"] = json!({"status": from});
    }
    data
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_updates_in_one_second_are_ordered_by_what_the_fields_held_before_without_asking() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for newest_first in [false, true] {
            let (pledge, _) = app.pledge("monthly", 800, "EUR").await;
            let id = format!("sub_{newest_first}");
            let failed = ("evt_z", update(&pledge, &id, "past_due", Some("active")));
            let recovered = ("evt_a", update(&pledge, &id, "active", Some("past_due")));
            // The first of them came from `trialing`, or each would come from the other.
            let failed = (failed.0, {
                let mut data = failed.1;
                data["previous_attributes"]["status"] = json!("trialing");
                data
            });
            let order = if newest_first { [&recovered, &failed] } else { [&failed, &recovered] };
            for (event, data) in order {
                let event = format!("{event}_{newest_first}");
                app.tell(&event, "customer.subscription.updated", NOON, data.clone()).await;
            }
            assert_eq!(app.status(&pledge).await, "active", "newest first: {newest_first}, on {kind:?}");
        }
        assert_eq!(app.reads(), 0);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_updates_in_one_second_that_nothing_orders_are_settled_by_asking_once() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("monthly", 800, "EUR").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let id = subscription_of(&app, &pledge);
        // Stripe answers a second later than both, and says that it is active.
        app.clock.advance(2);
        for (event, status) in [("evt_a", "past_due"), ("evt_b", "unpaid")] {
            app.tell(event, "customer.subscription.updated", NOON + 1, update(&pledge, &id, status, None)).await;
        }
        assert_eq!(app.status(&pledge).await, "active", "as Stripe says, on {kind:?}");
        assert_eq!(app.reads(), 1);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_snapshot_after_a_newer_changes_nothing() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, _) = app.pledge("monthly", 800, "EUR").await;
        app.tell("evt_2", "customer.subscription.updated", NOON + 60, update(&pledge, "sub_1", "past_due", None)).await;
        app.tell("evt_1", "customer.subscription.updated", NOON, update(&pledge, "sub_1", "active", None)).await;
        assert_eq!(app.status(&pledge).await, "past_due", "on {kind:?}");
        let versions = app.database.rows("SELECT event_id AS line FROM subscription_versions").await;
        assert_eq!(versions, ["evt_1", "evt_2"], "but it is a version");
        app.finish().await;
    }
}
