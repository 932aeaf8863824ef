//! The process is killed while it works off what readers asked for and what is due to them: nothing is lost, and nobody is
//! written to twice.

use mainstay::clock::Clock;
use mainstay::crash::{MAIL_PLACES, NEWSLETTER_PLACES, REMINDER_PLACES, REQUEST_PLACES};
use mainstay::domain::bounce::{Reason, Undeliverable};
use mainstay::domain::calendar;
use mainstay::domain::email_address::EmailAddress;
use mainstay::domain::new_reminder::{NewReminder, NewSignup};
use mainstay::id::SignupId;
use mainstay::service::later::{Asking, BOUNCES, Desk, NEWSLETTER, NEWSLETTER_INDEX, REMINDER};
use mainstay::store::{Db, NewSignupRow};
use tokio::task::block_in_place;

use crate::mail_program::{sent, serve};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::later::{desk, put_due};
use crate::support::smtp::{Mail, Smtp};
use crate::support::wait::until;

const READER: &str = "reader@example.org";

/// A database with the workers' desk, by the machine's own clock as the built program has it.
async fn open(kind: Kind) -> (Database, Desk) {
    let database = Database::fresh(kind).await;
    let desk = desk(&database.open().await, &Clock::system(), "UTC");
    (database, desk)
}

/// Lets the built program run into `place`, kills it, and lets another do the rest; what arrived, and the database.
async fn killed_at(place: &str, database: &Database, smtp: &Smtp) -> Vec<Mail> {
    let server = serve(database, smtp, &["--stop-at", place]);
    block_in_place(|| {
        let mut server = server;
        server.wait_until_stopped();
        server.kill();
    });
    // The leases of the killed process have ended.
    let db = Db::open(&database.url).await.expect("it opens");
    for ended in ["UPDATE requests SET lease_until = 0", "UPDATE outbox_emails SET lease_until = 0"] {
        db.write(ended).run().await.expect("it is done");
    }
    db.close().await;
    let server = serve(database, smtp, &[]);
    let rest = "SELECT id AS line FROM requests UNION ALL SELECT id FROM reminders WHERE state = 'confirmed' \
                UNION ALL SELECT id FROM newsletter_signups WHERE state = 'confirmed' AND welcomed_at IS NULL";
    until("everything to be worked off", async || database.rows(rest).await.is_empty().then_some(())).await;
    sent(database).await;
    assert!(block_in_place(|| server.terminate()).success());
    smtp.mails()
}

/// Asks as the web half does.
async fn ask(desk: &Desk, kind: &'static str) {
    let asking = Asking {
        store: desk.store.clone(),
        sealer: desk.sealer.clone(),
        clock: desk.clock.clone(),
        random: desk.random.clone(),
        zone: desk.zone.clone(),
        hour: desk.hour,
    };
    let (email, language) = (READER.to_owned(), "en".to_owned());
    let asked = match kind {
        REMINDER => {
            let reminder = NewReminder {
                email,
                anchor_on: calendar::number_of(asking.today()),
                months: 1,
                recurring_months: None,
                until_months: 1,
                frequency: None,
                amount_minor: None,
                currency: None,
                campaign: "default".to_owned(),
                language,
                component: String::new(),
                consent_version: "reminder-1".to_owned(),
            };
            asking.ask(kind, &reminder).await
        }
        NEWSLETTER => {
            let consent_version = "newsletter-1".to_owned();
            asking.ask(kind, &NewSignup { email, list: "newsletter".to_owned(), language, consent_version }).await
        }
        _ => asking.ask(kind, &[Undeliverable { email, reason: Reason::Bounced }]).await,
    };
    asked.expect("it is asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_worked_off_exactly_once_wherever_the_process_is_killed() {
    for kind in BOTH {
        for place in REQUEST_PLACES {
            for (asked, rows, mails) in [(REMINDER, [1, 0, 0], 1), (NEWSLETTER, [0, 1, 0], 1), (BOUNCES, [0, 0, 1], 0)]
            {
                let (database, desk) = open(kind).await;
                let smtp = Smtp::start().await;
                ask(&desk, asked).await;
                desk.store.close().await;
                let arrived = killed_at(place, &database, &smtp).await;
                assert_eq!(arrived.len(), mails, "confirmations of a {asked}, killed at {place} on {kind:?}");
                assert!(arrived.iter().all(|mail| mail.to == READER));
                let counted = [
                    database.rows("SELECT state AS line FROM reminders").await,
                    database.rows("SELECT state AS line FROM newsletter_signups").await,
                    database.rows("SELECT reason AS line FROM mail_suppressions").await,
                ];
                assert_eq!(counted.map(|rows| rows.len()), rows, "a {asked}, killed at {place} on {kind:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reminder_that_is_due_goes_at_most_once_and_is_not_lost_before_its_text_is_begun() {
    for kind in BOTH {
        for place in [&REMINDER_PLACES[..], &MAIL_PLACES].concat() {
            let (database, desk) = open(kind).await;
            let smtp = Smtp::start().await;
            put_due(&desk, &[READER.to_owned()]).await;
            desk.store.close().await;
            database.execute("UPDATE reminders SET state = 'confirmed', confirmed_at = created_at").await;
            let arrived = killed_at(place, &database, &smtp).await;
            // What was cut off within the text may have arrived: it is not sent again.
            let due = usize::from(place != "mail text begun");
            assert_eq!(arrived.len(), due, "killed at {place} on {kind:?}");
            assert!(arrived.iter().all(|mail| mail.to == READER));
            let rows = "SELECT state || ' ' || reason || ' ' || CAST(reminders AS TEXT) || ' ' || \
                        CASE WHEN contact_sealed IS NULL THEN 'nobody' ELSE 'somebody' END AS line FROM reminders";
            assert_eq!(database.rows(rows).await, ["done sent 1 nobody"], "killed at {place} on {kind:?}");
            assert_eq!(database.rows("SELECT id AS line FROM outbox_emails").await.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_confirmed_the_newsletter_is_welcomed_once_wherever_the_process_is_killed() {
    for kind in BOTH {
        for place in NEWSLETTER_PLACES {
            let (database, desk) = open(kind).await;
            let smtp = Smtp::start().await;
            let id = SignupId::new(&desk.random).to_string();
            let address = EmailAddress::parse(READER).expect("an address");
            let made = desk.new_contact("newsletter_signups", NEWSLETTER_INDEX, &id, &address);
            let (contact, _) = made.expect("it is sealed");
            let hash = contact.token_hash.clone();
            let row = NewSignupRow {
                id,
                contact,
                list: "newsletter".to_owned(),
                language: "en".to_owned(),
                consent_version: "newsletter-1".to_owned(),
                created_at: desk.clock.now(),
            };
            let mut tx = desk.store.begin().await.expect("a transaction");
            tx.insert_signup(&row).await.expect("it is stored");
            tx.commit().await.expect("it is committed");
            desk.store.confirm_signup(&hash, desk.clock.now()).await.expect("it is confirmed");
            desk.store.close().await;
            let arrived = killed_at(place, &database, &smtp).await;
            assert_eq!(arrived.len(), 1, "killed at {place} on {kind:?}");
            assert_eq!(arrived[0].to, READER);
        }
    }
}
