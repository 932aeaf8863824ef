//! Two pledges of one donor: whatever befalls one, the other goes on as if it were alone.

use std::collections::BTreeMap;

use mainstay::sandbox::Card;
use serde_json::json;

use super::ADDRESS;
use super::pledge::{submits, told};
use crate::support::app::TestApp;
use crate::support::database::BOTH;
use crate::support::donors::Donor;
use crate::support::erasing::gift;
use crate::support::journeys::subscription_of;

/// All that the books hold of a pledge, by Stripe's ids: rows, facts and versions.
async fn all_of(app: &TestApp, pledge: &str) -> Vec<String> {
    let (subscription, books) = (subscription_of(app, pledge), app.database.books().await);
    let payments: Vec<String> = payments_of(app, pledge).await.into_keys().collect();
    let names = |line: &&String| {
        line.contains(pledge) || line.contains(&subscription) || payments.iter().any(|key| line.contains(key))
    };
    books.iter().filter(names).cloned().collect()
}

/// Payments by their keys: how each stands, and what was given.
async fn payments_of(app: &TestApp, pledge: &str) -> BTreeMap<String, String> {
    let mut payments = BTreeMap::new();
    for line in app.database.books().await {
        let fields: Vec<&str> = line.split(' ').collect();
        if let ["payment", key, of, status, amount, ..] = fields.as_slice()
            && *of == pledge
        {
            payments.insert((*key).to_owned(), format!("{status} {amount}"));
        }
    }
    payments
}

/// The charge of the newest payment that came.
async fn newest_charge(app: &TestApp, pledge: &str) -> String {
    let paid = "SELECT pledge_id || ' ' || CAST(succeeded_at AS TEXT) || ' ' || stripe_charge_id AS line FROM payments \
                WHERE status = 'succeeded'";
    let rows = app.database.rows(paid).await;
    let newest = rows.iter().rfind(|line| line.starts_with(pledge)).expect("one came");
    newest.rsplit(' ').next().expect("a charge").to_owned()
}

/// Two states of one second are told apart once it is over.
async fn settle(app: &TestApp) {
    app.settle().await;
    app.sandbox.tick().await;
    app.sandbox.deliver_pending().await;
    app.clock.advance(61);
    app.settle().await;
}

/// What befalls a pledge, by its donor, by the newsroom and by the bank; each without a day passing.
const BEFALLS: [&str; 11] = [
    "another amount",
    "a pause",
    "its end",
    "another interval",
    "back again",
    "a refund in part",
    "a dispute",
    "the dispute's loss",
    "an end to come",
    "no end to come",
    "another card",
];

