//! The outbox and its worker towards a real server on loopback: what is sent, what is tried again, and what never is.

use std::time::Duration;

use mainstay::config::MailTransport;
use mainstay::domain::email::{EmailKind, TRY_FOR};
use mainstay::domain::language::Language;
use mainstay::domain::mailbox::Address;
use mainstay::id::{EmailId, Random};
use mainstay::mail::{Post, SendError, sample};
use serde_json::json;

use crate::support::database::{BOTH, Database, Kind};
use crate::support::outbox::{Outbox, index, mail_settings, put};
use crate::support::smtp::{Mood, Smtp, Step};

const READER: &str = "reader@example.org";
const HOUR: i64 = 3600;

#[tokio::test]
async fn every_mail_goes_to_one_recipient_over_tls_and_is_forgotten_once_sent() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        for mail in EmailKind::ALL {
            let id = outbox.put(*mail, READER).await;
            assert_eq!(outbox.work().await, 1);
            let sent = outbox.smtp.mails().pop().expect("a mail");
            assert_eq!((sent.to.as_str(), sent.encrypted), (READER, true));
            assert_eq!(sent.header("To"), Some(READER));
            assert_eq!(sent.header("From"), Some("\"The Paper\" <support@paper.example>"));
            assert_eq!(sent.header("Message-ID"), Some(format!("<{id}@paper.example>").as_str()));
            assert_eq!(sent.header("Date"), Some("Mon, 23 Nov 2026 12:00:00 +0000"));
            assert_eq!(sent.header("Auto-Submitted"), Some("auto-generated"));
            let one_click = mail.has_unsubscribe().then_some("List-Unsubscribe=One-Click");
            assert_eq!(sent.header("List-Unsubscribe-Post"), one_click, "{}", mail.as_str());
            assert_eq!(sent.header("List-Unsubscribe").is_some(), mail.has_unsubscribe());
        }
        assert_eq!(outbox.smtp.mails().len(), EmailKind::ALL.len());
        assert_eq!(outbox.smtp.sessions(), 1, "one connection carries them all");
        let clear = outbox.smtp.said_in_clear();
        assert!(clear.iter().all(|line| line.starts_with("EHLO ") || line == "STARTTLS"), "{clear:?}");
        assert!(outbox.rows().await.iter().all(|row| row.ends_with(" sent 1 begun - forgotten")));
        assert_eq!(outbox.work().await, 0, "none goes twice");
        outbox.close().await;
    }
}

#[tokio::test]
async fn addresses_of_every_sort_arrive_as_they_were_written() {
    let outbox = Outbox::start(Kind::Sqlite).await;
    let long = format!("{}@{}.example", "a".repeat(64), ["b"; 90].join("."));
    for (address, arrives) in [
        ("Reader+paper@example.org", "Reader+paper@example.org"),
        ("\"odd one\"@example.org", "\"odd one\"@example.org"),
        ("reader@пример.рф", "reader@xn--e1afmkfd.xn--p1ai"),
        (&long, &long),
    ] {
        outbox.put(EmailKind::Receipt, address).await;
        assert_eq!(outbox.work().await, 1, "{address}");
        assert_eq!(
            outbox.smtp.mails().pop().map(|mail| mail.to).as_deref(),
            Some(arrives),
            "{:?}",
            outbox.rows().await
        );
    }
    outbox.close().await;
}

