//! The dashboard: what happened, and the buttons that move the shared clock and send money back.
//!
//! Invariant: each table is bounded.

use std::fmt::Write as _;

use axum::extract::{Form, State as Shared};
use axum::response::{Html, Redirect};
use jiff::ToSpan as _;
use serde::Deserialize;
use serde_json::Value;

use super::pages::{escape, page};
use super::state::{State, text};
use super::{Sandbox, money, webhooks::DeliveryState};

const ROWS_MAX: usize = 30;

pub(super) async fn show(Shared(sandbox): Shared<Sandbox>) -> Html<String> {
    let state = sandbox.lock();
    let mut html = clock(&state);
    html.push_str(&table(&state, "Checkout sessions", "checkout.session", &["status", "payment_status", "mode"]));
    html.push_str(&table(&state, "Payments", "payment_intent", &["status"]));
    html.push_str(&charges(&state));
    html.push_str(&table(&state, "Subscriptions", "subscription", &["status"]));
    html.push_str(&events(&state));
    page("Sandbox", &html)
}

fn clock(state: &State) -> String {
    let mut html =
        format!("<p>It is <strong>{}</strong>.</p><form method=\"post\" action=\"/clock\">", moment(state.clock.now()));
    for (value, label) in [("day", "+1 day"), ("month", "+1 month"), ("quarter", "+3 months"), ("year", "+1 year")] {
        let _ = write!(html, "<button name=\"by\" value=\"{value}\">{label}</button>");
    }
    html.push_str("</form>");
    html
}

fn moment(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn table(state: &State, title: &str, kind: &str, fields: &[&str]) -> String {
    let mut html = format!("<h2>{title}</h2><table><thead><tr><th>Created</th><th>Id</th><th>Amount</th>");
    for field in fields {
        let _ = write!(html, "<th>{}</th>", field.replace('_', " "));
    }
    html.push_str("</tr></thead><tbody>");
    for object in state.all(kind).rev().take(ROWS_MAX) {
        let created = moment(object["created"].as_i64().unwrap_or(0));
        let _ = write!(html, "<tr><td>{created}</td><td>{}</td><td>{}</td>", linked(object), amount(object));
        for field in fields {
            let _ = write!(html, "<td>{}</td>", escape(text(object, field)));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    html
}

/// Charges that brought money, each with what may become of it.
fn charges(state: &State) -> String {
    let mut html =
        "<h2>Charges</h2><table><thead><tr><th>Created</th><th>Id</th><th>Amount</th><th>Refunded</th><th></th>\
                    </tr></thead><tbody>"
            .to_owned();
    for charge in state.all("charge").rev().filter(|charge| charge["status"] == "succeeded").take(ROWS_MAX) {
        let id = escape(text(charge, "id"));
        let refunded = money::display(charge["amount_refunded"].as_i64().unwrap_or(0), text(charge, "currency"));
        let created = moment(charge["created"].as_i64().unwrap_or(0));
        let _ = write!(html, "<tr><td>{created}</td><td>{id}</td><td>{}</td><td>{refunded}</td><td>", amount(charge));
        let whole = charge["refunded"] != true && charge["disputed"] != true;
        for (action, label) in [("refund", "Refund"), ("dispute", "Dispute")].into_iter().filter(|_| whole) {
            let _ = write!(
                html,
                "<form method=\"post\" action=\"/{action}\"><button name=\"charge\" value=\"{id}\">{label}</button></form>"
            );
        }
        html.push_str("</td></tr>");
    }
    html.push_str("</tbody></table>");
    html
}

fn linked(object: &Value) -> String {
    let id = escape(text(object, "id"));
    match object["url"].as_str() {
        Some(url) => format!("<a href=\"{}\">{id}</a>", escape(url)),
        None => id,
    }
}

fn amount(object: &Value) -> String {
    let price = &object["items"]["data"][0]["price"]["unit_amount"];
    let minor = object["amount_total"].as_i64().or(object["amount"].as_i64()).or(price.as_i64());
    minor.map_or_else(String::new, |minor| money::display(minor, text(object, "currency")))
}

fn events(state: &State) -> String {
    let mut html =
        "<h2>Events</h2><table><thead><tr><th>Created</th><th>Type</th><th>Id</th><th>Delivery</th></tr></thead><tbody>"
            .to_owned();
    for (at, event) in state.events.iter().enumerate().rev().take(ROWS_MAX) {
        let deliveries: Vec<String> =
            state.outbound.of_event(at).into_iter().map(|(delivery, attempts)| stage(delivery, attempts)).collect();
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            moment(event.created),
            escape(&event.kind),
            escape(&event.id),
            deliveries.join(", ")
        );
    }
    html.push_str("</tbody></table>");
    html
}

fn stage(delivery: DeliveryState, attempts: usize) -> String {
    match delivery {
        DeliveryState::Pending if attempts == 0 => "waiting".to_owned(),
        DeliveryState::Pending => format!("refused {attempts} times, will be sent again"),
        DeliveryState::Delivered => "delivered".to_owned(),
        DeliveryState::GivenUp => format!("given up after {attempts} attempts"),
        DeliveryState::Dropped => "lost on purpose".to_owned(),
    }
}

#[derive(Deserialize)]
pub(super) struct Reversal {
    charge: String,
    /// All that is left, if it is not said.
    amount: Option<i64>,
}

// What cannot be reversed stays as it is; the page that follows shows it.
pub(super) async fn refund(Shared(sandbox): Shared<Sandbox>, Form(form): Form<Reversal>) -> Redirect {
    let _ = sandbox.refund(&form.charge, form.amount);
    Redirect::to("/")
}

pub(super) async fn dispute(Shared(sandbox): Shared<Sandbox>, Form(form): Form<Reversal>) -> Redirect {
    let _ = sandbox.dispute(&form.charge, "fraudulent");
    Redirect::to("/")
}

#[derive(Deserialize)]
pub(super) struct Step {
    by: String,
}

pub(super) async fn advance(Shared(sandbox): Shared<Sandbox>, Form(step): Form<Step>) -> Redirect {
    let span = match step.by.as_str() {
        "day" => Some(1.day()),
        "month" => Some(1.month()),
        "quarter" => Some(3.months()),
        "year" => Some(1.year()),
        _ => None,
    };
    if let Some(span) = span {
        let now = sandbox.now();
        let zoned = jiff::Timestamp::from_second(now).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
        let later = zoned.checked_add(span).map_or(now, |later| later.timestamp().as_second());
        sandbox.advance(later - now);
        sandbox.tick().await;
    }
    Redirect::to("/")
}
