//! One report in every form: the same rows, by HTTP as by the program, and each mistake named by its field.

use std::collections::BTreeMap;

use mainstay::sandbox::Card;
use serde_json::{Value, json};

use super::told;
use crate::support::app::TestApp;
use crate::support::database::{BOTH, Kind};
use crate::support::process::mainstay;
use crate::support::reports::{ALWAYS, read_csv, read_xlsx};

const NAMES: [&str; 8] =
    ["revenue", "recurring", "one-time", "failed", "reminders", "payouts", "statement", "payments"];

struct Got {
    status: u16,
    kind: String,
    headers: BTreeMap<String, String>,
    bytes: Vec<u8>,
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }
}

async fn get(app: &TestApp, url: &str, name: &str, said: &[(&str, &str)]) -> Got {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
    let answer = app.http.get(format!("{url}/{name}?{query}")).send().await.expect("an answer");
    let headers: BTreeMap<String, String> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .collect();
    let status = answer.status().as_u16();
    let kind = headers.get("content-type").cloned().unwrap_or_default();
    Got { status, kind, headers, bytes: answer.bytes().await.expect("a body").to_vec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_every_report_has_the_same_rows() {
    for kind in BOTH {
        let (app, _) = told(kind).await;
        let url = app.serve_reports().await;
        let before = app.database.books().await;
        for name in NAMES {
            let said = |format| [&ALWAYS[..], &[("format", format)]].concat();
            let json = get(&app, &url, name, &said("json")).await;
            assert_eq!((json.status, json.kind.as_str()), (200, "application/json"), "{name}: {}", json.text());
            assert_eq!(json.headers["cache-control"], "no-store");
            let json = json.json();
            let csv = get(&app, &url, name, &said("csv")).await;
            assert_eq!((csv.status, csv.kind.as_str()), (200, "text/csv; charset=utf-8"));
            let (titles, lines) = read_csv(&csv.text());
            agree(name, &json, &titles, &lines);
            let xlsx = get(&app, &url, name, &said("xlsx")).await;
            assert!(xlsx.headers["content-disposition"].ends_with(&format!("{name}-2026-01-01-2028-01-01.xlsx\"")));
            assert_eq!((xlsx.status, xlsx.kind.contains("spreadsheetml")), (200, true));
            sheet_agrees(name, &read_xlsx(&xlsx.bytes), &titles, &lines);

            let program = |format: &str| {
                let output = mainstay(&["report", name, "--from", "2026-01-01", "--to", "2028-01-01"])
                    .args(["--format", format, "--database-url", &app.database.url])
                    .args(if name == "revenue" { &["--by", "month,currency"][..] } else { &[] })
                    .output()
                    .expect("the program runs");
                assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
                output.stdout
            };
            // `waiting` and `lost` depend on the time of day, which the program has from elsewhere; nothing waits here.
            assert_eq!(program("csv"), csv.bytes, "{name} on {kind:?}");
            assert_eq!(serde_json::from_slice::<Value>(&program("json")).expect("JSON"), json);
            assert_eq!(read_xlsx(&program("xlsx")), read_xlsx(&xlsx.bytes));
            let table = String::from_utf8(program("table")).expect("text");
            let rows = json["rows"].as_array().expect("rows").len();
            assert!(table.lines().count() >= rows, "{name}:\n{table}");
        }
        assert_eq!(app.database.books().await, before, "looking changes nothing");
        app.finish().await;
    }
}

/// Each line of the CSV says what the row of the JSON does.
fn agree(name: &str, json: &Value, titles: &[String], lines: &[BTreeMap<String, String>]) {
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), lines.len(), "{name}");
    assert!(name == "reminders" || !rows.is_empty(), "{name} has rows");
    let columns: Vec<(&str, &str)> = json["columns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| (column["name"].as_str().expect("a name"), column["kind"].as_str().expect("a kind")))
        .collect();
    let names: Vec<&str> = columns.iter().map(|column| column.0).collect();
    assert_eq!(titles[..names.len()], names, "{name}");
    for (row, line) in rows.iter().zip(lines) {
        for (column, kind) in &columns {
            let plain = match &row[*column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(line[*column], plain, "{name}: {column} of {row}");
            if let ("money", Some(minor)) = (*kind, row[*column].as_i64()) {
                let decimal = &line[column.trim_end_matches("_minor")];
                assert_eq!(decimal.replace('.', "").parse::<i64>().expect("a number"), minor, "{name}: {column}");
            }
        }
    }
}

fn sheet_agrees(name: &str, sheet: &[Vec<String>], titles: &[String], lines: &[BTreeMap<String, String>]) {
    assert_eq!((sheet[0].as_slice(), sheet.len() - 1), (titles, lines.len()), "{name}");
    for (cells, line) in sheet[1..].iter().zip(lines) {
        for (place, title) in titles.iter().enumerate() {
            let (cell, said) = (cells.get(place).map_or("", String::as_str), &line[title]);
            let same_number = || {
                cell.parse::<f64>()
                    .ok()
                    .zip(said.parse::<f64>().ok())
                    .is_some_and(|(one, two)| one.to_bits() == two.to_bits())
            };
            let same_day = || {
                let day: Option<jiff::civil::Date> = said.parse().ok();
                let days = day.map(|day| (day - jiff::civil::date(1899, 12, 30)).get_days().to_string());
                days.as_deref() == Some(cell)
            };
            assert!(
                cell == said || same_number() || same_day(),
                "{name}: {title} is {cell} in the sheet, {said} in CSV"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spreadsheets_are_told_the_encoding_and_never_a_formula() {
    let app = TestApp::start(Kind::Sqlite).await;
    for source in ["-2:3", "widget"] {
        let body = json!({"frequency": "once", "amount_minor": 500, "currency": "USD", "source": source});
        let (status, made) = app.ask(&body, None).await;
        assert_eq!(status, 201, "{made}");
        app.pay(&crate::support::app::session_of(&made), Card::Works).await;
    }
    app.settle().await;
    let url = app.serve_reports().await;
    let asked = [&ALWAYS[..], &[("by", "source"), ("format", "csv")]].concat();
    let text = get(&app, &url, "revenue", &asked).await.text();
    assert!(
        text.starts_with("currency,source,count,gross_minor,refunds_minor,disputes_minor,fees_minor,net_minor,gross,")
    );
    assert!(text.contains("\nUSD,'-2:3,1,500,0,0,,500,5.00,0.00,0.00,,5.00\n"), "{text}");
    let with_bom = get(&app, &url, "revenue", &[&asked[..], &[("bom", "1")]].concat()).await.text();
    assert_eq!(with_bom, format!("\u{feff}{text}"));
    let asked = [&ALWAYS[..], &[("by", "source"), ("format", "xlsx")]].concat();
    let sheet = read_xlsx(&get(&app, &url, "revenue", &asked).await.bytes);
    assert!(sheet.iter().any(|line| line[1] == "-2:3"), "a text cell needs no apostrophe: {sheet:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_is_a_422_that_names_its_field() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.serve_reports().await;
    let november = ("from", "2026-11-01");
    for (name, said, fields) in [
        ("profit", vec![november, ("to", "2026-12-01")], vec!["name"]),
        ("revenue", vec![], vec!["from", "to"]),
        ("revenue", vec![("from", "yesterday"), ("to", "2026-12-01")], vec!["from"]),
        ("revenue", vec![("from", "2026-02-30"), ("to", "2026-12-01")], vec!["from"]),
        ("revenue", vec![november, ("to", "2026-11-01")], vec!["to"]),
        ("revenue", vec![november, ("to", "2026-12-01"), ("currency", "EURO")], vec!["currency"]),
        ("revenue", vec![november, ("to", "2026-12-01"), ("by", "hour"), ("format", "pdf")], vec!["by", "format"]),
        ("payouts", vec![november, ("to", "2026-12-01"), ("by", "day"), ("bom", "yes")], vec!["by", "bom"]),
        ("revenue", vec![november, ("to", "2026-12-01"), ("until", "x")], vec!["until"]),
        ("revenue", vec![("from", "0001-01-01"), ("to", "9999-12-31"), ("by", "day")], vec!["to"]),
    ] {
        let got = get(&app, &url, name, &said).await;
        assert_eq!(
            (got.status, got.kind.as_str()),
            (422, "application/problem+json"),
            "{name} {said:?}: {}",
            got.text()
        );
        let problem = got.json();
        let named: Vec<&str> =
            problem["errors"].as_array().expect("errors").iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!((problem["code"].as_str(), named), (Some("invalid_request"), fields), "{problem}");
    }
    let output =
        mainstay(&["report", "revenue", "--from", "2026-12-01", "--to", "2026-12-01"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--to: expected a day after `from`"), "{said}");
    app.finish().await;
}
