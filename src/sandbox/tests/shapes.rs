//! Whatever the sandbox answers or sends reads as the types async-stripe generated from Stripe's own description.

use super::*;
use crate::clock::DAY;

fn reads<T: miniserde::Deserialize>(value: &Value) {
    let text = value.to_string();
    assert!(miniserde::json::from_str::<T>(&text).is_ok(), "{} does not read: {text}", value["object"]);
}

pub(super) fn object_reads(value: &Value) {
    match value["object"].as_str().unwrap() {
        "checkout.session" => reads::<stripe_shared::CheckoutSession>(value),
        "payment_intent" => reads::<stripe_shared::PaymentIntent>(value),
        "charge" => reads::<stripe_shared::Charge>(value),
        "balance_transaction" => reads::<stripe_shared::BalanceTransaction>(value),
        "subscription" => reads::<stripe_shared::Subscription>(value),
        "subscription_schedule" => reads::<stripe_shared::SubscriptionSchedule>(value),
        "invoice" => reads::<stripe_shared::Invoice>(value),
        "invoice_payment" => reads::<stripe_shared::InvoicePayment>(value),
        "price" => reads::<stripe_shared::Price>(value),
        "product" => reads::<stripe_shared::Product>(value),
        "item" => reads::<stripe_shared::CheckoutSessionItem>(value),
        "customer" => reads::<stripe_shared::Customer>(value),
        "refund" => reads::<stripe_shared::Refund>(value),
        "dispute" => reads::<stripe_shared::Dispute>(value),
        "payout" => reads::<stripe_shared::Payout>(value),
        "event" => reads::<stripe_shared::Event>(value),
        "account" => reads::<stripe_shared::Account>(value),
        "webhook_endpoint" => reads::<stripe_misc::WebhookEndpoint>(value),
        "billing_portal.configuration" => reads::<stripe_billing::BillingPortalConfiguration>(value),
        "billing_portal.session" => reads::<stripe_billing::BillingPortalSession>(value),
        other => panic!("no type for {other}"),
    }
}

pub(super) fn list_reads(list: &Value) {
    assert!(list["object"] == "list" && list["has_more"].is_boolean() && list["url"].is_string(), "{list}");
    let data = list["data"].as_array().unwrap();
    assert!(!data.is_empty(), "{list}");
    data.iter().for_each(object_reads);
}

/// Every journey on one account.
async fn lived_in() -> (Sandbox, String) {
    let (sandbox, clock) = sandbox().await;
    sandbox.configure(|settings| {
        settings.payouts = true;
        settings.settles_in = Some(SettlesIn { currency: "usd".to_owned(), rate_millionths: 1_083_400 });
    });
    sandbox.take_account_fee(200, "usd");
    for card in Card::ALL {
        for body in [ONCE, MONTHLY] {
            let session = created(&sandbox, body);
            if sandbox.pay(&session, card).await == Ok(PayOutcome::AuthenticationRequired) {
                sandbox.authenticate(&session, true).await.unwrap();
            }
        }
    }
    let charge = sandbox.objects("charge").into_iter().find(|charge| charge["paid"] == true).unwrap();
    let charge = charge["id"].as_str().unwrap().to_owned();
    call(&sandbox, "POST", "/v1/refunds", &format!("charge={charge}&amount=100"));
    let dispute = sandbox.dispute(&charge, "fraudulent").unwrap();
    sandbox.close_dispute(&dispute, false).unwrap();
    clock.advance(50 * DAY);
    sandbox.tick().await;
    (sandbox, charge)
}

#[tokio::test]
async fn every_object_and_every_event_reads_as_its_type() {
    let (sandbox, _) = lived_in().await;
    for event in sandbox.events() {
        let event: Value = serde_json::from_slice(&event.body).unwrap();
        object_reads(&event);
        object_reads(&event["data"]["object"]);
    }
    for kind in [
        "checkout.session",
        "payment_intent",
        "charge",
        "balance_transaction",
        "subscription",
        "invoice",
        "invoice_payment",
        "price",
        "product",
        "customer",
        "refund",
        "dispute",
        "payout",
    ] {
        let all = sandbox.objects(kind);
        assert!(!all.is_empty(), "{kind}");
        all.iter().for_each(object_reads);
    }
    object_reads(&call(&sandbox, "GET", "/v1/account", "").1);
    let customer = format!("customer={}", id_of(&sandbox, "customer"));
    object_reads(&call(&sandbox, "POST", "/v1/billing_portal/sessions", &customer).1);
}

#[tokio::test]
async fn lists_and_expansions_read_as_their_types() {
    let (sandbox, charge) = lived_in().await;
    let (_, list) = call(&sandbox, "GET", "/v1/events?limit=100", "");
    list_reads(&list);
    let (_, list) = call(&sandbox, "GET", "/v1/subscriptions?status=all&expand[]=data.customer", "");
    list_reads(&list);
    assert_eq!(list["data"][0]["customer"]["object"], "customer");
    let (_, expanded) = call(
        &sandbox,
        "GET",
        &format!(
            "/v1/charges/{charge}?expand[]=balance_transaction&expand[]=payment_intent.latest_charge&expand[]=refunds"
        ),
        "",
    );
    object_reads(&expanded);
    assert_eq!(expanded["payment_intent"]["latest_charge"]["id"], charge.as_str());
    let session = id_of(&sandbox, "checkout.session");
    let (_, lines) = call(&sandbox, "GET", &format!("/v1/checkout/sessions/{session}/line_items"), "");
    list_reads(&lines);
    let invoice = id_of(&sandbox, "invoice");
    let (_, invoice) = call(&sandbox, "GET", &format!("/v1/invoices/{invoice}?expand[]=payments"), "");
    object_reads(&invoice);
}

#[tokio::test]
async fn following_a_list_meets_every_object_once() {
    let (sandbox, _) = lived_in().await;
    let mut met: Vec<String> = Vec::new();
    loop {
        let after = met.last().map_or_else(String::new, |last| format!("&starting_after={last}"));
        let (status, page) = call(&sandbox, "GET", &format!("/v1/events?limit=7{after}"), "");
        assert_eq!(status, 200);
        met.extend(page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        if page["has_more"] == false {
            break;
        }
    }
    let month = START + 50 * DAY - 30 * DAY;
    let kept = sandbox.events().into_iter().filter(|event| event.created >= month);
    let mut all: Vec<String> = kept.map(|event| event.id).collect();
    all.reverse();
    assert!(all.len() < sandbox.events().len(), "some are older");
    assert_eq!(met, all, "events are listed for thirty days");
    let (_, none) = call(&sandbox, "GET", &format!("/v1/checkout/sessions?created[lte]={}", START - 1), "");
    assert_eq!(none["data"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn events_are_told_apart_by_whether_every_endpoint_took_them() {
    let (sandbox, _) = sandbox().await;
    sandbox.add_endpoint("http://127.0.0.1:9/nobody", "whsec_1");
    let session = created(&sandbox, ONCE);
    sandbox.pay(&session, Card::Works).await.unwrap();
    let count = |query: &str| {
        let (_, page) = call(&sandbox, "GET", &format!("/v1/events?limit=100&delivery_success={query}"), "");
        page["data"].as_array().unwrap().len()
    };
    let all = sandbox.events().len();
    assert_eq!((count("false"), count("true")), (all, 0), "nobody takes them");
}
