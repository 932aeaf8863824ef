//! The journeys of a gift, each driven as a donor and Stripe would, with the status it must end in.

use mainstay::sandbox::Card;

use super::app::{DAY, TestApp};
use super::reversals;

/// A pledge and the status it must have.
pub struct Journey {
    pub name: &'static str,
    pub pledge: String,
    pub ends: &'static str,
}

/// Walks every journey on one server, over about four months of its clock.
pub async fn all(app: &TestApp) -> Vec<Journey> {
    let mut journeys = Vec::new();
    let mut ends = |name, pledge: &String, ends| journeys.push(Journey { name, pledge: pledge.clone(), ends });

    let (paid, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    ends("once, paid", &paid, "paid");

    let (retried, session) = app.pledge("once", 1000, "EUR").await;
    app.pay(&session, Card::Declined).await;
    app.settle().await;
    assert_eq!(app.status(&retried).await, "open", "a decline inside a live session leaves it open");
    app.pay(&session, Card::Works).await;
    ends("once, declined, then paid", &retried, "paid");

    let (asked, session) = app.pledge("once", 700, "GBP").await;
    app.pay(&session, Card::NeedsAuthentication).await;
    app.sandbox.authenticate(&session, true).await.expect("the bank asked");
    ends("once, authenticated", &asked, "paid");

    let (debit, session) = app.pledge("once", 5000, "EUR").await;
    app.pay(&session, Card::BankDebitSettles).await;
    app.settle().await;
    assert_eq!(app.status(&debit).await, "processing", "a bank debit takes days");
    ends("once, bank debit that settles", &debit, "paid");

    let (bounced, session) = app.pledge("once", 6000, "EUR").await;
    app.pay(&session, Card::BankDebitFails).await;
    ends("once, bank debit that fails days later", &bounced, "failed");

    let (left, _) = app.pledge("once", 300, "USD").await;
    ends("once, left until it expired", &left, "expired");
    let (left, _) = app.pledge("monthly", 300, "USD").await;
    ends("monthly, left until it expired", &left, "expired");

    let (monthly, session) = app.pledge("monthly", 200, "EUR").await;
    app.pay(&session, Card::Works).await;
    ends("monthly, renewed", &monthly, "active");

    let (annual, session) = app.pledge("annual", 5000, "JPY").await;
    app.pay(&session, Card::Works).await;
    ends("annual, running", &annual, "active");

    let (shaky, session) = app.pledge("monthly", 900, "USD").await;
    app.pay(&session, Card::Works).await;
    ends("monthly, a renewal failed and recovered", &shaky, "active");

    let (leaving, session) = app.pledge("monthly", 1100, "USD").await;
    app.pay(&session, Card::Works).await;
    ends("monthly, cancelled at the end of the period", &leaving, "canceled");

    let reversed = reversals::begin(app).await;
    for (name, pledge, status) in &reversed.pledges {
        ends(name, pledge, status);
    }

    let (gone, session) = app.pledge("monthly", 1300, "USD").await;
    app.pay(&session, Card::Works).await;
    ends("monthly, deleted at once", &gone, "canceled");
    app.settle().await;

    let shaky = subscription_of(app, &shaky);
    app.sandbox.cancel_subscription(&subscription_of(app, &leaving), true);
    app.sandbox.cancel_subscription(&subscription_of(app, &gone), false);
    reversed.first_week(app).await;
    app.advance_days(13).await;
    app.sandbox.set_card(&shaky, Card::Declined);
    reversed.later(app);
    app.advance_days(11).await;
    app.sandbox.set_card(&shaky, Card::Works);
    app.advance_days(75).await;
    app.clock.advance(DAY / 2);
    app.settle().await;
    journeys
}

/// The subscription behind a pledge, as the sandbox knows it.
pub fn subscription_of(app: &TestApp, pledge: &str) -> String {
    let subscriptions = app.sandbox.objects("subscription");
    let ours = subscriptions.iter().find(|object| object["metadata"]["mainstay_pledge"] == pledge);
    ours.and_then(|object| object["id"].as_str()).expect("there is a subscription").to_owned()
}
