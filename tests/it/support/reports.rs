//! Reports as tests ask for them: by the service, by HTTP and by the program, and read back out of every form.

use std::collections::BTreeMap;
use std::io::Read as _;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use futures_util::TryStreamExt as _;
use jiff::tz::TimeZone;
use mainstay::domain::field::{Fields, Given};
use mainstay::domain::report::query::Query;
use mainstay::http::admin::reports::{Reports, show};
use mainstay::http::error::ApiError;
use mainstay::service::reports::{forms, run};
use mainstay::service::totals::mend;
use mainstay::store::Store;
use regex::Regex;
use serde_json::Value;

use super::app::TestApp;
use super::database::Database;
use super::loopback;

/// All days that any test knows of.
pub const ALWAYS: [(&str, &str); 2] = [("from", "2026-01-01"), ("to", "2028-01-01")];

/// What is asked for, as HTTP and the command line would.
pub fn asked(name: &str, said: &[(&str, &str)]) -> Query {
    let given = said.iter().map(|(name, text)| ((*name).to_owned(), Given::Text((*text).to_owned())));
    Query::parse(name, &given.collect::<Fields>()).expect("it can be asked")
}

impl TestApp {
    /// A report as its JSON says it.
    pub async fn report(&self, name: &str, said: &[(&str, &str)]) -> Value {
        let report = run(self.store(), &TimeZone::UTC, self.clock.now(), &asked(name, said)).await.expect("a report");
        let text: String = forms::json::pieces(report).try_collect().await.expect("it is written");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The rows of a report, each as the texts of these columns.
    pub async fn rows_of(&self, name: &str, said: &[(&str, &str)], columns: &[&str]) -> Vec<String> {
        let report = self.report(name, said).await;
        let rows = report["rows"].as_array().expect("rows");
        rows.iter().map(|row| columns.iter().map(|column| shown(row, column)).collect::<Vec<_>>().join(" ")).collect()
    }

    /// The address of the handler, served by itself.
    pub async fn serve_reports(&self) -> String {
        let reports = Reports { store: self.store().clone(), clock: self.clock.clone(), zone: TimeZone::UTC };
        let rendered = |response: Response| async move {
            match response.extensions().get::<ApiError>().cloned() {
                Some(error) => error.respond("req_of_the_test"),
                None => response,
            }
        };
        let router = Router::new().route("/v1/admin/reports/{name}", get(show)).with_state(reports);
        format!("http://{}/v1/admin/reports", loopback::serve(router.layer(map_response(rendered))).await)
    }
}

/// Holds every sum of the daily sums against these. Nothing is left changed.
pub async fn totals_hold(store: &Store, how: &str) {
    assert_eq!(store.turns_unsummed().await.expect("it is read"), None, "they are relied on, {how}");
    let (mut month, mut months) = (0, 0);
    while let Some(next) = store.month_after(month).await.expect("it is read") {
        let mut tx = store.begin().await.expect("a transaction");
        let told = mend(&mut tx, next).await.expect("they are held");
        tx.rollback().await.expect("it ends");
        assert!(told.is_empty(), "{how}: {told:#?}");
        (month, months) = (next, months + 1);
    }
    assert!(months > 0, "there is something to hold, {how}");
}

/// The same in a database that no server of ours holds open.
pub async fn sums_hold(database: &Database, how: &str) {
    let store = database.open().await;
    totals_hold(&store, how).await;
    store.close().await;
}

fn shown(row: &Value, column: &str) -> String {
    match row.get(column).unwrap_or_else(|| panic!("no {column} in {row}")) {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// The lines of a CSV, each by its titles.
pub fn read_csv(text: &str) -> (Vec<String>, Vec<BTreeMap<String, String>>) {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let titles: Vec<String> = reader.headers().expect("titles").iter().map(str::to_owned).collect();
    let line = |record: csv::StringRecord| titles.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
    let lines = reader.records().map(|record| line(record.expect("a line"))).collect();
    (titles, lines)
}

/// The cells of a workbook's first sheet, line by line: texts as they are, numbers as they are spelled in it.
pub fn read_xlsx(bytes: &[u8]) -> Vec<Vec<String>> {
    let (strings, sheet) = (unpacked(bytes, "xl/sharedStrings.xml"), unpacked(bytes, "xl/worksheets/sheet1.xml"));
    assert!(!sheet.contains("<f>"), "no cell is a formula");
    let pattern = |text: &str| Regex::new(text).expect("a pattern");
    let plain =
        |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let strings: Vec<String> =
        pattern(r"<si><t[^>]*>([^<]*)</t></si>").captures_iter(&strings).map(|found| plain(&found[1])).collect();
    let cell = pattern(r#"<c r="([A-Z]+)\d+"([^>]*)>(?:<v>([^<]*)</v>)?"#);
    let line = |row: &str| {
        let mut cells = Vec::new();
        for found in cell.captures_iter(row) {
            let place = found[1].bytes().fold(0, |place, letter| place * 26 + usize::from(letter - b'A') + 1) - 1;
            cells.resize(cells.len().max(place), String::new());
            let value = found.get(3).map_or("", |value| value.as_str());
            let text = found[2].contains("t=\"s\"").then(|| strings[value.parse::<usize>().expect("a place")].clone());
            cells.push(text.unwrap_or_else(|| value.to_owned()));
        }
        cells
    };
    pattern(r"(?s)<row [^>]*>(.*?)</row>").captures_iter(&sheet).map(|found| line(&found[1])).collect()
}

/// One file of a zip archive, by the directory at its end.
fn unpacked(zip: &[u8], name: &str) -> String {
    let number =
        |at: usize, bytes: usize| zip[at..at + bytes].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let end = zip.windows(4).rposition(|window| window == b"PK\x05\x06").expect("a directory");
    let (entries, mut at) = (number(end + 10, 2), number(end + 16, 4));
    for _ in 0..entries {
        let (method, packed, name_length) = (number(at + 10, 2), number(at + 20, 4), number(at + 28, 2));
        let (extra, comment, local) = (number(at + 30, 2), number(at + 32, 2), number(at + 42, 4));
        if &zip[at + 46..at + 46 + name_length] == name.as_bytes() {
            let begin = local + 30 + number(local + 26, 2) + number(local + 28, 2);
            let packed = &zip[begin..begin + packed];
            let mut text = String::new();
            match method {
                0 => text = String::from_utf8(packed.to_vec()).expect("text"),
                _ => drop(flate2::read::DeflateDecoder::new(packed).read_to_string(&mut text).expect("it unpacks")),
            }
            return text;
        }
        at += 46 + name_length + extra + comment;
    }
    panic!("no {name} in the workbook")
}
