//! Making a pledge over HTTP: what is taken, what is refused and how, and that there is never a second checkout session.

use mainstay::sandbox::{ApiFault, Card};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::app::{ALLOWED_ORIGIN, DAY, TestApp, session_of};
use crate::support::database::BOTH;

const KEY: &str = "a-key-of-sixteen-or-more";
const HOUR: i64 = 3_600;

fn gift() -> Value {
    json!({"frequency": "once", "amount_minor": 2500, "currency": "usd"})
}

/// How many sessions Stripe made.
fn sessions(app: &TestApp) -> usize {
    app.sandbox.objects("checkout.session").len()
}

/// How often a session was asked for.
fn asked_for(app: &TestApp) -> usize {
    let creates = |path: &str| path == "/v1/checkout/sessions";
    app.sandbox.requests().iter().filter(|request| request.method == "POST" && creates(&request.path)).count()
}

fn codes(problem: &Value) -> Vec<(String, String)> {
    let text = |error: &Value, name: &str| error[name].as_str().expect("a text").to_owned();
    let errors = problem["errors"].as_array().expect("a list of errors");
    errors.iter().map(|error| (text(error, "field"), text(error, "code"))).collect()
}

#[tokio::test]
async fn the_default_campaign_says_all_a_form_needs() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (status, campaign) = app.get("/v1/campaigns/default").await;
        assert_eq!(status, 200);
        assert_eq!((&campaign["slug"], &campaign["default_currency"]), (&json!("default"), &json!("USD")));
        let codes: Vec<_> =
            campaign["currencies"].as_array().expect("a list").iter().map(|c| c["currency"].clone()).collect();
        assert_eq!(codes, ["USD", "EUR", "GBP", "JPY"]);
        assert_eq!(campaign["currencies"][0]["frequencies"]["monthly"]["min_minor"], 200);
        assert_eq!(
            (&campaign["currencies"][0]["exponent"], &campaign["currencies"][3]["exponent"]),
            (&json!(2), &json!(0))
        );
        for missing in ["nothing", "%00", "Default", "a%2Fb"] {
            assert_eq!(app.get(&format!("/v1/campaigns/{missing}")).await.0, 404, "{missing}");
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn a_pledge_is_open_then_paid_and_gone_a_day_after_it_settled() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (status, made) = app.ask(&gift(), None).await;
        assert_eq!(status, 201, "{made}");
        assert_eq!(
            (&made["status"], &made["currency"], &made["amount_minor"]),
            (&json!("open"), &json!("USD"), &json!(2500))
        );
        let id = made["id"].as_str().expect("an id");
        assert_eq!(app.status(id).await, "open");
        app.pay(&session_of(&made), Card::Works).await;
        app.settle().await;
        assert_eq!(app.status(id).await, "paid");
        app.clock.advance(DAY + 1);
        assert_eq!(app.get(&format!("/v1/pledges/{id}")).await.0, 404);
        for unknown in ["plg_00000000000000000000000000000000", "plg_1", "%00", "x"] {
            assert_eq!(app.get(&format!("/v1/pledges/{unknown}")).await.0, 404, "{unknown}");
        }
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_field_by_field_in_a_problem() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (status, problem) =
            app.ask(&json!({"frequency": "monthly", "amount_minor": 199, "currency": "USD"}), None).await;
        assert_eq!((status, &problem["status"]), (422, &json!(422)));
        for member in ["type", "title", "code", "detail"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        assert!(problem["request_id"].as_str().expect("an id").starts_with("req_"));
        assert!(problem["errors"][0]["message"].as_str().expect("a text").contains("$2.00"), "{problem}");
        let everything = json!({"frequency": 1, "amount_minor": "25", "currency": "XXX", "locale": [], "source": "a b",
            "return_url": "https://evil.example", "campaign": "default", "email": "reader@example.org"});
        let (status, problem) = app.ask(&everything, None).await;
        let fields: Vec<String> = codes(&problem).into_iter().map(|(field, _)| field).collect();
        assert_eq!(status, 422);
        assert_eq!(
            fields,
            ["email", "frequency", "currency", "amount_minor", "locale", "source", "return_url"],
            "{problem}"
        );
        assert!(!problem.to_string().contains("reader@example.org"));
        assert_eq!((sessions(&app), asked_for(&app)), (0, 0));
        app.finish().await;
    }
}

