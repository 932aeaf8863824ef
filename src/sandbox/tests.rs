//! The sandbox's own tests: its journeys, and that what it says reads as async-stripe's types.

mod balance;
mod changes;
mod endpoints;
mod http;
mod journeys;
mod shapes;

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::*;

/// 31 January 2026, 10:00 UTC.
pub(super) const START: i64 = 1_769_853_600;

pub(super) const ONCE: &str = "mode=payment&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd\
    &line_items[0][price_data][unit_amount]=2500&line_items[0][price_data][product_data][name]=Gift\
    &success_url=https://paper.example/thanks?s={CHECKOUT_SESSION_ID}&cancel_url=https://paper.example/back\
    &client_reference_id=plg_1&metadata[mainstay_pledge]=plg_1&payment_intent_data[metadata][mainstay_pledge]=plg_1\
    &adaptive_pricing[enabled]=false&ui_mode=hosted_page";

pub(super) const MONTHLY: &str = "mode=subscription&line_items[0][quantity]=1\
    &line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=200\
    &line_items[0][price_data][recurring][interval]=month&line_items[0][price_data][product_data][name]=Gift\
    &success_url=https://paper.example/thanks&subscription_data[metadata][mainstay_pledge]=plg_2\
    &subscription_data[billing_mode][type]=flexible";

pub(super) async fn sandbox() -> (Sandbox, Clock) {
    let clock = Clock::manual(START);
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        clock: clock.clone(),
        random: Random::seeded(1),
        delivery: Delivery::Manual,
    };
    (Sandbox::start(options).await.unwrap(), clock)
}

pub(super) fn request(method: &str, path: &str, body: &str) -> ApiRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    ApiRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: Some("Bearer sk_test_1".to_owned()),
        body: body.as_bytes().to_vec(),
        ..ApiRequest::default()
    }
}

pub(super) fn call(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = sandbox.call(request(method, path, body));
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

pub(super) fn created(sandbox: &Sandbox, body: &str) -> String {
    let (status, session) = call(sandbox, "POST", "/v1/checkout/sessions", body);
    assert_eq!(status, 200, "{session}");
    session["id"].as_str().unwrap().to_owned()
}

pub(super) fn kinds(sandbox: &Sandbox) -> Vec<String> {
    sandbox.events().into_iter().map(|event| event.kind).collect()
}

pub(super) fn newest(sandbox: &Sandbox, kind: &str) -> Value {
    sandbox.objects(kind).pop().unwrap()
}

/// The newest object's id.
pub(super) fn id_of(sandbox: &Sandbox, kind: &str) -> String {
    newest(sandbox, kind)["id"].as_str().unwrap().to_owned()
}
