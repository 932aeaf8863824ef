//! What one event alone proves, what each of Stripe's statuses means to a donor, and what we tell Stripe.

use std::collections::BTreeMap;

use mainstay::domain::event::API_VERSION;
use mainstay::sandbox::Card;
use serde_json::{Value, json};

use crate::support::app::{NOON, TestApp};
use crate::support::database::BOTH;

const GROSS: &str =
    "SELECT CAST(SUM(gross_minor) AS TEXT) AS line FROM revenue_daily HAVING SUM(gross_minor) IS NOT NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_one_proof_of_money_counts_at_once_and_the_others_add_nothing() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let proofs = [
            ("once", "payment_intent.succeeded", "paid"),
            ("once", "charge.succeeded", "paid"),
            ("once", "checkout.session.completed", "paid"),
            ("monthly", "invoice.paid", "active"),
        ];
        for (n, (frequency, proof, status)) in (1_i64..).zip(proofs) {
            let (pledge, session) = app.pledge(frequency, 1000, "USD").await;
            app.pay(&session, Card::Works).await;
            let events = app.sandbox.events();
            let names_it = |body: &[u8]| String::from_utf8_lossy(body).contains(&pledge);
            let event = events.iter().find(|event| event.kind == proof && names_it(&event.body)).expect(proof);
            assert_eq!(app.deliver(&event.body).await, 200);
            app.caught_up().await;
            assert_eq!(app.status(&pledge).await, status, "{proof} on {kind:?}");
            assert_eq!(app.database.rows(GROSS).await, [(n * 1000).to_string()], "{proof} on {kind:?}");
        }
        app.settle().await;
        assert_eq!(app.database.rows(GROSS).await, ["4000"], "all other events of the four gifts add nothing");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_of_stripes_is_shown_as_the_docs_say() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let subscriptions = [
            ("incomplete", Value::Null, "open"),
            ("trialing", Value::Null, "active"),
            ("active", Value::Null, "active"),
            ("active", json!({"behavior": "void"}), "paused"),
            ("paused", Value::Null, "paused"),
            ("past_due", Value::Null, "past_due"),
            ("unpaid", Value::Null, "past_due"),
            ("canceled", Value::Null, "canceled"),
            ("incomplete_expired", Value::Null, "failed"),
        ];
        for (n, (status, pause, shown)) in subscriptions.into_iter().enumerate() {
            let (pledge, _) = app.pledge("monthly", 500, "USD").await;
            let object = json!({"id": format!("sub_{n}"), "object": "subscription", "status": status,
                "pause_collection": pause, "metadata": {"mainstay_pledge": pledge}});
            app.tell(&format!("evt_sub{n}"), "customer.subscription.updated", NOON, json!({"object": object})).await;
            assert_eq!(app.status(&pledge).await, shown, "{status} on {kind:?}");
        }
        let intents = [
            ("requires_payment_method", "payment_intent.payment_failed", "open"),
            ("processing", "payment_intent.processing", "processing"),
            ("canceled", "payment_intent.canceled", "canceled"),
        ];
        for (n, (status, event, shown)) in intents.into_iter().enumerate() {
            let (pledge, _) = app.pledge("once", 500, "USD").await;
            let object = json!({"id": format!("pi_{n}"), "object": "payment_intent", "status": status, "amount": 500,
                "currency": "usd", "metadata": {"mainstay_pledge": pledge}});
            app.tell(&format!("evt_pi{n}"), event, NOON, json!({"object": object})).await;
            assert_eq!(app.status(&pledge).await, shown, "{status} on {kind:?}");
        }
        assert!(app.database.rows(GROSS).await.is_empty(), "none of it is money");
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_of_another_product_on_the_account_is_in_no_report() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for (n, metadata) in [json!({}), json!({"mainstay_pledge": "plg_of_another_server"})].into_iter().enumerate() {
            let object = json!({"id": format!("pi_{n}"), "object": "payment_intent", "status": "succeeded",
                "amount": 9900, "amount_received": 9900, "currency": "usd", "metadata": metadata});
            app.tell(&format!("evt_{n}"), "payment_intent.succeeded", NOON, json!({"object": object})).await;
        }
        assert!(app.database.rows(GROSS).await.is_empty(), "on {kind:?}");
        assert_eq!(app.events().await["applied"], 2, "their facts are kept");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_is_told_the_gift_and_an_opaque_id_and_nothing_else() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for (frequency, mode, data) in
            [("once", "payment", "payment_intent_data"), ("annual", "subscription", "subscription_data")]
        {
            let (pledge, _) = app.pledge(frequency, 2500, "USD").await;
            let requests = app.sandbox.requests();
            let request = requests.iter().rfind(|r| r.path == "/v1/checkout/sessions").expect("a session was made");
            assert_eq!(request.idempotency_key.as_deref(), Some(format!("{pledge}-1").as_str()));
            assert_eq!(request.stripe_version.as_deref(), Some(API_VERSION));
            let sent: BTreeMap<String, String> =
                url::form_urlencoded::parse(request.raw_body.as_bytes()).into_owned().collect();
            let said = |name: &str| sent.get(name).map(String::as_str);
            assert_eq!((said("mode"), said("ui_mode")), (Some(mode), Some("hosted_page")));
            assert_eq!(said("adaptive_pricing[enabled]"), Some("false"));
            assert_eq!(said("client_reference_id"), Some(pledge.as_str()));
            assert_eq!(said("expires_at"), Some((NOON + 23 * 3_600).to_string().as_str()));
            let billing = said("subscription_data[billing_mode][type]");
            assert_eq!(billing, (mode == "subscription").then_some("flexible"));
            let metadata: Vec<(&String, &String)> = sent.iter().filter(|(name, _)| name.contains("metadata")).collect();
            let own = "metadata[mainstay_pledge]".to_owned();
            let behind = format!("{data}[metadata][mainstay_pledge]");
            assert_eq!(metadata, [(&own, &pledge), (&behind, &pledge)]);
            assert!(!sent.keys().any(|name| name.contains("customer") || name.contains("email")), "{sent:?}");
        }
        app.settle().await;
        app.finish().await;
    }
}
