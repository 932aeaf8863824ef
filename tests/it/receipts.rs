//! Thanks and receipts: one mail for each payment that came, whatever the order in which Stripe tells of it.

use std::path::Path;

use mail_parser::MessageParser;
use mainstay::sandbox::Card;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Kind};
use crate::support::wait::until;

const FROM: &str = "The Paper <support@paper.example>";

/// A server whose mails go into a folder.
async fn start(kind: Kind, folder: &Path, receipts: &str) -> TestApp {
    let url = format!("file:{}", folder.display());
    let more = [
        ("SMTP_URL", url.as_str()),
        ("MAIL_FROM", FROM),
        ("MAIL_POSTAL_ADDRESS", "1 Main Street"),
        ("RECEIPTS", receipts),
    ];
    TestApp::start_with(kind, &more).await
}

/// The subject and text of each mail in the folder, sorted.
fn mails(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).expect("the folder");
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).ok().filter(|_| path.extension().is_some_and(|kind| kind == "eml"))?;
        let mail = MessageParser::default().parse(&bytes)?;
        assert_eq!(mail.to().and_then(|to| to.first()).and_then(|to| to.address()), Some("reader@example.com"));
        Some((mail.subject()?.to_owned(), mail.body_text(0)?.into_owned()))
    };
    let mut mails: Vec<_> = files.filter_map(|file| read(file.ok()?.path())).collect();
    mails.sort();
    mails
}

async fn come(folder: &Path, count: usize) -> Vec<(String, String)> {
    until(&format!("{count} mails"), async || Some(mails(folder)).filter(|mails| mails.len() >= count)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_payment_is_thanked_for_and_each_later_one_has_its_receipt_once() {
    for kind in BOTH {
        let folder = tempfile::tempdir().expect("a folder");
        let app = start(kind, folder.path(), "each").await;
        let (_, session) = app.pledge("monthly", 500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        assert!(mails(folder.path()).is_empty(), "what Stripe says of it is waited for");
        app.clock.advance(120);
        let (subject, text) = come(folder.path(), 1).await.remove(0);
        assert!(subject.contains("Thank you"), "{subject}");
        for said in ["$5 monthly", "23 November 2026", "23 December 2026", "1 Main Street"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        app.advance_days(31).await;
        app.clock.advance(120);
        let two = come(folder.path(), 2).await;
        assert!(two.iter().any(|(subject, _)| !subject.contains("Thank you")), "{two:?}");

        // Everything again, and long after: nobody is written to twice.
        for event in app.sandbox.events() {
            app.deliver(&event.body).await;
        }
        app.settle().await;
        app.clock.advance(300);
        let done = "SELECT CAST(COUNT(receipt_at) AS TEXT) || ' of ' || CAST(COUNT(*) AS TEXT) AS line FROM payments";
        assert_eq!(app.database.rows(done).await, ["2 of 2"], "on {kind:?}");
        let kinds = app.database.rows("SELECT kind || ' ' || state AS line FROM outbox_emails ORDER BY kind").await;
        assert_eq!(kinds, ["receipt sent", "thank_you sent"], "on {kind:?}");
        let left =
            "SELECT id AS line FROM outbox_emails WHERE recipient_sealed IS NOT NULL OR facts_sealed IS NOT NULL";
        assert!(app.database.rows(left).await.is_empty(), "nothing of the donor stays in the outbox, on {kind:?}");
        assert_eq!(mails(folder.path()).len(), 2);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newsroom_may_send_no_receipts_and_thanks_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = start(Kind::Sqlite, folder.path(), "annual").await;
    let (_, session) = app.pledge("monthly", 500, "USD").await;
    app.pay(&session, Card::Works).await;
    let looked_at = async |count: usize| {
        let done = "SELECT stripe_key AS line FROM payments WHERE receipt_at IS NOT NULL";
        until("payments to be looked at", async || (app.database.rows(done).await.len() == count).then_some(())).await;
    };
    app.settle().await;
    app.clock.advance(120);
    looked_at(1).await;
    app.advance_days(31).await;
    app.clock.advance(120);
    looked_at(2).await;
    assert_eq!(app.database.rows("SELECT kind AS line FROM outbox_emails").await, ["thank_you"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_mail_is_sent_no_address_is_put_down_for_one() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (_, session) = app.pledge("once", 500, "USD").await;
    app.pay(&session, Card::Works).await;
    app.advance_days(1).await;
    assert!(app.database.rows("SELECT id AS line FROM outbox_emails").await.is_empty());
    app.finish().await;
}
