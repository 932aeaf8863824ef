//! What commands need that open what is sealed: the worker's keys and settings.

use std::sync::Arc;

use super::{CliError, open_existing, sources};
use crate::app::AppError;
use crate::clock::Clock;
use crate::config::{BasicFlags, DeskSettings};
use crate::id::Random;
use crate::service::later::Desk;
use crate::store::Fixed;
use crate::vault::{IndexKey, Opener, Sealer};

/// Opens the database with the keys of the settings. Days are counted as the database counts them.
pub(super) async fn open(flags: BasicFlags, clock: Clock) -> Result<Desk, CliError> {
    let settings = DeskSettings::load(sources(flags.into())?)?;
    crate::telemetry::start(&settings.basics.log)?;
    let (random, worker) = (Random::system(), &settings.worker);
    let sealer = Sealer::parse(&settings.vault_public_key, random.clone()).map_err(AppError::from)?;
    let opener = Opener::parse(&worker.vault_private_key).map_err(AppError::from)?;
    let index = IndexKey::parse(&worker.vault_index_key).map_err(AppError::from)?;
    let store = open_existing(&settings.basics.database_url).await?;
    let zone = store.fixed(Fixed::TimeZone).await?.and_then(|name| jiff::tz::TimeZone::get(&name).ok());
    Ok(Desk {
        store,
        clock,
        random,
        zone: zone.unwrap_or_else(|| settings.basics.time_zone.zone().clone()),
        sealer,
        opener: Arc::new(opener),
        index: Arc::new(index),
        public_url: worker.public_url.to_string(),
        hour: settings.reminders.hour,
        stale_days: settings.reminders.stale_days,
    })
}
