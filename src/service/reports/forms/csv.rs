//! CSV: a head, then a line for each row, written as it is read. Days are ISO 8601, amounts stand in minor units and as
//! decimals, and no text is taken for a formula.

use futures_util::stream::{self, Stream};

use super::{Flat, flat, plain};
use crate::domain::report::table::{Cell, Row};
use crate::service::reports::{Report, ReportError};

/// What some spreadsheets need to see that a file is UTF-8.
const BOM: &str = "\u{feff}";

/// The report piece by piece; with `bom`, a byte order mark before it.
pub fn pieces(report: Report, bom: bool) -> impl Stream<Item = Result<String, ReportError>> + Send {
    stream::try_unfold((report, false), move |(mut report, begun)| async move {
        let piece = if begun {
            let Some(rows) = report.rows.next().await? else { return Ok(None) };
            lines(&flat(&report.head.columns), &rows)?
        } else {
            let titles = flat(&report.head.columns).iter().map(Flat::title).collect::<Vec<_>>();
            format!("{}{}", if bom { BOM } else { "" }, written(std::iter::once(titles))?)
        };
        Ok(Some((piece, (report, true))))
    })
}

fn lines(columns: &[Flat<'_>], rows: &[Row]) -> Result<String, ReportError> {
    let cell = |row: &Row, flat: &Flat<'_>| match row.get(flat.place) {
        Some(Cell::Text(text)) => harmless(text),
        Some(cell) => plain(cell, flat.minor),
        None => String::new(),
    };
    written(rows.iter().map(|row| columns.iter().map(|flat| cell(row, flat)).collect()))
}

fn written(lines: impl Iterator<Item = Vec<String>>) -> Result<String, ReportError> {
    let wrong = |error: String| ReportError::Unwritable(error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(|error| wrong(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

/// A text that no spreadsheet takes for a formula. For texts only: a negative number is a number.
fn harmless(text: &str) -> String {
    let quote = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    format!("{quote}{text}")
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn no_text_is_taken_for_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        assert_eq!(harmless("2026-11"), "2026-11");
    }
}
