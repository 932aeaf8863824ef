//! JSON: what the report is about, its columns with what they mean, and its rows as objects, written as they are read.

use futures_util::stream::{self, Stream};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};

use super::plain;
use crate::domain::report::query::Name;
use crate::domain::report::table::{Cell, Column, Kind, Row};
use crate::service::reports::{Head, Report, ReportError};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    First,
    More,
    Ended,
}

/// The report piece by piece.
pub fn pieces(report: Report) -> impl Stream<Item = Result<String, ReportError>> + Send {
    stream::try_unfold((report, Stage::Head), |(mut report, stage)| async move {
        let (piece, next) = match stage {
            Stage::Ended => return Ok(None),
            Stage::Head => (head(&report.head), Stage::First),
            Stage::First | Stage::More => match report.rows.next().await? {
                Some(rows) => (lines(&report.head.columns, &rows, stage == Stage::First)?, Stage::More),
                None => ("\n]}\n".to_owned(), Stage::Ended),
            },
        };
        Ok(Some((piece, (report, next))))
    })
}

/// All before the rows.
fn head(head: &Head) -> String {
    let Head { name, from, to, by, view, time_zone, columns } = head;
    let columns: Vec<Value> = columns
        .iter()
        .map(|column| json!({"name": key(column), "kind": column.kind, "definition": column.definition}))
        .collect();
    let mut about = json!({"report": name, "from": from.to_string(), "to": to.to_string(), "by": by.to_string(),
        "time_zone": time_zone, "columns": columns});
    if *name == Name::Revenue {
        about["view"] = json!(view);
    }
    let text = about.to_string();
    format!("{},\"rows\":[", text.strip_suffix('}').unwrap_or(&text))
}

/// A column's name in the rows: amounts are minor units, and say so.
fn key(column: &Column) -> String {
    format!("{}{}", column.name, if column.kind == Kind::Money { "_minor" } else { "" })
}

fn lines(columns: &[Column], rows: &[Row], first: bool) -> Result<String, ReportError> {
    let keys: Vec<String> = columns.iter().map(key).collect();
    let wrong = |error: &dyn std::error::Error| ReportError::Unwritable(error.to_string());
    let mut piece = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        piece.extend_from_slice(if at == 0 && first { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut piece, &Line { keys: &keys, row }).map_err(|error| wrong(&error))?;
    }
    String::from_utf8(piece).map_err(|error| wrong(&error))
}

/// A row as it is written: a year by day has tens of thousands of cells, and none of them is copied.
struct Line<'a> {
    keys: &'a [String],
    row: &'a Row,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(self.row.len()))?;
        for (key, cell) in self.keys.iter().zip(self.row) {
            match cell {
                Cell::Nothing => line.serialize_entry(key, &())?,
                Cell::Count(count) => line.serialize_entry(key, count)?,
                Cell::Money(money) => line.serialize_entry(key, &money.amount_minor)?,
                Cell::Rate { part, of } => line.serialize_entry(key, &Cell::rate(*part, *of))?,
                Cell::Text(text) => line.serialize_entry(key, text)?,
                Cell::Words(_) | Cell::Date(_) | Cell::Few => line.serialize_entry(key, &plain(cell, true))?,
            }
        }
        line.end()
    }
}
