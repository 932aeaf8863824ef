//! Asking for a reminder: everybody is answered alike, and a burst comes to one mail.

use mainstay::config::Role;
use serde_json::{Value, json};

use crate::support::app::{DAY, TestApp, reader};
use crate::support::database::{BOTH, Kind};
use crate::support::later::reminder;
use crate::support::log::Log;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_told_the_day_asked_to_confirm_and_reminded_on_it_once() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (status, answer) = app.post("/v1/reminders", &reminder("Reader+news@Example.org")).await;
        assert_eq!((status, answer.as_str()), (202, r#"{"due_on":"2026-12-23"}"#));
        app.work_later("UTC").await;
        let mails = app.mails().await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((mail.kind.as_str(), mail.to.as_str()), ("reminder_confirmation", "Reader+news@Example.org"));
        assert_eq!((&mail.facts["due_on"], &mail.facts["mails"]), (&json!("2026-12-23"), &json!(1)));
        assert_eq!(mail.facts["asked_on"], "2026-11-23");

        // Nothing more before it is confirmed, and by following the link alone it is not.
        let before = app.reminders().await;
        assert_eq!(before, ["asked - 20261223 somebody"]);
        for _ in 0..3 {
            let (status, page) = app.get(&mail.path("confirm_url")).await;
            let page = page.as_str().expect("a page");
            assert!(status == 200 && page.contains("December 23, 2026") && page.contains("confirm?lang=en"), "{page}");
        }
        assert_eq!(app.reminders().await, before);
        let (status, page) = app.press(&format!("{}/confirm", mail.path("confirm_url")), "").await;
        assert!(status == 200 && page.contains("We will remind you"), "{page}");

        app.clock.advance(30 * DAY - 3 * 3_600 - 1);
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty(), "not before nine");
        app.clock.advance(1);
        app.work_later("UTC").await;
        let mails = app.mails().await;
        let [due] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((due.kind.as_str(), due.to.as_str()), ("reminder", "Reader+news@Example.org"));
        assert!(due.cause.ends_with(":20261223"), "{}", due.cause);
        let give = due.facts["give_url"].as_str().expect("a link");
        for part in ["campaign=default", "d_freq=monthly", "d_amount=5.00", "currency=USD", "d_ref=reminder%3Armd_"] {
            assert!(give.contains(part), "{part} in {give}");
        }
        assert_eq!(app.reminders().await, ["done sent 20261223 nobody"]);
        app.clock.advance(60 * DAY);
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty(), "and never again");
        let known = app.database.rows("SELECT email_index AS line FROM reminders WHERE email_index IS NOT NULL").await;
        assert!(known.is_empty(), "nothing of whom it was for is left");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recurring_reminder_comes_on_days_counted_from_its_anchor() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let mut body = reminder("reader@example.org");
        body["due"] = json!({"on": "2027-01-31"});
        body["recurring_months"] = json!(1);
        assert_eq!(app.remind(&body).await.facts["mails"], 25);
        let mut days = Vec::new();
        for _ in 0..150 {
            app.clock.advance(DAY);
            app.work_later("UTC").await;
            days.extend(app.mails().await.iter().map(|mail| mail.cause.rsplit(':').next().expect("a day").to_owned()));
        }
        assert_eq!(days, ["20270131", "20270228", "20270331"], "{kind:?}");
        app.finish().await;
    }
}

/// An answer as it is on the wire but for the request's own name.
async fn wire(app: &TestApp, body: &Value) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let request = app.http.post(format!("{}/v1/reminders", app.url)).json(body).header("x-forwarded-for", reader());
    let response = request.header("origin", crate::support::app::ALLOWED_ORIGIN).send().await.expect("an answer");
    let status = response.status().as_u16();
    let own = ["x-request-id", "date"];
    let headers = response.headers().iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
    (status, headers, response.bytes().await.expect("a body").to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_and_unknown_addresses_are_answered_byte_for_byte_alike() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder("known@example.org")).await;
        let mail = {
            app.clock.advance(2 * DAY);
            app.remind(&reminder("never@example.org")).await
        };
        app.press(&format!("{}/never", mail.path("confirm_url")), "").await;
        let mut answers = Vec::new();
        for address in ["known@example.org", "never@example.org", "stranger@example.org"] {
            answers.push(wire(&app, &reminder(address)).await);
        }
        assert_eq!(answers[0].0, 202);
        assert!(answers[0].1.iter().any(|(name, _)| name == "access-control-allow-origin"), "as for pledges");
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
        app.work_later("UTC").await;
        let to: Vec<String> = app.mails().await.into_iter().map(|mail| mail.to).collect();
        assert_eq!(to, ["known@example.org", "stranger@example.org"], "whoever said never is not asked");
        app.finish().await;
    }
}

