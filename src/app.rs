//! The composition root: builds everything from settings, starts it, and stops it in order.
//!
//! The server, the demo and the tests run this same code; they differ in settings, clock and randomness only. It decides
//! nothing about gifts. Invariant: nothing is served before the database is migrated and known to be ours, and
//! nothing is acknowledged after the store is closed.

mod backfill;
mod erasure;
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
use crate::config::{DatabaseUrl, Mode, Settings, SweepSettings, WebSettings, WorkerSettings};
use crate::gateway::list::Pace;
use crate::gateway::{CallError, Gateway, GatewayConfig};
use crate::http::{self, Ops, WebState};
use crate::id::Random;
use crate::mail::{Post, PostError};
use crate::service::admin::password::Passwords;
use crate::service::admin::sign_in::SignIn;
use crate::service::admin::{Office, jwt};
use crate::service::backup::{self, BackupError};
use crate::service::balance::Balance;
use crate::service::chain::Keeper;
use crate::service::forget::Forgetter;
use crate::service::ingest::Inbox;
use crate::service::later::{Asking, Desk};
use crate::service::onlooker::Onlooker;
use crate::service::reconcile::Reconciler;
use crate::service::reports::at_hand::AtHand;
use crate::service::sweep::Sweeper;
use crate::store::{Store, StoreError};
use crate::vault::{AdminKey, IndexKey, Opener, Sealer, VaultError};
use crate::worker::{
    self, BalanceWorker, EventWorker, Jobs, NoticeWorker, OutboxWorker, ReceiptWorker, Retention, SweepWorker,
    TotalsWorker,
};
pub use backfill::Backfill;
pub use erasure::Erasure;
use lock::FileLock;

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
    #[error("this program cannot use {database}: {source}.")]
    ProgramTooOld { database: String, source: StoreError },
    #[error("nothing was migrated, since no copy of the database could be taken before: {0}")]
    Backup(#[from] BackupError),
    #[error("cannot read the database {database}: {source}")]
    Read { database: String, source: StoreError },
    #[error("cannot lock {}: {source}. Check that the database's folder may be written to.", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error(
        "another worker is at work on {database}, and an SQLite database takes one. Stop it, run this one with \
         --only web, or move to PostgreSQL."
    )]
    SecondWorker { database: String },
    #[error("this needs the worker's keys: run it where the worker runs")]
    NoWorkerKeys,
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
        let keeper = database.sqlite_path();
        let database = database.to_string();
        let parts = Parts::make(settings, clock, random).await?;
        let keeper = keeper.map(|path| Keeper::new(parts.store.clone(), parts.clock.clone(), &path));
        if let Some(keeper) = &keeper {
            keeper.check().await.map_err(|source| AppError::Read { database, source })?;
        }
        parts.start(listener, address, worker_lock, keeper)
    }
}

/// Opens the database and brings its schema up to date. On SQLite one process at a time does so, and takes a copy before it
/// changes the schema of a database that holds something.
pub async fn open_migrated(database: &DatabaseUrl, clock: &Clock) -> Result<Store, AppError> {
    let _turn = lock_schema(database).await?;
    let open = |source| AppError::Open { database: database.to_string(), source };
    let store = Store::open(database.expose()).await.map_err(open)?;
    match migrate(&store, database, clock).await {
        Ok(()) => Ok(store),
        Err(error) => {
            store.close().await;
            Err(error)
        }
    }
}

async fn migrate(store: &Store, database: &DatabaseUrl, clock: &Clock) -> Result<(), AppError> {
    let wrong = |source| match source {
        StoreError::ProgramTooOld { .. } => AppError::ProgramTooOld { database: database.to_string(), source },
        source => AppError::Migrate { database: database.to_string(), source },
    };
    store.check_schema().await.map_err(wrong)?;
    if let Some(path) = database.sqlite_path()
        && let Some(copy) = backup::before_migration(store, &path, clock.now()).await?
    {
        tracing::info!(copy = %copy.display(), "took a copy of the database before its schema is changed");
    }
    store.migrate().await.map_err(wrong)?;
    store.check_writable().await.map_err(|source| AppError::Open { database: database.to_string(), source })
}

/// Waits for the turn to change the schema of an SQLite database.
async fn lock_schema(database: &DatabaseUrl) -> Result<Option<FileLock>, AppError> {
    match database.sqlite_path() {
        Some(path) => FileLock::wait(beside(&path, "migrate-lock")).await.map(Some),
        None => Ok(None),
    }
}

/// While this is held, nobody else works on an SQLite database, migrates it or puts one in its place.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "held, not read")] [Option<FileLock>; 2]);

