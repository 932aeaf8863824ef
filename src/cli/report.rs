//! `mainstay report`: what came in, as a table for people, or as JSON, CSV or a workbook for programs.

use std::io::Write as _;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use futures_util::{Stream, TryStreamExt as _};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::domain::field::{FieldError, Fields, Given};
use crate::domain::report::By;
use crate::domain::report::query::{Name, Query};
use crate::service::reports::{Report as Answer, ReportError, forms, run};
use crate::store::Store;

pub(super) const EXAMPLES: &str = "\
Reports:
  revenue    gross, refunds, disputes, fees and net; --view settlement counts what Stripe booked, with its fees
  recurring  supporters, what they bring in a year and a month, and why that changed
  one-time   how many gifts, their sum, median and mean
  failed     renewals that failed at first, recovered within 30 days, and lost
  reminders  how far those who asked to be reminded came
  payouts    what left for the bank, each held against its balance transactions
  statement  opening, gross, refunds, disputes, fees, payouts and closing, for the accountant
  payments   each payment with its fee and its payout, without names or addresses

Examples:
  mainstay report revenue --from 2026-01-01 --to 2027-01-01 --by month
  mainstay report revenue --from 2026-11-01 --to 2026-12-01 --by day,campaign --format csv > november.csv
  mainstay report statement --from 2026-01-01 --to 2027-01-01 --format xlsx > statement.xlsx
Days are the newsroom's (MAINSTAY_TIME_ZONE), and weeks begin on Monday. Currencies are never added together. What each
figure means is in docs/REPORTS.md, in the JSON, and on the second sheet of a workbook.";

#[derive(Debug, Args)]
pub(super) struct Report {
    /// Which report.
    #[arg(value_parser = PossibleValuesParser::new(Name::ALL.iter().map(|name| name.as_str())))]
    name: String,
    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<String>,
    /// The day after the last one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<String>,
    /// What figures are parted by besides their currency: a period (day, week, month or year) and any of frequency, campaign
    /// and source, with commas between. A month each when left out; revenue by a period alone is parted by frequency too.
    #[arg(long, value_name = "month,campaign")]
    by: Option<String>,
    /// Only this currency.
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Only this campaign.
    #[arg(long, value_name = "SLUG")]
    campaign: Option<String>,
    /// Only gifts of this frequency.
    #[arg(long, value_name = "once|monthly|annual")]
    frequency: Option<String>,
    /// Only gifts begun there.
    #[arg(long)]
    source: Option<String>,
    /// Which money the revenue counts: what donors gave, or what Stripe booked.
    #[arg(long, value_name = "charge|settlement")]
    view: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Put a byte order mark before CSV, for spreadsheets that take it for another encoding without.
    #[arg(long)]
    bom: bool,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
    Xlsx,
}

impl Report {
    pub async fn run(self) -> Result<(), CliError> {
        let query = self.query()?;
        let basics = Basics::load(sources(self.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let printed = match run(&store, basics.time_zone.zone(), Clock::system().now(), &query).await {
            Ok(report) => show(report, self.format, self.bom).await,
            Err(error) => Err(failed(error)),
        };
        store.close().await;
        printed
    }

    fn query(&self) -> Result<Query, CliError> {
        let by = match (&self.by, self.name == Name::Revenue.as_str()) {
            (None, true) => Some("month,frequency".to_owned()),
            (Some(by), true) if By::parse(by).is_some() => Some(format!("{by},frequency")),
            (by, _) => by.clone(),
        };
        let said = [
            ("from", &self.from),
            ("to", &self.to),
            ("by", &by),
            ("currency", &self.currency),
            ("campaign", &self.campaign),
            ("frequency", &self.frequency),
            ("source", &self.source),
            ("view", &self.view),
        ];
        let given = said.into_iter().filter_map(|(name, said)| Some((name.to_owned(), Given::Text(said.clone()?))));
        Query::parse(&self.name, &given.collect::<Fields>()).map_err(|mistakes| {
            let mistake = |mistake: &FieldError| format!("--{}: {}", mistake.field, mistake.message);
            CliError::Usage(mistakes.iter().map(mistake).collect::<Vec<_>>().join("\n"))
        })
    }
}

async fn show(report: Answer, format: Format, bom: bool) -> Result<(), CliError> {
    match format {
        Format::Table => print(&table(report).await?),
        Format::Csv => print_all(forms::csv::pieces(report, bom)).await,
        Format::Json => print_all(forms::json::pieces(report)).await,
        Format::Xlsx => {
            let bytes = forms::xlsx::bytes(report).await.map_err(failed)?;
            let mut out = std::io::stdout().lock();
            out.write_all(&bytes)?;
            Ok(out.flush()?)
        }
    }
}

async fn print_all(pieces: impl Stream<Item = Result<String, ReportError>>) -> Result<(), CliError> {
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.try_next().await.map_err(failed)? {
        print(&piece)?;
    }
    Ok(())
}

async fn table(report: Answer) -> Result<String, CliError> {
    // Columns are as wide as their widest cell, so all rows have to be there.
    let rows = report.rows.all(forms::xlsx::MAX_ROWS).await.map_err(failed)?;
    Ok(forms::table::text(&report.head, &rows))
}

fn failed(error: ReportError) -> CliError {
    match error {
        ReportError::Store(error) => error.into(),
        error => CliError::Failed(error.to_string()),
    }
}

/// The revenue by months and frequencies as a table: what the demo shows at its end.
pub(super) async fn revenue_table(store: &Store, from: Date, to: Date, now: i64) -> Result<String, CliError> {
    let said = [("from", from.to_string()), ("to", to.to_string()), ("by", "month,frequency".to_owned())];
    let fields = said.into_iter().map(|(name, text)| (name.to_owned(), Given::Text(text))).collect();
    let query = Query::parse(Name::Revenue.as_str(), &fields);
    let query = query.map_err(|mistakes| CliError::Failed(format!("the revenue: {mistakes:?}")))?;
    table(run(store, &TimeZone::UTC, now, &query).await.map_err(failed)?).await
}

/// The day it is by `clock`, in UTC.
pub(super) fn day_of_clock(clock: &Clock) -> Date {
    jiff::Timestamp::from_second(clock.now()).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}
