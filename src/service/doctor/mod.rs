//! Whether an installation is well: settings, storage, Stripe, mail, web, privacy.
//!
//! Every check is a look that changes nothing, is bounded in time, and ends in one sentence; one that fails also says why
//! that matters and what mends it. What a check needs and cannot be had (no database, no Stripe) is said once, by the
//! check whose matter it is; the others are then passed over. Invariant: the outcomes are those of [`CHECKS`], in
//! that order, whatever is wrong.

mod account;
mod machine;
mod mail;
mod privacy;
mod settings;
mod storage;
mod web;

use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::LenientSettings;
use crate::gateway::probe::Probe;
use crate::gateway::{CallError, Gateway, GatewayConfig};
use crate::id::Random;
use crate::store::{Store, StoreError};
pub use machine::Machine;
pub use privacy::names_of_keys;

/// Every check, as `group.name`.
pub const CHECKS: [&str; 33] = [
    "settings.values",
    "settings.file_modes",
    "settings.key",
    "settings.time_zone",
    "settings.clock",
    "storage.writable",
    "storage.local_disk",
    "storage.wal",
    "storage.integrity",
    "storage.free_space",
    "storage.backup",
    "storage.migrations",
    "storage.damage",
    "storage.totals",
    "stripe.reachable",
    "stripe.api_version",
    "stripe.endpoint",
    "stripe.secret",
    "stripe.last_event",
    "stripe.backlog",
    "stripe.drift",
    "stripe.swept",
    "stripe.agreement",
    "mail.transport",
    "mail.tls",
    "mail.sender",
    "web.https",
    "web.origins",
    "web.proxies",
    "privacy.keys",
    "privacy.admin_key",
    "privacy.keys_copied",
    "privacy.retention",
];

/// How long Stripe, the mail server or the database may keep us waiting, each.
const PATIENCE: Duration = Duration::from_secs(4);

/// How a check ended; the greater is the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Well,
    /// There is nothing to look at, or something else keeps us from looking, which is said elsewhere.
    PassedOver,
    Warning,
    Failed,
}

impl Health {
    /// As `--json` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::PassedOver => "passed_over",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One of [`CHECKS`].
    pub name: &'static str,
    pub health: Health,
    /// One sentence.
    pub what: String,
    /// Why it matters and what mends it, where it is not well.
    pub advice: Option<Advice>,
}

/// What is to be known of something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub why: &'static str,
    /// A command, or a setting and what to set it to.
    pub mend: String,
}

impl Outcome {
    fn well(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, health: Health::Well, what: what.into(), advice: None }
    }

    fn passed_over(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, health: Health::PassedOver, what: what.into(), advice: None }
    }

    fn warning(name: &'static str, what: impl Into<String>, why: &'static str, mend: impl Into<String>) -> Self {
        let advice = Some(Advice { why, mend: mend.into() });
        Self { name, health: Health::Warning, what: what.into(), advice }
    }

    fn failed(name: &'static str, what: impl Into<String>, why: &'static str, mend: impl Into<String>) -> Self {
        Self { health: Health::Failed, ..Self::warning(name, what, why, mend) }
    }
}

/// What is examined.
#[derive(Debug, Clone)]
pub struct Doctor {
    pub settings: LenientSettings,
    pub machine: Machine,
    pub clock: Clock,
    pub random: Random,
}

/// What the checks share: each is looked for once.
struct Patient<'a> {
    settings: &'a LenientSettings,
    machine: &'a Machine,
    now: i64,
    /// None where the setting is wrong.
    store: Option<Result<Store, String>>,
    /// Whether the schema is there, so that rows can be read.
    readable: bool,
    gateway: Option<Gateway>,
    probe: Option<Result<Probe, CallError>>,
}

impl Patient<'_> {
    /// The database, where its rows can be read.
    fn store(&self) -> Option<&Store> {
        self.store.as_ref()?.as_ref().ok().filter(|_| self.readable)
    }

    /// Stripe, where it answers and takes the key.
    fn stripe(&self) -> Option<&Gateway> {
        let probe = self.probe.as_ref()?.as_ref().ok()?;
        self.gateway.as_ref().filter(|_| probe.status != 401 && probe.status < 500)
    }

    /// Stripe's time where it is known, else ours.
    fn stripe_time(&self) -> i64 {
        self.probe.as_ref().and_then(|probe| probe.as_ref().ok()?.at).unwrap_or(self.now)
    }
}

impl Doctor {
    /// Makes every check. Takes no longer than a few times [`PATIENCE`], whatever is wrong.
    pub async fn examine(&self) -> Vec<Outcome> {
        let gateway = self.gateway();
        let (store, probe) = tokio::join!(self.open(), probe(gateway.as_ref()));
        let readable = match &store {
            Some(Ok(store)) => matches!(store.pending_migrations().await, Ok(0)),
            _ => false,
        };
        let now = self.clock.now();
        let patient =
            Patient { settings: &self.settings, machine: &self.machine, now, store, readable, gateway, probe };
        // Boxed: together they are more than a thread's stack should bear.
        let (settings, storage, stripe, mail, privacy) = tokio::join!(
            Box::pin(settings::examine(&patient)),
            Box::pin(storage::examine(&patient)),
            Box::pin(account::examine(&patient)),
            Box::pin(mail::examine(&patient)),
            Box::pin(privacy::examine(&patient)),
        );
        if let Some(Ok(store)) = &patient.store {
            // A look that was given up may still hold a connection.
            let _ = timeout(PATIENCE / 8, store.close()).await;
        }
        [settings, storage, stripe, mail, web::examine(&patient), privacy].concat()
    }

    async fn open(&self) -> Option<Result<Store, String>> {
        let database = self.settings.database_url.as_ref()?;
        if database.sqlite_path().is_some_and(|path| !path.exists()) {
            return Some(Err("it does not exist".to_owned()));
        }
        Some(match timeout(PATIENCE, Store::open_as_it_is(database.expose())).await {
            Ok(opened) => opened.map_err(|error| error.code()),
            Err(_) => Err("it does not answer".to_owned()),
        })
    }

    fn gateway(&self) -> Option<Gateway> {
        let (key, url) = (self.settings.stripe_secret_key.as_ref()?, self.settings.stripe_api_url.as_ref()?);
        let config = GatewayConfig { api_url: url.to_string(), secret_key: key.secret().clone() };
        Gateway::new(&config, self.random.clone()).ok()
    }
}

async fn probe(gateway: Option<&Gateway>) -> Option<Result<Probe, CallError>> {
    let gateway = gateway?;
    Some(timeout(PATIENCE, gateway.probe()).await.unwrap_or(Err(CallError::Cut)))
}

/// Waits for a look at the database, within bounds.
async fn look<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match timeout(PATIENCE, work).await {
        Ok(seen) => seen.map_err(|error| error.code()),
        Err(_) => Err("the database does not answer".to_owned()),
    }
}

/// A number of seconds, for people: `3 min`, `2 h`, `5 days`.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
