//! What readers ask for later, as a test follows it: asked, read in the outbox, confirmed, due.

use mainstay::domain::calendar;
use mainstay::domain::email_address::EmailAddress;
use mainstay::domain::reminder::send_at;
use mainstay::id::ReminderId;
use mainstay::service::later::{Desk, REMINDER_INDEX};
use mainstay::store::{LeasedEmail, NewReminderRow, Store};
use mainstay::vault::{IndexKey, Opener, Place, Sealer};
use mainstay::worker::{NewsletterWorker, ReminderWorker, RequestWorker};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay::clock::Clock;
use mainstay::id::Random;

use super::app::{DAY, KEYS, PUBLIC_URL, TestApp, reader};
use super::process::mainstay;

/// A mail of the outbox, opened.
#[derive(Debug, Clone)]
pub struct Mail {
    pub kind: String,
    pub cause: String,
    pub to: String,
    pub facts: Value,
}

impl Mail {
    /// The path of one of its links, without the query.
    pub fn path(&self, fact: &str) -> String {
        let url = self.facts[fact].as_str().expect("a link").strip_prefix(PUBLIC_URL).expect("to us");
        url.split(['?', '#']).next().expect("a path").to_owned()
    }
}

/// The workers alone, on the app's database and clock.
pub fn desk(store: &Store, clock: &Clock, zone: &str) -> Desk {
    // Another for each, or two would draw the same ids.
    static DESKS: AtomicU64 = AtomicU64::new(5_000);
    let random = Random::seeded(DESKS.fetch_add(1, Ordering::Relaxed));
    Desk {
        store: store.clone(),
        clock: clock.clone(),
        random: random.clone(),
        zone: jiff::tz::TimeZone::get(zone).expect("a zone"),
        sealer: Sealer::parse(&KEYS.public, random).expect("a key"),
        opener: Arc::new(opener()),
        index: Arc::new(IndexKey::parse(&KEYS.index).expect("a key")),
        public_url: PUBLIC_URL.to_owned(),
        hour: 9,
        stale_days: 7,
    }
}

fn opener() -> Opener {
    Opener::parse(&KEYS.private).expect("a key")
}

/// A reminder as the widget asks for it.
pub fn reminder(email: &str) -> Value {
    json!({"email": email, "due": {"in": "next_month"}, "frequency": "monthly", "amount_minor": 500, "currency": "USD",
        "campaign": "default", "locale": "en", "component": "article-footer", "consent": {"text_version": "reminder-1"}})
}

