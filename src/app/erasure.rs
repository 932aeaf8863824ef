//! What `mainstay donor erase` works with: the same keys and the same Stripe as a worker.

use super::{AppError, Parts, identity};
use crate::clock::Clock;
use crate::config::Settings;
use crate::id::Random;
use crate::service::erase_donor::Eraser;

/// An erasure by hand. A server may be at work meanwhile.
#[derive(Debug)]
pub struct Erasure {
    pub eraser: Eraser,
}

impl Erasure {
    /// Opens the database as a server would. `settings` hold the worker's half.
    ///
    /// # Errors
    /// As a server's start; also when the key belongs to another Stripe account than the database.
    pub async fn open(settings: Settings, clock: Clock, random: Random) -> Result<Self, AppError> {
        let parts = Parts::make(settings, clock, random).await?;
        identity::check_account(&parts.gateway, &parts.store).await?;
        let desk = parts.desk(parts.settings.worker.as_ref().ok_or(AppError::NoWorkerKeys)?)?;
        Ok(Self { eraser: Eraser { desk, gateway: parts.gateway } })
    }
}
