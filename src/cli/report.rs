//! `mainstay report`: what came in, as a table for people, or as CSV or JSON for programs.

mod payouts;
mod reminders;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::domain::report::{By, RevenueRow, group};
use crate::store::{Fixed, Store};

#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Gifts by period, currency and frequency. A payment counts on the day Stripe says it succeeded.
    #[command(after_help = REVENUE_EXAMPLES)]
    Revenue(Revenue),
    /// What left for the bank, and in which payout each gift left.
    #[command(after_help = payouts::EXAMPLES)]
    Payouts(payouts::Payouts),
    /// How far those who asked to be reminded came.
    #[command(after_help = reminders::EXAMPLES)]
    Reminders(reminders::Reminders),
}

const REVENUE_EXAMPLES: &str = "\
Examples:
  mainstay report revenue --from 2026-01-01 --to 2027-01-01 --by month
  mainstay report revenue --from 2026-11-01 --to 2026-12-01 --by day --format csv > november.csv
  mainstay report revenue --from 2026-11-01 --to 2026-12-01 --view settlement
Days are the newsroom's (MAINSTAY_TIME_ZONE). The view `charge` counts what donors gave, in their currencies, on the days
they gave; it knows no fees. The view `settlement` counts what Stripe booked on the account, in the currency it is settled
in, on the days Stripe booked it, with its fees. Currencies are never added together.";

#[derive(Debug, Args)]
pub(super) struct Revenue {
    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// The day after the last one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// How long a period is. Weeks begin on Monday.
    #[arg(long, value_name = "day|week|month|year", default_value = "month", value_parser = read_by)]
    by: By,
    /// What is counted: what donors gave, or what Stripe booked.
    #[arg(long, value_enum, default_value_t = View::Charge)]
    view: View,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    settings: BasicFlags,
}

/// Which money a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum View {
    /// What donors gave, in their currencies.
    Charge,
    /// What Stripe booked, in the currency the account is settled in.
    Settlement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

fn read_by(text: &str) -> Result<By, String> {
    By::parse(text).ok_or_else(|| "expected day, week, month or year".to_owned())
}

/// The report; its fields are the JSON's.
#[derive(Debug, Serialize)]
pub(super) struct RevenueReport {
    pub from: Date,
    /// Exclusive.
    pub to: Date,
    pub by: By,
    pub view: View,
    pub time_zone: String,
    pub rows: Vec<RevenueRow>,
}

