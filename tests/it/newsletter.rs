//! The newsletter: asked, confirmed, exported, stopped by one click, and linked to nothing.

use serde_json::{Value, json};

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::later::reminder;

fn signup(email: &str) -> Value {
    json!({"email": email, "list": "newsletter", "locale": "ru", "consent": {"text_version": "newsletter-1"}})
}

const ROWS: &str = "SELECT state || ' ' || COALESCE(reason, '-') || ' ' || consent_version || ' ' || \
     CAST(consent_at AS TEXT) || ' ' || CASE WHEN contact_sealed IS NULL THEN 'nobody' ELSE 'somebody' END AS line \
     FROM newsletter_signups";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_signs_up_confirms_and_stops_by_one_click() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let at = app.clock.now();
        assert_eq!(app.post("/v1/newsletter", &signup("reader@example.org")).await, (202, "{}".to_owned()));
        for _ in 0..5 {
            app.post("/v1/newsletter", &signup("READER@example.org")).await;
        }
        app.work_later("UTC").await;
        let mails = app.mails().await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((mail.kind.as_str(), &mail.facts["list"]), ("newsletter_confirmation", &json!("newsletter")));
        let link = mail.path("confirm_url");
        assert_eq!(app.get(&format!("{link}/unsubscribe")).await.0, 200);
        assert_eq!(app.database.rows(ROWS).await, [format!("asked - newsletter-1 {at} somebody")]);
        app.press(&format!("{link}/confirm"), "").await;
        assert_eq!(app.database.rows(ROWS).await, [format!("confirmed - newsletter-1 {at} somebody")]);
        app.work_later("UTC").await;
        let welcomes = app.mails().await;
        let [welcome] = welcomes.as_slice() else { panic!("one welcome: {welcomes:?}") };
        assert_eq!(
            (welcome.kind.as_str(), welcome.to.to_lowercase().as_str()),
            ("newsletter_welcome", "reader@example.org")
        );
        assert_eq!(welcome.path("unsubscribe_url"), format!("{link}/unsubscribe"));
        assert_eq!((&welcome.facts["asked_on"], &welcome.facts["preview_url"]), (&json!("2026-11-23"), &Value::Null));
        // Who is signed up is answered as ever and written to no more.
        app.clock.advance(3 * DAY);
        assert_eq!(app.post("/v1/newsletter", &signup("reader@example.org")).await, (202, "{}".to_owned()));
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty());
        let (status, page) = app.press(&format!("{link}/unsubscribe?lang=ru"), "List-Unsubscribe=One-Click").await;
        assert!(status == 200 && page.contains("Вы не получаете рассылку"), "{page}");
        assert_eq!(app.database.rows(ROWS).await, [format!("done unsubscribed newsletter-1 {at} nobody")]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_confirms_twice_is_on_the_list_once() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let mut links = Vec::new();
        for _ in 0..2 {
            app.post("/v1/newsletter", &signup("reader@example.org")).await;
            app.work_later("UTC").await;
            links.push(app.mails().await[0].path("confirm_url"));
            app.clock.advance(2 * DAY);
        }
        for link in &links {
            app.press(&format!("{link}/confirm"), "").await;
        }
        let states =
            app.database.rows("SELECT state || ' ' || COALESCE(reason, '-') AS line FROM newsletter_signups").await;
        assert_eq!(states, ["confirmed -", "done replaced"], "{kind:?}");
        app.work_later("UTC").await;
        app.mails().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_is_never_and_a_reader_of_both_lists_is_not_linkable() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.post("/v1/reminders", &reminder("reader@example.org")).await;
        app.post("/v1/newsletter", &signup("reader@example.org")).await;
        app.work_later("UTC").await;
        let indexes = app
            .database
            .rows("SELECT email_index AS line FROM reminders UNION ALL SELECT email_index FROM newsletter_signups")
            .await;
        assert!(indexes.len() == 2 && indexes[0] != indexes[1], "one person, two indexes");
        let mails = app.mails().await;
        let mail = mails.iter().find(|mail| mail.kind == "newsletter_confirmation").expect("a mail");
        app.press(&format!("{}/never", mail.path("confirm_url")), "").await;
        app.clock.advance(3 * DAY);
        app.post("/v1/newsletter", &signup("reader@example.org")).await;
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty());
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_list_and_another_text_are_refused() {
    let app = TestApp::start(BOTH[0]).await;
    for (field, value) in [("list", json!("weekly")), ("consent", json!({"text_version": "newsletter-0"}))] {
        let mut body = signup("reader@example.org");
        body[field] = value;
        let (status, answer) = app.post("/v1/newsletter", &body).await;
        assert!(status == 422 && answer.contains(field), "{answer}");
    }
    app.finish().await;
}
