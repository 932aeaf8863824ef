//! The composition root: builds everything from settings, starts it, and stops it in order.
//!
//! The server, the demo and the tests run this same code; they differ in settings, clock and randomness only. It decides
//! nothing about gifts. Invariant: nothing is served before the database is migrated and known to be ours, and
//! nothing is acknowledged after the store is closed.

mod identity;
mod lock;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;
use crate::config::{DatabaseUrl, Settings, WebSettings, WorkerSettings};
use crate::gateway::list::Pace;
use crate::gateway::{CallError, Gateway, GatewayConfig};
use crate::http::{self, Ops, WebState};
use crate::id::Random;
use crate::mail::{Post, PostError};
use crate::service::balance::Balance;
use crate::service::ingest::Inbox;
use crate::service::later::{Asking, Desk};
use crate::service::reconcile::Reconciler;
use crate::store::{Store, StoreError};
use crate::vault::{IndexKey, Opener, Sealer, VaultError};
use crate::worker::{self, BalanceWorker, EventWorker, OutboxWorker, ReceiptWorker};
use lock::FileLock;

/// How many pages of Stripe's lists are read a second, at most.
pub const READS_PER_SECOND: u32 = 8;
/// How long requests in flight may take once the server is told to stop. The web's own grace is shorter.
const FINISH_REQUESTS: Duration = Duration::from_secs(9);
/// How long each of the others may take after that: what waits in the inbox, the worker's batch, closing the database.
/// Whoever starts us may kill us after ten seconds.
const FINISH_REST: Duration = Duration::from_millis(800);

