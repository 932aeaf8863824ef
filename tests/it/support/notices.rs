//! Notices to donors as they arrive: a server that itself sends no mail, the worker of notices run by hand on its books,
//! its clock and its Stripe, and a mail server that keeps what it gets.

use std::sync::atomic::{AtomicUsize, Ordering};

use mail_parser::MessageParser;
use mainstay::gateway::{Gateway, GatewayConfig};
use mainstay::id::Random;
use mainstay::worker::{NoticeWorker, OutboxWorker};

use super::app::TestApp;
use super::database::Kind;
use super::later::desk;
use super::outbox;
use super::smtp::Smtp;

/// A server, and who tells its donors.
pub struct Notices {
    pub app: TestApp,
    pub worker: NoticeWorker,
    outbox: OutboxWorker,
    smtp: Smtp,
    seen: AtomicUsize,
}

/// A mail as a donor reads it.
#[derive(Debug, Clone)]
pub struct Notice {
    pub subject: String,
    pub text: String,
}

impl Notices {
    pub async fn start(kind: Kind) -> Self {
        Self::start_in(kind, "UTC").await
    }

    /// With a newsroom in this zone.
    pub async fn start_in(kind: Kind, zone: &str) -> Self {
        let app = TestApp::start_with(kind, &[("TIME_ZONE", zone)]).await;
        let smtp = Smtp::start().await;
        let url = smtp.url(app.database.folder.path());
        let outbox = outbox::worker(app.store(), &app.clock, 3, Some(&url));
        let config = GatewayConfig { api_url: app.sandbox.url(), secret_key: "sk_test_of_the_tests".into() };
        let gateway = Gateway::new(&config, Random::seeded(9)).expect("a gateway");
        let worker = NoticeWorker { desk: desk(app.store(), &app.clock, zone), gateway, renewal_notice_days: 7 };
        Self { app, worker, outbox, smtp, seen: AtomicUsize::new(0) }
    }

    /// Lets a minute pass, tells donors all there is to tell, and returns what they were told since the last time.
    pub async fn told(&self) -> Vec<Notice> {
        self.app.clock.advance(61);
        self.put().await;
        while self.outbox.run_once().await.expect("the outbox is worked on") > 0 {}
        let mails = self.smtp.mails();
        let new = mails.iter().skip(self.seen.swap(mails.len(), Ordering::SeqCst)).map(|mail| {
            assert!(mail.encrypted);
            assert_eq!(mail.to, "reader@example.com");
            let message = MessageParser::default().parse(mail.text.as_bytes()).expect("a message");
            let text = message.body_text(0).expect("a text").replace('\r', "").replace('\u{a0}', " ");
            Notice { subject: message.subject().expect("a subject").to_owned(), text }
        });
        new.collect()
    }

    /// Puts into the outbox all there is to tell.
    pub async fn put(&self) {
        self.worker.tell_of_renewals().await.expect("renewals are looked for");
        while self.worker.run_once().await.expect("donors are told") > 0 {}
    }

    /// What donors are told, which must be this one thing and say all this.
    #[track_caller]
    pub fn one(told: &[Notice], subject: &str, says: &[&str]) {
        let [mail] = told else { panic!("one mail: {told:?}") };
        assert!(mail.subject.contains(subject), "{mail:?}");
        for said in says {
            assert!(mail.text.contains(said), "{said}: {}", mail.text);
        }
    }

    pub async fn finish(self) {
        self.app.finish().await;
    }
}
