//! `mainstay newsletter export`: confirmed signups, for the program that sends the newsletter.

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::{CliError, desk, print};
use crate::clock::Clock;
use crate::config::BasicFlags;
use crate::domain::reminder::send_at;
use crate::service::later::Desk;
use crate::store::ConfirmedSignup;

#[derive(Debug, Subcommand)]
pub(super) enum Newsletter {
    /// Print who confirmed and has not unsubscribed.
    #[command(after_help = EXAMPLES)]
    Export(Export),
}

const EXAMPLES: &str = "\
Example:
  mainstay newsletter export --since 2026-11-01 --format csv > subscribers.csv
The columns are those that listmonk imports; Mailchimp takes `email` and whatever else it is told to. Addresses stand as they
were written: open the file with the program that sends, not with a spreadsheet.";

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The first day of confirmation, the newsroom's.
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Date,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
}

impl Newsletter {
    pub async fn run(self) -> Result<(), CliError> {
        let Self::Export(asked) = self;
        let desk = desk::open(asked.settings, Clock::system()).await?;
        let since = send_at(asked.since, 0, &desk.zone);
        let signups = desk.store.confirmed_signups(since).await;
        desk.store.close().await;
        let Format::Csv = asked.format;
        print(&csv(&desk, &signups?)?)
    }
}

fn csv(desk: &Desk, signups: &[ConfirmedSignup]) -> Result<String, CliError> {
    let wrong = |error: String| CliError::Failed(format!("the export as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["email", "name", "attributes"]).map_err(|error| wrong(error.to_string()))?;
    for signup in signups {
        let opened = desk.open_contact("newsletter_signups", &signup.id, signup.contact_sealed.as_deref());
        let (address, _) = opened.map_err(|error| wrong(format!("{}: {}", signup.id, error.code())))?;
        let time = |at: i64| Timestamp::from_second(at).unwrap_or_default().to_string();
        let attributes = json!({
            "list": signup.list,
            "language": signup.language,
            "consent": signup.consent_version,
            "consent_at": time(signup.consent_at),
            "confirmed_at": signup.confirmed_at.map(time),
        });
        let record = [address.as_str(), "", &attributes.to_string()];
        writer.write_record(record).map_err(|error| wrong(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}
