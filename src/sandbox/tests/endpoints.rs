//! Webhook endpoints, the portal's set-up and restricted keys, as Stripe's API has them.

use stripe_misc::webhook_endpoint::CreateWebhookEndpointEnabledEvents as Enabled;

use super::shapes::{list_reads, object_reads};
use super::*;

const ENDPOINT: &str = "url=https://give.example.org/webhooks/stripe&api_version=2026-09-30.endive\
    &enabled_events[0]=invoice.paid&enabled_events[1]=checkout.session.completed";

#[tokio::test]
async fn an_endpoint_tells_its_secret_once_and_keeps_its_version() {
    let (sandbox, _) = sandbox().await;
    let (status, made) = call(&sandbox, "POST", "/v1/webhook_endpoints", ENDPOINT);
    assert_eq!(status, 200, "{made}");
    object_reads(&made);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let path = format!("/v1/webhook_endpoints/{}", made["id"].as_str().unwrap());
    for (method, body) in [("GET", ""), ("POST", "disabled=true&enabled_events[]=*"), ("POST", "disabled=false")] {
        let (status, shown) = call(&sandbox, method, &path, body);
        assert_eq!((status, shown.get("secret")), (200, None), "{shown}");
        object_reads(&shown);
    }
    let (_, list) = call(&sandbox, "GET", "/v1/webhook_endpoints?limit=100", "");
    list_reads(&list);
    assert_eq!(list["data"][0]["enabled_events"], serde_json::json!(["*"]));
    let (status, refused) = call(&sandbox, "POST", &path, "api_version=2025-03-31.basil");
    assert_eq!((status, &refused["error"]["code"]), (400, &"parameter_unknown".into()));
    assert_eq!(call(&sandbox, "DELETE", &path, "").1["deleted"], true);
    assert_eq!(call(&sandbox, "GET", &path, "").0, 404);
}

#[tokio::test]
async fn a_wrong_endpoint_is_refused_with_the_parameter_named() {
    let (sandbox, _) = sandbox().await;
    for (body, param) in [
        (ENDPOINT.replace("invoice.paid", "invoice.eaten"), "enabled_events[0]"),
        (ENDPOINT.replace("invoice.paid", "*"), "enabled_events"),
        (ENDPOINT.replace("https://", ""), "url"),
        (ENDPOINT.replace("url=", "uri="), "uri"),
        (ENDPOINT.replace("2026-09-30.endive", "1999-12-31"), "api_version"),
        ("url=https://give.example.org/".to_owned(), "enabled_events"),
    ] {
        let (status, answer) = call(&sandbox, "POST", "/v1/webhook_endpoints", &body);
        assert_eq!((status, answer["error"]["param"].as_str()), (400, Some(param)), "{body}: {answer}");
    }
    assert_eq!(call(&sandbox, "GET", "/v1/webhook_endpoints?created=1", "").0, 400);
    for _ in 0..16 {
        assert_eq!(call(&sandbox, "POST", "/v1/webhook_endpoints", ENDPOINT).0, 200);
    }
    assert_eq!(call(&sandbox, "POST", "/v1/webhook_endpoints", ENDPOINT).0, 400, "sixteen is the most");
}

#[test]
fn every_event_type_is_one_that_stripe_knows() {
    for kind in super::super::endpoints::EVENT_TYPES {
        let read: Enabled = kind.parse().unwrap();
        assert!(!matches!(read, Enabled::Unknown(_)), "{kind}");
    }
}

#[tokio::test]
async fn an_endpoint_is_sent_what_it_asked_for_under_its_own_secret_until_it_is_disabled() {
    let (sandbox, clock) = sandbox().await;
    let (url, got) = super::http::endpoint(0).await;
    let body = ENDPOINT.replace("https://give.example.org/webhooks/stripe", &url);
    let (_, made) = call(&sandbox, "POST", "/v1/webhook_endpoints", &body);
    let session = created(&sandbox, MONTHLY);
    sandbox.pay(&session, Card::Works).await.unwrap();
    assert_eq!(sandbox.deliver_pending().await, 2);
    {
        let got = got.lock().unwrap();
        let kinds: Vec<Value> = got.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
        let kinds: Vec<&str> = kinds.iter().map(|event: &Value| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds.len(), 2);
        assert!(kinds.contains(&"invoice.paid") && kinds.contains(&"checkout.session.completed"), "{kinds:?}");
        let (signature, body) = &got[0];
        assert_eq!(*signature, sign(body, made["secret"].as_str().unwrap(), clock.now()));
    }
    let path = format!("/v1/webhook_endpoints/{}", made["id"].as_str().unwrap());
    call(&sandbox, "POST", &path, "disabled=true");
    let session = created(&sandbox, ONCE);
    sandbox.pay(&session, Card::Works).await.unwrap();
    assert_eq!(sandbox.deliver_pending().await, 0);
}

#[tokio::test]
async fn the_portal_is_set_up_part_by_part() {
    let (sandbox, _) = sandbox().await;
    let path = "/v1/billing_portal/configurations";
    let wanted = "features[payment_method_update][enabled]=true&metadata[a]=b";
    let (status, made) = call(&sandbox, "POST", path, wanted);
    assert_eq!(status, 200, "{made}");
    object_reads(&made);
    assert_eq!(made["features"]["subscription_cancel"]["enabled"], false);
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let (_, changed) = call(&sandbox, "POST", &one, "features[subscription_cancel][enabled]=true&metadata[c]=d");
    object_reads(&changed);
    assert_eq!(changed["features"]["payment_method_update"]["enabled"], true);
    assert_eq!(changed["features"]["subscription_cancel"]["enabled"], true);
    assert_eq!(changed["metadata"], serde_json::json!({"a": "b", "c": "d"}));
    let (_, list) = call(&sandbox, "GET", &format!("{path}?active=true"), "");
    list_reads(&list);
    assert_eq!(call(&sandbox, "GET", &one, "").1, changed);
    for wrong in ["features[dancing][enabled]=true", "name=x", "features[invoice_history][enabled]=often"] {
        assert_eq!(call(&sandbox, "POST", path, wrong).0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_restricted_key_may_do_what_it_was_given_and_nothing_else() {
    let (sandbox, _) = sandbox().await;
    let key = "rk_test_narrow";
    sandbox.restrict_key(key, &[("products", Access::Write), ("checkout/sessions", Access::Read)]);
    let ask = |method: &str, path: &str, body: &str| {
        let answer =
            sandbox.call(ApiRequest { authorization: Some(format!("Bearer {key}")), ..request(method, path, body) });
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    assert_eq!(ask("POST", "/v1/products", "name=Gift").0, 200);
    assert_eq!(ask("GET", "/v1/products", "").0, 200);
    assert_eq!(ask("GET", "/v1/checkout/sessions", "").0, 200);
    for (method, path, right) in [
        ("POST", "/v1/checkout/sessions", "'rak_checkout_session_write'"),
        ("GET", "/v1/webhook_endpoints", "'rak_webhook_endpoint_read'"),
        ("GET", "/v1/account", "'rak_account_read'"),
    ] {
        let (status, refused) = ask(method, path, "");
        assert_eq!((status, &refused["error"]["type"]), (403, &"invalid_request_error".into()), "{refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(right) && !message.contains(key), "{message}");
    }
}
