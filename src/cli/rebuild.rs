//! `mainstay rebuild`: what is derived, recomputed from facts.

use clap::Args;

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics, NewsroomZone};
use crate::id::Random;
use crate::service::rebuild::Rebuilder;
use crate::store::{Fixed, Store};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Rebuild {
    /// Change nothing; tell what would be different.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: BasicFlags,
}

const EXAMPLES: &str = "\
Examples:
  mainstay rebuild --dry-run
  mainstay rebuild --time-zone Europe/Riga
A line for each row that differed, then how many. A server may run meanwhile. Days are counted in the zone the database
was made with; --time-zone (the flag, not the variable) counts them all anew in another. A server that runs with the old
zone then reconciles no more: set MAINSTAY_TIME_ZONE and restart it.";

impl Rebuild {
    pub async fn run(self) -> Result<(), CliError> {
        let zone_is_given = self.settings.gives("TIME_ZONE");
        let basics = Basics::load(sources(self.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let done = rebuild(&store, &basics.time_zone, zone_is_given, self.dry_run).await;
        store.close().await;
        done
    }
}

async fn rebuild(store: &Store, given: &NewsroomZone, by_flag: bool, dry_run: bool) -> Result<(), CliError> {
    let recorded = store.fixed(Fixed::TimeZone).await?.and_then(|name| NewsroomZone::parse(&name));
    let zone = recorded.filter(|_| !by_flag).unwrap_or_else(|| given.clone());
    let rebuilder = Rebuilder {
        store: store.clone(),
        clock: Clock::system(),
        random: Random::system(),
        zone: zone.zone().clone(),
        dry_run,
    };
    let mut differed = 0_u64;
    let mut printed = Ok(());
    let tell = |difference| {
        differed += 1;
        if printed.is_ok() {
            printed = print(&format!("{difference}\n"));
        }
    };
    let pledges = rebuilder.run(tell).await.map_err(|error| {
        CliError::Failed(format!("{}. What was rebuilt before is kept; run it again to go on.", error.code()))
    })?;
    printed?;
    let left = if dry_run { "; nothing was changed" } else { "" };
    print(&format!("{pledges} pledges recomputed in {}, {differed} rows differed{left}\n", zone.name()))
}
