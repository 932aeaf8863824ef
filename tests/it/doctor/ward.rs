//! An installation that is well in every respect, to be made ill in one.

use std::collections::{BTreeMap, BTreeSet};

use mainstay::clock::Clock;
use mainstay::config::{Flags, LenientSettings, Sources};
use mainstay::domain::admin::Role as AdminRole;
use mainstay::gateway::{Gateway, GatewayConfig};
use mainstay::id::Random;
use mainstay::sandbox::{ApiRequest, Card, Sandbox};
use mainstay::service::doctor::{CHECKS, Doctor, Health, Machine, Outcome, names_of_keys};
use mainstay::service::stripe_setup::Setup;
use mainstay::store::Mark;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::app::{ADMIN_KEY, KEYS, NOON, TestApp, WEBHOOK_SECRET};
use crate::support::database::{Database, Kind};
use crate::support::smtp::Smtp;

pub const URL: &str = "https://give.thepaper.org";
pub const KEY: &str = "rk_test_of_the_doctor";
/// What SQLite alone can be asked.
pub const OF_FILES: [&str; 4] = ["storage.local_disk", "storage.wal", "storage.integrity", "storage.free_space"];

pub struct Ward {
    pub database: Database,
    pub sandbox: Sandbox,
    /// Stripe's.
    pub clock: Clock,
    pub smtp: Smtp,
    pub settings: BTreeMap<String, String>,
    pub machine: Machine,
    /// Ours, when it is another than Stripe's.
    pub our_clock: Option<Clock>,
    /// Checks that were seen to be not well.
    pub seen: BTreeSet<&'static str>,
    /// What was not found as it should be.
    pub amiss: Vec<String>,
}

impl Drop for Ward {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.amiss.is_empty(), "{}", self.amiss.join("\n"));
        }
    }
}

pub fn variable(name: &str) -> String {
    format!("MAINSTAY_{name}")
}

