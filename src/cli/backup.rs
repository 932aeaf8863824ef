//! `mainstay backup FILE`: the whole database in one file.

use std::path::PathBuf;

use clap::Args;

use super::serve::unless_stopped;
use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::service::backup::{PgPrograms, take};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write. It must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    settings: BasicFlags,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  mainstay backup /mnt/elsewhere/mainstay-$(date +%F)
The file is there once it is whole and checked, readable by you only. A server may run meanwhile. On PostgreSQL it is made
by pg_dump. The vault's keys are not in it: keep a copy of them somewhere else.";

impl Backup {
    pub async fn run(self) -> Result<(), CliError> {
        let basics = Basics::load(sources(self.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let now = Clock::system().now();
        let programs = PgPrograms::default();
        let taken = unless_stopped(take(&store, &basics.database_url, &programs, &self.file)).await;
        let recorded = match &taken {
            Ok(_) => store.record_backup(now).await,
            Err(_) => Ok(()),
        };
        store.close().await;
        let size = taken?;
        if let Err(error) = recorded {
            tracing::warn!(reason = error.code(), "the backup is whole, but that it was taken could not be recorded");
        }
        print(&format!("{} {size} bytes, checked\n", self.file.display()))
    }
}