/// Makes sure to be alone with `database`, also where its file is gone and a worker still has it open.
pub async fn lock_alone(database: &DatabaseUrl) -> Result<Alone, AppError> {
    let worker = database.sqlite_path().map(|path| lock_worker(&path, database)).transpose()?;
    Ok(Alone([worker, lock_schema(database).await?]))
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
    /// At which everybody here reads Stripe's lists.
    pace: Arc<Pace>,
    clock: Clock,
    random: Random,
    /// Rung when an event was stored by this process, so that its worker need not wait.
    arrived: Arc<Notify>,
}

impl Parts {
    /// Opens what the settings name, and refuses a database that belongs to another mode or time zone.
    async fn make(settings: Settings, clock: Clock, random: Random) -> Result<Self, AppError> {
        let stripe = GatewayConfig {
            api_url: settings.stripe_api_url.to_string(),
            secret_key: settings.stripe_secret_key.secret().clone(),
        };
        let gateway = Gateway::new(&stripe, random.clone())?;
        let sealer = Sealer::parse(&settings.vault_public_key, random.clone())?;
        let store = open_migrated(&settings.basics.database_url, &clock).await?;
        identity::check(&store, &settings).await?;
        let pace = Arc::new(Pace::new(settings.sweep.reads_per_second));
        Ok(Self { settings, store, sealer, gateway, pace, clock, random, arrived: Arc::new(Notify::new()) })
    }

    fn start(
        self,
        listener: TcpListener,
        address: SocketAddr,
        worker_lock: Option<FileLock>,
        keeper: Option<Keeper>,
    ) -> Result<Running, AppError> {
        let known = CancellationToken::new();
        let desk = self.settings.worker.as_ref().map(|worker| self.desk(worker)).transpose()?;
        let work = match (&self.settings.worker, &desk) {
            (Some(worker), Some(desk)) => Some(self.start_work(worker, desk.clone(), known.clone())?),
            _ => None,
        };
        let ops = Ops {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            metrics: crate::telemetry::metrics(),
        };
        let (mut office, mut figures) = (None, None);
        let (web, inbox) = match &self.settings.web {
            Some(web) => {
                let (inbox, writer) = Inbox::start(
                    self.store.clone(),
                    self.sealer.clone(),
                    self.clock.clone(),
                    Arc::clone(&self.arrived),
                );
                let sign_in = self.sign_in(web)?;
                office = sign_in.as_ref().map(|sign_in| sign_in.office.clone());
                let at_hand = self.at_hand();
                // Nobody looks at them where nobody can sign in.
                figures = sign_in.is_some().then(|| {
                    let at_hand = at_hand.clone();
                    Part::start(|stop| worker::keep_at_hand(at_hand, stop))
                });
                (serve(listener, http::router(self.web_state(web, ops, inbox, desk, sign_in, at_hand))), Some(writer))
            }
            None => (serve(listener, http::ops_router(ops)), None),
        };
        let (report, stopped_itself) = oneshot::channel();
        let account = tokio::spawn(watch_account(self.gateway, self.store.clone(), known, report));
        Ok(Running {
            address,
            store: self.store,
            office,
            web,
            inbox,
            work,
            figures,
            chain: keeper.map(|keeper| Part::start(|stop| worker::keep_chain(keeper, stop))),
            account,
            stopped_itself: Some(stopped_itself),
            worker_lock,
        })
    }

    /// What keeps the dashboard's figures.
    fn at_hand(&self) -> AtHand {
        AtHand::new(self.store.clone(), self.clock.clone(), self.settings.basics.time_zone.zone().clone())
    }