/// What the web half alone says to the database, in the order it says it.
fn statements(log: &[u8]) -> Vec<String> {
    let log = String::from_utf8_lossy(log);
    // Colours may stand between a field and its value.
    let summaries = log.split("summary").skip(1).filter_map(|rest| rest.split('"').nth(1));
    // What a new connection and the start of the server say is about nobody.
    summaries.filter(|said| !said.starts_with("SET ") && !said.contains("instance")).map(str::to_owned).collect()
}

#[tokio::test]
async fn known_and_unknown_addresses_cost_the_same_statements() {
    let app = TestApp::start(Kind::Postgres).await;
    app.remind(&reminder("known@example.org")).await;
    let (database, sandbox) = app.abandon().await;
    sandbox.shutdown().await;
    // One thread does everything of this test, so this is the log of all of it.
    let (log, _logging) = Log::of_this_thread();
    // Without people who sign in nothing is read by the server itself.
    let app = TestApp::start_as(Role::Web, database, &[("ADMIN_KEY", "")]).await;
    let mut said = Vec::new();
    // The first request prepares what the others use.
    for address in ["warm@example.org", "known@example.org", "stranger@example.org"] {
        let before = log.bytes().len();
        assert_eq!(app.post("/v1/reminders", &reminder(address)).await.0, 202);
        said.push(statements(&log.bytes()[before..]));
    }
    assert!(said[1].iter().any(|one| one.starts_with("INSERT INTO requests")), "{said:?}");
    assert_eq!(said[1], said[2]);
    app.abandon().await.1.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_for_one_victim_puts_one_mail_into_the_outbox() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for nth in 0..12 {
            let address = if nth % 2 == 0 { "victim@example.org" } else { "VICTIM@Example.ORG" };
            assert_eq!(app.post("/v1/reminders", &reminder(address)).await.0, 202);
        }
        app.work_later("UTC").await;
        assert_eq!(app.mails().await.len(), 1);
        app.clock.advance(DAY - 60);
        app.post("/v1/reminders", &reminder("victim@example.org")).await;
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty(), "one a day");
        app.clock.advance(DAY);
        app.post("/v1/reminders", &reminder("victim@example.org")).await;
        app.work_later("UTC").await;
        assert_eq!(app.mails().await.len(), 1, "and on another day one more");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let app = TestApp::start(BOTH[0]).await;
    for (field, value) in [
        ("email", json!("a\r\nBcc: b@example.org")),
        ("email", json!("a\u{202e}@example.org")),
        ("email", json!("a".repeat(60_000))),
        ("due", json!({"on": "2026-11-23"})),
        ("due", json!({"in": "next_payday", "payday": 32})),
        ("due", json!([])),
        ("recurring_months", json!(0)),
        ("consent", json!({})),
        ("consent", json!(null)),
        ("name", json!("Somebody")),
    ] {
        let mut body = reminder("reader@example.org");
        body[field] = value;
        let (status, answer) = app.post("/v1/reminders", &body).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let named = answer["errors"][0]["field"].as_str().expect("a field");
        assert!(status == 422 && named.starts_with(field), "{field}: {answer}");
    }
    assert!(app.database.rows("SELECT id AS line FROM requests").await.is_empty());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_origin_is_limited_and_in_memory_only() {
    let app = TestApp::start(BOTH[0]).await;
    let mut statuses = Vec::new();
    for nth in 0..6 {
        let body = reminder(&format!("reader{nth}@example.org"));
        let request = app.http.post(format!("{}/v1/reminders", app.url)).json(&body);
        let answer = request.header("x-forwarded-for", "203.0.113.9").send().await.expect("an answer");
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [202, 202, 202, 202, 202, 429]);
    app.work_later("UTC").await;
    assert_eq!(app.mails().await.len(), 5);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_read_is_parked_alone() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let bad = mainstay::store::NewRequest {
            id: "req_bad".to_owned(),
            kind: "reminder",
            body: b"not sealed at all".to_vec(),
            created_at: app.clock.now(),
        };
        app.store().put_request(&bad).await.expect("stored");
        app.post("/v1/reminders", &reminder("reader@example.org")).await;
        let looks = async || {
            let reminders = app.reminders().await;
            (reminders.len() == 1).then_some(())
        };
        crate::support::wait::until("the good one", looks).await;
        for _ in 0..12 {
            app.clock.advance(3_601);
            let desk = crate::support::later::desk(app.store(), &app.clock, "UTC");
            mainstay::worker::RequestWorker::new(desk, app.gateway()).run_once().await.expect("it goes on");
        }
        app.work_later("UTC").await;
        assert_eq!(app.store().count_requests().await.expect("counted"), (0, 1));
        assert_eq!(app.mails().await.len(), 1);
        app.finish().await;
    }
}