#[tokio::test]
async fn malformed_and_mistyped_requests_have_their_own_statuses() {
    let app = TestApp::start(BOTH[0]).await;
    let send = async |kind: &'static str, body: String| {
        let request = app.http.post(format!("{}/v1/pledges", app.url)).header("content-type", kind).body(body);
        request.send().await.expect("an answer")
    };
    let absurd = r#"{"frequency": "once", "amount_minor": 1e400, "currency": "USD"}"#;
    for (kind, body, status) in [
        ("application/json", "{".to_owned(), 400),
        ("application/json", String::new(), 400),
        ("text/plain", gift().to_string(), 415),
        ("application/x-www-form-urlencoded", "frequency=once".to_owned(), 415),
        ("application/json", "[]".to_owned(), 422),
        ("application/json", absurd.to_owned(), 422),
        ("application/json", format!("{{\"source\": \"{}\"}}", "x".repeat(70_000)), 413),
        ("application/json; charset=utf-8", gift().to_string(), 201),
    ] {
        let answer = send(kind, body).await;
        let media = answer.headers()["content-type"].to_str().expect("a media type").to_owned();
        assert_eq!(answer.status(), status, "{kind}");
        assert_eq!(media == "application/problem+json", status != 201, "{kind} {media}");
    }
    for (method, path, status) in [
        ("DELETE", "/v1/pledges", 405),
        ("GET", "/v1/pledges", 405),
        ("GET", "/nothing", 404),
        ("POST", "/healthz", 405),
    ] {
        let method = method.parse().expect("a method");
        let answer = app.http.request(method, format!("{}{path}", app.url)).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().ok()),
            (status, Some("application/problem+json")),
            "{path}"
        );
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn scripts_of_allowed_sites_read_answers_and_errors_and_others_do_not() {
    let app = TestApp::start(BOTH[0]).await;
    let post = async |origin: &str, body: &Value| {
        let request = app.http.post(format!("{}/v1/pledges", app.url)).header("origin", origin).json(body);
        request.send().await.expect("an answer").headers().clone()
    };
    let allowed = |headers: &HeaderMap| {
        headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(allowed(&post(ALLOWED_ORIGIN, &gift()).await).as_deref(), Some(ALLOWED_ORIGIN));
    assert_eq!(
        allowed(&post(ALLOWED_ORIGIN, &json!({})).await).as_deref(),
        Some(ALLOWED_ORIGIN),
        "an error is readable too"
    );
    assert_eq!(allowed(&post("https://evil.example", &gift()).await), None);
    assert_eq!(allowed(&post("null", &gift()).await), None);
    app.finish().await;
}

#[tokio::test]
async fn one_key_answers_one_request_for_a_day() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (status, first) = app.ask(&gift(), Some(KEY)).await;
        assert_eq!(status, 201, "{first}");
        let respelled = json!({"currency": "USD", "amount_minor": 2500, "frequency": "once", "locale": null});
        assert_eq!(app.ask(&respelled, Some(KEY)).await, (201, first.clone()));
        let other = json!({"frequency": "once", "amount_minor": 2600, "currency": "usd"});
        let (status, problem) = app.ask(&other, Some(KEY)).await;
        assert_eq!((status, &problem["code"]), (409, &json!("idempotency_mismatch")));
        app.pay(&session_of(&first), Card::Works).await;
        app.settle().await;
        assert_eq!(app.ask(&gift(), Some(KEY)).await, (201, first), "the same answer after the gift was paid");
        assert_eq!(sessions(&app), 1);
        app.clock.advance(DAY + 1);
        assert_eq!(app.ask(&other, Some(KEY)).await.0, 201, "a day later the key is a new one");
        for wrong in ["short", &"x".repeat(256)] {
            assert_eq!(app.ask(&gift(), Some(wrong)).await.0, 400, "{wrong}");
        }
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_under_one_key_make_one_pledge_and_one_session() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let gift = gift();
        let answers = futures_util::future::join_all((0..50).map(|_| app.ask(&gift, Some(KEY)))).await;
        for answer in &answers {
            assert_eq!((answer.0, &answer.1), (201, &answers[0].1));
        }
        assert_eq!((sessions(&app), asked_for(&app)), (1, 1), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_holds_is_told_to_wait_and_is_free_when_that_one_is_gone() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (status, first) = app.ask(&gift(), Some(KEY)).await;
        assert_eq!(status, 201, "{first}");
        // As a process leaves it that is killed while at work.
        let db = mainstay::store::Db::open(&app.database.url).await.expect("the database opens");
        let held = db.write("UPDATE idempotency_keys SET claim_token = 'of the dead', claim_until = $1");
        assert_eq!(held.bind(app.clock.now() + 30).run().await.expect("it is held"), 1);
        db.close().await;
        let request = app.http.post(format!("{}/v1/pledges", app.url)).json(&gift()).header("idempotency-key", KEY);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 409, "after 10 s of waiting, on {kind:?}");
        assert!(answer.headers().contains_key("retry-after"));
        let problem: Value = answer.json().await.expect("a problem");
        assert_eq!(problem["code"], "in_progress");
        app.clock.advance(31);
        assert_eq!(app.ask(&gift(), Some(KEY)).await, (201, first), "an abandoned claim is free after 30 s");
        assert_eq!(sessions(&app), 1);
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn whatever_goes_wrong_at_stripe_there_is_one_session_in_the_end() {
    let busy = ApiFault::TooManyRequests { retry_after_seconds: 1 };
    let faults = [
        busy,
        ApiFault::InternalError,
        ApiFault::WorkThenStoredError,
        ApiFault::WorkThenCut,
        ApiFault::Cut,
        ApiFault::HalfClose,
    ];
    for kind in BOTH {
        for fault in faults {
            for times in [1, 2, 5] {
                let app = TestApp::start(kind).await;
                app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions", fault, times);
                let (first, body) = app.ask(&gift(), Some(KEY)).await;
                assert!(asked_for(&app) <= 3, "{fault:?} asked {} times", asked_for(&app));
                assert!([201, 502, 503].contains(&first), "{fault:?}: {first} {body}");
                app.sandbox.heal();
                let (status, again) = app.ask(&gift(), Some(KEY)).await;
                assert_eq!(status, 201, "{fault:?} x{times}: {again}");
                assert_eq!(sessions(&app), 1, "{fault:?} x{times} on {kind:?}");
                app.settle().await;
                app.finish().await;
            }
        }
    }
}

#[tokio::test]
async fn a_failure_of_the_product_keeps_no_other_gift_away() {
    let app = TestApp::start(BOTH[0]).await;
    app.sandbox.fail_api(Some("POST"), "/v1/products", ApiFault::WorkThenStoredError, 1);
    let (_, _) = app.ask(&gift(), Some(KEY)).await;
    assert_eq!(app.ask(&gift(), None).await.0, 201);
    assert_eq!(app.ask(&gift(), Some(KEY)).await.0, 201);
    assert_eq!(app.sandbox.objects("product").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn an_outage_is_told_with_a_time_to_come_back() {
    let app = TestApp::start(BOTH[0]).await;
    app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions", ApiFault::Cut, 9);
    let request = app.http.post(format!("{}/v1/pledges", app.url)).header("idempotency-key", KEY).json(&gift());
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    app.sandbox.heal();
    assert_eq!(app.ask(&gift(), Some(KEY)).await.0, 201);
    app.finish().await;
}

#[tokio::test]
async fn after_22_hours_a_session_is_looked_for_and_never_made() {
    for kind in BOTH {
        for (fault, status) in [(ApiFault::WorkThenStoredError, 201), (ApiFault::Cut, 409)] {
            let app = TestApp::start(kind).await;
            app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions", fault, 3);
            app.sandbox.fail_api(Some("GET"), "/v1/checkout/sessions", ApiFault::InternalError, 3);
            assert!(app.ask(&gift(), Some(KEY)).await.0 >= 502);
            app.sandbox.heal();
            let made = sessions(&app);
            app.clock.advance(22 * HOUR);
            let (late, body) = app.ask(&gift(), Some(KEY)).await;
            assert_eq!((late, sessions(&app)), (status, made), "{fault:?} {body}");
            assert_eq!(app.ask(&gift(), Some(KEY)).await.0, status, "and the same again");
            app.settle().await;
            app.finish().await;
        }
    }
}

#[tokio::test]
async fn a_form_of_another_site_leads_to_checkout_and_back_to_a_page_that_turns_to_received() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let give = format!("{}/give", app.url);
        let form = [("frequency", "monthly"), ("amount", "5"), ("currency", "EUR"), ("utm_source", "x")];
        let answer = app
            .http
            .post(&give)
            .header("origin", "https://elsewhere.example")
            .form(&form)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303);
        let checkout = answer.headers()["location"].to_str().expect("an address").to_owned();
        let session = session_of(&json!({"checkout_url": checkout}));
        let back =
            app.sandbox.session(&session).expect("it exists")["success_url"].as_str().expect("an address").to_owned();
        let thanks = back.strip_prefix("http://give.example.org").expect("our own page").to_owned();
        assert!(page(&app, &thanks).await.contains("waiting for your payment"));
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let received = page(&app, &thanks).await;
        assert!(received.contains("was received") && received.contains("€5 monthly"), "{received}");
        app.finish().await;
    }
}

