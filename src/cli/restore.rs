//! `mainstay restore FILE`: a backup becomes the database.

use std::path::PathBuf;

use clap::Args;

use super::serve::unless_stopped;
use super::{CliError, print, sources};
use crate::app::{AppError, lock_alone};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::service::backup::{PgPrograms, restore};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A file that `mainstay backup` wrote, or a copy from before a migration.
    file: PathBuf,
    #[command(flatten)]
    settings: BasicFlags,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  mainstay restore /mnt/elsewhere/mainstay-2026-11-26
  mainstay restore /mnt/elsewhere/mainstay-2026-11-26 --database-url sqlite://try.db
It overwrites nothing: the SQLite file must not exist, the database on PostgreSQL must be empty. At its next start the
server asks Stripe for everything that happened since.";

impl Restore {
    pub async fn run(self) -> Result<(), CliError> {
        let basics = Basics::load(sources(self.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let database = &basics.database_url;
        let _alone = lock_alone(database).await.map_err(|error| match error {
            AppError::SecondWorker { database } => {
                CliError::Failed(format!("a server is still at work on {database}. Stop it, and restore then."))
            }
            other => other.into(),
        })?;
        let programs = PgPrograms::default();
        unless_stopped(restore(&self.file, database, &programs, Clock::system().now())).await?;
        print(&format!("{database} is as it was in {}. Now start the server.\n", self.file.display()))
    }
}
