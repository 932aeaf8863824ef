//! Texts that would like to be markup, wherever a text can come from; and what the script itself promises.

use std::io::Read as _;

use mainstay::domain::campaign::{Campaign, Texts};
use mainstay::domain::language::Language;
use serde_json::json;

use super::Stand;
use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::database::{BOTH, Kind};
use crate::support::wait::until;

/// The most the script may weigh on the wire: one first flight of a TCP connection.
const FLIGHT: usize = 14 * 1024;

/// Whether one of them ran.
const PWNED: &str = "('pwned' in window || 'PWNED' in window)";

/// Two hundred ways to run a script where a text was expected; each sets `pwned`.
fn hostile() -> Vec<String> {
    let payloads = [
        "<script>pwned=1</script>",
        "<img src=x onerror=pwned=1>",
        "<svg onload=pwned=1>",
        "\"><img src=x onerror=pwned=1>",
        "'><svg/onload=pwned=1>",
        "</p><script>pwned=1</script>",
        "</style><script>pwned=1</script>",
        "</template><script>pwned=1</script>",
        "javascript:pwned=1",
        "JaVaScRiPt:pwned=1//",
        "data:text/html,<script>pwned=1</script>",
        "{{constructor.constructor('pwned=1')()}}",
        "${pwned=1}",
        "#{pwned=1}",
        "<iframe srcdoc=\"<script>parent.pwned=1</script>\">",
        "<math><mtext><img src=x onerror=pwned=1>",
        "<details open ontoggle=pwned=1>",
        "<a href=javascript:pwned=1 autofocus onfocus=pwned=1>",
        "\u{202e}<img src=x onerror=pwned=1>",
        "&lt;img src=x onerror=pwned=1&gt;",
    ];
    let wrap: [fn(&str) -> String; 10] = [
        str::to_owned,
        |text| format!(" {text}"),
        |text| format!("\"{text}"),
        |text| format!("'{text}"),
        |text| format!("`{text}"),
        |text| format!("-->{text}<!--"),
        |text| format!("]]>{text}"),
        |text| format!("</title>{text}"),
        |text| format!("{text}{text}"),
        str::to_uppercase,
    ];
    payloads.iter().flat_map(|text| wrap.iter().map(|wrap| wrap(text)).collect::<Vec<_>>()).collect()
}

fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_hostile_strings_execute_nothing_wherever_a_text_can_come_from() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    // Without a policy to help: a script that got in would run, as this one does.
    let careless = stand.browser.cdp().send_raw("Page.setBypassCSP", json!({"enabled": true})).await;
    careless.expect("policies are switched off");
    stand.paper.put("/planted", "<!doctype html><title>Planted</title><img src=x onerror=pwned=1>");
    stand.browser.goto(&format!("{}/planted", stand.paper.url)).await;
    until("the planted script", async || (stand.value(PWNED).await == true).then_some(())).await;
    let all = hostile();
    assert_eq!(all.len(), 200);
    let plain = stand.app.store().campaign("default").await.expect("read").expect("it is there");
    for (n, chunk) in all.chunks(10).enumerate() {
        let text = chunk.join(" ");
        let words = Texts {
            name: Some(text.clone()),
            lead: Some(text.clone()),
            warning: Some(text.clone()),
            thanks: Some(text.clone()),
        };
        let campaign = Campaign {
            slug: format!("hostile-{n}"),
            name: text.clone(),
            statement: Some(text.clone()),
            policy_url: Some(chunk[0].clone()),
            newsletter_preview_url: Some(chunk[1].clone()),
            texts: [(Language::En, words.clone()), (Language::Ru, words)].into(),
            ..plain.clone()
        };
        // Past all checks of what a newsroom may write: straight into the database.
        stand.app.store().put_campaign(&campaign, 0).await.expect("stored");
        let attributes: Vec<String> =
            ["frequency", "amount", "amounts", "currency", "lang", "min", "theme", "return-url", "source"]
                .iter()
                .zip(chunk)
                .map(|(name, text)| format!(" {name}=\"{}\"", attribute(text)))
                .collect();
        let attributes = attributes.concat();
        let page = stand.article("en", "", &format!("campaign=hostile-{n}{attributes}"), "");
        stand.paper.put("/article", &page);
        let query: Vec<String> = ["d_freq", "d_amount", "d_ref", "pledge", "pledge_state"]
            .iter()
            .zip(chunk)
            .map(|(name, text)| {
                format!("&{name}={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
            })
            .collect();
        let query = query.concat();
        stand.read(&format!("?{query}")).await;
        let links = "[...root.querySelectorAll('a')].filter(a => !/^https?:/.test(a.href)).length";
        let inside = "root.querySelectorAll('script, iframe, math, details, img').length";
        assert_eq!(stand.value(&format!("[{PWNED}, {links}, {inside}]")).await, json!([false, 0, 0]), "{chunk:?}");

        // Our own page shows the same texts.
        for path in [
            format!("/give?campaign=hostile-{n}{query}"),
            format!("/give/thanks?x=1{query}"),
            format!("/give/cancelled?x=1{query}"),
        ] {
            stand.browser.goto(&format!("{}{path}", stand.app.url)).await;
            assert_eq!(stand.value(PWNED).await, false, "{path}");
            let html = stand.browser.source().await.expect("the page");
            assert!(
                !html.contains("<script>") && !html.contains("<img src=\"x\"") && !html.contains("<svg onload"),
                "{path}"
            );
        }
    }
    stand.finish().await;
}

