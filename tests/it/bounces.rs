//! Bounces and complaints that a mail service reports: who may, what is taken, and that nothing more is sent.

use mainstay::config::Role;
use mainstay::domain::email::EmailKind;
use mainstay::mail::sample;
use serde_json::{Value, json};

use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::later::reminder;
use crate::support::outbox::{index, put};
use crate::support::smtp::{Mood, Smtp, Step};
use crate::support::wait::until;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const READER: &str = "reader@example.org";
const PATH: &str = "/v1/mail/bounces";

/// Reports, with this header; the status and the answer.
async fn report(app: &TestApp, authorization: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = app.http.post(format!("{}{PATH}", app.url)).json(body);
    if let Some(said) = authorization {
        request = request.header("authorization", said);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status();
    assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    (status.as_u16(), response.json().await.expect("JSON"))
}

/// The same with the right secret, worked off.
async fn tell(app: &TestApp, body: &Value) -> (u16, Value) {
    let answer = report(app, Some(&format!("Bearer {SECRET}")), body).await;
    app.caught_up().await;
    answer
}

async fn suppressed(app: &TestApp) -> Vec<String> {
    app.database.rows("SELECT email_index || ' ' || reason AS line FROM mail_suppressions").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_bounce_nothing_that_waits_or_is_still_to_come_is_sent_to_that_address() {
    for kind in BOTH {
        for (told, reason) in [("bounce", "bounced"), ("complaint", "complained")] {
            let app = TestApp::start_with(kind, &[("MAIL_BOUNCE_SECRET", SECRET)]).await;
            app.remind(&reminder(READER)).await;
            app.remind(&reminder("other@example.org")).await;
            // Another case, and in a list.
            let report = json!([{"email": "READER@Example.ORG", "kind": told}]);
            assert_eq!(tell(&app, &report).await, (202, json!({"lasting": 1, "passing": 0})));
            assert_eq!(suppressed(&app).await, [format!("{} {reason}", index(READER))], "{told} on {kind:?}");
            // A new sign-up gets no confirmation, and the one who was to be reminded no reminder.
            app.clock.advance(2 * DAY);
            app.post("/v1/reminders", &reminder("Reader@example.org")).await;
            let signup = json!({"email": READER, "list": "newsletter", "consent": {"text_version": "newsletter-1"}});
            app.post("/v1/newsletter", &signup).await;
            app.work_later("UTC").await;
            assert!(app.mails().await.is_empty(), "{told} on {kind:?}");
            app.clock.advance(29 * DAY);
            app.work_later("UTC").await;
            let mails = app.mails().await;
            let to: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
            assert_eq!(to, ["other@example.org"], "{told} on {kind:?}");
            let mut rows = app.reminders().await;
            rows.sort();
            let ended = [
                format!("done {reason} 20261223 nobody"),
                format!("done {reason} 20261225 nobody"),
                "done sent 20261223 nobody".to_owned(),
            ];
            assert_eq!(rows, ended, "{told} on {kind:?}");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_waits_in_the_outbox_is_held_back_by_a_bounce() {
    for kind in BOTH {
        let (database, smtp) = (Database::fresh(kind).await, Smtp::start().await);
        let url = smtp.url(database.folder.path());
        let settings = [
            ("SMTP_URL", url.as_str()),
            ("MAIL_FROM", "The Paper <support@paper.example>"),
            ("MAIL_POSTAL_ADDRESS", "1 Main Street, Riga"),
            ("MAIL_BOUNCE_SECRET", SECRET),
        ];
        let app = TestApp::start_on(database, &settings).await;
        smtp.be(Mood::Refuses(Step::Mail, "451 come back later"));
        for address in [READER, "other@example.org"] {
            put(app.store(), NOON, EmailKind::Receipt, address, &sample::facts(EmailKind::Receipt)).await;
        }
        until("both to wait for a better hour", async || {
            let waiting = app.database.rows("SELECT id AS line FROM outbox_emails WHERE due_at > created_at").await;
            (waiting.len() == 2).then_some(())
        })
        .await;
        assert_eq!(tell(&app, &json!({"email": READER, "kind": "bounce"})).await.0, 202);
        smtp.be(Mood::Kind);
        app.clock.advance(3_600);
        let states = until("both to be settled", async || {
            let rows = app.database.rows("SELECT state AS line FROM outbox_emails").await;
            rows.iter().all(|state| state != "waiting").then_some(rows)
        })
        .await;
        assert_eq!(states, ["sent", "suppressed"], "{kind:?}");
        let to: Vec<String> = smtp.mails().into_iter().map(|mail| mail.to).collect();
        assert_eq!(to, ["other@example.org"], "{kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounce_that_may_pass_changes_nothing_and_the_first_reason_stays() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("MAIL_BOUNCE_SECRET", SECRET)]).await;
        let soft = json!({"email": READER, "kind": "bounce", "permanent": false});
        assert_eq!(tell(&app, &soft).await, (202, json!({"lasting": 0, "passing": 1})));
        assert!(suppressed(&app).await.is_empty());
        let several = json!([
            soft,
            {"email": READER, "kind": "complaint"},
            {"email": READER, "kind": "bounce", "permanent": true},
            {"email": "читатель@пример.рф".replace("читатель", "reader"), "kind": "bounce"},
        ]);
        assert_eq!(tell(&app, &several).await, (202, json!({"lasting": 3, "passing": 1})));
        tell(&app, &json!({"email": READER, "kind": "bounce"})).await;
        let mut ended =
            [format!("{} complained", index(READER)), format!("{} bounced", index("reader@xn--e1afmkfd.xn--p1ai"))];
        ended.sort();
        assert_eq!(suppressed(&app).await, ended, "{kind:?}");
        assert_eq!(tell(&app, &json!([])).await, (202, json!({"lasting": 0, "passing": 0})));
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_says_the_secret_is_heard() {
    for kind in BOTH {
        let body = json!({"email": READER, "kind": "bounce"});
        let app = TestApp::start_with(kind, &[("MAIL_BOUNCE_SECRET", SECRET)]).await;
        for said in [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer ".to_owned()),
            Some(format!("Bearer {}", &SECRET[1..])),
            Some(format!("Bearer {SECRET}0")),
            Some(format!("Bearer {}", SECRET.to_uppercase())),
            Some(format!("Basic {SECRET}")),
            Some(SECRET.to_owned()),
        ] {
            let (status, problem) = report(&app, said.as_deref(), &body).await;
            assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")), "{said:?}");
            assert!(!problem.to_string().contains(SECRET), "{problem}");
        }
        assert_eq!(app.store().count_requests().await.expect("counted"), (0, 0));
        assert!(suppressed(&app).await.is_empty());
        assert_eq!(
            report(&app, Some(&format!("bearer  {SECRET}")), &body).await.0,
            202,
            "the scheme's case is no matter"
        );
        app.caught_up().await;
        app.finish().await;

        let app = TestApp::start(kind).await;
        let (status, problem) = report(&app, Some(&format!("Bearer {SECRET}")), &body).await;
        assert_eq!((status, &problem["code"]), (404, &json!("switched_off")));
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("MAINSTAY_MAIL_BOUNCE_SECRET")));
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_whole_and_named_where_it_stands() {
    let app = TestApp::start_with(BOTH[0], &[("MAIL_BOUNCE_SECRET", SECRET)]).await;
    let good = json!({"email": READER, "kind": "bounce"});
    let many: Vec<Value> = (0..501).map(|nth| json!({"email": format!("r{nth}@e.org"), "kind": "bounce"})).collect();
    for (body, field) in [
        (json!([good, {"email": "a@b.org\r\nBcc: c@d.org", "kind": "bounce"}]), "[1].email"),
        (json!([good, {"email": "a@b.org", "kind": "delivery"}]), "[1].kind"),
        (json!([good, {"email": "a@b.org", "kind": "bounce", "permanent": "perhaps"}]), "[1].permanent"),
        (json!([good, {"email": "a@b.org", "kind": "bounce", "ip": "192.0.2.1"}]), "[1].ip"),
        (json!([good, 7]), "[1]"),
        (json!({"kind": "bounce"}), "email"),
        (json!(7), "body"),
        (json!(many), "body"),
    ] {
        let (status, problem) = tell(&app, &body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    let huge = json!([{"email": "a".repeat(70_000), "kind": "bounce"}]);
    assert_eq!(tell(&app, &huge).await.0, 413);
    let request = app.http.post(format!("{}{PATH}", app.url)).bearer_auth(SECRET).body("{}");
    assert_eq!(request.send().await.expect("an answer").status(), 415);
    let get = app.http.get(format!("{}{PATH}", app.url)).bearer_auth(SECRET);
    assert_eq!(get.send().await.expect("an answer").status(), 405);
    assert!(suppressed(&app).await.is_empty(), "nothing of a list with a mistake is taken");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_web_half_seals_what_it_is_told_and_cannot_find_anybody() {
    for kind in BOTH {
        let settings = [("MAIL_BOUNCE_SECRET", SECRET), ("VAULT_PRIVATE_KEY", ""), ("VAULT_INDEX_KEY", "")];
        let web = TestApp::start_as(Role::Web, Database::fresh(kind).await, &settings).await;
        let several = json!([{"email": READER, "kind": "bounce"}, {"email": "other@example.org", "kind": "complaint"}]);
        assert_eq!(report(&web, Some(&format!("Bearer {SECRET}")), &several).await.0, 202);
        assert_eq!(web.database.rows("SELECT kind AS line FROM requests").await, ["bounces"], "one row for all");
        assert!(suppressed(&web).await.is_empty());
        let (database, sandbox) = web.abandon().await;
        let app = TestApp::start_on(database, &[]).await;
        app.caught_up().await;
        let mut ended = [format!("{} bounced", index(READER)), format!("{} complained", index("other@example.org"))];
        ended.sort();
        assert_eq!(suppressed(&app).await, ended, "{kind:?}");
        app.finish().await;
        sandbox.shutdown().await;
    }
}
