//! What only the wire shows: refusals, keys, faults, pages and webhooks.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;

use super::*;
use crate::clock::HOUR;

async fn post(sandbox: &Sandbox, key: &str, body: &'static str) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}v1/checkout/sessions", sandbox.url());
    let request = client.post(url).bearer_auth("sk_test_1").header("idempotency-key", key);
    request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await
}

#[tokio::test]
async fn what_stripe_refuses_is_refused_with_the_parameter_named() {
    let (sandbox, _) = sandbox().await;
    let cases = [
        (ONCE.replace("mode=payment", "mode=other"), "mode"),
        (ONCE.replace("=2500", "=49"), "line_items[0][price_data][unit_amount]"),
        (ONCE.replace("=2500", "=25.00"), "line_items[0][price_data][unit_amount]"),
        (ONCE.replace("=usd", "=xyz"), "line_items[0][price_data][currency]"),
        (format!("{ONCE}&colour=red"), "colour"),
        (format!("{ONCE}&expires_at={}", START + 60), "expires_at"),
        (format!("{ONCE}&expires_at={}", START + 25 * HOUR), "expires_at"),
        (format!("{ONCE}&subscription_data[metadata][a]=b"), "subscription_data"),
        (ONCE.replace("success_url", "return_to"), "return_to"),
        (
            ONCE.replace("success_url=https", "x=https")
                .replace("&x=https://paper.example/thanks?s={CHECKOUT_SESSION_ID}", ""),
            "success_url",
        ),
    ];
    for (body, param) in cases {
        let (status, answer) = call(&sandbox, "POST", "/v1/checkout/sessions", &body);
        assert_eq!((status, answer["error"]["param"].as_str()), (400, Some(param)), "{answer}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
    }
    for key in [None, Some("Bearer sk_live_1"), Some("Bearer nothing"), Some("Basic !!")] {
        let request = ApiRequest { authorization: key.map(str::to_owned), ..request("GET", "/v1/account", "") };
        assert_eq!(sandbox.call(request).status, 401);
    }
    assert_eq!(call(&sandbox, "GET", "/v1/nothing", "").0, 404);
    assert_eq!(call(&sandbox, "GET", "/v1/charges/ch_0", "").1["error"]["code"], "resource_missing");
    let product = "id=mainstay_default&name=Gift";
    assert_eq!(call(&sandbox, "POST", "/v1/products", product).0, 200);
    assert_eq!(call(&sandbox, "POST", "/v1/products", product).1["error"]["code"], "resource_already_exists");
}

#[tokio::test]
async fn a_key_replays_its_answer_even_a_stored_500() {
    let (sandbox, _) = sandbox().await;
    sandbox.fail_api(Some("POST"), "/v1/checkout", ApiFault::WorkThenStoredError, 1);
    for replayed in [false, true] {
        let answer = post(&sandbox, "k1", ONCE).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers().contains_key("idempotent-replayed"), replayed);
        assert_eq!(answer.headers()["date"], "Sat, 31 Jan 2026 10:00:00 GMT");
    }
    assert_eq!(sandbox.objects("checkout.session").len(), 1);
    let other = post(&sandbox, "k1", MONTHLY).await.unwrap();
    assert_eq!(other.status(), 400);
    assert_eq!(sandbox.requests().iter().filter(|request| request.replayed).count(), 1);
}

#[tokio::test]
async fn a_cut_answer_leaves_its_work_to_be_found_under_the_key() {
    let (sandbox, _) = sandbox().await;
    for (key, fault) in [("k1", ApiFault::WorkThenCut), ("k2", ApiFault::HalfClose)] {
        sandbox.fail_api(None, "/v1/checkout", fault, 1);
        let broken = match post(&sandbox, key, ONCE).await {
            Ok(answer) => answer.bytes().await.is_err(),
            Err(_) => true,
        };
        assert!(broken, "{fault:?}");
        assert_eq!(post(&sandbox, key, ONCE).await.unwrap().status(), 200);
    }
    assert_eq!(sandbox.objects("checkout.session").len(), 2);
    sandbox.fail_api(None, "/", ApiFault::TooManyRequests { retry_after_seconds: 2 }, 1);
    let busy = post(&sandbox, "k3", ONCE).await.unwrap();
    assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (429, &"2".parse().unwrap()));
}

#[tokio::test]
async fn a_second_request_under_a_key_at_work_is_a_conflict() {
    let (sandbox, _) = sandbox().await;
    sandbox.fail_api(None, "/v1/checkout", ApiFault::Stall, 1);
    let stalled = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { post(&sandbox, "k1", ONCE).await.unwrap().status() }
    });
    while sandbox.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(post(&sandbox, "k1", ONCE).await.unwrap().status(), 409);
    sandbox.heal();
    assert_eq!(stalled.await.unwrap(), 200);
}