/// Why the server did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot open the database {database}: {source}. Check that it is there and may be written to.")]
    Open { database: String, source: StoreError },
    #[error(
        "cannot migrate the database {database}: {source}. Nothing was served; a newer program may have been here."
    )]
    Migrate { database: String, source: StoreError },
    #[error("cannot read the database {database}: {source}")]
    Read { database: String, source: StoreError },
    #[error("cannot lock {}: {source}. Check that the database's folder may be written to.", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error(
        "another worker is at work on {database}, and an SQLite database takes one. Stop it, run this one with \
         --only web, or move to PostgreSQL."
    )]
    SecondWorker { database: String },
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    #[error("cannot listen on {address}: {source}. Stop what listens there, or give another address by --listen.")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("a key of the vault cannot be used: {0}")]
    Vault(#[from] VaultError),
    #[error("cannot prepare calls to Stripe: {0}")]
    Gateway(#[from] CallError),
    #[error(transparent)]
    Mail(#[from] PostError),
}

/// The server.
pub struct App;

impl App {
    /// Checks, migrates, listens, and begins to serve and work as `settings` say.
    pub async fn start(settings: Settings, clock: Clock, random: Random) -> Result<Running, AppError> {
        let address = settings.listen;
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|source| AppError::Listen { address, source })?;
        Self::start_on(listener, settings, clock, random).await
    }

    /// The same on a listener that is open already, for whoever must know the port before the settings.
    pub async fn start_on(
        listener: TcpListener,
        settings: Settings,
        clock: Clock,
        random: Random,
    ) -> Result<Running, AppError> {
        let listening = |source| AppError::Listen { address: settings.listen, source };
        let address = listener.local_addr().map_err(listening)?;
        let database = &settings.basics.database_url;
        let worker_lock = match (&settings.worker, database.sqlite_path()) {
            (Some(_), Some(path)) => Some(lock_worker(&path, database)?),
            _ => None,
        };
        let stripe = GatewayConfig {
            api_url: settings.stripe_api_url.to_string(),
            secret_key: settings.stripe_secret_key.secret().clone(),
        };
        let gateway = Gateway::new(&stripe, random.clone())?;
        let sealer = Sealer::parse(&settings.vault_public_key, random.clone())?;
        let store = open_migrated(database).await?;
        identity::check(&store, &settings).await?;
        let parts = Parts { settings, store, sealer, gateway, clock, random, arrived: Arc::new(Notify::new()) };
        parts.start(listener, address, worker_lock)
    }
}

/// Opens the database and brings its schema up to date. On SQLite one process at a time does so.
pub async fn open_migrated(database: &DatabaseUrl) -> Result<Store, AppError> {
    let _turn = match database.sqlite_path() {
        Some(path) => Some(FileLock::wait(beside(&path, "migrate-lock")).await?),
        None => None,
    };
    let open = |source| AppError::Open { database: database.to_string(), source };
    let store = Store::open(database.expose()).await.map_err(open)?;
    match store.migrate().await {
        Ok(()) => match store.check_writable().await {
            Ok(()) => Ok(store),
            Err(source) => Err(AppError::Open { database: database.to_string(), source }),
        },
        Err(source) => {
            store.close().await;
            Err(AppError::Migrate { database: database.to_string(), source })
        }
    }
}

fn lock_worker(path: &std::path::Path, database: &DatabaseUrl) -> Result<FileLock, AppError> {
    let second = || AppError::SecondWorker { database: database.to_string() };
    FileLock::take(beside(path, "worker-lock"))?.ok_or_else(second)
}

/// The file of this kind that stands beside an SQLite database.
fn beside(path: &std::path::Path, kind: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(kind);
    PathBuf::from(name)
}

/// What both halves are built from.
struct Parts {
    settings: Settings,
    store: Store,
    sealer: Sealer,
    gateway: Gateway,
    clock: Clock,
    random: Random,
    /// Rung when an event was stored by this process, so that its worker need not wait.
    arrived: Arc<Notify>,
}

impl Parts {
    fn start(
        self,
        listener: TcpListener,
        address: SocketAddr,
        worker_lock: Option<FileLock>,
    ) -> Result<Running, AppError> {
        let work = match &self.settings.worker {
            Some(worker) => Some(self.start_work(worker)?),
            None => None,
        };
        let ops = Ops {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            metrics: crate::telemetry::metrics(),
        };
        let (web, inbox) = match &self.settings.web {
            Some(web) => {
                let (inbox, writer) = Inbox::start(
                    self.store.clone(),
                    self.sealer.clone(),
                    self.clock.clone(),
                    Arc::clone(&self.arrived),
                );
                (serve(listener, http::router(self.web_state(web, ops, inbox))), Some(writer))
            }
            None => (serve(listener, http::ops_router(ops)), None),
        };
        let (report, stopped_itself) = oneshot::channel();
        let account = tokio::spawn(watch_account(self.gateway, self.store.clone(), report));
        Ok(Running {
            address,
            store: self.store,
            web,
            inbox,
            work,
            account,
            stopped_itself: Some(stopped_itself),
            worker_lock,
        })
    }

    fn start_work(&self, worker: &WorkerSettings) -> Result<Part, AppError> {
        let reconciler = Reconciler {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            zone: self.settings.basics.time_zone.zone().clone(),
            sealer: self.sealer.clone(),
            index: Arc::new(IndexKey::parse(&worker.vault_index_key)?),
        };
        let opener = Arc::new(Opener::parse(&worker.vault_private_key)?);
        let desk = Desk {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            zone: reconciler.zone.clone(),
            sealer: self.sealer.clone(),
            opener: Arc::clone(&opener),
            index: Arc::clone(&reconciler.index),
            public_url: worker.public_url.to_string(),
            hour: self.settings.reminders.hour,
            stale_days: self.settings.reminders.stale_days,
        };
        let receipts = ReceiptWorker {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            sealer: self.sealer.clone(),
            opener: Arc::clone(&opener),
            index: Arc::clone(&reconciler.index),
            zone: reconciler.zone.clone(),
            receipts: worker.mail.receipts,
        };
        let outbox = OutboxWorker {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            opener: Arc::clone(&opener),
            post: Post::new(&worker.mail)?.map(Arc::new),
            stop: CancellationToken::new(),
        };
        let balance = BalanceWorker {
            balance: Balance {
                store: self.store.clone(),
                gateway: self.gateway.clone(),
                clock: self.clock.clone(),
                zone: reconciler.zone.clone(),
            },
            pace: Arc::new(Pace::new(READS_PER_SECOND)),
        };
        let events = EventWorker::new(reconciler, opener, self.gateway.clone());
        let arrived = Arc::clone(&self.arrived);
        Ok(Part::start(|stop| worker::run(events, desk, receipts, outbox, balance, arrived, stop)))
    }

    fn web_state(&self, web: &WebSettings, ops: Ops, inbox: Inbox) -> WebState {
        WebState {
            ops,
            inbox,
            asking: Asking {
                store: self.store.clone(),
                sealer: self.sealer.clone(),
                clock: self.clock.clone(),
                random: self.random.clone(),
                zone: self.settings.basics.time_zone.zone().clone(),
                hour: self.settings.reminders.hour,
            },
            gateway: self.gateway.clone(),
            public_url: web.public_url.to_string(),
            allowed_origins: web.allowed_origins.iter().map(ToString::to_string).collect(),
            trusted_proxies: web.trusted_proxies,
            webhook_secrets: web.stripe_webhook_secrets.clone(),
        }
    }
}

fn serve(listener: TcpListener, router: axum::Router) -> Part {
    Part::start(|stop| http::server::serve(listener, router, stop))
}

/// Learns once whose account the key belongs to; sends the reason when this database belongs to another.
async fn watch_account(gateway: Gateway, store: Store, report: oneshot::Sender<AppError>) {
    if let Err(error) = identity::check_account(&gateway, &store).await {
        // Nobody listens any more only when the server is stopping already.
        let _ = report.send(error.into());
    }
}

/// A task, and how it is told to end. Dropped, it is told to.
struct Part {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Part {
    fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(CancellationToken) -> F) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(run(stop.clone())), stop: stop.drop_guard() }
    }

    /// Tells it to end and waits; what takes longer than `patience` is cut off.
    async fn finish(self, what: &'static str, patience: Duration) {
        drop(self.stop);
        finish(self.task, what, patience).await;
    }
}

