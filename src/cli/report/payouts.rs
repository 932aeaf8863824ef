//! `mainstay report payouts`: what left for the bank, and in which of them each gift left.

use clap::Args;
use jiff::civil::Date;
use serde::Serialize;

use super::{Format, harmless};
use crate::cli::{CliError, open_existing, print, sources};
use crate::config::{BasicFlags, Basics};
use crate::domain::calendar::{number_of, read_number};
use crate::domain::money::{Currency, Money};
use crate::store::{PaidOutGift, Period, ShownPayout};

pub(super) const EXAMPLES: &str = "\
Examples:
  mainstay report payouts --from 2026-11-01 --to 2026-12-01
  mainstay report payouts --from 2026-11-01 --to 2026-12-01 --gifts --format csv > gifts.csv
An automatic payout is the sum of its balance transactions; a difference other than 0 is shown. With --gifts, the days are
those of the gifts, and each stands with the payout in which it left and the day the bank has it; `-` while it has not.";

#[derive(Debug, Args)]
pub(in crate::cli) struct Payouts {
    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// The day after the last one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// A line for each gift instead of each payout.
    #[arg(long)]
    gifts: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    settings: BasicFlags,
}

impl Payouts {
    pub async fn run(self) -> Result<(), CliError> {
        let Self { from, to, gifts, format, settings } = self;
        let basics = Basics::load(sources(settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let period = Period { from: number_of(from), to: number_of(to) };
        let rows = if gifts {
            store.gifts_with_payouts(period).await.map(|gifts| Rows::of(GIFT_COLUMNS, &gifts, gift_cells))
        } else {
            store.payouts_shown(period).await.map(|payouts| Rows::of(PAYOUT_COLUMNS, &payouts, payout_cells))
        };
        store.close().await;
        print(&rows?.shown(format)?)
    }
}

const PAYOUT_COLUMNS: &[&str] =
    &["made_on", "arrives_on", "status", "made_by", "currency", "amount", "lines", "difference", "payout"];
const GIFT_COLUMNS: &[&str] =
    &["day", "currency", "amount", "booked", "fee", "net", "payout", "paid_out_on", "payment"];

fn day(number: Option<i64>) -> String {
    number.and_then(read_number).map_or_else(|| "-".to_owned(), |day| day.to_string())
}

fn money(minor: Option<i64>, currency: &str) -> String {
    match (minor, Currency::recorded(currency)) {
        (None, _) => "-".to_owned(),
        (Some(minor), Ok(currency)) => Money::new(minor, currency).decimal(),
        (Some(minor), Err(_)) => minor.to_string(),
    }
}

fn payout_cells(payout: &ShownPayout) -> Vec<String> {
    let ShownPayout { id, status, made_by, amount_minor, currency, lines_minor, .. } = payout;
    vec![
        day(Some(payout.day)),
        day(Some(payout.arrives_on)),
        status.clone(),
        made_by.clone(),
        currency.clone(),
        money(Some(*amount_minor), currency),
        money(*lines_minor, currency),
        money(lines_minor.map(|lines| amount_minor.saturating_sub(lines)), currency),
        id.clone(),
    ]
}

fn gift_cells(gift: &PaidOutGift) -> Vec<String> {
    let settled = gift.settled_currency.as_deref().unwrap_or_default();
    vec![
        day(Some(gift.day)),
        gift.currency.clone(),
        money(Some(gift.amount_minor), &gift.currency),
        settled.to_owned(),
        money(gift.fee_minor, settled),
        money(gift.net_minor, settled),
        gift.payout_id.clone().unwrap_or_else(|| "-".to_owned()),
        day(gift.arrives_on),
        gift.id.clone(),
    ]
}

/// Rows for people, or as values for programs.
struct Rows {
    columns: &'static [&'static str],
    cells: Vec<Vec<String>>,
    values: Vec<serde_json::Value>,
}

impl Rows {
    fn of<T: Serialize>(columns: &'static [&'static str], rows: &[T], cells: fn(&T) -> Vec<String>) -> Self {
        let values = rows.iter().map(|row| serde_json::to_value(row).unwrap_or_default()).collect();
        Self { columns, cells: rows.iter().map(cells).collect(), values }
    }

    fn shown(&self, format: Format) -> Result<String, CliError> {
        let wrong = |error: String| CliError::Failed(format!("the payouts: {error}"));
        match format {
            Format::Table => Ok(self.table()),
            Format::Json => {
                let text = serde_json::to_string_pretty(&self.values).map_err(|error| wrong(error.to_string()))?;
                Ok(text + "\n")
            }
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(self.columns).map_err(|error| wrong(error.to_string()))?;
                for cells in &self.cells {
                    // A dash for people is nothing for programs; negative amounts are numbers.
                    let plain = cells.iter().map(|cell| match cell.as_str() {
                        "-" => String::new(),
                        cell if cell.parse::<f64>().is_ok() => cell.to_owned(),
                        cell => harmless(cell),
                    });
                    writer.write_record(plain).map_err(|error| wrong(error.to_string()))?;
                }
                let bytes = writer.into_inner().map_err(|error| wrong(error.to_string()))?;
                String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
            }
        }
    }

    fn table(&self) -> String {
        if self.cells.is_empty() {
            return "Nothing on these days.\n".to_owned();
        }
        let titles: Vec<String> = self.columns.iter().map(|title| (*title).to_owned()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&titles).chain(&self.cells).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..titles.len()).map(width).collect();
        let set = |line: &Vec<String>| {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned() + "\n"
        };
        lines.into_iter().map(set).collect()
    }
}
