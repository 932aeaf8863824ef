//! An outbox with its worker, towards a server that can be told to fail, on one clock.

use std::sync::Arc;

use mainstay::clock::Clock;
use mainstay::config::{MailSettings, MailTransport, Receipts, Sending};
use mainstay::domain::email::{EmailKind, MAIL_INDEX, TRY_FOR};
use mainstay::domain::language::Language;
use mainstay::domain::mailbox::{Line, Mailbox};
use mainstay::id::{EmailId, Random};
use mainstay::mail::{Post, sample};
use mainstay::store::{NewEmail, Store};
use mainstay::vault::{IndexKey, Opener, Place, Sealer};
use mainstay::worker::OutboxWorker;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::app::{KEYS, NOON};
use super::database::{Database, Kind};
use super::smtp::Smtp;

/// The outbox under test.
pub struct Outbox {
    pub database: Database,
    pub store: Store,
    pub clock: Clock,
    pub smtp: Smtp,
    pub worker: OutboxWorker,
}

impl Outbox {
    /// Towards a server that takes STARTTLS.
    pub async fn start(kind: Kind) -> Self {
        let (database, smtp) = (Database::fresh(kind).await, Smtp::start().await);
        let url = smtp.url(database.folder.path());
        Self::on(database, smtp, Some(&url)).await
    }

    /// With mail going to `url`, or nowhere.
    pub async fn on(database: Database, smtp: Smtp, url: Option<&str>) -> Self {
        let (store, clock) = (database.open().await, Clock::manual(NOON));
        let worker = worker(&store, &clock, 1, url);
        Self { database, store, clock, smtp, worker }
    }

    /// Another worker of the same outbox.
    pub fn second_worker(&self, url: &str) -> OutboxWorker {
        worker(&self.store, &self.clock, 2, Some(url))
    }

    /// Puts a mail to `address` into the outbox; its id.
    pub async fn put(&self, kind: EmailKind, address: &str) -> String {
        put(&self.store, self.clock.now(), kind, address, &sample::facts(kind)).await
    }

    /// Works until nothing is due, and returns how many mails were settled.
    pub async fn work(&self) -> usize {
        self.worker.run_once().await.expect("the outbox is worked on")
    }

    /// Each mail as a line: kind, state, attempts, whether its text was begun, the error, whether its address is kept.
    pub async fn rows(&self) -> Vec<String> {
        self.database
            .rows(
                "SELECT kind || ' ' || state || ' ' || CAST(attempts AS TEXT) || ' ' || \
                 CASE WHEN data_at IS NULL THEN 'whole' ELSE 'begun' END || ' ' || COALESCE(error, '-') || ' ' || \
                 CASE WHEN recipient_sealed IS NULL AND recipient_index IS NULL AND facts_sealed IS NULL \
                 THEN 'forgotten' ELSE 'kept' END AS line FROM outbox_emails",
            )
            .await
    }

    /// Ends the test.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Mail that goes to `url`.
pub fn mail_settings(url: &str) -> MailSettings {
    let transport = MailTransport::parse(url).expect("a way for mail");
    let from = Mailbox::parse("The Paper <support@paper.example>").expect("a sender");
    let postal_address = Line::of("1 Main Street, Riga");
    MailSettings {
        sending: Some(Sending { transport, from }),
        postal_address,
        templates: None,
        receipts: Receipts::Each,
        renewal_notice_days: 7,
    }
}

/// Who sends the mails of an outbox to `url`, or to nobody.
pub fn worker(store: &Store, clock: &Clock, seed: u64, url: Option<&str>) -> OutboxWorker {
    let nowhere = || MailSettings { sending: None, ..mail_settings("file:nowhere") };
    let settings = url.map_or_else(nowhere, mail_settings);
    OutboxWorker {
        store: store.clone(),
        clock: clock.clone(),
        random: Random::seeded(seed),
        opener: Arc::new(Opener::parse(&KEYS.private).expect("a key")),
        post: Post::new(&settings).expect("mail can be sent").map(Arc::new),
        stop: CancellationToken::new(),
    }
}

/// Puts a mail into an outbox, as whoever wants to send one does; its id.
pub async fn put(store: &Store, now: i64, kind: EmailKind, address: &str, facts: &Value) -> String {
    let random = Random::system();
    let id = EmailId::new(&random).to_string();
    let sealer = Sealer::parse(&KEYS.public, random).expect("a key");
    let seal = |column, plain: &[u8]| {
        sealer.seal(Place { table: "outbox_emails", column, id: &id }, plain).expect("it is sealed")
    };
    let email = NewEmail {
        cause: format!("test:{id}"),
        kind,
        language: Language::En,
        recipient_index: index(address),
        recipient_sealed: seal("recipient_sealed", address.as_bytes()),
        facts_sealed: seal("facts_sealed", facts.to_string().as_bytes()),
        created_at: now,
        due_at: now,
        expires_at: now + TRY_FOR,
        stop_links: Vec::new(),
        id: id.clone(),
    };
    let mut tx = store.begin().await.expect("a transaction");
    assert_eq!(tx.put_emails(&[email]).await.expect("it is put"), 1);
    tx.commit().await.expect("it is committed");
    id
}

/// What an address is found by.
pub fn index(address: &str) -> String {
    IndexKey::parse(&KEYS.index).expect("a key").of(MAIL_INDEX, address)
}
