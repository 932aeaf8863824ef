//! Days are the newsroom's, whatever zone the machine is in: this file is run again under other zones.

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::database::BOTH;
use crate::support::later::reminder;

/// Asked at 22:30 UTC on 23 November 2026; due at 9:00 of the newsroom's day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reminder_is_due_at_nine_of_the_newsrooms_day() {
    for kind in BOTH {
        for (zone, due_on, due_at) in [
            ("UTC", "2026-12-23", 1_798_016_400),
            ("Europe/Riga", "2026-12-24", 1_798_095_600),
            ("America/New_York", "2026-12-23", 1_798_034_400),
        ] {
            let app = TestApp::start_with(kind, &[("TIME_ZONE", zone)]).await;
            app.clock.advance(10 * 3_600 + 1_800);
            let (status, answer) = app.post("/v1/reminders", &reminder("reader@example.org")).await;
            assert_eq!((status, answer), (202, json!({"due_on": due_on}).to_string()), "{zone} on {kind:?}");
            app.work_later(zone).await;
            let stored = app.database.rows("SELECT CAST(due_at AS TEXT) AS line FROM reminders").await;
            assert_eq!(stored, [due_at.to_string()], "{zone} on {kind:?}");
            let (_, campaign) = app.get("/v1/campaigns/default").await;
            let today = if zone == "Europe/Riga" { "2026-11-24" } else { "2026-11-23" };
            assert_eq!(campaign["reminder"]["today"], today);
            app.mails().await;
            app.finish().await;
        }
    }
}
