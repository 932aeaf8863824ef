//! `mainstay report reminders`: how far those who asked to be reminded came.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::{Format, harmless};
use crate::cli::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::domain::calendar;
use crate::domain::money::{Currency, Money};
use crate::domain::reminder_report::{Key, Line, funnel};
use crate::store::Fixed;

pub(super) const EXAMPLES: &str = "\
Examples:
  mainstay report reminders
  mainstay report reminders --format csv > reminders.csv
A reminder counts in the month it was asked for. Used means that a gift was begun from its link; gave, that its money came
within 14 days of the mail. Nothing is known of who opened a mail.";

#[derive(Debug, Args)]
pub(in crate::cli) struct Reminders {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    settings: BasicFlags,
}

const COLUMNS: [&str; 11] = [
    "month",
    "component",
    "campaign",
    "signed_up",
    "confirmed",
    "due",
    "sent",
    "suppressed",
    "used",
    "gave_within_14_days",
    "amount",
];

/// A line as JSON has it.
#[derive(Debug, Serialize)]
struct JsonLine<'a> {
    month: &'a str,
    component: &'a str,
    campaign: &'a str,
    signed_up: i64,
    confirmed: i64,
    due: i64,
    sent: i64,
    suppressed: &'a BTreeMap<String, i64>,
    used: i64,
    gave_within_14_days: i64,
    amounts_minor: &'a BTreeMap<String, i64>,
}

impl Reminders {
    pub async fn run(self) -> Result<(), CliError> {
        let basics = Basics::load(sources(self.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let zone = store.fixed(Fixed::TimeZone).await?.and_then(|name| jiff::tz::TimeZone::get(&name).ok());
        let zone = zone.unwrap_or_else(|| basics.time_zone.zone().clone());
        let fates = store.fates_of_reminders(Clock::system().now()).await;
        store.close().await;
        let fates = fates?.into_iter().map(|(asked_at, mut fate)| {
            fate.month = calendar::date_of(asked_at, &zone).strftime("%Y-%m").to_string();
            fate
        });
        let lines = funnel(&fates.collect::<Vec<_>>());
        let lines = lines.map_err(|error| CliError::Failed(format!("the sums of the gifts: {error}")))?;
        print(&match self.format {
            Format::Table => table(&lines),
            Format::Csv => csv(&lines)?,
            Format::Json => json(&lines)?,
        })
    }
}

fn cells((key, line): (&Key, &Line)) -> [String; 11] {
    let (month, component, campaign) = key;
    let why: Vec<String> = line.suppressed.iter().map(|(why, count)| format!("{why} {count}")).collect();
    let amounts = line.amounts_minor.iter().map(|(code, minor)| match Currency::recorded(code) {
        Ok(currency) => format!("{code} {}", Money::new(*minor, currency).decimal()),
        Err(_) => format!("{code} {minor}"),
    });
    [
        month.clone(),
        harmless(component),
        harmless(campaign),
        line.signed_up.to_string(),
        line.confirmed.to_string(),
        line.due.to_string(),
        line.sent.to_string(),
        why.join("; "),
        line.used.to_string(),
        line.gave.to_string(),
        amounts.collect::<Vec<_>>().join("; "),
    ]
}

fn table(lines: &BTreeMap<Key, Line>) -> String {
    if lines.is_empty() {
        return "Nobody has asked for a reminder.\n".to_owned();
    }
    let rows: Vec<[String; 11]> = std::iter::once(COLUMNS.map(str::to_owned)).chain(lines.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let set = |row: &[String; 11]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(|row| set(row) + "\n").collect()
}

fn csv(lines: &BTreeMap<Key, Line>) -> Result<String, CliError> {
    let wrong = |error: String| CliError::Failed(format!("the report as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| wrong(error.to_string()))?;
    for line in lines {
        writer.write_record(cells(line)).map_err(|error| wrong(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

fn json(lines: &BTreeMap<Key, Line>) -> Result<String, CliError> {
    let lines: Vec<JsonLine<'_>> = lines
        .iter()
        .map(|((month, component, campaign), line)| JsonLine {
            month,
            component,
            campaign,
            signed_up: line.signed_up,
            confirmed: line.confirmed,
            due: line.due,
            sent: line.sent,
            suppressed: &line.suppressed,
            used: line.used,
            gave_within_14_days: line.gave,
            amounts_minor: &line.amounts_minor,
        })
        .collect();
    let text = serde_json::to_string_pretty(&lines);
    text.map(|text| text + "\n").map_err(|error| CliError::Failed(format!("the report as JSON: {error}")))
}
