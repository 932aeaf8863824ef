//! Who is reminded, on real gifts and on both databases: what the matrix has no time for.

use mainstay::sandbox::{Card, Person};

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::later::reminder;

const READER: &str = "reader@example.org";

/// Gives as somebody with this address.
pub async fn give(app: &TestApp, frequency: &str, card: Card, email: &str) -> String {
    let (pledge, session) = app.pledge(frequency, 500, "USD").await;
    let person = Person { email: email.to_owned(), ..Person::default() };
    app.sandbox.pay_as(&session, card, person).await.expect("the session is open");
    app.settle().await;
    pledge
}

/// What was sent once the reminder was due, and how it ended.
async fn outcome(app: TestApp) -> (usize, Vec<String>) {
    for _ in 0..31 {
        app.clock.advance(DAY);
        app.work_later("UTC").await;
    }
    let sent = app.mails().await.iter().filter(|mail| mail.kind == "reminder").count();
    let ended = app.reminders().await;
    app.settle().await;
    app.finish().await;
    (sent, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_ends_the_reminder_in_the_transaction_that_records_it() {
    for kind in BOTH {
        for (frequency, address) in [("once", READER), ("monthly", "READER@Example.org")] {
            let app = TestApp::start(kind).await;
            app.remind(&reminder(READER)).await;
            app.clock.advance(DAY);
            give(&app, frequency, Card::Works, address).await;
            assert_eq!(app.reminders().await, ["done gave 20261223 nobody"], "{frequency} on {kind:?}");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_takes_back_a_reminder_that_nobody_has_begun_to_send() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder(READER)).await;
        app.clock.advance(31 * DAY);
        app.work_later("UTC").await;
        give(&app, "once", Card::Works, READER).await;
        let waiting = "SELECT kind || ' ' || state || ' ' || CASE WHEN recipient_sealed IS NULL THEN 'nobody' ELSE \
                       'somebody' END AS line FROM outbox_emails";
        let rows = app.database.rows(waiting).await;
        assert_eq!(rows, ["reminder suppressed nobody", "reminder_confirmation sent nobody"], "{kind:?}");
        assert_eq!(app.reminders().await, ["done sent 20261223 nobody"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gave_before_asking_is_reminded_and_whoever_still_gives_is_not() {
    for kind in BOTH {
        for (frequency, sent, ended) in [("once", 1, "done sent"), ("annual", 0, "done active")] {
            let app = TestApp::start(kind).await;
            give(&app, frequency, Card::Works, READER).await;
            app.clock.advance(60);
            app.remind(&reminder(READER)).await;
            let (mails, rows) = outcome(app).await;
            assert_eq!((mails, rows), (sent, vec![format!("{ended} 20261223 nobody")]), "{frequency} on {kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbours_gift_and_a_declined_card_change_nothing() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder(READER)).await;
        app.clock.advance(60);
        give(&app, "once", Card::Works, "neighbour@example.org").await;
        give(&app, "once", Card::Declined, READER).await;
        let (mails, rows) = outcome(app).await;
        assert_eq!((mails, rows), (1, vec!["done sent 20261223 nobody".to_owned()]), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_bounced_is_written_to_no_more() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder(READER)).await;
        let desk = crate::support::later::desk(app.store(), &app.clock, "UTC");
        let index = desk.index.of(mainstay::domain::email::MAIL_INDEX, READER);
        app.store().suppress(&index, "bounced", app.clock.now()).await.expect("suppressed");
        app.clock.advance(2 * DAY);
        app.post("/v1/reminders", &reminder(READER)).await;
        let (mails, rows) = outcome(app).await;
        let ended = vec!["done bounced 20261223 nobody".to_owned(), "done bounced 20261225 nobody".to_owned()];
        assert_eq!((mails, rows), (0, ended), "neither a reminder nor a confirmation, on {kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_a_reminder_of_a_week_is_sent_once_and_an_older_one_expires() {
    for kind in BOTH {
        for (days, sent, ended) in [(37, 1, "done sent"), (38, 0, "done stale")] {
            let app = TestApp::start(kind).await;
            app.remind(&reminder(READER)).await;
            app.clock.advance(days * DAY);
            app.work_later("UTC").await;
            assert_eq!(app.mails().await.len(), sent, "{days} on {kind:?}");
            assert_eq!(app.reminders().await, [format!("{ended} 20261223 nobody")]);
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_send_one_mail_and_a_row_that_cannot_be_read_is_ended_alone() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for nth in 0..6 {
            app.remind(&reminder(&format!("reader{nth}@example.org"))).await;
        }
        let db = mainstay::store::Db::open(&app.database.url).await.expect("it opens");
        let damage = "UPDATE reminders SET contact_sealed = NULL WHERE id = (SELECT MIN(id) FROM reminders)";
        assert_eq!(db.write(damage).run().await.expect("damaged"), 1);
        db.close().await;
        app.clock.advance(31 * DAY);
        tokio::join!(app.work_later("UTC"), app.work_later("UTC"), app.work_later("UTC"));
        assert_eq!(app.mails().await.len(), 5, "{kind:?}");
        let unreadable = app.reminders().await.iter().filter(|row| row.contains("unreadable")).count();
        assert_eq!(unreadable, 1);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_made_from_the_link_is_noted_at_its_reminder_and_nowhere_else() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.remind(&reminder(READER)).await;
        app.clock.advance(31 * DAY);
        app.work_later("UTC").await;
        let mails = app.mails().await;
        let give = mails[0].facts["give_url"].as_str().expect("a link");
        let source = give.rsplit("d_ref=").next().expect("a reference").replace("%3A", ":");
        let gift = serde_json::json!({"frequency": "once", "amount_minor": 500, "currency": "USD", "source": source});
        let (status, made) = app.ask(&gift, None).await;
        assert_eq!(status, 201, "{made}");
        let used = app.database.rows("SELECT used_pledge_id AS line FROM reminders").await;
        assert_eq!(used, [made["id"].as_str().expect("an id")]);
        assert_eq!(app.database.rows("SELECT source AS line FROM pledges").await, ["reminder"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_payment_is_on_its_way_nobody_is_reminded_and_afterwards_only_if_it_failed() {
    for kind in BOTH {
        for (card, sent, ended) in [
            (Card::BankDebitFails, 1, "done sent 20261223 nobody"),
            (Card::BankDebitSettles, 0, "done gave 20261223 nobody"),
        ] {
            let app = TestApp::start(kind).await;
            app.remind(&reminder(READER)).await;
            app.clock.advance(29 * DAY + 3_600);
            give(&app, "once", card, READER).await;
            app.clock.advance(DAY);
            app.work_later("UTC").await;
            assert!(app.mails().await.is_empty(), "it is on its way: {card:?} on {kind:?}");
            assert_eq!(app.reminders().await, ["confirmed - 20261223 somebody"]);
            for _ in 0..7 {
                app.advance_days(1).await;
                app.work_later("UTC").await;
            }
            assert_eq!(app.mails().await.len(), sent, "{card:?} on {kind:?}");
            assert_eq!(app.reminders().await, [ended], "{card:?} on {kind:?}");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_had_cancelled_before_asking_is_reminded() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        give(&app, "monthly", Card::Works, READER).await;
        let subscriptions = app.database.rows("SELECT stripe_subscription_id AS line FROM pledges").await;
        app.sandbox.cancel_subscription(&subscriptions[0], false);
        app.settle().await;
        app.clock.advance(60);
        app.remind(&reminder(READER)).await;
        let (mails, rows) = outcome(app).await;
        assert_eq!((mails, rows), (1, vec!["done sent 20261223 nobody".to_owned()]), "{kind:?}");
    }
}