#[tokio::test]
async fn the_script_fits_into_the_first_flight_and_travels_with_what_its_integrity_needs() {
    let app = TestApp::start(BOTH[0]).await;
    let widget = &*mainstay::http::widget::WIDGET;
    for (path, kept) in
        [("/w/v1/donate.js".to_owned(), "public, max-age=3600"), (widget.path(), "public, max-age=31536000, immutable")]
    {
        let get = || app.http.get(format!("{}{path}", app.url)).header("accept-encoding", "gzip");
        let answer = get().send().await.expect("an answer");
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(answer.status(), 200);
        assert_eq!(header("cache-control"), kept);
        assert_eq!(header("access-control-allow-origin"), "*");
        assert_eq!(header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(header("content-type"), "text/javascript; charset=utf-8");
        let tag = header("etag");
        assert_eq!(header("content-encoding"), "gzip");
        let packed = answer.bytes().await.expect("a body");
        assert!(packed.len() <= FLIGHT, "{} bytes on the wire", packed.len());
        let mut script = String::new();
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut script).expect("gzip");
        assert_eq!(script, widget.script);
        assert!(
            script.contains("customElements.define")
                && !script.contains("\"donate.css\"")
                && !script.contains("\"later.js\"")
        );
        // Ways to run or to keep something, none of which it has a use for.
        for wrong in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "localStorage",
            "sessionStorage",
            "document.cookie",
            "postMessage",
            "onmessage",
        ] {
            assert!(!script.contains(wrong), "{wrong}");
        }
        let again = get().header("if-none-match", &tag).send().await.expect("an answer");
        assert_eq!((again.status().as_u16(), again.headers()["cache-control"].to_str().expect("text")), (304, kept));
    }
    let old = app.http.get(format!("{}/w/v1/donate.0123456789abcdef.js", app.url)).send().await.expect("an answer");
    assert_eq!(old.status(), 404, "an address that names its content has that content or none");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_script_runs_and_one_that_was_changed_does_not() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    let widget = &*mainstay::http::widget::WIDGET;
    let stable = format!("src={}/w/v1/donate.js", stand.gate.url);
    for (integrity, runs) in [(widget.integrity.as_str(), true), ("sha384-AAAA", false)] {
        let pinned = format!("src={}{} integrity={integrity} crossorigin=anonymous", stand.gate.url, widget.path());
        stand.paper.put("/article", &stand.article("en", "", "", "").replace(&stable, &pinned));
        stand.browser.goto(&format!("{}/article", stand.paper.url)).await;
        assert_eq!(stand.value("!!customElements.get('donate-box')").await, runs);
    }
    stand.finish().await;
}

