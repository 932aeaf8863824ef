//! `mainstay newsletter export`: confirmed signups, for the program that sends the newsletter.

use clap::{Args, Subcommand, ValueEnum};
use futures_util::TryStreamExt as _;
use jiff::civil::Date;

use super::{CliError, desk, print};
use crate::clock::Clock;
use crate::config::BasicFlags;
use crate::domain::action::reason;
use crate::service::later::{Desk, LaterError};
use crate::service::newsletter;
use crate::service::opening::{OpeningError, UNSAID, note};

#[derive(Debug, Subcommand)]
pub(super) enum Newsletter {
    /// Print who confirmed and has not unsubscribed.
    #[command(after_help = EXAMPLES)]
    Export(Export),
}

const EXAMPLES: &str = "\
Example:
  mainstay newsletter export --since 2026-11-01 --format csv --reason 'a new mailing program' > subscribers.csv
The columns are those that listmonk imports; Mailchimp takes `email` and whatever else it is told to. Addresses stand as they
were written: open the file with the program that sends, not with a spreadsheet.";

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The first day of confirmation, the newsroom's.
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Date,
    /// Why addresses are opened. It is put into the audit log before any is printed.
    #[arg(long, value_name = "TEXT", default_value = UNSAID)]
    reason: String,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

impl Newsletter {
    pub async fn run(self) -> Result<(), CliError> {
        let Self::Export(asked) = self;
        if reason(&asked.reason).is_none() {
            return Err(CliError::Usage(format!("--reason: {}", OpeningError::NoReason)));
        }
        let desk = desk::open(asked.settings, Clock::system()).await?;
        let store = desk.store.clone();
        let printed = print_all(desk, asked.since, asked.format, &asked.reason).await;
        store.close().await;
        printed
    }
}

async fn print_all(desk: Desk, since: Date, format: Format, reason: &str) -> Result<(), CliError> {
    let format = match format {
        Format::Csv => newsletter::Format::Csv,
        Format::Json => newsletter::Format::Json,
    };
    let noted = note(&desk, newsletter::entry("command_line", since, reason)).await;
    let noted = noted.map_err(|error| CliError::Failed(format!("the audit log: {error}; nothing was opened")))?;
    let mut pieces = std::pin::pin!(newsletter::export(desk, since, format, &noted));
    let failed = |error: LaterError| CliError::Failed(format!("the export: {}", error.code()));
    while let Some(piece) = pieces.try_next().await.map_err(failed)? {
        print(&piece)?;
    }
    Ok(())
}
