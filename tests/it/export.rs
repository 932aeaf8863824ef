//! Confirmed readers of the newsletter: the command prints and the API answers the same, and only to whoever may have it.

use mainstay::config::Role;
use mainstay::store::NewSignupRow;
use serde_json::{Value, json};

use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::later::{desk, run};

const TOKEN: &str = "fedcba9876543210fedcba9876543210";
const PATH: &str = "/v1/newsletter/export";
/// What the audit log keeps of exports, the oldest first.
const NOTED: &str = "SELECT actor || ': ' || reason || ' ' || after AS line FROM audit_log \
     WHERE action = 'newsletter.exported' ORDER BY at, actor";

/// Fetches with the token and a reason; status, content type, caching and body.
async fn fetch(app: &TestApp, query: &str) -> (u16, String, String, String) {
    let url = format!("{}{PATH}?reason=weekly+import&{}", app.url, query.trim_start_matches('?'));
    let request = app.http.get(url).bearer_auth(TOKEN);
    let response = request.send().await.expect("an answer");
    let header = |name: &str| {
        response.headers().get(name).map_or(String::new(), |value| value.to_str().expect("text").to_owned())
    };
    let (kind, caching) = (header("content-type"), header("cache-control"));
    (response.status().as_u16(), kind, caching, response.text().await.expect("a body"))
}