#[tokio::test]
async fn only_allowed_origins_read_answers_and_no_page_of_ours_is_framed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let allowed = crate::support::app::ALLOWED_ORIGIN;
        for (origin, reads) in [
            (allowed, true),
            ("https://evil.example", false),
            ("null", false),
            ("https://paper.example.evil.example", false),
            ("https://evil-paper.example", false),
            ("http://paper.example", false),
            ("https://paper.example:444", false),
            ("https://PAPER.example", false),
            ("https://sub.paper.example", false),
            ("file://", false),
            ("*", false),
        ] {
            for request in [
                app.http.get(format!("{}/v1/campaigns/default", app.url)),
                app.http
                    .request(reqwest::Method::OPTIONS, format!("{}/v1/pledges", app.url))
                    .header("access-control-request-method", "POST"),
                app.http.post(format!("{}/v1/pledges", app.url)).json(&json!({})),
            ] {
                let answer = request.header("origin", origin).send().await.expect("an answer");
                let said = answer
                    .headers()
                    .get("access-control-allow-origin")
                    .map(|value| value.to_str().expect("text").to_owned());
                assert_eq!(said, reads.then(|| origin.to_owned()), "{origin}");
                assert!(answer.headers().get("access-control-allow-credentials").is_none());
            }
        }
        for path in
            ["/give", "/give/thanks", "/give/cancelled", "/give/pledges/x", "/give/nothing", "/v1/campaigns/default"]
        {
            let answer = app.http.get(format!("{}{path}", app.url)).send().await.expect("an answer");
            assert_eq!(answer.headers()["x-frame-options"], "DENY", "{path}");
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn the_giving_page_with_everything_is_light() {
    let app = TestApp::start(BOTH[0]).await;
    let mut weight = 0;
    for path in [
        "/give".to_owned(),
        "/give/style.css?campaign=default".to_owned(),
        mainstay::http::widget::WIDGET.path(),
        "/v1/campaigns/default?lang=ru".to_owned(),
    ] {
        let answer = app
            .http
            .get(format!("{}{path}", app.url))
            .header("accept-encoding", "gzip")
            .send()
            .await
            .expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-encoding"].to_str().expect("text")),
            (200, "gzip"),
            "{path}"
        );
        weight += answer.bytes().await.expect("a body").len();
    }
    assert!(weight < 50 * 1024, "{weight} bytes");
    app.finish().await;
}

#[tokio::test]
async fn no_entrance_leads_a_donor_to_a_place_that_was_not_allowed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for hostile in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "https://paper.example@evil.example",
            "https://paper.example.evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://paper.example/",
            "https://paper.example:444/",
            "\thttps://evil.example",
            "https://evil.example#paper.example",
        ] {
            let gift = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD", "return_url": hostile});
            let (status, body) = app.ask(&gift, None).await;
            assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("return_url")), "{hostile} {body}");
            let form = [("frequency", "once"), ("amount", "25"), ("currency", "USD"), ("return_url", hostile)];
            let answer = app.http.post(format!("{}/give", app.url)).form(&form).send().await.expect("an answer");
            // Spaces around a field of a form are nobody's intention; what is left is still refused.
            assert_eq!(answer.status(), 422, "{hostile}");
        }
        for path in ["/give", "/give/thanks", "/give/cancelled", "/give/pledges/x"] {
            for name in ["return_url", "next", "url", "redirect", "pledge", "campaign", "lang"] {
                let address = format!("{}{path}?{name}=https://evil.example/", app.url);
                let answer = app.http.get(address).send().await.expect("an answer");
                assert!(answer.headers().get("location").is_none(), "{path} {name}");
                let html = answer.text().await.expect("a page");
                assert!(
                    !html.contains("href=\"https://evil.example") && !html.contains("action=\"https://evil"),
                    "{path} {name}"
                );
            }
        }
        assert!(app.sandbox.objects("checkout.session").is_empty());
        app.finish().await;
    }
}
