//! JSON: what the report is about, its columns with what they mean, and its rows as objects, written as they are read.

use futures_util::stream::{self, Stream};
use serde_json::{Map, Value, json};

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
                Some(rows) => (lines(&report.head.columns, &rows, stage == Stage::First), Stage::More),
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

fn lines(columns: &[Column], rows: &[Row], first: bool) -> String {
    let mut piece = String::new();
    for (at, row) in rows.iter().enumerate() {
        piece += if at == 0 && first { "\n" } else { ",\n" };
        piece += &Value::Object(object(columns, row)).to_string();
    }
    piece
}

fn object(columns: &[Column], row: &Row) -> Map<String, Value> {
    columns.iter().zip(row).map(|(column, cell)| (key(column), value(cell))).collect()
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Nothing => Value::Null,
        Cell::Count(count) => json!(count),
        Cell::Money(money) => json!(money.amount_minor),
        Cell::Rate { part, of } => json!(Cell::rate(*part, *of)),
        Cell::Text(_) | Cell::Date(_) | Cell::Few => json!(plain(cell, true)),
    }
}
