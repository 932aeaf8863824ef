//! A page for each report: the same figures as its other forms, and what each of them means.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::Date;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::super::error::ApiError;
use super::charts::{self, Line, Words, short};
use super::list::{Asked, campaigns, choices, frequencies, time};
use super::{Admin, Newsroom, View};
use crate::domain::field::{FieldError, Fields, Given};
use crate::domain::money::Currency;
use crate::domain::report::query::{Name, Query, Split, View as Counted};
use crate::domain::report::table::{Cell, Column, FEW_SHOWN, Kind, Row};
use crate::service::reports::{Head, ReportError, run};
use crate::text;

/// Lines that a page holds.
const LINES: usize = 1_000;
/// The reports that have a page; payments one by one are a list of their own.
const PAGES: [Name; 7] =
    [Name::Revenue, Name::Recurring, Name::OneTime, Name::Failed, Name::Statement, Name::Payouts, Name::Reminders];
/// What figures can be parted by from here, where the report knows it; addresses take any.
const BY: [&str; 12] = [
    "day",
    "week",
    "month",
    "year",
    "currency",
    "frequency",
    "campaign",
    "source",
    "month,frequency",
    "month,campaign",
    "month,source",
    "year,campaign",
];
/// Periods of which a picture is drawn: of fewer there is nothing to see, and more do not fit.
const DRAWN: std::ops::RangeInclusive<usize> = 2..=60;

pub async fn list(view: View) -> Response {
    let reports: Vec<Value> =
        PAGES.iter().map(|name| context! { name => name.as_str(), title => title(&view, *name) }).collect();
    view.page("reports", context! { title => view.say("admin-reports"), reports })
}

fn title(view: &View, name: Name) -> String {
    view.say(&format!("report-{name}"))
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
    let campaigns = if name.fields().contains(&"campaign") {
        campaigns(&admin, value(&said, "campaign")).await?
    } else {
        Vec::new()
    };
    let form = form(&view, name, &said, campaigns);
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
    let charts = charts(&view, &query, &head, &rows);
    let rows: Vec<Vec<Value>> = rows
        .into_iter()
        .map(|row| row.iter().zip(&head.columns).map(|(cell, column)| shown(&view, cell, column)).collect())
        .collect();
    Ok(view.page(
        "report",
        context! {
            charts, rows, columns => columns(&view, &head), time_zone => head.time_zone, as_of => time(&admin, now),
            ..form
        },
    ))
}

/// What was said in an address, by the names of its fields.
type Said = Vec<(&'static str, String)>;

fn value<'a>(said: &'a Said, name: &str) -> &'a str {
    said.iter().find(|(said, _)| *said == name).map_or("", |(_, value)| value.as_str())
}

/// What was said in the address, and a year up to the end of this month where nothing was.
fn said(admin: &Newsroom, name: Name, asked: &Asked) -> Said {
    let names = ["from", "to", "by", "currency", "campaign", "frequency", "source", "view"];
    let given = names.into_iter().map(|name| (name, asked.text(name).to_owned()));
    let mut said: Said = given.filter(|(_, value)| !value.is_empty()).collect();
    for (_, code) in said.iter_mut().filter(|(name, _)| *name == "currency") {
        code.make_ascii_uppercase();
    }
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

/// The form above a report, with the fields that the report knows.
fn form(view: &View, name: Name, said: &Said, campaigns: Vec<Value>) -> Value {
    let value = |name| value(said, name);
    let or = |name, otherwise| if value(name).is_empty() { otherwise } else { value(name) };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(said.iter().map(|(name, value)| (*name, value.as_str())));
    let counted: Vec<&str> = Counted::ALL.iter().map(|counted| counted.as_str()).collect();
    context! {
        title => title(view, name), name => name.as_str(), knows => name.fields().to_vec(),
        from => value("from"), to => value("to"), currency => value("currency"), source => value("source"),
        by => name.fields().contains(&"by").then(|| parted(view, name, or("by", "month"))),
        frequencies => frequencies(view, value("frequency")),
        campaigns,
        views => choices(view, &counted, "view-", or("view", Counted::Charge.as_str())),
        query => query.finish(),
        wrong => Value::from(()), rows => Value::from(()),
    }
}

/// What the report can be parted by, and what an address says instead.
fn parted(view: &View, name: Name, by: &str) -> Vec<Value> {
    let known: Vec<&str> = BY.into_iter().filter(|by| name.is_parted_by(by)).collect();
    let mut parted = choices(view, &known, "by-", by);
    if !known.contains(&by) {
        parted.push(context! { value => by, label => by, taken => true });
    }
    parted
}

/// The two columns that a report's pictures show, both of money; none where its lines are not a history.
fn drawn(name: Name) -> Option<[&'static str; 2]> {
    match name {
        Name::Revenue => Some(["gross", "net"]),
        Name::Recurring => Some(["closing_arr", "leaving_arr"]),
        Name::OneTime => Some(["sum", "mean"]),
        Name::Failed => Some(["failed_amount", "recovered_amount"]),
        Name::Statement => Some(["gross", "payouts"]),
        Name::Payouts | Name::Reminders | Name::Payments => None,
    }
}

/// Two columns over the periods, one picture for each currency, where figures are parted by nothing else.
fn charts(view: &View, query: &Query, head: &Head, rows: &[Row]) -> Vec<Value> {
    let Split { period, frequency, campaign, source } = query.split;
    if period.is_none() || frequency || campaign || source {
        return Vec::new();
    }
    let Some(two) = drawn(query.name) else { return Vec::new() };
    let at = |name: &str| head.columns.iter().position(|column| column.name == name);
    let columns = ["period", "currency", two[0], two[1]].map(at);
    let [Some(period), Some(currency), Some(first), Some(second)] = columns else { return Vec::new() };
    let mut currencies: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for row in rows {
        if let (Cell::Text(period), Cell::Text(currency)) = (&row[period], &row[currency]) {
            let amounts = [minor(&row[first]), minor(&row[second])];
            currencies.entry(currency).or_default().push(Point { period, amounts });
        }
    }
    let fit = currencies.into_iter().filter(|(_, periods)| DRAWN.contains(&periods.len()));
    let known = fit.filter_map(|(code, periods)| Some((Currency::parse(code).ok()?, periods)));
    known.map(|(currency, periods)| chart(view, query.name, currency, two, &periods)).collect()
}

/// A period of a picture: two amounts, in minor units.
struct Point<'r> {
    period: &'r str,
    amounts: [Option<i64>; 2],
}

