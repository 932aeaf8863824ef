//! How a report is written down. Every form has the same rows in the same order.

pub mod csv;
pub mod json;
pub mod table;
pub mod xlsx;

use crate::domain::pledge::words;
use crate::domain::report::table::{Cell, Column, FEW_SHOWN, Kind};

words! {
    /// The forms that programs and other people's programs read.
    Format {
        Json = "json",
        Csv = "csv",
        Xlsx = "xlsx",
    }
}

impl Format {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// A column as CSV and XLSX have it: amounts twice, in minor units where they stand and as decimals behind all others.
#[derive(Debug, Clone, Copy)]
struct Flat<'a> {
    column: &'a Column,
    place: usize,
    minor: bool,
}

fn flat(columns: &[Column]) -> Vec<Flat<'_>> {
    let placed = || columns.iter().enumerate();
    let first = placed().map(|(place, column)| Flat { column, place, minor: column.kind == Kind::Money });
    let amounts = placed().filter(|(_, column)| column.kind == Kind::Money);
    first.chain(amounts.map(|(place, column)| Flat { column, place, minor: false })).collect()
}

impl Flat<'_> {
    fn title(&self) -> String {
        format!("{}{}", self.column.name, if self.minor { "_minor" } else { "" })
    }
}

/// What a cell says in plain text, for programs: decimals without a sign of their currency.
fn plain(cell: &Cell, minor: bool) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Words(words) => {
            words.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join("; ")
        }
        Cell::Date(date) => date.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Few => FEW_SHOWN.to_owned(),
        Cell::Money(money) if minor => money.amount_minor.to_string(),
        Cell::Money(money) => money.decimal(),
        Cell::Rate { part, of } => Cell::rate(*part, *of).unwrap_or_default(),
    }
}