#[tokio::test]
async fn the_pages_work_without_a_script_and_load_nothing_from_elsewhere() {
    let app = TestApp::start(BOTH[0]).await;
    for path in [
        "/give",
        "/give?frequency=annual&currency=JPY&offer=1&amount=5",
        "/give/thanks",
        "/give/cancelled",
        "/give?lang=ru",
    ] {
        let answer = app.http.get(format!("{}{path}", app.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().expect("a text").to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(
            (header("referrer-policy").as_str(), header("x-frame-options").as_str()),
            ("no-referrer", "DENY"),
            "{path}"
        );
        let html = answer.text().await.expect("a page");
        assert!(!html.contains("://") && !html.contains("style=") && !html.contains("onclick"), "{path}");
    }
    for (path, status) in [("/give/nothing/of/the/kind?lang=ru", 404), ("/", 303)] {
        let answer = app.http.get(format!("{}{path}", app.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        if status == 404 {
            assert!(answer.text().await.expect("a page").contains("<h1>Здесь ничего нет</h1>"), "people get a page");
        }
    }
    let annual = page(&app, "/give?frequency=annual&currency=JPY&offer=1&amount=5").await;
    assert!(annual.contains("value=\"5000\"") && !annual.contains("value=\"5\""), "{annual}");
    let hostile = page(&app, "/give?source=%22%3E%3Cscript%3E&amount=%22%3E%3Cscript%3E").await;
    assert!(!hostile.contains("\"><script>"), "{hostile}");
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_form_is_answered_by_the_form_with_what_would_be_right() {
    let app = TestApp::start(BOTH[0]).await;
    let post = async |form: &[(&str, &str)]| {
        let answer = app.http.post(format!("{}/give", app.url)).form(form).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a page"))
    };
    let (status, html) = post(&[("frequency", "monthly"), ("amount", "1"), ("currency", "USD")]).await;
    assert!(status == 422 && html.contains("The least is $2."), "{html}");
    let (status, html) = post(&[("campaign", "nothing"), ("frequency", "once")]).await;
    assert!(status == 404 && html.contains("<h1>"), "{html}");
    app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions", ApiFault::Cut, 9);
    let (status, html) = post(&[("frequency", "monthly"), ("amount", "5"), ("currency", "USD")]).await;
    assert!(status == 503 && html.contains("Nothing was charged"), "{html}");
    app.finish().await;
}

async fn page(app: &TestApp, path: &str) -> String {
    let answer = app.http.get(format!("{}{path}", app.url)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.expect("a page")
}