fn minor(cell: &Cell) -> Option<i64> {
    if let Cell::Money(money) = cell { Some(money.amount_minor) } else { None }
}

fn chart(view: &View, name: Name, currency: Currency, two: [&str; 2], periods: &[Point]) -> Value {
    let line = |at: usize| Line {
        name: view.say(&format!("column-{}", two[at])),
        points: periods.iter().map(|point| point.amounts[at]).collect(),
    };
    let (first, second) = (line(0), line(1));
    let places: Vec<String> = periods.iter().map(|point| point.period.to_owned()).collect();
    let id = format!("{name}-{}", currency.code());
    let said = |what| {
        let names = [("first", first.name.as_str().into()), ("second", second.name.as_str().into())];
        text::say(view.language, what, &[names.as_slice(), &[("currency", currency.code().into())]].concat())
    };
    let (title, description) = (said("report-chart-title"), said("report-chart-description"));
    let words = Words { id: &id, title: &title, description: &description };
    let svg = charts::lines(&words, &places, [&first, &second], |minor| short(minor, currency));
    context! { title, svg => Value::from_safe_string(svg) }
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
    let column = |column: &Column| {
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

fn shown(view: &View, cell: &Cell, column: &Column) -> Value {
    let text = match cell {
        Cell::Nothing => "–".to_owned(),
        Cell::Text(text) if text.is_empty() => "–".to_owned(),
        Cell::Text(word) if column.name == "frequency" => view.say(&format!("frequency-{word}")),
        Cell::Text(word) if column.name == "status" => said_as(view, "payout-status", word),
        Cell::Text(word) if column.name == "made_by" => said_as(view, "payout-by", word),
        Cell::Words(words) if words.is_empty() => "–".to_owned(),
        Cell::Words(words) => {
            let each = words.iter().map(|(word, count)| format!("{}: {count}", said_as(view, "reminder-why", word)));
            each.collect::<Vec<_>>().join("; ")
        }
        Cell::Text(text) => text.clone(),
        Cell::Date(date) => date.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Few => FEW_SHOWN.to_owned(),
        Cell::Money(money) => text::money(view.language, *money),
        Cell::Rate { part, of } => Cell::rate(*part, *of).unwrap_or_else(|| "–".to_owned()),
    };
    // A payout that is not the sum of its bookings.
    let red = column.name == "difference" && matches!(cell, Cell::Money(money) if money.amount_minor != 0);
    // One line each, however many columns there are.
    let whole = column.name == "period" || column.kind == Kind::Date;
    let classes = [("number", is_number(column.kind)), ("red", red), ("whole", whole)];
    let class: Vec<&str> = classes.into_iter().filter_map(|(class, holds)| holds.then_some(class)).collect();
    context! { text, class => class.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;
    use crate::domain::pledge::Frequency;

    #[test]
    fn whatever_a_page_may_have_to_say_has_a_text_in_every_language() {
        let mut ids: Vec<String> = BY.iter().map(|by| format!("by-{}", by.replace(',', "-"))).collect();
        for name in PAGES {
            ids.push(format!("report-{name}"));
            let wrong = name.fields().iter().chain(&["from", "to", "not-used", "not-after-from", "too-many-periods"]);
            ids.extend(wrong.map(|field| format!("report-wrong-{field}")));
        }
        ids.extend(Counted::ALL.iter().map(|view| format!("view-{view}")));
        ids.extend(Frequency::ALL.iter().map(|frequency| format!("frequency-{frequency}")));
        // Stripe's words (source: its reference, the payout object).
        ids.extend(["pending", "in-transit", "paid", "failed", "canceled"].map(|word| format!("payout-status-{word}")));
        ids.extend(["automatic", "manual"].map(|word| format!("payout-by-{word}")));
        for (id, language) in ids.iter().flat_map(|id| Language::ALL.into_iter().map(move |language| (id, language))) {
            assert!(text::find(language, id, &[("field", "view".into())]).is_some(), "{id} in {}", language.as_str());
        }
    }
}
