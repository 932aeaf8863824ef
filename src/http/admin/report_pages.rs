//! A page for each report: the same figures as its other forms, and what each of them means.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::Date;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::super::error::ApiError;
use super::list::{Asked, choices, time};
use super::{Admin, Newsroom, View};
use crate::domain::field::{FieldError, Fields, Given};
use crate::domain::report::query::{Name, Query};
use crate::domain::report::table::{Cell, FEW_SHOWN, Kind};
use crate::service::reports::{Head, ReportError, run};
use crate::text;

/// Lines that a page holds.
const LINES: usize = 1_000;
/// The reports that have a page; payments one by one are a list of their own.
const PAGES: [Name; 7] =
    [Name::Revenue, Name::Recurring, Name::OneTime, Name::Failed, Name::Statement, Name::Payouts, Name::Reminders];
/// What figures can be parted by from here; addresses take any.
const BY: [&str; 8] =
    ["day", "week", "month", "year", "month,frequency", "month,campaign", "month,source", "year,campaign"];

pub async fn list(view: View) -> Response {
    let reports: Vec<Value> =
        PAGES.iter().map(|name| context! { name => name.as_str(), title => title(&view, *name) }).collect();
    view.page("reports", context! { title => view.say("admin-reports"), reports })
}

fn title(view: &View, name: Name) -> String {
    view.say(&format!("report-{name}"))
}

/// Whether a report can be parted by periods and more.
fn parts(name: Name) -> bool {
    !matches!(name, Name::Reminders | Name::Payouts)
}

pub async fn show(
    State(admin): State<Admin>,
    view: View,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let missing = || ApiError::of_status(StatusCode::NOT_FOUND);
    let name = Name::parse(&name).filter(|name| PAGES.contains(name)).ok_or_else(missing)?;
    let said = said(&admin, name, &asked);
    let fields: Fields = said.iter().map(|(name, value)| ((*name).to_owned(), Given::Text(value.clone()))).collect();
    let form = form(&view, name, &said);
    let query = match Query::parse(name.as_str(), &fields) {
        Ok(query) => query,
        Err(errors) => {
            let wrong: Vec<String> = errors.iter().map(|error| mistake(&view, error)).collect();
            return Ok(view.answer(StatusCode::UNPROCESSABLE_ENTITY, "report", context! { wrong, ..form }));
        }
    };
    let now = admin.clock.now();
    let report = run(&admin.store, &admin.zone, now, &query).await?;
    let head = report.head;
    let rows = match report.rows.all(LINES).await {
        Ok(rows) => rows,
        Err(ReportError::TooManyRows(_)) => {
            let wrong = [view.say("report-too-many")];
            return Ok(view.answer(StatusCode::UNPROCESSABLE_ENTITY, "report", context! { wrong, ..form }));
        }
        Err(error) => return Err(error.into()),
    };
    let rows: Vec<Vec<Value>> = rows
        .into_iter()
        .map(|row| row.iter().zip(&head.columns).map(|(cell, column)| shown(&view, cell, column.name)).collect())
        .collect();
    Ok(view.page(
        "report",
        context! { rows, columns => columns(&view, &head), time_zone => head.time_zone, as_of => time(&admin, now), ..form },
    ))
}

/// What was said in the address, and a year up to the end of this month where nothing was.
fn said(admin: &Newsroom, name: Name, asked: &Asked) -> Vec<(&'static str, String)> {
    let names = ["from", "to", "by", "currency", "campaign", "frequency", "source", "view"];
    let given = names.into_iter().map(|name| (name, asked.text(name).to_owned()));
    let mut said: Vec<(&'static str, String)> = given.filter(|(_, value)| !value.is_empty()).collect();
    if name != Name::Reminders {
        let today =
            jiff::Timestamp::from_second(admin.clock.now()).unwrap_or_default().to_zoned(admin.zone.clone()).date();
        let to: Date = today.last_of_month().saturating_add(1.day());
        let mut otherwise = |name: &'static str, day: Date| {
            if !said.iter().any(|(said, _)| *said == name) {
                said.push((name, day.to_string()));
            }
        };
        otherwise("from", to.saturating_sub(12.months()));
        otherwise("to", to);
    }
    said
}

fn form(view: &View, name: Name, said: &[(&'static str, String)]) -> Value {
    let value = |name: &str| said.iter().find(|(said, _)| *said == name).map_or("", |(_, value)| value.as_str());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(said.iter().map(|(name, value)| (*name, value.as_str())));
    let by = if value("by").is_empty() { "month" } else { value("by") };
    context! {
        title => title(view, name), name => name.as_str(),
        from => value("from"), to => value("to"), currency => value("currency"),
        by => parts(name).then(|| choices(view, &BY, "by-", by)),
        query => query.finish(),
        wrong => Value::from(()), rows => Value::from(()),
    }
}

/// What is wrong with the address, in the reader's language.
fn mistake(view: &View, error: &FieldError) -> String {
    let id = match error.code.as_str() {
        "not_used" | "not_after_from" | "too_many_periods" => error.code.replace('_', "-"),
        _ => error.field.clone(),
    };
    text::find(view.language, &format!("report-wrong-{id}"), &[("field", error.field.as_str().into())])
        .unwrap_or_else(|| format!("{}: {}", error.field, error.message))
}

fn columns(view: &View, head: &Head) -> Vec<Value> {
    let column = |column: &crate::domain::report::table::Column| {
        let definition = text::meaning(view.language, column.definition);
        context! { name => view.say(&format!("column-{}", column.name)), definition, number => is_number(column.kind) }
    };
    head.columns.iter().map(column).collect()
}

/// A word of a program's in the reader's language; as it is where it is not known.
fn said_as(view: &View, what: &str, word: &str) -> String {
    let id = format!("{what}-{}", word.replace('_', "-"));
    text::find(view.language, &id, &[]).unwrap_or_else(|| word.to_owned())
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Count | Kind::People | Kind::Money | Kind::Rate)
}

fn shown(view: &View, cell: &Cell, column: &str) -> Value {
    let (text, number) = match cell {
        Cell::Nothing => ("–".to_owned(), false),
        Cell::Text(text) if text.is_empty() => ("–".to_owned(), false),
        Cell::Text(word) if column == "frequency" => (view.say(&format!("frequency-{word}")), false),
        Cell::Text(word) if column == "status" => (said_as(view, "payout-status", word), false),
        Cell::Text(word) if column == "made_by" => (said_as(view, "payout-by", word), false),
        Cell::Words(words) if words.is_empty() => ("–".to_owned(), false),
        Cell::Words(words) => {
            let each = words.iter().map(|(word, count)| format!("{}: {count}", said_as(view, "reminder-why", word)));
            (each.collect::<Vec<_>>().join("; "), false)
        }
        Cell::Text(text) => (text.clone(), false),
        Cell::Date(date) => (date.to_string(), false),
        Cell::Count(count) => (count.to_string(), true),
        Cell::Few => (FEW_SHOWN.to_owned(), true),
        Cell::Money(money) => (text::money(view.language, *money), true),
        Cell::Rate { part, of } => (Cell::rate(*part, *of).unwrap_or_else(|| "–".to_owned()), true),
    };
    // A payout that is not the sum of its bookings.
    let red = column == "difference" && matches!(cell, Cell::Money(money) if money.amount_minor != 0);
    context! { text, number, red }
}