/// Settings that are right, towards this database and this Stripe.
pub fn settings(database_url: &str, stripe_url: &str, smtp_url: &str) -> BTreeMap<String, String> {
    [
        ("DATABASE_URL", database_url),
        ("PUBLIC_URL", URL),
        ("ALLOWED_ORIGINS", "https://thepaper.org"),
        ("TRUSTED_PROXIES", "1"),
        ("STRIPE_SECRET_KEY", KEY),
        ("STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
        ("STRIPE_API_URL", stripe_url),
        ("VAULT_PUBLIC_KEY", KEYS.public.as_str()),
        ("VAULT_PRIVATE_KEY", KEYS.private.expose_secret()),
        ("VAULT_INDEX_KEY", KEYS.index.expose_secret()),
        ("ADMIN_KEY", ADMIN_KEY.expose_secret()),
        ("SMTP_URL", smtp_url),
        ("MAIL_FROM", "The Paper <support@thepaper.org>"),
        ("MAIL_POSTAL_ADDRESS", "The Paper, Riga"),
    ]
    .into_iter()
    .map(|(name, value)| (variable(name), value.to_owned()))
    .collect()
}

/// What `mainstay stripe setup` makes.
pub async fn set_up(sandbox: &Sandbox) {
    let config = GatewayConfig { api_url: sandbox.url(), secret_key: KEY.into() };
    let setup = Setup {
        gateway: Gateway::new(&config, Random::system()).expect("a gateway"),
        webhook_url: format!("{URL}/webhooks/stripe"),
        campaigns: vec![("default".to_owned(), "Support our journalism".to_owned())],
        beside: false,
    };
    for finding in setup.look().await.0 {
        setup.mend(&finding).await.expect("it is put right");
    }
}

impl Ward {
    /// One with gifts, whose server has stopped.
    pub async fn healthy(kind: Kind) -> Self {
        let app = TestApp::start(kind).await;
        set_up(&app.sandbox).await;
        let (sandbox, clock) = (app.sandbox.clone(), app.clock.clone());
        let ward = |database, smtp: Smtp| {
            let folder: &Database = &database;
            let smtp_url = smtp.url(folder.folder.path());
            let settings = settings(&folder.url, &sandbox.url(), &smtp_url);
            let machine = Machine {
                env_file: None,
                mountinfo: Some("22 1 8:1 / / rw - ext4 /dev/sda1 rw".to_owned()),
                free_bytes: Some(50 << 30),
            };
            Self {
                database,
                sandbox: sandbox.clone(),
                clock,
                smtp,
                settings,
                machine,
                our_clock: None,
                seen: BTreeSet::new(),
                amiss: Vec::new(),
            }
        };
        // Nobody answers at the public address here; the server's own endpoint hears all.
        let endpoint = endpoint_of(&sandbox);
        call(&sandbox, "POST", &endpoint, "disabled=true");
        let body = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"});
        let (status, asked) = app.ask(&body, Some("a-key-of-the-caller")).await;
        assert_eq!(status, 201, "{asked}");
        app.pay(&crate::support::app::session_of(&asked), Card::Works).await;
        let (_, session) = app.pledge("monthly", 500, "EUR").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        app.person("dir@thepaper.org", AdminRole::Viewer).await;
        call(&sandbox, "POST", &endpoint, "disabled=false");
        let (database, _) = app.abandon().await;
        let ward = ward(database, Smtp::start().await);
        ward.write_notes().await;
        ward
    }

    /// Notes a backup, and a copy of the keys.
    pub async fn write_notes(&self) {
        let store = self.database.open().await;
        store.set_mark(Mark::SweptUntil, NOON).await.expect("noted");
        store.record_backup(NOON).await.expect("noted");
        let names = names_of_keys(&self.lenient()).expect("keys");
        store.record_keys_copied(&names, NOON).await.expect("noted");
        store.close().await;
    }

    pub fn lenient(&self) -> LenientSettings {
        LenientSettings::load(&Sources::new(Flags::default(), self.settings.clone(), ""))
    }

    pub async fn examine(&self) -> Vec<Outcome> {
        let clock = self.our_clock.clone().unwrap_or_else(|| self.clock.clone());
        let doctor =
            Doctor { settings: self.lenient(), machine: self.machine.clone(), clock, random: Random::seeded(9) };
        let outcomes = Box::pin(doctor.examine()).await;
        let names: Vec<&str> = outcomes.iter().map(|outcome| outcome.name).collect();
        assert_eq!(names, CHECKS, "every check has its outcome, in order");
        outcomes
    }

    /// Examines, and finds these and no others to be not well.
    pub async fn finds(&mut self, ill: &[(&'static str, Health)], when: &str) {
        let outcomes = Box::pin(self.examine()).await;
        let found: Vec<&Outcome> = outcomes.iter().filter(|one| one.health >= Health::Warning).collect();
        let pairs: Vec<(&str, Health)> = found.iter().map(|one| (one.name, one.health)).collect();
        if pairs != ill {
            // All that is not as it should be is told at once, for an installation takes long to be set up.
            self.amiss.push(format!("{when}: not {ill:?} but {found:#?}"));
        }
        for outcome in found {
            let advice = outcome.advice.as_ref().expect("advice");
            assert!(outcome.what.ends_with(['.', '?']) && advice.why.ends_with('.'), "sentences: {outcome:?}");
            assert!(!advice.mend.is_empty(), "{outcome:?}");
            let keys = [KEYS.private.expose_secret(), KEYS.index.expose_secret(), ADMIN_KEY.expose_secret()];
            for secret in keys.into_iter().chain([KEY, WEBHOOK_SECRET]) {
                assert!(!format!("{outcome:?}").contains(secret), "{outcome:?}");
            }
            self.seen.insert(outcome.name);
        }
    }

    /// The same with a setting that is another, for the while.
    pub async fn finds_with(&mut self, name: &str, value: &str, ill: &[(&'static str, Health)]) {
        let before = self.settings.insert(variable(name), value.to_owned());
        Box::pin(self.finds(ill, &format!("{name}={value}"))).await;
        match before {
            Some(before) => self.settings.insert(variable(name), before),
            None => self.settings.remove(&variable(name)),
        };
    }

    /// The same after rows were changed, which are then changed back.
    pub async fn finds_after(&mut self, change: &'static str, back: &'static str, ill: &[(&'static str, Health)]) {
        self.database.execute(change).await;
        Box::pin(self.finds(ill, change)).await;
        self.database.execute(back).await;
    }

    pub fn call(&self, method: &str, path: &str, body: &str) -> Value {
        call(&self.sandbox, method, path, body)
    }

    pub fn endpoint(&self) -> String {
        endpoint_of(&self.sandbox)
    }
}

/// The path of the one endpoint.
fn endpoint_of(sandbox: &Sandbox) -> String {
    let all = call(sandbox, "GET", "/v1/webhook_endpoints", "");
    format!("/v1/webhook_endpoints/{}", all["data"][0]["id"].as_str().expect("an endpoint"))
}

pub fn call(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> Value {
    let request = ApiRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        authorization: Some("Bearer sk_test_of_the_test".to_owned()),
        body: body.as_bytes().to_vec(),
        ..ApiRequest::default()
    };
    serde_json::from_slice(&sandbox.call(request).body).expect("JSON")
}
