//! The newsroom has a donor mailed a link, and sees neither the address nor the link.

use mainstay::domain::admin::Role;
use mainstay::sandbox::Card;

use super::{ADDRESS, LINKS};
use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::donors::{browse, cookie_of};
use crate::support::erasing::{forget, gift};
use crate::support::newsroom::answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newsroom_has_a_donor_mailed_a_link_with_a_reason_and_sees_neither_address_nor_link() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        app.thank().await;
        let id = app.person("fin@paper.example", Role::Finance).await;
        let cookie = app.session(&id).await;
        let (story, path) = (format!("/admin/pledges/{pledge}"), format!("/admin/pledges/{pledge}/mail-link"));
        assert!(app.look(&story, &cookie).await.body.contains(&path));
        let form = app.look(&path, &cookie).await;
        assert!(form.status == 200 && !form.body.to_lowercase().contains("reader.quill"), "{}", form.body);

        assert_eq!(app.submit(&path, Some(&cookie), &[("reason", " ")]).await.status, 422);
        assert!(app.database.rows("SELECT id AS line FROM requests").await.is_empty());
        let sent = app.submit(&path, Some(&cookie), &[("reason", "called us and has no mail of ours")]).await;
        assert!(sent.status == 202 && sent.body.contains("on its way"), "{}", sent.body);
        app.work_later("UTC").await;
        let mails = app.mails().await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((mail.kind.as_str(), mail.to.as_str()), ("manage_link", ADDRESS));
        assert_eq!(mail.facts["asked_by"], "newsroom");
        let link = mail.path("continue_url");
        let token = link.rsplit('/').next().expect("a token");
        for page in [&sent.body, &app.look(&story, &cookie).await.body] {
            assert!(!page.contains(token) && !page.to_lowercase().contains("reader.quill"), "on {kind:?}");
        }
        let entries = "SELECT actor || ' ' || subject || ' ' || reason AS line FROM audit_log \
                       WHERE action = 'donor.link_asked'";
        let entry = format!("{id} {pledge} called us and has no mail of ours");
        assert_eq!(app.database.rows(entries).await, [entry]);
        let opened = answer(browse(&app, "POST", &link, None, "")).await;
        assert!(cookie_of(&opened).is_some(), "the link is the donor's own");

        // However often somebody presses it, a mailbox is not filled.
        for _ in 0..4 {
            assert_eq!(app.submit(&path, Some(&cookie), &[("reason", "again")]).await.status, 202);
        }
        app.work_later("UTC").await;
        assert_eq!(app.mails().await.len(), 2, "three in the hour");
        app.clock.advance(2 * DAY / 24);
        forget(&app).await;
        assert!(app.database.rows(LINKS).await.is_empty());
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_forgotten_is_mailed_nothing() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = gift(&app, "once", Card::Works, ADDRESS, "A Reader").await;
        app.thank().await;
        let id = app.person("fin@paper.example", Role::Finance).await;
        app.advance_days(31).await;
        forget(&app).await;
        let cookie = app.session(&id).await;
        let path = format!("/admin/pledges/{pledge}/mail-link");
        assert!(!app.look(&format!("/admin/pledges/{pledge}"), &cookie).await.body.contains(&path));
        assert!(app.look(&path, &cookie).await.body.contains("not known any more"));
        let sent = app.submit(&path, Some(&cookie), &[("reason", "called us")]).await;
        assert_eq!(sent.status, 409, "{}", sent.body);
        assert!(app.database.rows("SELECT id AS line FROM requests").await.is_empty(), "on {kind:?}");
        app.finish().await;
    }
}
