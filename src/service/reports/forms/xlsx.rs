//! A workbook: the rows on one sheet, and what each column means on another. Nothing in it is a formula.

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{Flat, flat, plain};
use crate::domain::report::table::{Cell, Row};
use crate::service::reports::{Report, ReportError};

/// More rows than this are not put into a workbook: it is made in memory as a whole.
pub const MAX_ROWS: usize = 100_000;

/// The report as the bytes of a workbook.
///
/// # Errors
/// [`ReportError::TooManyRows`] beyond [`MAX_ROWS`].
pub async fn bytes(report: Report) -> Result<Vec<u8>, ReportError> {
    let Report { head, rows } = report;
    let rows = rows.all(MAX_ROWS).await?;
    // Packing takes seconds: not where others wait for their answers.
    let made = tokio::task::spawn_blocking(move || {
        let columns = flat(&head.columns);
        let mut book = Workbook::new();
        // The same report is the same file.
        let made_on = ExcelDateTime::from_ymd(2000, 1, 1)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&made_on));
        let sheet = book.add_worksheet().set_name(head.name.as_str())?;
        write_rows(sheet, &columns, &rows)?;
        let meanings = book.add_worksheet().set_name("definitions")?;
        for (line, column) in (0_u32..).zip(&head.columns) {
            meanings.write_string(line, 0, column.name)?.write_string(line, 1, column.definition)?;
        }
        book.save_to_buffer()
    });
    let unwritable = |error: String| ReportError::Unwritable(error);
    made.await.map_err(|error| unwritable(error.to_string()))?.map_err(|error: XlsxError| unwritable(error.to_string()))
}

fn write_rows(sheet: &mut Worksheet, columns: &[Flat<'_>], rows: &[Row]) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let decimals = ["0", "0.0", "0.00", "0.000"].map(|shown| Format::new().set_num_format(shown));
    let rate = Format::new().set_num_format("0.0000");
    sheet.set_freeze_panes(1, 0)?;
    for (place, flat) in (0_u16..).zip(columns) {
        sheet.write_string_with_format(0, place, flat.title(), &bold)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        for (place, flat) in (0_u16..).zip(columns) {
            match row.get(flat.place) {
                None | Some(Cell::Nothing) => {}
                Some(cell @ (Cell::Text(_) | Cell::Words(_) | Cell::Few)) => {
                    sheet.write_string(line, place, plain(cell, false))?;
                }
                Some(Cell::Date(date)) => {
                    let (month, of_month) = (date.month().unsigned_abs(), date.day().unsigned_abs());
                    let moment = ExcelDateTime::from_ymd(date.year().unsigned_abs(), month, of_month)?;
                    sheet.write_datetime_with_format(line, place, &moment, &day)?;
                }
                Some(cell @ Cell::Rate { .. }) => number(sheet, line, place, &plain(cell, false), &rate)?,
                Some(cell @ Cell::Money(money)) => {
                    let digits = if flat.minor { 0 } else { money.currency.exponent() as usize };
                    let format = decimals.get(digits).unwrap_or(&decimals[2]);
                    number(sheet, line, place, &plain(cell, flat.minor), format)?;
                }
                Some(cell @ Cell::Count(_)) => number(sheet, line, place, &plain(cell, true), &decimals[0])?,
            }
        }
    }
    Ok(())
}

/// Writes a number as it is spelled. A sheet knows floating numbers alone, of 15 digits; a longer one stays a text, for no
/// amount may be another than ours.
fn number(sheet: &mut Worksheet, line: u32, place: u16, spelled: &str, format: &Format) -> Result<(), XlsxError> {
    const SAFE_DIGITS: usize = 15;
    let exact = spelled.bytes().filter(u8::is_ascii_digit).count() <= SAFE_DIGITS;
    match spelled.parse::<f64>() {
        Ok(number) if exact => sheet.write_number_with_format(line, place, number, format).map(drop),
        _ => sheet.write_string(line, place, spelled).map(drop),
    }
}