/// What a command prints that the newsroom runs on the app's database.
pub fn run(app: &TestApp, arguments: &[&str]) -> String {
    let output = mainstay(arguments)
        .current_dir(app.database.folder.path())
        .envs([
            ("MAINSTAY_DATABASE_URL", app.database.url.as_str()),
            ("MAINSTAY_PUBLIC_URL", PUBLIC_URL),
            ("MAINSTAY_VAULT_PUBLIC_KEY", KEYS.public.as_str()),
            ("MAINSTAY_VAULT_PRIVATE_KEY", KEYS.private.expose_secret()),
            ("MAINSTAY_VAULT_INDEX_KEY", KEYS.index.expose_secret()),
        ])
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

impl TestApp {
    /// Posts as a reader who has never been here.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let request = self.http.post(format!("{}{path}", self.url)).json(body).header("x-forwarded-for", reader());
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// Follows a link by a button, or by a mail program's one click.
    pub async fn press(&self, path: &str, form: &'static str) -> (u16, String) {
        let request = self.http.post(format!("{}{path}", self.url)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// Works off what was asked and what is due, with workers of our own beside the app's.
    pub async fn work_later(&self, zone: &str) {
        let desk = desk(self.store(), &self.clock, zone);
        let (requests, newsletter) =
            (RequestWorker::new(desk.clone(), self.gateway()), NewsletterWorker { desk: desk.clone() });
        let reminders = ReminderWorker { desk };
        let idle = async || {
            while requests.run_once().await.expect("requests") > 0 {}
            while reminders.run_once().await.expect("reminders") > 0 {}
            while newsletter.run_once().await.expect("the newsletter") > 0 {}
            // What the app's own worker holds is done soon.
            self.store().count_requests().await.expect("counted").0 == 0
        };
        super::wait::until("what was asked to be worked off", async || idle().await.then_some(())).await;
        reminders.tidy().await.expect("tidied");
    }

    /// Takes every mail out of the outbox, as whoever sends them would, and notes each as sent.
    pub async fn mails(&self) -> Vec<Mail> {
        let (store, now) = (self.store(), self.clock.now());
        let leased = store.lease_emails("the tests", now, now + 60, 10_000).await.expect("leased");
        let mut mails = Vec::new();
        for email in &leased {
            mails.push(open(email));
            let sent = mainstay::domain::email::EmailState::Sent;
            assert!(store.settle_email(&email.id, "the tests", sent, None, now).await.expect("settled"));
        }
        mails.sort_by(|one, two| (&one.to, &one.cause).cmp(&(&two.to, &two.cause)));
        mails
    }

    /// Signs an address up for the newsletter; the path of the link in its mail.
    pub async fn sign_up(&self, address: &str) -> String {
        let signup = json!({"email": address, "list": "newsletter", "consent": {"text_version": "newsletter-1"}});
        assert_eq!(self.post("/v1/newsletter", &signup).await.0, 202);
        self.work_later("UTC").await;
        self.mails().await[0].path("confirm_url")
    }

    /// Asks for a reminder and confirms it; the mail that asked for confirmation.
    pub async fn remind(&self, body: &Value) -> Mail {
        let (status, answer) = self.post("/v1/reminders", body).await;
        assert_eq!(status, 202, "{answer}");
        self.work_later("UTC").await;
        let mails = self.mails().await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        let (status, page) = self.press(&format!("{}/confirm", mail.path("confirm_url")), "").await;
        assert_eq!(status, 200, "{page}");
        mail.clone()
    }

    /// The reminders as lines: state, reason, day, whether anything identifies anybody.
    pub async fn reminders(&self) -> Vec<String> {
        self.database
            .rows(
                "SELECT state || ' ' || COALESCE(reason, '-') || ' ' || CAST(due_on AS TEXT) || ' ' || \
                 CASE WHEN contact_sealed IS NULL THEN 'nobody' ELSE 'somebody' END AS line FROM reminders",
            )
            .await
    }
}

/// Reminders stored by one transaction.
const AT_ONCE: usize = 500;

/// Stores a confirmed reminder for each of these addresses that is due on the desk's day, and has been since midnight.
pub async fn put_due(desk: &Desk, addresses: &[String]) {
    let now = desk.clock.now();
    let today = calendar::number_of(desk.day(now));
    for some in addresses.chunks(AT_ONCE) {
        let mut tx = desk.store.begin().await.expect("a transaction");
        for address in some {
            let id = ReminderId::new(&desk.random).to_string();
            let address = EmailAddress::parse(address).expect("an address");
            let (contact, _) = desk.new_contact("reminders", REMINDER_INDEX, &id, &address).expect("it is sealed");
            let row = NewReminderRow {
                id,
                contact: Some(contact),
                reason: None,
                due_on: today,
                due_at: send_at(desk.day(now), 0, &desk.zone),
                anchor_on: today,
                months: 0,
                recurring_months: None,
                until_months: 0,
                frequency: Some("monthly".to_owned()),
                amount_minor: Some(500),
                currency: Some("USD".to_owned()),
                campaign: "default".to_owned(),
                language: "en".to_owned(),
                component: "article-footer".to_owned(),
                consent_version: "reminder-1".to_owned(),
                created_at: now - 31 * DAY,
                now,
            };
            tx.insert_reminder(&row).await.expect("it is stored");
        }
        tx.commit().await.expect("they are stored");
    }
}

fn open(email: &LeasedEmail) -> Mail {
    let place = |column| Place { table: "outbox_emails", column, id: &email.id };
    let opener = opener();
    let text = |column, sealed: &[u8]| {
        String::from_utf8(opener.open(place(column), sealed).expect("it opens").to_vec()).expect("text")
    };
    Mail {
        kind: email.kind.clone(),
        cause: email.cause.clone(),
        to: text("recipient_sealed", &email.recipient_sealed),
        facts: serde_json::from_str(&text("facts_sealed", &email.facts_sealed)).expect("JSON"),
    }
}
