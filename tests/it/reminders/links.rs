//! The links in reminders' mails: looking changes nothing, buttons act, and a mail program's one click needs no cookie.

use crate::support::app::{DAY, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::later::reminder;

/// Everything the database holds about reminders.
async fn rows(database: &Database) -> Vec<String> {
    database
        .rows(
            "SELECT id || state || COALESCE(reason, '') || CAST(due_at AS TEXT) || COALESCE(CAST(confirmed_at AS TEXT), '') \
             || CAST(reminders AS TEXT) AS line FROM reminders",
        )
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_any_link_changes_nothing_and_is_kept_by_no_cache() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let mail = app.remind(&reminder("reader@example.org")).await;
        let before = rows(&app.database).await;
        let link = mail.path("confirm_url");
        assert_eq!(mail.path("never_url"), format!("{link}/never"));
        for path in [link.clone(), format!("{link}/unsubscribe"), format!("{link}/never"), format!("{link}?lang=ru")] {
            let response = app.http.get(format!("{}{path}", app.url)).send().await.expect("an answer");
            assert_eq!(response.status().as_u16(), 200, "{path}");
            let headers = response.headers().clone();
            assert_eq!(headers["cache-control"], "no-store");
            assert!(headers["content-security-policy"].to_str().expect("text").contains("default-src 'none'"));
            assert!(headers.get("set-cookie").is_none());
            assert!(!response.text().await.expect("a page").contains("<script"));
        }
        for verb in ["confirm", "cancel", "reschedule"] {
            assert_eq!(app.get(&format!("{link}/{verb}")).await.0, 405, "{verb}");
        }
        assert_eq!(rows(&app.database).await, before);
        for nothing in ["/r/0", "/r/00000000000000000000000000000000", "/r/0000000000000000000000000000000g"] {
            assert_eq!(app.get(nothing).await.0, 404, "{nothing}");
        }
        let hashes = app.database.rows("SELECT token_hash AS line FROM reminders").await;
        assert!(!link.contains(&hashes[0]), "the token itself is nowhere");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_button_does_what_it_says() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let link = app.remind(&reminder("reader@example.org")).await.path("confirm_url");
        let (status, page) = app.press(&format!("{link}/reschedule?lang=ru"), "in=3_months").await;
        assert!(status == 200 && page.contains("23 февраля 2027 г."), "{page}");
        assert_eq!(app.reminders().await, ["confirmed - 20270223 somebody"]);
        assert_eq!(app.press(&format!("{link}/reschedule"), "in=tomorrow").await.0, 400);
        app.press(&format!("{link}/cancel"), "").await;
        assert_eq!(app.reminders().await, ["done cancelled 20270223 nobody"]);
        // What is done stays done.
        for verb in ["confirm", "reschedule"] {
            app.press(&format!("{link}/{verb}"), "in=one_year").await;
        }
        assert_eq!(app.reminders().await, ["done cancelled 20270223 nobody"]);

        app.clock.advance(2 * DAY);
        let link = app.remind(&reminder("other@example.org")).await.path("confirm_url");
        let (status, _) = app.press(&format!("{link}/unsubscribe"), "List-Unsubscribe=One-Click").await;
        assert_eq!(status, 200);
        assert!(app.reminders().await.contains(&"done unsubscribed 20261225 nobody".to_owned()));

        let link = app.remind(&reminder("third@example.org")).await.path("confirm_url");
        app.press(&format!("{link}/never"), "").await;
        app.clock.advance(40 * DAY);
        app.work_later("UTC").await;
        app.post("/v1/reminders", &reminder("Third@example.org")).await;
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty(), "never is never");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_reminder_replaces_the_first_once_it_is_confirmed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder("reader@example.org")).await;
        app.clock.advance(2 * DAY);
        app.post("/v1/reminders", &reminder("READER@example.org")).await;
        app.work_later("UTC").await;
        let before = ["asked - 20261225 somebody", "confirmed - 20261223 somebody"];
        assert_eq!(app.reminders().await, before, "the first one holds");
        let link = app.mails().await[0].path("confirm_url");
        app.press(&format!("{link}/confirm"), "").await;
        assert_eq!(app.reminders().await, ["confirmed - 20261225 somebody", "done replaced 20261223 nobody"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_confirmed_is_forgotten_after_a_week() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.post("/v1/reminders", &reminder("reader@example.org")).await;
        app.work_later("UTC").await;
        let link = app.mails().await[0].path("confirm_url");
        app.clock.advance(7 * DAY);
        app.work_later("UTC").await;
        assert_eq!(app.reminders().await, ["done unconfirmed 20261223 nobody"]);
        app.press(&format!("{link}/confirm"), "").await;
        app.clock.advance(40 * DAY);
        app.work_later("UTC").await;
        assert!(app.mails().await.is_empty());
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_are_without_barriers_in_both_languages_and_their_button_confirms() {
    use crate::support::axe::assert_accessible;
    use crate::support::browser::Browser;

    let app = TestApp::start(BOTH[0]).await;
    app.post("/v1/reminders", &reminder("reader@example.org")).await;
    app.work_later("UTC").await;
    let link = app.mails().await[0].path("confirm_url");
    let browser = Browser::options().with_window(320, 640).open().await;
    for (language, said) in [("ru", "Напомнить вам?"), ("en", "Shall we remind you?")] {
        browser.goto(&format!("{}{link}?lang={language}", app.url)).await;
        assert_eq!(browser.element("h1").await.text().await.expect("its text"), said);
        assert_accessible(&browser, said).await;
    }
    browser.click("form button").await;
    let confirmed = async || {
        let title = browser.element("h1").await.text().await.ok()?;
        (title == "We will remind you").then_some(())
    };
    crate::support::wait::until("the page to say so", confirmed).await;
    assert_accessible(&browser, "the reminder is confirmed").await;
    assert_eq!(app.reminders().await, ["confirmed - 20261223 somebody"]);
    browser.close().await;
    app.finish().await;
}