    /// What opens and finds what is sealed.
    fn desk(&self, worker: &WorkerSettings) -> Result<Desk, AppError> {
        Ok(Desk {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            zone: self.settings.basics.time_zone.zone().clone(),
            sealer: self.sealer.clone(),
            opener: Arc::new(Opener::parse(&worker.vault_private_key)?),
            index: Arc::new(IndexKey::parse(&worker.vault_index_key)?),
            public_url: worker.public_url.to_string(),
            hour: self.settings.reminders.hour,
            stale_days: self.settings.reminders.stale_days,
        })
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            sealer: self.sealer.clone(),
            gateway: self.gateway.clone(),
            pace: Arc::clone(&self.pace),
            arrived: Arc::clone(&self.arrived),
            dry_run: false,
        }
    }

    /// What reads what Stripe booked.
    fn balance(&self) -> BalanceWorker {
        let balance = Balance {
            store: self.store.clone(),
            gateway: self.gateway.clone(),
            clock: self.clock.clone(),
            zone: self.settings.basics.time_zone.zone().clone(),
        };
        BalanceWorker { balance, pace: Arc::clone(&self.pace) }
    }

    fn sweep_worker(&self, account_known: CancellationToken) -> Option<SweepWorker> {
        let SweepSettings { every, silence, .. } = self.settings.sweep;
        Some(SweepWorker::new(self.sweeper(), self.balance(), every?, silence, account_known))
    }

    /// What applies events, with the keys of this desk.
    fn event_worker(&self, desk: &Desk) -> EventWorker {
        let reconciler = Reconciler {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            zone: desk.zone.clone(),
            sealer: self.sealer.clone(),
            index: Arc::clone(&desk.index),
        };
        EventWorker::new(reconciler, Arc::clone(&desk.opener), self.gateway.clone())
    }

    fn start_work(
        &self,
        worker: &WorkerSettings,
        desk: Desk,
        account_known: CancellationToken,
    ) -> Result<Part, AppError> {
        let receipts = ReceiptWorker { desk: desk.clone(), receipts: worker.mail.receipts };
        let notices = NoticeWorker {
            desk: desk.clone(),
            gateway: self.gateway.clone(),
            renewal_notice_days: worker.mail.renewal_notice_days,
        };
        let outbox = OutboxWorker {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            opener: Arc::clone(&desk.opener),
            post: Post::new(&worker.mail)?.map(Arc::new),
            stop: CancellationToken::new(),
        };
        let events = self.event_worker(&desk);
        let sweep = self.sweep_worker(account_known);
        let arrived = Arc::clone(&self.arrived);
        let forgetter = Forgetter { store: self.store.clone(), periods: worker.keep };
        let onlooker = Onlooker { store: self.store.clone(), opener: Arc::clone(&desk.opener) };
        let retention = Retention::new(forgetter, onlooker, self.clock.clone());
        let totals = TotalsWorker::new(self.store.clone());
        let jobs = Jobs { events, desk, receipts, notices, outbox, sweep, retention, totals };
        Ok(Part::start(|stop| worker::run(jobs, arrived, stop)))
    }

    fn web_state(
        &self,
        web: &WebSettings,
        ops: Ops,
        inbox: Inbox,
        desk: Option<Desk>,
        sign_in: Option<SignIn>,
        at_hand: AtHand,
    ) -> WebState {
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
            mail_bounce_secret: web.mail_bounce_secret.clone(),
            newsletter_export_token: web.newsletter_export_token.clone(),
            desk,
            zone: self.settings.basics.time_zone.zone().clone(),
            test_mode: self.settings.stripe_secret_key.mode() == Mode::Test,
            sign_in,
            at_hand,
        }
    }

    /// What lets the newsroom's people in, where there is a key for it.
    fn sign_in(&self, web: &WebSettings) -> Result<Option<SignIn>, AppError> {
        let Some(key) = &web.admin.key else { return Ok(None) };
        jwt::install_provider();
        let office = Office {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            key: AdminKey::parse(key)?,
            public_url: web.public_url.to_string(),
        };
        let passwords = Arc::new(Passwords::new(self.random.clone()));
        Ok(Some(SignIn { office, passwords, totp_required: web.admin.totp_required }))
    }
}

fn serve(listener: TcpListener, router: axum::Router) -> Part {
    Part::start(|stop| http::server::serve(listener, router, stop))
}

/// Learns once whose account the key belongs to; sends the reason when this database belongs to another.
/// Until it is `known` that the account is ours nothing is read of it.
async fn watch_account(gateway: Gateway, store: Store, known: CancellationToken, report: oneshot::Sender<AppError>) {
    match identity::check_account(&gateway, &store).await {
        Ok(()) => known.cancel(),
        // Nobody listens any more only when the server is stopping already.
        Err(error) => drop(report.send(error.into())),
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
    /// Decides who may sign in, where this process lets anybody in.
    pub office: Option<Office>,
    web: Part,
    inbox: Option<JoinHandle<()>>,
    work: Option<Part>,
    /// Keeps the dashboard's figures, where people can sign in.
    figures: Option<Part>,
    /// Ends last, so that its last link is behind everything.
    chain: Option<Part>,
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
        if let Some(figures) = self.figures {
            figures.finish("figures", FINISH_REST).await;
        }
        if let Some(chain) = self.chain {
            chain.finish("chain", FINISH_REST).await;
        }
        if tokio::time::timeout(FINISH_REST, self.store.close()).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
        drop(self.worker_lock);
    }
}

#[cfg(test)]
mod tests;