#[tokio::test]
async fn nothing_is_said_in_clear_when_starttls_is_not_offered() {
    for kind in BOTH {
        let (database, smtp) = (Database::fresh(kind).await, Smtp::start_stripped().await);
        let url = smtp.url(database.folder.path());
        let outbox = Outbox::on(database, smtp, Some(&url)).await;
        outbox.put(EmailKind::Receipt, READER).await;
        outbox.put(EmailKind::Reminder, READER).await;
        assert_eq!(outbox.work().await, 0);
        let clear = outbox.smtp.said_in_clear();
        assert!(clear.iter().all(|line| line.starts_with("EHLO ") || line == "QUIT" || line.is_empty()), "{clear:?}");
        let rows = outbox.rows().await;
        assert!(rows.iter().all(|row| row.contains(" waiting 1 whole ") && row.ends_with(" kept")), "{rows:?}");
        assert!(rows.iter().any(|row| row.contains("no_starttls")), "{rows:?}");
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (database, smtp) = (Database::fresh(Kind::Sqlite).await, Smtp::start().await);
    let url = format!("smtp://user:secret@localhost:{}", smtp.address.port());
    let outbox = Outbox::on(database, smtp, Some(&url)).await;
    outbox.put(EmailKind::Receipt, READER).await;
    assert_eq!(outbox.work().await, 0);
    assert_eq!(outbox.rows().await, ["receipt waiting 1 whole tls_failed kept"]);
    assert!(outbox.smtp.mails().is_empty());
    outbox.close().await;
}

#[tokio::test]
async fn clear_text_is_spoken_only_where_it_is_asked_for() {
    let (database, smtp) = (Database::fresh(Kind::Sqlite).await, Smtp::start_stripped().await);
    let url = smtp.url_in_clear();
    let outbox = Outbox::on(database, smtp, Some(&url)).await;
    outbox.put(EmailKind::Receipt, READER).await;
    assert_eq!(outbox.work().await, 1);
    assert!(!outbox.smtp.mails()[0].encrypted);
    outbox.close().await;
}

#[tokio::test]
async fn what_is_refused_before_the_text_is_tried_again_until_it_is_taken_or_expires() {
    let refusals = [
        Mood::Refuses(Step::Greeting, "421 closing"),
        Mood::Refuses(Step::Greeting, "554 not today"),
        Mood::Refuses(Step::Mail, "421 closing"),
        Mood::Refuses(Step::Mail, "450 later"),
        Mood::Refuses(Step::Mail, "550 we do not know you"),
        Mood::Refuses(Step::Rcpt, "421 closing"),
        Mood::Refuses(Step::Rcpt, "450 later"),
        Mood::Refuses(Step::Data, "421 closing"),
        Mood::Refuses(Step::Data, "451 later"),
    ];
    for kind in BOTH {
        for refusal in refusals {
            let outbox = Outbox::start(kind).await;
            outbox.smtp.be(refusal);
            outbox.put(EmailKind::Receipt, READER).await;
            outbox.put(EmailKind::Reminder, READER).await;
            assert_eq!(outbox.work().await, 0, "{refusal:?}");
            assert_eq!(outbox.work().await, 0, "neither is due again at once");
            let rows = outbox.rows().await;
            assert!(rows.iter().all(|row| row.contains(" waiting 1 whole ")), "{refusal:?}: {rows:?}");
            outbox.clock.advance(2 * HOUR + HOUR / 2);
            outbox.smtp.be(Mood::Kind);
            assert_eq!(outbox.work().await, 2, "{refusal:?}");
            assert_eq!(outbox.smtp.mails().len(), 2);
            assert!(!outbox.store.is_suppressed(&index(READER)).await.expect("it is asked"), "{refusal:?}");
            outbox.close().await;
        }
    }
}

#[tokio::test]
async fn an_outage_of_two_days_expires_mails_by_backing_off_and_no_sooner() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        outbox.smtp.be(Mood::Refuses(Step::Greeting, "421 closing"));
        outbox.put(EmailKind::Receipt, READER).await;
        let mut passed = 0;
        while passed < TRY_FOR {
            assert_eq!(outbox.work().await, 0, "it waits after {passed} s");
            outbox.clock.advance(HOUR / 4);
            passed += HOUR / 4;
        }
        let tries = outbox.smtp.sessions();
        assert!((24..40).contains(&tries), "{tries} tries in two days");
        assert_eq!(outbox.work().await, 1);
        assert!(outbox.rows().await[0].starts_with("receipt expired "), "{:?}", outbox.rows().await);
        assert_eq!((outbox.work().await, outbox.smtp.sessions()), (0, tries));
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_server_that_is_gone_holds_up_nobody_and_loses_nothing() {
    let (database, smtp) = (Database::fresh(Kind::Sqlite).await, Smtp::start().await);
    // Nobody listens there.
    let outbox = Outbox::on(database, smtp, Some("smtp://127.0.0.1:1")).await;
    for _ in 0..40 {
        outbox.put(EmailKind::Receipt, READER).await;
    }
    assert_eq!(outbox.work().await, 0);
    let rows = outbox.rows().await;
    let tried = rows.iter().filter(|row| row.contains("unreachable")).count();
    assert!((1..=8).contains(&tried), "the others do not wait for it one by one: {tried}");
    assert_eq!(rows.iter().filter(|row| row.contains("server_down")).count(), 40 - tried);
    outbox.close().await;
}

#[tokio::test]
async fn greylisting_is_waited_out() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        outbox.smtp.be(Mood::Greylists);
        outbox.put(EmailKind::Reminder, READER).await;
        assert_eq!(outbox.work().await, 0);
        assert_eq!(outbox.rows().await, ["reminder waiting 1 whole deferred_450 kept"]);
        outbox.clock.advance(2 * 60);
        assert_eq!(outbox.work().await, 1);
        assert_eq!(outbox.rows().await, ["reminder sent 2 begun - forgotten"]);
        assert_eq!(outbox.smtp.mails().len(), 1);
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_recipient_that_does_not_exist_gets_no_more_mail() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        outbox.smtp.be(Mood::Refuses(Step::Rcpt, "550 5.1.1 no such user"));
        outbox.put(EmailKind::Receipt, READER).await;
        assert_eq!(outbox.work().await, 1);
        assert_eq!(outbox.rows().await, ["receipt failed 1 whole bounced_550 forgotten"]);
        let reasons = outbox.database.rows("SELECT reason AS line FROM mail_suppressions").await;
        assert_eq!(reasons, ["bounced"]);
        outbox.smtp.be(Mood::Kind);
        outbox.put(EmailKind::Receipt, "READER@example.org").await;
        outbox.put(EmailKind::Receipt, "other@example.org").await;
        assert_eq!(outbox.work().await, 2);
        let to: Vec<String> = outbox.smtp.mails().into_iter().map(|mail| mail.to).collect();
        assert_eq!(to, ["other@example.org"]);
        assert!(outbox.rows().await.contains(&"receipt suppressed 1 whole suppressed forgotten".to_owned()));
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_refusal_that_is_about_us_suppresses_nobody() {
    let outbox = Outbox::start(Kind::Sqlite).await;
    for (step, reply, error) in [
        (Step::Rcpt, "550 5.7.1 relaying denied", "refused_550"),
        (Step::Data, "554 no", "refused_554"),
        (Step::Text, "554 5.7.0 looks like spam", "refused_554"),
    ] {
        outbox.smtp.be(Mood::Refuses(step, reply));
        outbox.put(EmailKind::Receipt, READER).await;
        assert_eq!(outbox.work().await, 1);
        assert!(outbox.rows().await.iter().any(|row| row.contains(error)), "{:?}", outbox.rows().await);
    }
    assert!(!outbox.store.is_suppressed(&index(READER)).await.expect("it is asked"));
    assert!(outbox.smtp.mails().is_empty());
    outbox.close().await;
}

#[tokio::test]
async fn a_reminder_is_never_repeated_once_its_text_began_and_a_receipt_is_under_the_same_id() {
    let cuts = [Mood::CutsBeforeDot, Mood::CutsAfterDot, Mood::Refuses(Step::Text, "451 later")];
    for kind in BOTH {
        for cut in cuts {
            let outbox = Outbox::start(kind).await;
            let receipt = outbox.put(EmailKind::Receipt, READER).await;
            outbox.put(EmailKind::Reminder, READER).await;
            outbox.put(EmailKind::RenewalNotice, READER).await;
            outbox.smtp.be(cut);
            assert_eq!(outbox.work().await, 2, "the two are given up: {cut:?}");
            outbox.smtp.be(Mood::Kind);
            outbox.clock.advance(HOUR);
            assert_eq!(outbox.work().await, 1, "the receipt is tried again: {cut:?}");
            let error = if matches!(cut, Mood::Refuses(..)) { "deferred_451" } else { "may_have_arrived" };
            assert_eq!(
                outbox.rows().await,
                [
                    "receipt sent 2 begun - forgotten".to_owned(),
                    format!("reminder failed 1 begun {error} forgotten"),
                    format!("renewal_notice failed 1 begun {error} forgotten"),
                ]
            );
            let mails = outbox.smtp.mails();
            let copies: Vec<_> = mails.iter().filter(|mail| mail.text.contains(&receipt)).collect();
            let arrived = if cut == Mood::CutsAfterDot { 2 } else { 1 };
            assert_eq!(copies.len(), arrived, "{cut:?}");
            assert!(copies.iter().all(|copy| copy.text == copies[0].text), "the copies are one mail");
            assert_eq!(mails.len(), if cut == Mood::CutsAfterDot { 4 } else { 1 });
            outbox.close().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_answers_a_byte_at_a_time_is_heard_out() {
    let outbox = Outbox::start(Kind::Sqlite).await;
    outbox.smtp.be(Mood::Crawls);
    outbox.put(EmailKind::Reminder, READER).await;
    assert_eq!(outbox.work().await, 1);
    assert_eq!(outbox.rows().await, ["reminder sent 1 begun - forgotten"]);
    assert_eq!(outbox.smtp.mails().len(), 1);
    outbox.close().await;
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_mail() {
    let outbox = Outbox::start(Kind::Sqlite).await;
    for n in 1..=3 {
        // The server hangs up right after the mail it has taken, or refuses the next on the same connection.
        outbox.smtp.be(Mood::Kind);
        outbox.put(EmailKind::Reminder, READER).await;
        assert_eq!(outbox.work().await, 1);
        outbox.smtp.hang_up();
        assert_eq!(outbox.smtp.mails().len(), n);
    }
    assert_eq!(outbox.smtp.sessions(), 3);
    outbox.close().await;
}

#[tokio::test]
async fn a_bad_row_is_failed_alone() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        let now = outbox.clock.now();
        put(&outbox.store, now, EmailKind::Receipt, READER, &json!({"campaign_name": "x"})).await;
        put(&outbox.store, now, EmailKind::Receipt, READER, &json!("nothing")).await;
        outbox.put(EmailKind::Receipt, "a@b.c\r\nRCPT TO:<x@y.z>").await;
        outbox.put(EmailKind::Refund, READER).await;
        outbox.put(EmailKind::ThankYou, READER).await;
        outbox.put(EmailKind::PledgeEnded, READER).await;
        outbox.database.execute("UPDATE outbox_emails SET kind = 'no_such_mail' WHERE kind = 'thank_you'").await;
        // Sealed for one row, and moved to another.
        outbox
            .database
            .execute(
                "UPDATE outbox_emails SET facts_sealed = (SELECT facts_sealed FROM outbox_emails WHERE kind = 'refund') \
                 WHERE kind = 'pledge_ended'",
            )
            .await;
        assert_eq!(outbox.work().await, 6);
        assert_eq!(
            outbox.rows().await,
            [
                "no_such_mail failed 1 whole unknown_kind forgotten",
                "pledge_ended failed 1 whole cannot_be_opened forgotten",
                "receipt failed 1 whole bad_address forgotten",
                "receipt failed 1 whole bad_facts forgotten",
                "receipt failed 1 whole bad_facts forgotten",
                "refund sent 1 begun - forgotten",
            ]
        );
        assert_eq!(outbox.smtp.mails().len(), 1);
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_mail_goes_once_however_many_workers_there_are_and_a_lost_lease_sends_nothing() {
    for kind in BOTH {
        let outbox = Outbox::start(kind).await;
        let url = outbox.smtp.url(outbox.database.folder.path());
        let second = outbox.second_worker(&url);
        for _ in 0..100 {
            outbox.put(EmailKind::Reminder, READER).await;
        }
        let mut settled = 0;
        while settled < 100 {
            let (one, two) = tokio::join!(outbox.work(), async { second.run_once().await.expect("it works") });
            assert!(one + two > 0, "they go on");
            settled += one + two;
        }
        assert_eq!((settled, outbox.smtp.mails().len()), (100, 100));
        let ids: std::collections::BTreeSet<String> =
            outbox.smtp.mails().iter().map(|mail| mail.header("Message-ID").expect("an id").to_owned()).collect();
        assert_eq!(ids.len(), 100);

        let id = outbox.put(EmailKind::Reminder, READER).await;
        let now = outbox.clock.now();
        let leased = outbox.store.lease_emails("stale", now, now + 60, 1).await.expect("it is leased");
        assert_eq!(leased[0].id, id);
        outbox.clock.advance(61);
        assert_eq!(outbox.work().await, 1, "the lease has ended by itself");
        let noted =
            outbox.store.note_mails("stale", std::slice::from_ref(&id), &[], now + 61).await.expect("it is asked");
        assert!(noted.is_empty(), "the fence holds");
        assert_eq!(outbox.smtp.mails().len(), 101);
        outbox.close().await;
    }
}

#[tokio::test]
async fn without_a_server_mails_wait_and_expire_for_all_to_see() {
    for kind in BOTH {
        let (database, smtp) = (Database::fresh(kind).await, Smtp::start().await);
        let outbox = Outbox::on(database, smtp, None).await;
        outbox.put(EmailKind::Receipt, READER).await;
        assert_eq!(outbox.work().await, 0);
        outbox.clock.advance(TRY_FOR - 1);
        assert_eq!(outbox.work().await, 0);
        assert_eq!(outbox.rows().await, ["receipt waiting 0 whole - kept"]);
        outbox.clock.advance(1);
        assert_eq!(outbox.work().await, 1);
        assert_eq!(outbox.rows().await, ["receipt expired 0 whole no_mail_is_sent forgotten"]);
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_folder_gets_a_file_for_each_mail() {
    let (database, smtp) = (Database::fresh(Kind::Sqlite).await, Smtp::start().await);
    let folder = database.folder.path().join("inbox");
    let url = format!("file:{}", folder.display());
    let outbox = Outbox::on(database, smtp, Some(&url)).await;
    let id = outbox.put(EmailKind::Reminder, READER).await;
    assert_eq!(outbox.work().await, 1);
    let files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|file| file.expect("a file").path()).collect();
    assert_eq!(files, [folder.join(format!("{id}.eml"))]);
    let text = std::fs::read_to_string(&files[0]).expect("a mail");
    assert!(text.contains("To: reader@example.org\r\n") && EmailId::parse(&id).is_ok(), "{text}");
    outbox.close().await;
}

#[tokio::test]
async fn a_worker_that_is_to_stop_puts_back_what_it_has_not_begun() {
    let outbox = Outbox::start(Kind::Sqlite).await;
    outbox.put(EmailKind::Reminder, READER).await;
    let worker =
        mainstay::worker::OutboxWorker { stop: tokio_util::sync::CancellationToken::new(), ..outbox.worker.clone() };
    worker.stop.cancel();
    assert_eq!(worker.run_once().await.expect("it works"), 0);
    assert_eq!(outbox.work().await, 1, "another takes it at once");
    assert_eq!(outbox.smtp.mails().len(), 1);
    outbox.close().await;
}

#[tokio::test]
async fn a_name_and_a_password_are_said_over_tls_only_and_a_refused_one_loses_no_mail() {
    for at_once in [true, false] {
        let database = Database::fresh(Kind::Sqlite).await;
        let smtp = if at_once { Smtp::start_encrypted().await } else { Smtp::start().await };
        let mut url = smtp.url_encrypted(database.folder.path());
        if !at_once {
            url = url.replacen("smtps://", "smtp://", 1);
        }
        let outbox = Outbox::on(database, smtp, Some(&url)).await;
        outbox.smtp.be(Mood::Refuses(Step::Auth, "535 5.7.8 who are you"));
        outbox.put(EmailKind::Receipt, READER).await;
        assert_eq!(outbox.work().await, 0);
        assert_eq!(outbox.rows().await, ["receipt waiting 1 whole login_refused kept"]);
        outbox.smtp.be(Mood::Kind);
        outbox.clock.advance(HOUR);
        assert_eq!(outbox.work().await, 1);
        // "\0us\0p@ss"
        assert_eq!(outbox.smtp.logins(), ["AUTH PLAIN AHVzAHBAc3M="; 2]);
        assert!(outbox.smtp.said_in_clear().iter().all(|line| !line.starts_with("AUTH")));
        assert!(outbox.smtp.mails()[0].encrypted);
        outbox.close().await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_after_half_a_minute() {
    let smtp = Smtp::start_stripped().await;
    let mut settings = mail_settings(&smtp.url_in_clear());
    let Some(MailTransport::Smtp(server)) = settings.sending.as_mut().map(|sending| &mut sending.transport) else {
        panic!("it is a server")
    };
    assert_eq!(server.patience, Duration::from_secs(30));
    server.patience = Duration::from_millis(200);
    let post = Post::new(&settings).expect("mail can be sent").expect("there is a way");
    let id = EmailId::new(&Random::seeded(1));
    let to = Address::parse(READER).expect("an address");
    let facts = sample::facts(EmailKind::Reminder);
    let message = post.write(&id, 0, &to, EmailKind::Reminder, Language::En, &facts).expect("it is written");
    for step in [Step::Greeting, Step::Mail, Step::Rcpt, Step::Data] {
        smtp.be(Mood::Hangs(step));
        assert_eq!(post.mailer.open(&message).await.err(), Some(SendError::NotReached("too_slow")), "{step:?}");
    }
    smtp.be(Mood::Hangs(Step::Text));
    let opened = post.mailer.open(&message).await.expect("the server waits for the text");
    assert_eq!(opened.hand_over().await, Err(SendError::MayHaveArrived));
    assert_eq!(smtp.mails().len(), 1, "as it had");
}
