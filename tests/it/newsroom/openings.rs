//! An admin sees who made a pledge once it is written down why; nobody else does, and nothing is shown before.

use mainstay::domain::admin::Role;
use mainstay::sandbox::Card;
use mainstay::store::Db;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database};
use crate::support::erasing::{forget, gift};

const ADDRESS: &str = "reader.quill@example.org";
const NOTED: &str =
    "SELECT actor || ' ' || subject || ' ' || reason AS line FROM audit_log WHERE action = 'donor.opened'";

async fn rename(database: &Database, sql: &'static str) {
    let db = Db::open(&database.url).await.expect("the database opens");
    db.write(sql).run().await.expect("it is renamed");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_who_gives_once_the_reason_is_in_the_audit_log() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = gift(&app, "once", Card::Works, ADDRESS, "A Reader").await;
        app.thank().await;
        let (admin, finance) = (app.person("adm@paper.example", Role::Admin).await, "fin@paper.example");
        let (cookie, finance) =
            (app.session(&admin).await, app.session(&app.person(finance, Role::Finance).await).await);
        let (story, path) = (format!("/admin/pledges/{pledge}"), format!("/admin/pledges/{pledge}/donor"));
        assert!(app.look(&story, &cookie).await.body.contains(&path));
        assert!(!app.look(&story, &finance).await.body.contains(&path));
        assert_eq!(app.submit(&path, Some(&finance), &[("reason", "I want to know")]).await.status, 403);
        for page in [app.look(&path, &cookie).await, app.submit(&path, Some(&cookie), &[("reason", " ")]).await] {
            assert!(matches!(page.status, 200 | 422) && !page.body.contains("quill"), "{}", page.body);
        }
        assert!(app.database.rows(NOTED).await.is_empty(), "on {kind:?}");

        // Where it cannot be written down, nothing is shown.
        rename(&app.database, "ALTER TABLE audit_log RENAME TO audit_log_away").await;
        let failed = app.submit(&path, Some(&cookie), &[("reason", "wrote to us")]).await;
        assert!(failed.status >= 500 && !failed.body.contains("quill"), "{}", failed.body);
        rename(&app.database, "ALTER TABLE audit_log_away RENAME TO audit_log").await;

        let shown = app.submit(&path, Some(&cookie), &[("reason", " wrote to us ")]).await;
        assert!(shown.status == 200 && shown.body.contains(ADDRESS), "{}", shown.body);
        assert_eq!(shown.headers["cache-control"], "no-store");
        assert_eq!(app.database.rows(NOTED).await, [format!("{admin} {pledge} wrote to us")], "on {kind:?}");
        let log = app.look("/admin/audit-log", &cookie).await.body;
        assert!(log.contains("donor.opened") && !log.contains("quill"), "{log}");

        app.advance_days(31).await;
        forget(&app).await;
        let cookie = app.session(&admin).await;
        assert!(!app.look(&story, &cookie).await.body.contains(&path));
        assert!(app.look(&path, &cookie).await.body.contains("not known any more"));
        assert_eq!(app.submit(&path, Some(&cookie), &[("reason", "wrote to us")]).await.status, 409);
        assert_eq!(app.database.rows(NOTED).await.len(), 1, "on {kind:?}");
        app.finish().await;
    }
}