/// Signs these addresses up, and returns the paths of their links.
async fn sign_up(app: &TestApp, addresses: &[&str]) -> Vec<String> {
    let mut links = Vec::new();
    for address in addresses {
        links.push(app.sign_up(address).await);
    }
    links
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_signups_are_exported_until_they_are_stopped() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let addresses = ["\"two, words\"@example.org", "reader@example.org", "unconfirmed@example.org"];
        let links = sign_up(&app, &addresses).await;
        for link in &links[..2] {
            app.press(&format!("{link}/confirm"), "").await;
        }
        let exported =
            |since: &str| run(&app, &["newsletter", "export", "--since", since, "--reason", "a new program"]);
        let export = exported("2026-11-23");
        let noted = app.database.rows(NOTED).await;
        assert_eq!(noted, ["command_line: a new program {\"since\":\"2026-11-23\"}"], "on {kind:?}");
        let mut reader = csv::Reader::from_reader(export.as_bytes());
        assert_eq!(reader.headers().expect("a head"), &["email", "name", "attributes"][..]);
        let mut addresses: Vec<String> = reader.records().map(|row| row.expect("a row")[0].to_owned()).collect();
        addresses.sort();
        assert_eq!(addresses, ["\"two, words\"@example.org", "reader@example.org"]);
        assert_eq!(exported("2026-11-24").lines().count(), 1, "only the head");
        app.press(&format!("{}/unsubscribe", links[0]), "List-Unsubscribe=One-Click").await;
        assert_eq!(exported("2026-11-23").lines().count(), 2);
        app.work_later("UTC").await;
        app.mails().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_what_the_command_prints_and_changes_nothing() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("NEWSLETTER_EXPORT_TOKEN", TOKEN)]).await;
        let links = sign_up(&app, &["\"two, words\"@example.org", "reader@example.org", "new@example.org"]).await;
        app.press(&format!("{}/confirm", links[0]), "").await;
        app.press(&format!("{}/confirm", links[1]), "").await;
        app.clock.advance(DAY);
        app.press(&format!("{}/confirm", links[2]), "").await;
        app.work_later("UTC").await;
        app.mails().await;
        let stored = async || {
            app.database
                .rows("SELECT id || ' ' || state || ' ' || CAST(welcomed_at AS TEXT) AS line FROM newsletter_signups")
                .await
        };
        let before = stored().await;
        for (since, readers) in [("2026-11-23", 3), ("2026-11-24", 1), ("2026-11-25", 0)] {
            for (format, kind) in [("csv", "text/csv; charset=utf-8"), ("json", "application/json")] {
                let (status, content, caching, body) = fetch(&app, &format!("?since={since}&format={format}")).await;
                assert_eq!((status, content.as_str(), caching.as_str()), (200, kind, "no-store"), "{body}");
                let printed =
                    run(&app, &["newsletter", "export", "--since", since, "--format", format, "--reason", "the same"]);
                assert_eq!(body, printed, "{since} as {format}");
                let count = if format == "csv" {
                    csv::Reader::from_reader(body.as_bytes()).records().count()
                } else {
                    serde_json::from_str::<Vec<Value>>(&body).expect("a list").len()
                };
                assert_eq!(count, readers, "{since} as {format}");
            }
        }
        let (_, _, _, body) = fetch(&app, "?since=2026-11-24&format=json").await;
        let at = "2026-11-24T12:00:00Z";
        let attributes = json!({"list": "newsletter", "language": "en", "consent": "newsletter-1",
            "consent_at": "2026-11-23T12:00:00Z", "confirmed_at": at});
        let one = json!([{"email": "new@example.org", "name": "", "attributes": attributes}]);
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), one);
        assert_eq!(fetch(&app, "?since=2026-11-24").await.3, fetch(&app, "?since=2026-11-24&format=csv").await.3);
        assert_eq!(stored().await, before);
        app.press(&format!("{}/unsubscribe", links[2]), "List-Unsubscribe=One-Click").await;
        assert_eq!(fetch(&app, "?since=2026-11-24&format=json").await.3, "[]\n", "it is immediate");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_longer_than_a_page_is_whole_and_holds_everybody_once() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("NEWSLETTER_EXPORT_TOKEN", TOKEN)]).await;
        let desk = desk(app.store(), &app.clock, "UTC");
        let mut tx = app.store().begin().await.expect("a transaction");
        for nth in 0..2000 {
            let id = mainstay::id::SignupId::new(&desk.random).to_string();
            let email = format!("reader{nth:04}@example.org");
            let address = mainstay::domain::email_address::EmailAddress::parse(&email).expect("an address");
            let made = desk.new_contact("newsletter_signups", "newsletter", &id, &address);
            let row = NewSignupRow {
                id,
                contact: made.expect("it is sealed").0,
                list: "newsletter".to_owned(),
                language: "en".to_owned(),
                consent_version: "newsletter-1".to_owned(),
                created_at: NOON,
            };
            tx.insert_signup(&row).await.expect("it is stored");
        }
        tx.commit().await.expect("they are stored");
        // All within a few seconds, so that a page ends in the middle of one.
        app.database
            .execute(
                "UPDATE newsletter_signups SET state = 'confirmed', welcomed_at = 1795435200, \
                 confirmed_at = 1795435200 + CAST(CASE WHEN id < 'nls_8' THEN 1 ELSE 2 END AS BIGINT)",
            )
            .await;
        let everybody: Vec<String> = (0..2000).map(|nth| format!("reader{nth:04}@example.org")).collect();
        let (_, _, _, body) = fetch(&app, "?since=2026-11-23&format=json").await;
        let list: Vec<Value> = serde_json::from_str(&body).expect("a list");
        let mut listed: Vec<&str> = list.iter().map(|one| one["email"].as_str().expect("an address")).collect();
        listed.sort_unstable();
        assert_eq!(listed, everybody, "{kind:?}");
        let (_, _, _, body) = fetch(&app, "?since=2026-11-23&format=csv").await;
        let mut listed: Vec<String> =
            csv::Reader::from_reader(body.as_bytes()).records().map(|row| row.expect("a row")[0].to_owned()).collect();
        listed.sort_unstable();
        assert_eq!(listed, everybody, "{kind:?}");
        // One that cannot be opened: no list rather than a part of one.
        app.database
            .execute("UPDATE newsletter_signups SET contact_sealed = NULL WHERE id = (SELECT MIN(id) FROM newsletter_signups)")
            .await;
        let (status, kind_of, _, body) = fetch(&app, "?since=2026-11-23").await;
        assert_eq!((status, kind_of.as_str()), (500, "application/problem+json"), "{body}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_says_the_token_gets_addresses_and_only_where_the_key_is() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("NEWSLETTER_EXPORT_TOKEN", TOKEN)]).await;
        let url = format!("{}{PATH}?since=2026-11-23", app.url);
        for request in [
            app.http.get(&url),
            app.http.get(&url).bearer_auth(&TOKEN[1..]),
            app.http.get(&url).basic_auth("newsletter", Some(TOKEN)),
            app.http.get(format!("{url}&token={TOKEN}")),
        ] {
            let response = request.send().await.expect("an answer");
            assert_eq!(
                (response.status(), &response.headers()["www-authenticate"]),
                (reqwest::StatusCode::UNAUTHORIZED, &"Bearer".parse().expect("a value"))
            );
            let problem: Value = response.json().await.expect("JSON");
            assert_eq!(problem["code"], "unauthorized");
        }
        for (query, fields) in
            [("", vec!["since"]), ("?since=yesterday&format=xml&list=x", vec!["list", "since", "format"])]
        {
            let (status, _, _, body) = fetch(&app, query).await;
            let problem: Value = serde_json::from_str(&body).expect("JSON");
            let named: Vec<&str> = problem["errors"]
                .as_array()
                .expect("errors")
                .iter()
                .map(|error| error["field"].as_str().expect("a field"))
                .collect();
            assert_eq!((status, named), (422, fields), "{query}");
        }
        // Without a reason nothing is opened, and nobody who was refused is put down for having seen anything.
        for reason in ["&reason=x", "&reason=%20%20%20", "&reason=a%00b"] {
            let refused = app.http.get(format!("{url}{reason}")).bearer_auth(TOKEN).send().await.expect("an answer");
            let problem: Value = refused.json().await.expect("JSON");
            assert_eq!(
                (&problem["status"], &problem["errors"][0]["field"]),
                (&json!(422), &json!("reason")),
                "{reason}"
            );
        }
        assert!(app.database.rows(NOTED).await.is_empty(), "on {kind:?}");
        fetch(&app, "?since=2026-11-23").await;
        app.clock.advance(1);
        let silent = app.http.get(&url).bearer_auth(TOKEN).send().await.expect("an answer");
        assert_eq!(silent.status(), 200, "a program need not say why, and is noted all the same");
        let noted = app.database.rows(NOTED).await;
        let line = |why: &str| format!("newsletter_export_token: {why} {{\"since\":\"2026-11-23\"}}");
        assert_eq!(noted, [line("no reason was given"), line("weekly import")], "on {kind:?}");
        app.finish().await;

        let app = TestApp::start(kind).await;
        let (status, _, _, body) = fetch(&app, "?since=2026-11-23").await;
        assert!(
            status == 404 && body.contains("switched_off") && body.contains("MAINSTAY_NEWSLETTER_EXPORT_TOKEN"),
            "{body}"
        );
        app.finish().await;

        let web =
            TestApp::start_as(Role::Web, Database::fresh(kind).await, &[("NEWSLETTER_EXPORT_TOKEN", TOKEN)]).await;
        let (status, _, _, body) = fetch(&web, "?since=2026-11-23").await;
        assert!(status == 501 && body.contains("not_in_this_process") && body.contains("one process"), "{body}");
        assert_eq!(web.get(&format!("{PATH}?since=2026-11-23")).await.0, 401, "who may not ask is not told why");
        web.finish().await;
    }
}
