//! The commands about reminders, run as the newsroom runs them.

use mainstay::domain::admin::Role;
use serde_json::{Value, json};

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::later::{desk, reminder, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_would_go_and_what_would_be_held_back_and_changes_nothing() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder("reader@example.org")).await;
        app.remind(&reminder("bounced@example.org")).await;
        let desk = desk(app.store(), &app.clock, "UTC");
        let index = desk.index.of(mainstay::domain::email::MAIL_INDEX, "bounced@example.org");
        app.store().suppress(&index, "bounced", app.clock.now()).await.expect("suppressed");
        let before = app.reminders().await;
        let said = run(&app, &["remind", "--dry-run", "--on", "2026-12-22"]);
        assert_eq!(said, "0 of 0 due would go.\n");
        let said = run(&app, &["remind", "--dry-run", "--on", "2026-12-23"]);
        assert!(said.contains("  20261223  default  would go\n"), "{said}");
        assert!(said.contains("would be held back: bounced\n") && said.ends_with("1 of 2 due would go.\n"), "{said}");
        assert!(!said.contains('@'), "no address is shown: {said}");
        let said = run(&app, &["remind", "--dry-run", "--on", "2026-12-31"]);
        assert!(said.contains("would be held back: stale\n"), "{said}");
        assert_eq!(app.reminders().await, before);
        assert!(app.mails().await.is_empty());
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_counts_each_reminder_as_far_as_it_came() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder("one@example.org")).await;
        app.remind(&reminder("two@example.org")).await;
        app.post("/v1/reminders", &reminder("unconfirmed@example.org")).await;
        app.work_later("UTC").await;
        app.clock.advance(31 * DAY);
        app.work_later("UTC").await;
        let mails = app.mails().await;
        let due = mails.iter().find(|mail| mail.kind == "reminder").expect("a reminder");
        let give = due.facts["give_url"].as_str().expect("a link");
        let source = give.rsplit("d_ref=").next().expect("a reference").replace("%3A", ":");
        let gift = json!({"frequency": "once", "amount_minor": 700, "currency": "USD", "source": source});
        let (_, made) = app.ask(&gift, None).await;
        app.pay(&crate::support::app::session_of(&made), mainstay::sandbox::Card::Works).await;
        app.settle().await;
        let report: Value =
            serde_json::from_str(&run(&app, &["report", "reminders", "--format", "json"])).expect("JSON");
        let [line] = report["rows"].as_array().expect("lines").as_slice() else { panic!("one line: {report}") };
        for (field, value) in [
            ("month", json!("2026-11")),
            ("component", json!("article-footer")),
            ("campaign", json!("default")),
            ("signed_up", json!(3)),
            ("confirmed", json!(2)),
            ("due", json!(2)),
            ("sent", json!(2)),
            ("suppressed", json!("unconfirmed 1")),
            ("used", json!(1)),
            ("gave_within_14_days", json!(1)),
            ("amount", json!("USD 7.00")),
        ] {
            assert_eq!(line[field], value, "{field} on {kind:?}: {line}");
        }
        let cookie = app.session(&app.person("dir@paper.example", Role::Viewer).await).await;
        let page = app.look("/admin/reports/reminders?lang=ru", &cookie).await.body;
        assert!(page.contains("не подтвердили: 1") && !page.contains("unconfirmed"), "{page}");
        let table = run(&app, &["report", "reminders"]);
        assert!(table.contains("unconfirmed 1") && table.contains("USD 7.00"), "{table}");
        assert_eq!(run(&app, &["report", "reminders", "--format", "csv"]).lines().count(), 2);
        app.finish().await;
    }
}