async fn befall(app: &TestApp, donor: &Donor<'_>, pledge: &str, what: &str) {
    let sends = |form: &'static str, fields: &'static str| async move {
        assert_eq!(submits(donor, pledge, form, fields).await, 303, "{what}");
    };
    match what {
        "another amount" => sends("amount", "amount=9").await,
        "a pause" => sends("pause", "until=2027-02-20").await,
        "its end" => sends("resume", "").await,
        "another interval" => sends("frequency", "frequency=annual").await,
        "back again" => sends("frequency", "frequency=monthly").await,
        "a refund in part" => {
            app.sandbox.refund(&newest_charge(app, pledge).await, Some(200)).expect("it is given back");
        }
        "a dispute" => {
            app.sandbox.dispute(&newest_charge(app, pledge).await, "fraudulent").expect("it is disputed");
        }
        "the dispute's loss" => {
            let charge = newest_charge(app, pledge).await;
            let disputes = app.sandbox.objects("dispute");
            let dispute = disputes.iter().find(|dispute| dispute["charge"] == charge).expect("there is one");
            app.sandbox.close_dispute(dispute["id"].as_str().expect("an id"), false).expect("it is decided");
        }
        "an end to come" => app.sandbox.cancel_subscription(&subscription_of(app, pledge), true),
        "no end to come" => {
            let undone = json!({"cancel_at_period_end": false, "cancel_at": null, "canceled_at": null});
            let mut object = app.sandbox.object(&subscription_of(app, pledge)).expect("it is there");
            app.sandbox.misstate(object["id"].as_str().expect("an id"), undone.clone());
            object.as_object_mut().expect("an object").extend(undone.as_object().expect("an object").clone());
            app.tell("evt_goes_on", "customer.subscription.updated", app.clock.now(), json!({"object": object})).await;
        }
        "another card" => app.sandbox.set_card(&subscription_of(app, pledge), Card::Works),
        other => panic!("{other}"),
    }
    settle(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_one_of_two_pledges_the_other_does_not_feel() {
    for (kind, one_customer, first_is_hit) in BOTH
        .into_iter()
        .flat_map(|kind| [(kind, false, true), (kind, false, false), (kind, true, true), (kind, true, false)])
    {
        let case = format!("{kind:?}, one customer: {one_customer}, the first: {first_is_hit}");
        let app = TestApp::start(kind).await;
        let first = gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        app.advance_days(10).await;
        let second = gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        if one_customer {
            let of = |pledge: &str| app.sandbox.object(&subscription_of(&app, pledge)).expect("it is there");
            let customer = of(&first)["customer"].clone();
            app.sandbox.misstate(&subscription_of(&app, &second), json!({"customer": customer}));
        }
        // Both renew, so that everything has been told of either as it is now.
        app.advance_days(35).await;
        let (hit, other) = if first_is_hit { (first, second) } else { (second, first) };
        assert_eq!((payments_of(&app, &hit).await.len(), payments_of(&app, &other).await.len()), (2, 2), "{case}");
        app.thank().await;

        let donor = app.donor(ADDRESS).await;
        let (before, of_hit) = (all_of(&app, &other).await, all_of(&app, &hit).await);
        let mut was = of_hit.clone();
        for what in BEFALLS {
            befall(&app, &donor, &hit, what).await;
            assert_eq!(all_of(&app, &other).await, before, "after {what}, {case}");
            let is = all_of(&app, &hit).await;
            assert!(is != was || what == "another card", "{what} was not heard of, {case}");
            was = is;
        }
        told(&app).await;

        // The card of one fails, and the other is charged as ever.
        let (days, then, at_the_end) = if first_is_hit { (20, 2, 3) } else { (30, 3, 4) };
        app.sandbox.set_card(&subscription_of(&app, &hit), Card::Declined);
        app.advance_days(days).await;
        assert!(
            payments_of(&app, &hit).await.values().any(|payment| payment == "failed 900" || payment == "pending 900"),
            "{case}"
        );
        let theirs: Vec<String> = payments_of(&app, &other).await.into_values().collect();
        assert_eq!(theirs, vec!["succeeded 500"; then], "{case}");
        app.sandbox.set_card(&subscription_of(&app, &hit), Card::Works);

        let donor = app.donor(ADDRESS).await;
        let before = all_of(&app, &other).await;
        assert_eq!(submits(&donor, &hit, "stop", "when=now").await, 303);
        settle(&app).await;
        assert_eq!(all_of(&app, &other).await, before, "after the end, {case}");
        let page = donor.page(&format!("/manage/pledges/{hit}")).await;
        assert!(page.contains("Stopped on"), "{page}");
        let page = donor.page(&format!("/manage/pledges/{other}")).await;
        assert!(page.contains("Next charge of $5 on"), "{page}");
        let ended = payments_of(&app, &hit).await;
        app.advance_days(31).await;
        assert_eq!(payments_of(&app, &hit).await, ended, "nothing more is charged, {case}");
        let theirs: Vec<String> = payments_of(&app, &other).await.into_values().collect();
        assert_eq!(theirs, vec!["succeeded 500"; at_the_end], "{case}");
        told(&app).await;
        app.thank().await;
        app.finish().await;
    }
}
