//! Limits on making pledges: who floods is refused before Stripe hears of it, everybody else gets through, and nobody's
//! address is kept.

use futures_util::stream::{self, StreamExt as _};
use mainstay::sandbox::ApiFault;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Kind};
use crate::support::log::Log;
use crate::support::stored;

/// Attempts of the flood, from so many addresses, so many at once.
const ATTEMPTS: usize = 5_000;
const ADDRESSES: usize = 50;
const ABREAST: usize = 128;
/// Where in the flood ten readers give.
const MIDDLE: usize = ATTEMPTS / 2;
const READERS: usize = 10;
const KEY: &str = "a-key-of-sixteen-or-more";
/// One proxy of ours, or none.
const NO_PROXY: [(&str, &str); 1] = [("TRUSTED_PROXIES", "0")];

/// Asks for a pledge as the proxy tells where it comes from.
async fn ask(app: &TestApp, forwarded: &str, key: Option<&str>) -> (u16, HeaderMap, Value) {
    let gift = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"});
    let mut request = app.http.post(format!("{}/v1/pledges", app.url)).header("x-forwarded-for", forwarded).json(&gift);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.json().await.expect("JSON"))
}

async fn status(app: &TestApp, forwarded: &str) -> u16 {
    ask(app, forwarded, None).await.0
}

/// The same by the form.
async fn submit(app: &TestApp, forwarded: &str) -> (u16, HeaderMap, String) {
    let form = [("frequency", "once"), ("amount", "25"), ("currency", "USD")];
    let request = app.http.post(format!("{}/give", app.url)).header("x-forwarded-for", forwarded).form(&form);
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.text().await.expect("a page"))
}

/// How often Stripe was asked for a session.
fn asked_for(app: &TestApp) -> usize {
    let requests = app.sandbox.requests();
    requests.iter().filter(|request| request.method == "POST" && request.path == "/v1/checkout/sessions").count()
}

async fn pledges(app: &TestApp) -> usize {
    app.database.rows("SELECT id AS line FROM pledges").await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_flood_from_fifty_addresses_a_twentieth_reaches_stripe_and_ten_readers_all_get_through() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        // The readers come in the middle of the flood, among its attempts.
        let askers = (0..ATTEMPTS).flat_map(|nth| {
            let flood = (false, format!("203.0.113.{}", nth % ADDRESSES));
            let readers = (0..READERS).map(|reader| (true, format!("192.0.2.{reader}")));
            std::iter::once(flood).chain(readers.filter(move |_| nth == MIDDLE))
        });
        let answers: Vec<(bool, u16)> = stream::iter(askers)
            .map(|(reads, address)| {
                let app = &app;
                async move { (reads, status(app, &address).await) }
            })
            .buffer_unordered(ABREAST)
            .collect()
            .await;
        let of = |reader: bool| answers.iter().filter(move |(reads, _)| *reads == reader).map(|(_, status)| *status);
        assert_eq!(of(true).collect::<Vec<_>>(), [201; READERS], "every reader gives, on {kind:?}");
        let through = of(false).filter(|status| *status == 201).count();
        assert_eq!(of(false).filter(|status| *status == 429).count(), ATTEMPTS - through);
        assert!(through <= ATTEMPTS / 20, "{through} of {ATTEMPTS}, on {kind:?}");
        assert_eq!(asked_for(&app), through + READERS, "on {kind:?}");
        assert_eq!(pledges(&app).await, through + READERS, "nothing is stored of those refused, on {kind:?}");
        app.finish().await;
    }
}

/// A client with this address of its own.
fn from(address: &str) -> reqwest::Client {
    let address: std::net::IpAddr = address.parse().expect("an address");
    reqwest::Client::builder().no_proxy().local_address(address).build().expect("a client")
}

