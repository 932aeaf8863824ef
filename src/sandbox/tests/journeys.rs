//! Each journey of a gift, by the events it makes and the objects it leaves.

use super::*;
use crate::clock::{DAY, HOUR};

#[tokio::test]
async fn a_gift_paid_by_card_tells_of_everything_within_one_second() {
    let (sandbox, _) = sandbox().await;
    let id = created(&sandbox, ONCE);
    assert_eq!(sandbox.session(&id).unwrap()["payment_intent"], Value::Null);
    let outcome = sandbox.pay(&id, Card::Works).await.unwrap();
    assert_eq!(outcome, PayOutcome::Paid { redirect: format!("https://paper.example/thanks?s={id}") });
    assert_eq!(
        kinds(&sandbox),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed",
            "charge.updated"
        ]
    );
    let charge = newest(&sandbox, "charge");
    assert_eq!(charge["metadata"]["mainstay_pledge"], "plg_1");
    let balance = sandbox.object(charge["balance_transaction"].as_str().unwrap()).unwrap();
    assert_eq!((balance["fee"].as_i64(), balance["net"].as_i64()), (Some(103), Some(2_397)));
    let first: Value = serde_json::from_slice(&sandbox.events()[1].body).unwrap();
    assert_eq!(first["data"]["object"]["balance_transaction"], Value::Null);
    assert_eq!(sandbox.session(&id).unwrap()["customer"], Value::Null);
    assert_eq!(sandbox.ledger().by_currency()["usd"].payments_minor, 2_500);
    assert_eq!(sandbox.pay(&id, Card::Works).await, Err(SandboxError::NotOpen("complete".into())));
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open_for_another() {
    let (sandbox, _) = sandbox().await;
    let id = created(&sandbox, ONCE);
    assert!(matches!(sandbox.pay(&id, Card::Declined).await, Ok(PayOutcome::Declined { .. })));
    assert_eq!(kinds(&sandbox), ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
    assert_eq!(sandbox.session(&id).unwrap()["status"], "open");
    assert_eq!(newest(&sandbox, "payment_intent")["status"], "requires_payment_method");
    assert!(matches!(sandbox.pay(&id, Card::Works).await, Ok(PayOutcome::Paid { .. })));
    assert_eq!(sandbox.objects("payment_intent").len(), 1);
    assert_eq!(sandbox.ledger().entries.len(), 1);
}

#[tokio::test]
async fn a_card_that_needs_authentication_is_paid_once_the_person_has_answered() {
    let (sandbox, _) = sandbox().await;
    let id = created(&sandbox, ONCE);
    assert_eq!(sandbox.pay(&id, Card::NeedsAuthentication).await, Ok(PayOutcome::AuthenticationRequired));
    assert!(matches!(sandbox.authenticate(&id, false).await, Ok(PayOutcome::Declined { .. })));
    assert_eq!(sandbox.pay(&id, Card::NeedsAuthentication).await, Ok(PayOutcome::AuthenticationRequired));
    assert!(matches!(sandbox.authenticate(&id, true).await, Ok(PayOutcome::Paid { .. })));
}

#[tokio::test]
async fn a_bank_debit_settles_or_fails_days_later() {
    for (card, last) in [
        (Card::BankDebitSettles, "checkout.session.async_payment_succeeded"),
        (Card::BankDebitFails, "checkout.session.async_payment_failed"),
    ] {
        let (sandbox, clock) = sandbox().await;
        let id = created(&sandbox, ONCE);
        assert!(matches!(sandbox.pay(&id, card).await, Ok(PayOutcome::Processing { .. })));
        assert_eq!(sandbox.session(&id).unwrap()["payment_status"], "unpaid");
        clock.advance(3 * DAY);
        sandbox.tick().await;
        assert!(!kinds(&sandbox).contains(&last.to_owned()));
        clock.advance(2 * DAY);
        sandbox.tick().await;
        let event = sandbox.events().into_iter().find(|event| event.kind == last).unwrap();
        assert_eq!(event.created, START + 4 * DAY, "dated when it was due");
    }
}

#[tokio::test]
async fn a_session_nobody_pays_expires() {
    let (sandbox, clock) = sandbox().await;
    let id = created(&sandbox, &format!("{ONCE}&expires_at={}", START + HOUR));
    clock.advance(HOUR);
    sandbox.tick().await;
    assert_eq!(sandbox.session(&id).unwrap()["status"], "expired");
    assert_eq!(kinds(&sandbox), ["checkout.session.expired"]);
}

#[tokio::test]
async fn a_monthly_gift_renews_on_its_anchor_day() {
    let (sandbox, clock) = sandbox().await;
    let id = created(&sandbox, MONTHLY);
    sandbox.pay(&id, Card::Works).await.unwrap();
    assert_eq!(
        kinds(&sandbox),
        [
            "customer.created",
            "customer.subscription.created",
            "invoice.created",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.paid",
            "invoice_payment.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "checkout.session.completed",
            "charge.updated"
        ]
    );
    clock.advance(60 * DAY);
    sandbox.tick().await;
    let invoices = sandbox.objects("invoice");
    let dates: Vec<String> = invoices.iter().map(|invoice| date(&invoice["created"])).collect();
    assert_eq!(dates, ["2026-01-31", "2026-02-28", "2026-03-31"]);
    for invoice in &invoices {
        assert_eq!(invoice["status"], "paid");
        assert_eq!(invoice["parent"]["subscription_details"]["metadata"]["mainstay_pledge"], "plg_2");
    }
    let item = &newest(&sandbox, "subscription")["items"]["data"][0];
    assert_eq!(date(&item["current_period_end"]), "2026-04-30");
    assert_eq!(sandbox.ledger().by_currency()["eur"].payments, 3);
    let days = sandbox.ledger().daily(&jiff::tz::TimeZone::UTC);
    assert_eq!(days[&("eur".to_owned(), 20_260_228)].payments_minor, 200);
}

fn date(at: &Value) -> String {
    jiff::Timestamp::from_second(at.as_i64().unwrap()).unwrap().strftime("%Y-%m-%d").to_string()
}

#[tokio::test]
async fn a_failed_renewal_recovers_when_the_card_is_replaced() {
    let (sandbox, clock) = sandbox().await;
    let session = created(&sandbox, MONTHLY);
    sandbox.pay(&session, Card::RenewalsFail).await.unwrap();
    let id = id_of(&sandbox, "subscription");
    clock.advance(28 * DAY);
    sandbox.tick().await;
    assert_eq!(sandbox.object(&id).unwrap()["status"], "past_due");
    assert_eq!(newest(&sandbox, "invoice")["attempt_count"], 1);
    sandbox.set_card(&id, Card::Works);
    clock.advance(3 * DAY);
    sandbox.tick().await;
    assert_eq!(sandbox.object(&id).unwrap()["status"], "active");
    assert_eq!(sandbox.objects("invoice")[1]["attempt_count"], 2);
}

#[tokio::test]
async fn a_renewal_that_never_succeeds_ends_the_subscription() {
    let (sandbox, clock) = sandbox().await;
    let session = created(&sandbox, MONTHLY);
    sandbox.pay(&session, Card::RenewalsFail).await.unwrap();
    clock.advance(28 * DAY + 15 * DAY);
    sandbox.tick().await;
    let subscription = newest(&sandbox, "subscription");
    assert_eq!(subscription["status"], "canceled");
    assert_eq!(subscription["cancellation_details"]["reason"], "payment_failed");
    assert_eq!(kinds(&sandbox).last().unwrap(), "customer.subscription.deleted");
    assert_eq!(sandbox.ledger().entries.len(), 1);
}

#[tokio::test]
async fn a_first_payment_may_be_declined_and_then_succeed_on_the_same_subscription() {
    let (sandbox, _) = sandbox().await;
    let session = created(&sandbox, MONTHLY);
    assert!(matches!(sandbox.pay(&session, Card::Declined).await, Ok(PayOutcome::Declined { .. })));
    assert_eq!(newest(&sandbox, "subscription")["status"], "incomplete");
    sandbox.pay(&session, Card::Works).await.unwrap();
    assert_eq!(newest(&sandbox, "subscription")["status"], "active");
    assert_eq!(sandbox.objects("invoice").len(), 1);
}

#[tokio::test]
async fn a_subscription_ends_with_its_period_or_at_once() {
    let (sandbox, clock) = sandbox().await;
    for at_period_end in [true, false] {
        let session = created(&sandbox, MONTHLY);
        sandbox.pay(&session, Card::Works).await.unwrap();
        let id = id_of(&sandbox, "subscription");
        sandbox.cancel_subscription(&id, at_period_end);
        assert_eq!(sandbox.object(&id).unwrap()["status"], if at_period_end { "active" } else { "canceled" });
        clock.advance(31 * DAY);
        sandbox.tick().await;
        assert_eq!(sandbox.object(&id).unwrap()["status"], "canceled");
    }
    assert_eq!(sandbox.objects("invoice").len(), 2);
}

#[tokio::test]
async fn refunds_and_disputes_move_money_back_once() {
    let (sandbox, _) = sandbox().await;
    let session = created(&sandbox, ONCE);
    sandbox.pay(&session, Card::Works).await.unwrap();
    let charge = id_of(&sandbox, "charge");
    let (status, refund) = call(&sandbox, "POST", "/v1/refunds", &format!("charge={charge}&amount=1000"));
    assert_eq!((status, &refund["status"]), (200, &serde_json::json!("succeeded")));
    let (status, refused) = call(&sandbox, "POST", "/v1/refunds", &format!("charge={charge}&amount=1501"));
    assert_eq!((status, &refused["error"]["param"]), (400, &serde_json::json!("amount")));
    sandbox.fail_refund(refund["id"].as_str().unwrap()).unwrap();
    assert_eq!(sandbox.object(&charge).unwrap()["amount_refunded"], 0);
    let dispute = sandbox.dispute(&charge, "fraudulent").unwrap();
    sandbox.submit_evidence(&dispute).unwrap();
    sandbox.close_dispute(&dispute, true).unwrap();
    assert!(sandbox.close_dispute(&dispute, false).is_err());
    let totals = sandbox.ledger().by_currency()["usd"];
    assert_eq!((totals.refunds_minor, totals.disputes_minor), (0, 0));
}
