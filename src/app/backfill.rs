//! What `mainstay backfill` works with: the same parts as a server, and its worker's place where that is free.

use super::lock::FileLock;
use super::{AppError, Parts, identity, lock_worker};
use crate::clock::Clock;
use crate::config::Settings;
use crate::id::Random;
use crate::service::sweep::Sweeper;
use crate::store::Store;
use crate::worker::EventWorker;

/// A sweep by hand.
#[derive(Debug)]
pub struct Backfill {
    pub store: Store,
    pub sweeper: Sweeper,
    /// Applies what is found; none where a server is at work on this SQLite database, which then does it.
    pub worker: Option<EventWorker>,
    /// Held until everything is done.
    _worker_lock: Option<FileLock>,
}

impl Backfill {
    /// Opens the database as a server would. `settings` hold the worker's half.
    ///
    /// # Errors
    /// As a server's start; also when the key belongs to another Stripe account than the database.
    pub async fn open(settings: Settings, clock: Clock, random: Random) -> Result<Self, AppError> {
        let parts = Parts::make(settings, clock, random).await?;
        identity::check_account(&parts.gateway, &parts.store).await?;
        let keys = parts.settings.worker.as_ref().ok_or(AppError::NoWorkerKeys)?;
        let desk = parts.desk(keys)?;
        let database = &parts.settings.basics.database_url;
        let lock = match database.sqlite_path().map(|path| lock_worker(&path, database)) {
            None => Some(None),
            Some(Ok(lock)) => Some(Some(lock)),
            Some(Err(AppError::SecondWorker { .. })) => None,
            Some(Err(error)) => return Err(error),
        };
        let worker = lock.is_some().then(|| parts.event_worker(&desk));
        Ok(Self { sweeper: parts.sweeper(), store: parts.store, worker, _worker_lock: lock.flatten() })
    }
}