#[tokio::test]
async fn a_person_pays_on_the_page_without_javascript() {
    let (sandbox, _) = sandbox().await;
    let id = created(&sandbox, &format!("{MONTHLY}&customer_email=\"><b>@example.com"));
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = sandbox.session(&id).unwrap()["url"].as_str().unwrap().to_owned();
    let page = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Pay EUR 2.00 every month") && page.contains("4242"), "{page}");
    assert!(!page.contains("<b>") && !page.contains("<script"));
    let declined = client.post(&url).form(&[("card", "declined")]).send().await.unwrap().text().await.unwrap();
    assert!(declined.contains("Your card was declined."));
    let asked = client.post(&url).form(&[("card", "needs_authentication")]).send().await.unwrap();
    assert!(asked.text().await.unwrap().contains("Complete authentication"));
    let paid = client.post(format!("{url}/authenticate")).form(&[("answer", "complete")]).send().await.unwrap();
    assert_eq!(
        (paid.status().as_u16(), &paid.headers()["location"]),
        (303, &"https://paper.example/thanks".parse().unwrap())
    );
    let moved = client.post(format!("{}clock", sandbox.url())).form(&[("by", "quarter")]).send().await.unwrap();
    assert_eq!(moved.status(), 303);
    assert_eq!(sandbox.objects("invoice").len(), 4);
    let dashboard = client.get(sandbox.url()).send().await.unwrap().text().await.unwrap();
    assert!(dashboard.contains("2026-04-30") && dashboard.contains("invoice.paid"), "{dashboard}");
}

/// What an endpoint got: the signature header and the body.
pub(super) type Got = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

pub(super) async fn endpoint(refusals: usize) -> (String, Got) {
    let got = Got::default();
    let keep = got.clone();
    let handler = move |headers: HeaderMap, body: Bytes| async move {
        let mut got = keep.lock().unwrap();
        got.push((headers["stripe-signature"].to_str().unwrap().to_owned(), body.to_vec()));
        if got.len() <= refusals { axum::http::StatusCode::SERVICE_UNAVAILABLE } else { axum::http::StatusCode::OK }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router: axum::Router = axum::Router::new().route("/hook", axum::routing::post(handler));
    let service = hyper_util::service::TowerToHyperService::new(router);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service.clone()));
        }
    });
    (url, got)
}

#[tokio::test]
async fn events_are_signed_sent_in_order_and_sent_again_when_refused() {
    let (sandbox, clock) = sandbox().await;
    let (url, got) = endpoint(1).await;
    sandbox.add_endpoint(&url, "whsec_1");
    let id = created(&sandbox, ONCE);
    sandbox.pay(&id, Card::Works).await.unwrap();
    let made = sandbox.events();
    assert_eq!(sandbox.deliver_pending().await, made.len() - 1);
    assert_eq!(sandbox.deliver_pending().await, 0);
    clock.advance(HOUR);
    assert_eq!(sandbox.deliver_pending().await, 1);
    let got = got.lock().unwrap();
    assert!(got.iter().zip(&made).all(|((_, body), event)| *body == event.body));
    let (signature, body) = got.last().unwrap();
    assert_eq!(*signature, sign(body, "whsec_1", START + HOUR));
    assert_eq!(*body, made[0].body);
    assert_eq!(sandbox.deliveries(&made[0].id), [(DeliveryState::Delivered, 2)]);
}

#[tokio::test]
async fn webhooks_are_duplicated_reordered_delayed_and_lost_when_asked() {
    let (sandbox, clock) = sandbox().await;
    let (url, got) = endpoint(0).await;
    sandbox.add_endpoint(&url, "whsec_1");
    sandbox.fail_webhooks(WebhookFaults {
        duplicates: 1,
        reorder: true,
        delay_seconds: HOUR,
        drop_kinds: ["charge.updated".to_owned()].into(),
        ..WebhookFaults::default()
    });
    let id = created(&sandbox, MONTHLY);
    sandbox.pay(&id, Card::Works).await.unwrap();
    let made = sandbox.events();
    assert_eq!(sandbox.deliver_pending().await, 0);
    clock.advance(HOUR);
    assert_eq!(sandbox.deliver_pending().await, 2 * (made.len() - 1));
    let bodies: Vec<Vec<u8>> = got.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
    let in_order: Vec<Vec<u8>> = made.iter().flat_map(|event| [event.body.clone(), event.body.clone()]).collect();
    assert_ne!(bodies, in_order[..bodies.len()]);
    assert!(!bodies.contains(&made.last().unwrap().body));
}
