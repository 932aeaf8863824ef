//! The account's balance: settled in its own currency, paid out once a day.

use super::*;
use crate::clock::DAY;

fn lines_of(sandbox: &Sandbox, payout: &str) -> Vec<Value> {
    let (status, list) = call(sandbox, "GET", &format!("/v1/balance_transactions?limit=100&payout={payout}"), "");
    assert_eq!(status, 200, "{list}");
    list["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_day_what_is_available_is_paid_out_and_is_the_sum_of_its_lines() {
    let (sandbox, clock) = sandbox().await;
    sandbox.configure(|settings| settings.payouts = true);
    sandbox.take_account_fee(200, "usd");
    for _ in 0..3 {
        let session = created(&sandbox, ONCE);
        sandbox.pay(&session, Card::Works).await.unwrap();
        clock.advance(DAY);
        sandbox.tick().await;
    }
    clock.advance(20 * DAY);
    sandbox.tick().await;
    let payouts = sandbox.objects("payout");
    assert_eq!(payouts.len(), 3);
    let mut left = Vec::new();
    for payout in &payouts {
        let lines = lines_of(&sandbox, payout["id"].as_str().unwrap());
        let (own, others): (Vec<Value>, Vec<Value>) = lines.into_iter().partition(|line| line["type"] == "payout");
        assert_eq!((own.len(), &own[0]["source"]), (1, &payout["id"]));
        assert_eq!(own[0]["amount"].as_i64(), payout["amount"].as_i64().map(|amount| -amount));
        let sum: i64 = others.iter().map(|line| line["net"].as_i64().unwrap()).sum();
        assert_eq!(payout["amount"], sum);
        assert_eq!((&payout["status"], payout["created"].as_i64().unwrap() % DAY), (&"paid".into(), 0));
        left.extend(others.into_iter().map(|line| line["id"].as_str().unwrap().to_owned()));
    }
    let all = left.len();
    left.sort();
    left.dedup();
    assert_eq!((all, left.len()), (4, 4), "each line leaves once, the account's own fee too");
    let told = kinds(&sandbox);
    assert_eq!(told.iter().filter(|kind| kind.starts_with("payout.")).count(), 6);
}

#[tokio::test]
async fn payouts_are_listed_by_day_and_status_and_other_lists_know_nothing_of_them() {
    let (sandbox, clock) = sandbox().await;
    sandbox.configure(|settings| settings.payouts = true);
    let session = created(&sandbox, ONCE);
    sandbox.pay(&session, Card::Works).await.unwrap();
    clock.advance(4 * DAY);
    sandbox.tick().await;
    let payout = newest(&sandbox, "payout");
    let (created, arrival) = (payout["created"].as_i64().unwrap(), payout["arrival_date"].as_i64().unwrap());
    for (query, found) in [
        (format!("created[gte]={created}"), 1),
        (format!("created[lt]={created}"), 0),
        (format!("arrival_date[gte]={arrival}&status={}", payout["status"].as_str().unwrap()), 1),
        (format!("arrival_date[gt]={arrival}"), 0),
        ("status=failed".to_owned(), 0),
    ] {
        let (status, list) = call(&sandbox, "GET", &format!("/v1/payouts?{query}"), "");
        assert_eq!((status, list["data"].as_array().unwrap().len()), (200, found), "{query}");
    }
    let id = payout["id"].as_str().unwrap();
    assert_eq!(call(&sandbox, "GET", &format!("/v1/payouts/{id}"), "").1["id"], id);
    for wrong in ["charges?arrival_date[gt]=1", "charges?payout=po_1", "balance_transactions?payout=po_1"] {
        assert_eq!(call(&sandbox, "GET", &format!("/v1/{wrong}"), "").0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn money_in_another_currency_is_settled_in_the_accounts_own() {
    let (sandbox, _) = sandbox().await;
    let own = SettlesIn { currency: "usd".to_owned(), rate_millionths: 1_083_400 };
    sandbox.configure(|settings| settings.settles_in = Some(own));
    let session = created(&sandbox, MONTHLY);
    sandbox.pay(&session, Card::Works).await.unwrap();
    let line = newest(&sandbox, "balance_transaction");
    assert_eq!((&line["amount"], &line["fee"], &line["currency"]), (&217.into(), &30.into(), &"usd".into()));
    assert_eq!((&line["exchange_rate"], &line["net"]), (&1.0834.into(), &187.into()));
    let settled = sandbox.ledger().settled.pop().unwrap();
    assert_eq!((settled.currency.as_str(), settled.amount_minor, settled.fee_minor), ("usd", 217, 30));
    assert_eq!(sandbox.ledger().entries[0].currency, "eur", "what was charged stays as it was");
}
