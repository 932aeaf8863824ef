//! `mainstay migrate`: the schema, brought up to date or looked at.

use std::fmt::Write as _;

use clap::Args;

use super::{CliError, print, sources};
use crate::app::open_migrated;
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Change nothing; list the migrations and whether each has been run.
    #[arg(long)]
    status: bool,
    #[command(flatten)]
    settings: BasicFlags,
}

impl Migrate {
    pub async fn run(self) -> Result<(), CliError> {
        let basics = Basics::load(sources(self.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        if self.status && basics.database_url.sqlite_path().is_some_and(|path| !path.exists()) {
            return Err(CliError::Failed(format!(
                "{} does not exist yet. `mainstay migrate` makes it; or give another database by --database-url.",
                basics.database_url
            )));
        }
        let store = if self.status {
            Store::open(basics.database_url.expose()).await?
        } else {
            open_migrated(&basics.database_url, &Clock::system()).await?
        };
        let migrations = store.migrations().await;
        store.close().await;
        let mut text = format!("{} {}\n", store.kind(), basics.database_url);
        for migration in migrations? {
            let state = if migration.applied { "applied" } else { "pending" };
            let _ = writeln!(text, "{state}  {}  {}", migration.version, migration.description);
        }
        print(&text)
    }
}