async fn finish(mut task: JoinHandle<()>, what: &'static str, patience: Duration) {
    match tokio::time::timeout(patience, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::error!(what, "a part of the server had panicked"),
        Err(_) => {
            tracing::warn!(what, "did not end in time and was cut off");
            task.abort();
            let _ = task.await;
        }
    }
}

/// A server that runs. Dropped without [`Running::stop`], its parts are told to end but nobody waits for them.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    pub store: Store,
    web: Part,
    inbox: Option<JoinHandle<()>>,
    work: Option<Part>,
    account: JoinHandle<()>,
    stopped_itself: Option<oneshot::Receiver<AppError>>,
    /// Held until the store is closed.
    worker_lock: Option<FileLock>,
}

impl Running {
    /// Ends when the server finds that it must not go on, with the reason; otherwise never.
    pub async fn failure(&mut self) -> AppError {
        if let Some(stopped) = self.stopped_itself.as_mut() {
            let reason = stopped.await;
            self.stopped_itself = None;
            if let Ok(reason) = reason {
                return reason;
            }
        }
        std::future::pending().await
    }

    /// Stops accepting, finishes what is in flight and the worker's batch, stores what waits, then closes the store.
    pub async fn stop(self) {
        self.account.abort();
        // The worker ends its batch while requests finish; what they store is worked off at the next start.
        let work = self.work.map(|Part { stop, task }| {
            drop(stop);
            task
        });
        self.web.finish("web", FINISH_REQUESTS).await;
        // The router held the inbox; with it gone, the writer stores what waits and ends.
        if let Some(writer) = self.inbox {
            finish(writer, "inbox", FINISH_REST).await;
        }
        if let Some(work) = work {
            finish(work, "worker", FINISH_REST).await;
        }
        if tokio::time::timeout(FINISH_REST, self.store.close()).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
        drop(self.worker_lock);
    }
}

#[cfg(test)]
mod tests;
