//! A subscription that is changed, paused and put on a schedule.

use super::*;
use crate::clock::DAY;

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// A monthly gift of 2 € begun on 31 January at 10:00; its subscription and its item.
async fn monthly() -> (Sandbox, Clock, String, String) {
    let (sandbox, clock) = sandbox().await;
    let session = created(&sandbox, MONTHLY);
    sandbox.pay(&session, Card::Works).await.unwrap();
    let known = newest(&sandbox, "subscription");
    let item = text(&known["items"]["data"][0], "id");
    (sandbox, clock, text(&known, "id"), item)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// What Stripe answers to what it takes.
fn posted(sandbox: &Sandbox, path: &str, form: &str) -> Value {
    let (status, answer) = call(sandbox, "POST", path, form);
    assert_eq!(status, 200, "{path} {form}: {answer}");
    answer
}

fn price(sandbox: &Sandbox, amount: i64, interval: &str) -> String {
    let product = text(&newest(sandbox, "price"), "product");
    format!(
        "[price_data][currency]=eur&P[price_data][product]={product}&P[price_data][unit_amount]={amount}\
         &P[price_data][recurring][interval]={interval}"
    )
}

fn item(sandbox: &Sandbox, item: &str, amount: i64, interval: &str) -> String {
    let price = price(sandbox, amount, interval).replace("&P", "&items[0]");
    format!("items[0][id]={item}&items[0]{price}")
}

/// What was charged, in which currency's minor units and when.
fn charged(sandbox: &Sandbox) -> Vec<(i64, i64)> {
    let charges = sandbox.objects("charge");
    charges.iter().map(|charge| (charge["created"].as_i64().unwrap(), charge["amount"].as_i64().unwrap())).collect()
}

async fn until(sandbox: &Sandbox, clock: &Clock, when: &str) {
    clock.advance(at(when) - clock.now());
    sandbox.tick().await;
}

#[tokio::test]
async fn another_amount_without_proration_is_charged_on_the_same_days() {
    let (sandbox, clock, id, its) = monthly().await;
    let path = format!("/v1/subscriptions/{id}");
    until(&sandbox, &clock, "2026-02-10T00:00:00Z").await;
    let changed = posted(&sandbox, &path, &format!("{}&proration_behavior=none", item(&sandbox, &its, 500, "month")));
    assert_eq!(changed["items"]["data"][0]["price"]["unit_amount"], 500);
    assert_eq!(charged(&sandbox).len(), 1);
    until(&sandbox, &clock, "2026-04-01T00:00:00Z").await;
    let expected = [(START, 200), (at("2026-02-28T10:00:00Z"), 500), (at("2026-03-31T10:00:00Z"), 500)];
    assert_eq!(charged(&sandbox), expected);
}

#[tokio::test]
async fn another_amount_with_proration_comes_with_the_next_invoice() {
    let (sandbox, clock, id, its) = monthly().await;
    let half = (at("2026-02-28T10:00:00Z") - START) / 2;
    clock.advance(half);
    posted(&sandbox, &format!("/v1/subscriptions/{id}"), &item(&sandbox, &its, 400, "month"));
    assert_eq!(charged(&sandbox).len(), 1);
    until(&sandbox, &clock, "2026-03-01T00:00:00Z").await;
    assert_eq!(charged(&sandbox)[1], (at("2026-02-28T10:00:00Z"), 500));
}

#[tokio::test]
async fn another_interval_begins_at_once_and_is_charged_at_once() {
    let (sandbox, clock, id, its) = monthly().await;
    until(&sandbox, &clock, "2026-02-10T00:00:00Z").await;
    let change = format!("{}&proration_behavior=none", item(&sandbox, &its, 2_400, "year"));
    let changed = posted(&sandbox, &format!("/v1/subscriptions/{id}"), &change);
    assert_eq!(changed["billing_cycle_anchor"], at("2026-02-10T00:00:00Z"));
    until(&sandbox, &clock, "2027-02-11T00:00:00Z").await;
    let expected = [(START, 200), (at("2026-02-10T00:00:00Z"), 2_400), (at("2027-02-10T00:00:00Z"), 2_400)];
    assert_eq!(charged(&sandbox), expected);
}

#[tokio::test]
async fn while_it_is_paused_invoices_are_void_and_at_its_end_the_clock_resumes_it() {
    let (sandbox, clock, id, _) = monthly().await;
    let path = format!("/v1/subscriptions/{id}");
    let until_april = at("2026-04-15T00:00:00Z");
    let paused =
        posted(&sandbox, &path, &format!("pause_collection[behavior]=void&pause_collection[resumes_at]={until_april}"));
    assert_eq!(paused["pause_collection"]["resumes_at"], until_april);
    until(&sandbox, &clock, "2026-05-01T00:00:00Z").await;
    assert_eq!(charged(&sandbox), [(START, 200), (at("2026-04-30T10:00:00Z"), 200)]);
    let void = sandbox.objects("invoice").iter().filter(|invoice| invoice["status"] == "void").count();
    assert_eq!(void, 2);
    let resumed = sandbox.events().into_iter().filter(|event| event.created == until_april).collect::<Vec<_>>();
    assert_eq!(resumed.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["customer.subscription.updated"]);
    let said: Value = serde_json::from_slice(&resumed[0].body).unwrap();
    assert_eq!(said["data"]["object"]["pause_collection"], Value::Null);
    assert_eq!(said["data"]["previous_attributes"]["pause_collection"]["behavior"], "void");

    posted(&sandbox, &path, "pause_collection[behavior]=void");
    until(&sandbox, &clock, "2026-06-01T00:00:00Z").await;
    assert_eq!(posted(&sandbox, &path, "pause_collection=")["pause_collection"], Value::Null);
    until(&sandbox, &clock, "2026-07-01T00:00:00Z").await;
    assert_eq!(charged(&sandbox)[2..], [(at("2026-06-30T10:00:00Z"), 200)]);
}

/// Puts a subscription on a schedule that changes it at the end of its period; the schedule.
fn scheduled(sandbox: &Sandbox, id: &str, amount: i64, interval: &str) -> Value {
    let made = posted(sandbox, "/v1/subscription_schedules", &format!("from_subscription={id}"));
    let (start, end) = (&made["phases"][0]["start_date"], &made["phases"][0]["end_date"]);
    let price = price(sandbox, amount, interval).replace("&P", "&phases[1][items][0]");
    let form = format!(
        "end_behavior=release&phases[0][items][0][price]={}&phases[0][start_date]={start}&phases[0][end_date]={end}\
         &phases[1][items][0]{price}&phases[1][proration_behavior]=none&phases[1][duration][interval]={interval}",
        made["phases"][0]["items"][0]["price"].as_str().unwrap()
    );
    posted(sandbox, &format!("/v1/subscription_schedules/{}", text(&made, "id")), &form)
}

#[tokio::test]
async fn a_schedule_changes_the_interval_at_the_end_of_the_period_and_charges_nothing_before() {
    let (sandbox, clock, id, _) = monthly().await;
    until(&sandbox, &clock, "2026-03-10T00:00:00Z").await;
    let schedule = scheduled(&sandbox, &id, 2_400, "year");
    let schedule_id = text(&schedule, "id");
    assert_eq!(sandbox.object(&id).unwrap()["schedule"], schedule_id.as_str());
    let known = sandbox.events().len();
    until(&sandbox, &clock, "2027-04-01T00:00:00Z").await;
    let begun = at("2026-03-31T10:00:00Z");
    let expected =
        [(START, 200), (at("2026-02-28T10:00:00Z"), 200), (begun, 2_400), (at("2027-03-31T10:00:00Z"), 2_400)];
    assert_eq!(charged(&sandbox), expected);
    let subscription = sandbox.object(&id).unwrap();
    assert_eq!((&subscription["schedule"], subscription["billing_cycle_anchor"].as_i64()), (&Value::Null, Some(begun)));
    assert_eq!(sandbox.object(&schedule_id).unwrap()["status"], "released");
    let told: Vec<String> = sandbox.events_after(known).into_iter().map(|event| event.kind).collect();
    assert!(told.contains(&"subscription_schedule.updated".to_owned()), "{told:?}");
    assert!(told.contains(&"subscription_schedule.released".to_owned()), "{told:?}");
    for event in sandbox.events() {
        let event: Value = serde_json::from_slice(&event.body).unwrap();
        shapes::object_reads(&event["data"]["object"]);
    }
}

#[tokio::test]
async fn what_a_schedule_holds_is_ended_by_the_schedule_or_after_its_release() {
    let (sandbox, clock, id, _) = monthly().await;
    let schedule = text(&scheduled(&sandbox, &id, 2_400, "year"), "id");
    let path = format!("/v1/subscriptions/{id}");
    let (status, error) = call(&sandbox, "POST", &path, "cancel_at_period_end=true");
    assert_eq!(status, 400, "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("managed by the subscription schedule"), "{error}");
    let (status, _) = call(&sandbox, "POST", "/v1/subscription_schedules", &format!("from_subscription={id}"));
    assert_eq!(status, 400);
    posted(&sandbox, &format!("/v1/subscription_schedules/{schedule}/release"), "");
    assert_eq!(call(&sandbox, "POST", &format!("/v1/subscription_schedules/{schedule}/release"), "").0, 400);
    posted(&sandbox, &path, "cancel_at_period_end=true");
    until(&sandbox, &clock, "2026-03-01T00:00:00Z").await;
    assert_eq!((sandbox.object(&id).unwrap()["status"].as_str(), charged(&sandbox).len()), (Some("canceled"), 1));

    let (sandbox, _, id, _) = monthly().await;
    let schedule = text(&scheduled(&sandbox, &id, 2_400, "year"), "id");
    posted(&sandbox, &format!("/v1/subscription_schedules/{schedule}/cancel"), "");
    assert_eq!(sandbox.object(&id).unwrap()["status"], "canceled");
    assert_eq!(sandbox.object(&schedule).unwrap()["status"], "canceled");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_as_stripe_refuses_it() {
    let (sandbox, _, id, its) = monthly().await;
    let path = format!("/v1/subscriptions/{id}");
    let dollars = item(&sandbox, &its, 500, "month").replace("=eur", "=usd");
    for (form, param) in [
        (dollars.as_str(), "items[0]"),
        ("items[0][id]=si_other&items[0][price]=price_other", "items[0][id]"),
        (&format!("items[0][id]={its}&items[0][price]=price_other"), "items[0][price]"),
        (&format!("items[0][id]={its}&items[0][colour]=red"), "items[0][colour]"),
        ("pause_collection[behavior]=void&pause_collection[resumes_at]=5", "pause_collection[resumes_at]"),
        ("pause_collection[behavior]=sleep", "pause_collection[behavior]"),
        ("pause_collection[resumes_at]=1900000000", "pause_collection[behavior]"),
    ] {
        let (status, error) = call(&sandbox, "POST", &path, form);
        assert_eq!((status, error["error"]["param"].as_str()), (400, Some(param)), "{form}: {error}");
    }
    let (status, error) =
        call(&sandbox, "POST", "/v1/subscription_schedules", &format!("from_subscription={id}&colour=red"));
    assert_eq!((status, error["error"]["param"].as_str()), (400, Some("colour")));
    let made = posted(&sandbox, "/v1/subscription_schedules", &format!("from_subscription={id}"));
    let path = format!("/v1/subscription_schedules/{}", text(&made, "id"));
    for form in [
        "phases[0][items][0][price]=price_other&phases[0][start_date]=5",
        "phases[0][start_date]=5",
        "end_behavior=renew",
    ] {
        assert_eq!(call(&sandbox, "POST", &path, form).0, 400, "{form}");
    }
    assert_eq!(charged(&sandbox).len(), 1);
}

#[tokio::test]
async fn the_card_that_is_given_in_the_portal_is_charged_the_next_time() {
    let (sandbox, clock, id, _) = monthly().await;
    sandbox.set_card(&id, Card::Declined);
    let customer = text(&sandbox.object(&id).unwrap(), "customer");
    let form = format!(
        "customer={customer}&flow_data[type]=payment_method_update&return_url=https://paper.example/m&locale=ru"
    );
    let visit = posted(&sandbox, "/v1/billing_portal/sessions", &form);
    shapes::object_reads(&visit);
    assert_eq!(visit["flow"]["type"], "payment_method_update");
    let url = text(&visit, "url");
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(page.contains("Save card") && page.contains("https://paper.example/m"), "{page}");
    let client = reqwest::Client::new();
    let sent = client.post(format!("{url}/card")).form(&[("card", "works")]).send().await.unwrap();
    assert!(sent.status().is_success());
    clock.advance(31 * DAY);
    sandbox.tick().await;
    assert_eq!(charged(&sandbox).len(), 2);
    assert_eq!(sandbox.object(&id).unwrap()["status"], "active");
}
