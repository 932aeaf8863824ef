//! Mail of the built program: what it says at the start, what its commands do, and what is left when it is killed.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use mainstay::clock::Clock;
use mainstay::crash::MAIL_PLACES;
use mainstay::domain::email::EmailKind;
use mainstay::mail::sample;
use secrecy::ExposeSecret as _;
use tokio::task::block_in_place;

use crate::support::app::{KEYS, NOON, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::outbox::{Outbox, index, put};
use crate::support::process::{Server, mainstay};
use crate::support::smtp::{Mood, Smtp, Step};

const READER: &str = "reader@example.org";
const STRIPE: &str = "http://127.0.0.1:9/";
const FROM: &str = "The Paper <support@paper.example>";

fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        mainstay(arguments).current_dir(folder).envs(environment.iter().copied()).output().expect("it runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

/// A server that sends mail to `smtp`, with these arguments more.
pub fn serve(database: &Database, smtp: &Smtp, arguments: &[&str]) -> Server {
    let mut command = mainstay(&["serve", "--mail-from", FROM, "--mail-postal-address", "1 Main Street, Riga"]);
    command.args(arguments).env("MAINSTAY_SMTP_URL", smtp.url(database.folder.path()));
    Server::start_by(command, &database.url, STRIPE, database.folder.path())
}

/// Waits until the outbox holds nothing that waits.
pub async fn sent(database: &Database) {
    let store = database.open().await;
    let done = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while store.count_emails().await.expect("they are counted").iter().any(|(state, _)| state == "waiting") {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done).await.expect("everything is sent");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_place_repeats_a_receipt_under_its_id_and_never_a_reminder() {
    for kind in BOTH {
        for place in MAIL_PLACES {
            for mail in [EmailKind::Receipt, EmailKind::Reminder] {
                let (database, smtp) = (Database::fresh(kind).await, Smtp::start().await);
                let store = database.open().await;
                let id = put(&store, Clock::system().now(), mail, READER, &sample::facts(mail)).await;
                store.close().await;
                let server = serve(&database, &smtp, &["--stop-at", place]);
                block_in_place(|| {
                    let mut server = server;
                    server.wait_until_stopped();
                    server.kill();
                });
                // The lease of the killed process has ended.
                database.execute("UPDATE outbox_emails SET lease_until = 0").await;
                let server = serve(&database, &smtp, &[]);
                sent(&database).await;
                assert!(block_in_place(|| server.terminate()).success());
                let copies = smtp.mails();
                let arrived = match (place, mail) {
                    ("mail text begun", EmailKind::Reminder) => 0,
                    ("mail handed over", EmailKind::Receipt) => 2,
                    _ => 1,
                };
                assert_eq!(copies.len(), arrived, "{} killed at {place} on {kind:?}", mail.as_str());
                assert!(copies.iter().all(|copy| copy.text.contains(&format!("Message-ID: <{id}@paper.example>"))));
                assert!(copies.iter().all(|copy| copy.text == copies[0].text));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_sends_what_is_due_and_counts_it_for_monitors() {
    for kind in BOTH {
        let (database, smtp) = (Database::fresh(kind).await, Smtp::start().await);
        let url = smtp.url(database.folder.path());
        let settings =
            [("SMTP_URL", url.as_str()), ("MAIL_FROM", FROM), ("MAIL_POSTAL_ADDRESS", "1 Main Street, Riga")];
        let app = TestApp::start_on(database, &settings).await;
        put(app.store(), NOON, EmailKind::Receipt, READER, &sample::facts(EmailKind::Receipt)).await;
        sent(&app.database).await;
        smtp.be(Mood::Refuses(Step::Rcpt, "550 no such user"));
        put(app.store(), NOON, EmailKind::Refund, READER, &sample::facts(EmailKind::Refund)).await;
        sent(&app.database).await;
        let mails = smtp.mails();
        assert_eq!(mails.len(), 1);
        assert!(mails[0].text.contains("1 Main Street, Riga"));
        for (state, count) in [("sent", "1"), ("failed", "1"), ("waiting", "0"), ("expired", "0")] {
            assert_eq!(app.metric(&format!("mainstay_emails{{state=\"{state}\"}}")).await, count, "{state}");
        }
        assert_eq!(app.metric("mainstay_outbox_last_run_timestamp_seconds").await, NOON.to_string());
        app.finish().await;
    }
}

#[test]
fn the_server_says_where_mail_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("m.db").display());
    for (url, said) in [
        (None, "no mail is sent: MAINSTAY_SMTP_URL is not set"),
        (
            Some("smtp://me:hidden@mail.example.org"),
            "mail goes to smtp://mail.example.org:587 (STARTTLS), from The Paper",
        ),
        (Some("smtp://mail.example.org?tls=none"), "DANGEROUS"),
    ] {
        let mut command = mainstay(&["serve", "--mail-from", FROM, "--mail-postal-address", "1 Main Street, Riga"]);
        command.envs(url.map(|url| ("MAINSTAY_SMTP_URL", url)));
        let mut server = Server::start_by(command, &database, STRIPE, folder.path());
        let line = server.output_line("mail ");
        assert!(line.contains(said) && !line.contains("hidden"), "{line}");
        assert!(server.terminate().success());
    }
}

#[test]
fn mail_cannot_be_set_up_by_halves() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = [("MAINSTAY_SMTP_URL", "smtp://me:hidden@mail.example.org"), ("MAINSTAY_MAIL_FROM", "no address")];
    let (code, _, errors) = run(folder.path(), &["mail", "send-test", READER], &wrong);
    assert_eq!(code, Some(2));
    assert!(errors.contains("MAINSTAY_MAIL_FROM") && !errors.contains("hidden"), "{errors}");
    let (code, _, errors) = run(folder.path(), &["mail", "send-test", READER], &wrong[..1]);
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("MAINSTAY_MAIL_FROM: is needed") && errors.contains("MAINSTAY_MAIL_POSTAL_ADDRESS: is needed")
    );
    let (code, _, errors) = run(folder.path(), &["mail", "send-test", READER], &[]);
    assert_eq!((code, errors.contains("MAINSTAY_SMTP_URL is not set")), (Some(1), true), "{errors}");
}

#[test]
fn a_mail_can_be_looked_at_before_any_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = [("MAINSTAY_MAIL_POSTAL_ADDRESS", "1 Main Street, Riga")];
    let (code, output, errors) = run(folder.path(), &["mail", "preview", "reminder", "--locale", "ru"], &address);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        output.starts_with("Subject: Вы просили напомнить: The Paper\n\n") && output.contains("1 Main Street, Riga")
    );
    let (code, output, _) = run(folder.path(), &["mail", "preview", "receipt", "--html"], &[]);
    assert!(code == Some(0) && output.starts_with("<!doctype html>"), "{output}");
    let (code, _, errors) = run(folder.path(), &["mail", "preview", "spam"], &[]);
    assert!(code == Some(2) && errors.contains("renewal_notice"), "{errors}");
    std::fs::write(folder.path().join("receipt.txt"), "{{ nothing }}").expect("a template");
    let (code, _, errors) = run(folder.path(), &["mail", "preview", "receipt", "--mail-templates", "."], &[]);
    assert!(code == Some(1) && errors.contains("MAINSTAY_MAIL_TEMPLATES"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_mail_arrives_or_it_is_said_why_not() {
    let (folder, smtp) = (tempfile::tempdir().expect("a folder"), Smtp::start().await);
    let url = smtp.url(folder.path());
    let settings = [
        ("MAINSTAY_SMTP_URL", url.as_str()),
        ("MAINSTAY_MAIL_FROM", FROM),
        ("MAINSTAY_MAIL_POSTAL_ADDRESS", "1 Main Street, Riga"),
    ];
    let send = || block_in_place(|| run(folder.path(), &["mail", "send-test", READER], &settings));
    let (code, output, errors) = send();
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.starts_with("sent; mail goes to smtp://localhost:"), "{output}");
    assert_eq!(smtp.mails().pop().map(|mail| mail.to).as_deref(), Some(READER));
    smtp.be(Mood::Refuses(Step::Rcpt, "550 no such user"));
    let (code, _, errors) = send();
    assert!(code == Some(1) && errors.contains("550"), "{errors}");
    let (code, _, errors) = block_in_place(|| run(folder.path(), &["mail", "send-test", "nobody"], &settings));
    assert_eq!((code, errors.contains("nobody")), (Some(2), false), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_suppressed_gets_no_mail_and_is_nowhere_to_be_read() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        let settings = [
            ("MAINSTAY_DATABASE_URL", outbox.database.url.as_str()),
            ("MAINSTAY_VAULT_INDEX_KEY", KEYS.index.expose_secret()),
        ];
        let folder = outbox.database.folder.path();
        let suppress = || block_in_place(|| run(folder, &["mail", "suppress", "READER@Example.org"], &settings));
        for _ in 0..2 {
            let (code, output, errors) = suppress();
            assert_eq!(code, Some(0), "{errors}");
            assert!(!output.to_lowercase().contains("reader"), "{output}");
        }
        let rows = outbox.database.rows("SELECT email_index || ' ' || reason AS line FROM mail_suppressions").await;
        assert_eq!(rows, [format!("{} by_newsroom", index(READER))]);
        outbox.put(EmailKind::Receipt, READER).await;
        assert_eq!(outbox.work().await, 1);
        assert_eq!(outbox.rows().await, ["receipt suppressed 1 whole suppressed forgotten"]);
        assert!(outbox.smtp.mails().is_empty());
        let (code, ..) = block_in_place(|| run(folder, &["mail", "suppress", "no address"], &settings));
        assert_eq!(code, Some(2));
        outbox.close().await;
    }
}