impl Report {
    pub async fn run(self) -> Result<(), CliError> {
        let asked = match self {
            Self::Revenue(asked) => asked,
            Self::Payouts(asked) => return asked.run().await,
            Self::Reminders(asked) => return asked.run().await,
        };
        if asked.from >= asked.to {
            return Err(CliError::Usage(format!(
                "--to {} is not after --from {}. --to is the day after the last one.",
                asked.to, asked.from
            )));
        }
        let basics = Basics::load(sources(asked.settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let report = revenue(&store, basics.time_zone.name(), asked.from, asked.to, asked.by, asked.view).await;
        store.close().await;
        let report = report?;
        print(&match asked.format {
            Format::Table => table(&report),
            Format::Csv => csv(&report)?,
            Format::Json => json(&report)?,
        })
    }
}

/// Reads the report. The time zone is the one the database was made with; `otherwise` before its first start.
pub(super) async fn revenue(
    store: &Store,
    otherwise: &str,
    from: Date,
    to: Date,
    by: By,
    view: View,
) -> Result<RevenueReport, CliError> {
    let time_zone = store.fixed(Fixed::TimeZone).await?.unwrap_or_else(|| otherwise.to_owned());
    let days = match view {
        View::Charge => store.revenue(from, to).await?,
        View::Settlement => store.settlement(from, to).await?,
    };
    let rows = group(&days, by).map_err(|error| {
        CliError::Failed(format!("the sums from {from} to {to}: {error}. Ask for shorter periods."))
    })?;
    Ok(RevenueReport { from, to, by, view, time_zone, rows })
}

/// The day it is by `clock`, in UTC.
pub(super) fn day_of_clock(clock: &Clock) -> Date {
    jiff::Timestamp::from_second(clock.now()).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}

fn json(report: &RevenueReport) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(report);
    text.map(|text| text + "\n").map_err(|error| CliError::Failed(format!("the report as JSON: {error}")))
}

const CSV_COLUMNS: [&str; 14] = [
    "period",
    "currency",
    "frequency",
    "count",
    "gross_minor",
    "refunds_minor",
    "disputes_minor",
    "fees_minor",
    "net_minor",
    "gross",
    "refunds",
    "disputes",
    "fees",
    "net",
];

fn csv(report: &RevenueReport) -> Result<String, CliError> {
    let wrong = |error: String| CliError::Failed(format!("the report as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(CSV_COLUMNS).map_err(|error| wrong(error.to_string()))?;
    for row in &report.rows {
        let decimal = |minor: i64| row.money(minor).decimal();
        let record = [
            harmless(&row.period),
            harmless(row.currency.code()),
            harmless(row.frequency.as_str()),
            row.count.to_string(),
            row.gross_minor.to_string(),
            row.refunds_minor.to_string(),
            row.disputes_minor.to_string(),
            row.fees_minor.map(|fees| fees.to_string()).unwrap_or_default(),
            row.net_minor.to_string(),
            decimal(row.gross_minor),
            decimal(row.refunds_minor),
            decimal(row.disputes_minor),
            row.fees_minor.map(decimal).unwrap_or_default(),
            decimal(row.net_minor),
        ];
        writer.write_record(record).map_err(|error| wrong(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

/// A text that no spreadsheet takes for a formula. For text columns only: a negative number is a number.
fn harmless(text: &str) -> String {
    let quote = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    format!("{quote}{text}")
}

const TABLE_COLUMNS: [&str; 9] =
    ["period", "currency", "frequency", "count", "gross", "refunds", "disputes", "fees", "net"];
/// Columns of words are set to the left, numbers to the right.
const WORD_COLUMNS: usize = 3;

pub(super) fn table(report: &RevenueReport) -> String {
    let RevenueReport { from, to, by, view, time_zone, rows } = report;
    let what = match view {
        View::Charge => "Revenue",
        View::Settlement => "Settlement",
    };
    let head = format!("{what} from {from} to {to} (exclusive) by {by}, {time_zone}\n");
    if rows.is_empty() {
        return head + "Nothing came in.\n";
    }
    let titles = TABLE_COLUMNS.map(str::to_owned);
    let lines: Vec<[String; 9]> = std::iter::once(titles).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..TABLE_COLUMNS.len()).map(width).collect();
    lines.iter().fold(head, |text, line| text + &set_line(line, &widths) + "\n")
}

fn cells(row: &RevenueRow) -> [String; 9] {
    let shown = |minor: i64| row.money(minor).to_string();
    [
        row.period.clone(),
        row.currency.to_string(),
        row.frequency.to_string(),
        row.count.to_string(),
        shown(row.gross_minor),
        shown(row.refunds_minor),
        shown(row.disputes_minor),
        row.fees_minor.map_or_else(|| "-".to_owned(), shown),
        shown(row.net_minor),
    ]
}

fn set_line(cells: &[String; 9], widths: &[usize]) -> String {
    let set = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column < WORD_COLUMNS { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    cells.iter().zip(widths).enumerate().map(set).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use crate::domain::pledge::Frequency;

    fn report() -> RevenueReport {
        let row = |currency: &str, frequency, gross_minor, refunds_minor| RevenueRow {
            period: "2026-11".to_owned(),
            currency: Currency::parse(currency).unwrap(),
            frequency,
            count: 2,
            gross_minor,
            refunds_minor,
            disputes_minor: 0,
            fees_minor: None,
            net_minor: gross_minor - refunds_minor,
        };
        RevenueReport {
            from: "2026-11-01".parse().unwrap(),
            to: "2026-12-01".parse().unwrap(),
            by: By::Month,
            view: View::Charge,
            time_zone: "Europe/Riga".to_owned(),
            rows: vec![row("JPY", Frequency::Annual, 5000, 0), row("USD", Frequency::Once, 123_450, 200_000)],
        }
    }

    #[test]
    fn json_has_the_documented_shape() {
        let value: serde_json::Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
        let expected = serde_json::json!({
            "from": "2026-11-01", "to": "2026-12-01", "by": "month", "view": "charge", "time_zone": "Europe/Riga",
            "rows": [
                {"period": "2026-11", "currency": "JPY", "frequency": "annual", "count": 2, "gross_minor": 5000,
                 "refunds_minor": 0, "disputes_minor": 0, "fees_minor": null, "net_minor": 5000},
                {"period": "2026-11", "currency": "USD", "frequency": "once", "count": 2, "gross_minor": 123_450,
                 "refunds_minor": 200_000, "disputes_minor": 0, "fees_minor": null, "net_minor": -76_550},
            ],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn csv_has_the_same_columns_and_decimals() {
        let text = csv(&report()).unwrap();
        assert_eq!(
            text,
            "period,currency,frequency,count,gross_minor,refunds_minor,disputes_minor,fees_minor,net_minor,gross,refunds,\
             disputes,fees,net\n\
             2026-11,JPY,annual,2,5000,0,0,,5000,5000,0,0,,5000\n\
             2026-11,USD,once,2,123450,200000,0,,-76550,1234.50,2000.00,0.00,,-765.50\n"
        );
    }

    #[test]
    fn no_text_is_taken_for_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        assert_eq!(harmless("2026-11"), "2026-11");
    }

    #[test]
    fn the_table_is_aligned_and_an_empty_one_says_so() {
        let text = table(&report());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Revenue from 2026-11-01 to 2026-12-01 (exclusive) by month, Europe/Riga");
        assert_eq!(lines[1], "period   currency  frequency  count      gross    refunds  disputes  fees       net");
        assert_eq!(lines[2], "2026-11  JPY       annual         2     ¥5,000         ¥0        ¥0     -    ¥5,000");
        assert_eq!(lines[3], "2026-11  USD       once           2  $1,234.50  $2,000.00     $0.00     -  -$765.50");
        assert!(table(&RevenueReport { rows: Vec::new(), ..report() }).ends_with("Nothing came in.\n"));
    }
}