#[tokio::test]
async fn a_proxy_on_this_machine_that_nobody_told_us_of_does_not_shut_out_its_readers() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &NO_PROXY).await;
        for nth in 0..20 {
            assert_eq!(status(&app, &format!("203.0.113.{nth}")).await, 201, "the {nth}th, on {kind:?}");
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn without_a_proxy_of_ours_a_forwarded_address_changes_nothing() {
    for kind in BOTH {
        let mut app = TestApp::start_with(kind, &NO_PROXY).await;
        app.http = from("127.0.0.2");
        for nth in 0..20 {
            let expected = if nth < 5 { 201 } else { 429 };
            assert_eq!(status(&app, &format!("203.0.113.{nth}")).await, expected, "the {nth}th, on {kind:?}");
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn behind_a_proxy_of_ours_what_a_client_claims_changes_nothing() {
    let mut app = TestApp::start(BOTH[0]).await;
    app.http = from("127.0.0.2");
    for nth in 0..20 {
        let expected = if nth < 5 { 201 } else { 429 };
        assert_eq!(status(&app, &format!("198.51.100.{nth}, 203.0.113.1")).await, expected, "the {nth}th");
    }
    for malformed in ["", "unknown", "203.0.113.1, x", "203.0.113.1,", "1.2.3.4, 203.0.113.2, 300.1.1.1"] {
        assert_eq!(status(&app, malformed).await, 201, "the socket's own address has its own allowance: {malformed:?}");
    }
    assert_eq!(status(&app, "unknown").await, 429, "which is one");
    app.finish().await;
}

#[tokio::test]
async fn neighbours_in_one_ipv6_network_are_one_and_another_network_is_another() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for nth in 0..5 {
            assert_eq!(status(&app, &format!("2001:db8:0:1:{nth}::{nth}")).await, 201);
        }
        assert_eq!(status(&app, "[2001:db8:0:1:ffff::1]:4711").await, 429, "on {kind:?}");
        assert_eq!(status(&app, "2001:db8:0:2::1").await, 201, "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn an_office_behind_one_address_bears_a_burst_and_then_one_every_two_minutes() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for _ in 0..5 {
            assert_eq!(status(&app, "203.0.113.1").await, 201);
        }
        let (refused, headers, _) = ask(&app, "203.0.113.1", None).await;
        assert_eq!((refused, headers["retry-after"].to_str().ok()), (429, Some("120")), "on {kind:?}");
        app.clock.advance(120);
        assert_eq!(status(&app, "203.0.113.1").await, 201, "as it was told, on {kind:?}");
        assert_eq!(status(&app, "203.0.113.1").await, 429);
        // Whatever was counted is forgotten with the hour's salt.
        app.clock.advance(3_600);
        for _ in 0..5 {
            assert_eq!(status(&app, "203.0.113.1").await, 201, "on {kind:?}");
        }
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn a_refusal_says_at_both_entrances_when_to_come_again_and_that_nothing_was_charged() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for _ in 0..3 {
            assert_eq!(status(&app, "203.0.113.1").await, 201);
        }
        for _ in 0..2 {
            assert_eq!(submit(&app, "203.0.113.1").await.0, 303, "one allowance for both entrances");
        }
        let (refused, headers, problem) = ask(&app, "203.0.113.1", None).await;
        let header = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("a text").to_owned();
        assert_eq!((refused, &problem["status"], &problem["code"]), (429, &json!(429), &json!("rate_limited")));
        assert_eq!(problem["title"], "Too Many Requests");
        assert!(problem["detail"].as_str().expect("a text").contains("nothing was charged"), "{problem}");
        assert!(problem["request_id"].as_str().expect("an id").starts_with("req_"));
        assert_eq!(header(&headers, "content-type"), "application/problem+json");
        assert_eq!(
            (header(&headers, "retry-after"), header(&headers, "cache-control")),
            ("120".into(), "no-store".into())
        );

        let (refused, headers, page) = submit(&app, "203.0.113.1").await;
        assert_eq!((refused, header(&headers, "content-type").as_str()), (429, "text/html; charset=utf-8"));
        assert_eq!(
            (header(&headers, "retry-after"), header(&headers, "cache-control")),
            ("120".into(), "no-store".into())
        );
        assert!(page.contains("Nothing was charged. Please try again"), "{page}");
        assert_eq!((asked_for(&app), pledges(&app).await), (5, 5), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn what_is_wrong_does_not_count() {
    let app = TestApp::start(BOTH[0]).await;
    let post = |path: &str| app.http.post(format!("{}{path}", app.url)).header("x-forwarded-for", "203.0.113.1");
    for _ in 0..700 {
        let answer = post("/v1/pledges").json(&json!({"frequency": "once"})).send().await.expect("an answer");
        assert_eq!(answer.status(), 422);
    }
    for _ in 0..20 {
        let answer = post("/give").form(&[("frequency", "once"), ("amount", "0")]).send().await.expect("an answer");
        assert_eq!(answer.status(), 422, "somebody who mistypes may go on");
    }
    assert_eq!(status(&app, "203.0.113.1").await, 201);
    app.finish().await;
}

#[tokio::test]
async fn a_gift_that_failed_at_stripe_may_be_tried_again_under_its_key_when_its_address_has_nothing_left() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions", ApiFault::InternalError, 9);
        let (failed, _, _) = ask(&app, "203.0.113.1", Some(KEY)).await;
        assert_eq!(failed, 502);
        app.sandbox.heal();
        for _ in 0..4 {
            assert_eq!(status(&app, "203.0.113.1").await, 201);
        }
        assert_eq!(status(&app, "203.0.113.1").await, 429, "the address has nothing left");
        let (again, _, body) = ask(&app, "203.0.113.1", Some(KEY)).await;
        assert_eq!(again, 201, "{body} on {kind:?}");
        let other = ask(&app, "203.0.113.1", Some("another-key-of-sixteen")).await.0;
        assert_eq!(other, 429, "a key alone is no pass, on {kind:?}");
        app.finish().await;
    }
}

async fn no_address_is_kept(kind: Kind) {
    const MARKED: [&str; 3] = ["203.0.113.177", "2001:db8:c0de:77::1", "198.51.100.203"];
    // One thread does everything of this test, so this is the log of all of it.
    let (log, _logging) = Log::of_this_thread();
    let app = TestApp::start(kind).await;
    for marked in MARKED {
        for _ in 0..7 {
            let _ = ask(&app, marked, Some(KEY)).await;
            let _ = submit(&app, &format!("{marked}:4711, {marked}")).await;
            let _ = ask(&app, &format!("{marked}, unknown"), None).await;
        }
    }
    let logged = log.bytes();
    assert!(logged.len() > 10_000, "TRACE was on");
    let stored = stored::everything(&app.database).await;
    assert!(stored.windows(4).any(|window| window == b"plg_"), "what is stored was read");
    for marked in MARKED {
        let is = |bytes: &[u8]| bytes.windows(marked.len()).any(|window| window == marked.as_bytes());
        assert!(!is(&stored), "{marked} in the database, {kind:?}");
        let line = logged.split(|byte| *byte == b'\n').find(|line| is(line));
        assert_eq!(line.map(String::from_utf8_lossy), None, "{marked} in the log");
    }
    let said = String::from_utf8_lossy(&logged).matches("does not fit MAINSTAY_TRUSTED_PROXIES").count();
    assert_eq!(said, 1, "that the proxies may be set wrongly is told, and once");
    app.finish().await;
}

#[tokio::test]
async fn no_address_appears_in_log_or_database_on_sqlite() {
    no_address_is_kept(Kind::Sqlite).await;
}

#[tokio::test]
async fn no_address_appears_in_log_or_database_on_postgres() {
    no_address_is_kept(Kind::Postgres).await;
}
