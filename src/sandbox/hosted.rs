//! The page of an invoice, where a donor whose payment failed pays it and leaves another card.
//!
//! It must not collect by rules of its own ([`super::billing`] does). Invariant: only an open invoice is paid, and the card
//! it was paid with is charged from then on.

use axum::extract::{Form, Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::billing::subscription_of;
use super::pages::{cards, escape, page};
use super::payments::Attempt;
use super::state::{State, text};
use super::{Card, Sandbox, money};

#[derive(Deserialize)]
pub(super) struct Paid {
    card: String,
}

pub(super) async fn show(Shared(sandbox): Shared<Sandbox>, Path(invoice): Path<String>) -> Response {
    sandbox.tick().await;
    shown(&sandbox.lock(), &invoice, "")
}

fn shown(state: &State, id: &str, alert: &str) -> Response {
    if !state.has("invoice", id) {
        return (StatusCode::NOT_FOUND, page("No such invoice", "")).into_response();
    }
    let invoice = state.get(id);
    let amount = money::display(invoice["amount_due"].as_i64().unwrap_or(0), text(invoice, "currency"));
    let main = match text(invoice, "status") {
        "open" => format!(
            "{alert}<form method=\"post\" action=\"/invoices/{}\">{}<button type=\"submit\">Pay {amount}</button></form>",
            escape(id),
            cards()
        ),
        status => format!("<p>This invoice is {}.</p>", escape(status)),
    };
    page(&format!("Invoice of {amount}"), &main).into_response()
}

pub(super) async fn pay(
    Shared(sandbox): Shared<Sandbox>,
    Path(invoice): Path<String>,
    Form(paid): Form<Paid>,
) -> Response {
    let Some(card) = Card::from_slug(&paid.card) else {
        return (StatusCode::BAD_REQUEST, page("No such card", "")).into_response();
    };
    sandbox.tick().await;
    let mut state = sandbox.lock();
    if !state.has("invoice", &invoice) || state.text(&invoice, "status") != "open" {
        return shown(&state, &invoice, "");
    }
    let subscription = subscription_of(state.get(&invoice)).to_owned();
    if let Some(known) = state.agreements.get_mut(&subscription) {
        known.card = card.off_session();
    }
    match state.collect(&invoice) {
        Attempt::Succeeded | Attempt::Processing => Redirect::to(&format!("/invoices/{invoice}")).into_response(),
        _ => shown(&state, &invoice, "<p class=\"alert\" role=\"alert\">The bank declined.</p>"),
    }
}
