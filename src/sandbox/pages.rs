//! What a person sees of the sandbox: the checkout page, the bank's second factor, the portal, the dashboard.
//!
//! It must not hold rules of payment, and has no script. Invariants: every text from outside is escaped; a GET changes
//! nothing.

use std::fmt::Write as _;

use axum::extract::{Form, Path, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::Deserialize;
use serde_json::Value;

use super::state::{State, text};
use super::{Card, PayOutcome, Person, Sandbox, SandboxError, dashboard, hosted, inbox, money};

/// Everything but the API.
pub(super) fn routes(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/clock", post(dashboard::advance))
        .route("/paper/{name}", get(paper))
        .route("/inbox", get(inbox::list))
        .route("/inbox/{name}", get(inbox::show))
        .route("/refund", post(dashboard::refund))
        .route("/dispute", post(dashboard::dispute))
        .route("/c/pay/{session}", get(checkout).post(pay))
        .route("/c/pay/{session}/authenticate", post(authenticate))
        .route("/invoices/{invoice}", get(hosted::show).post(hosted::pay))
        .route("/p/session/{portal}", get(portal))
        .route("/p/session/{portal}/card", post(portal_card))
        .route("/p/session/{portal}/cancel", post(portal_cancel))
        .layer(middleware::map_response(no_store))
        .with_state(sandbox)
}

async fn no_store(mut response: Response) -> Response {
    let value = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(axum::http::header::CACHE_CONTROL, value);
    response
}

/// What was hung out.
async fn paper(Shared(sandbox): Shared<Sandbox>, Path(name): Path<String>) -> Response {
    let Some(page) = sandbox.published(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let head = [(header::CONTENT_TYPE, page.kind), (header::CONTENT_SECURITY_POLICY, page.policy.as_str())];
    (head, page.text).into_response()
}

/// A whole page in plain, accessible HTML.
pub(super) fn page(title: &str, main: &str) -> Html<String> {
    let title = escape(title);
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><p class=\"note\">Sandbox: no real money moves here.</p>\
         <h1>{title}</h1>{main}</main></body></html>"
    ))
}

const STYLE: &str = "body{font:1.05rem/1.5 system-ui,sans-serif;margin:0;color:#1a1a2e;background:#f6f7f9}\
main{max-width:64rem;margin:1.5rem auto;padding:0 1rem}fieldset,form{margin:0 0 1rem}label{display:block;margin:.4rem 0}\
input[type=email],input[type=text]{font:inherit;padding:.4rem;width:20rem;max-width:100%}\
button{font:inherit;padding:.5rem 1.2rem;margin:.2rem .4rem .2rem 0}.note{background:#fff3cd;padding:.4rem .8rem}\
.alert{background:#fde2e2;padding:.6rem .8rem}table{border-collapse:collapse;width:100%;font-size:.9rem;margin:0 0 1rem}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccd;overflow-wrap:anywhere}";

/// Text made safe for HTML, attributes included.
pub(super) fn escape(raw: &str) -> String {
    raw.chars().fold(String::with_capacity(raw.len()), |mut safe, each| {
        match each {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
        safe
    })
}

async fn checkout(Shared(sandbox): Shared<Sandbox>, Path(session): Path<String>) -> Response {
    sandbox.tick().await;
    show_checkout(&sandbox.lock(), &session, None)
}

fn show_checkout(state: &State, id: &str, alert: Option<&str>) -> Response {
    let session = state.get(id);
    if !state.has("checkout.session", id) {
        return (StatusCode::NOT_FOUND, page("No such checkout", "")).into_response();
    }
    match text(session, "status") {
        "open" => page(&heading(state, session), &form(session, alert)).into_response(),
        "complete" => {
            (StatusCode::GONE, page("This checkout is complete", "<p>You have paid already.</p>")).into_response()
        }
        _ => (StatusCode::GONE, page("This checkout has expired", "<p>Please start again.</p>")).into_response(),
    }
}

fn heading(state: &State, session: &Value) -> String {
    let amount = money::display(session["amount_total"].as_i64().unwrap_or(0), text(session, "currency"));
    let lines = state.visits.get(text(session, "id")).map(|visit| &visit.line_items);
    let interval = lines.map_or("", |lines| text(&lines[0]["price"]["recurring"], "interval"));
    match interval {
        "" => format!("Pay {amount}"),
        each => format!("Pay {amount} every {each}"),
    }
}

fn form(session: &Value, alert: Option<&str>) -> String {
    let id = escape(text(session, "id"));
    let mut html = String::new();
    if let Some(alert) = alert {
        let _ = write!(html, "<p class=\"alert\" role=\"alert\">{}</p>", escape(alert));
    }
    let email = escape(session["customer_email"].as_str().unwrap_or("reader@example.com"));
    let _ = write!(
        html,
        "<form method=\"post\" action=\"/c/pay/{id}\">\
         <label>Email <input type=\"email\" name=\"email\" value=\"{email}\" required autocomplete=\"email\"></label>\
         <label>Name <input type=\"text\" name=\"name\" value=\"Ada Reader\" autocomplete=\"name\"></label>\
         {}<button type=\"submit\">Pay</button></form>",
        cards()
    );
    if let Some(back) = session["cancel_url"].as_str() {
        let _ = write!(html, "<p><a href=\"{}\">Back</a></p>", escape(back));
    }
    html
}

/// The choice of a test card.
pub(super) fn cards() -> String {
    let mut html = "<fieldset><legend>Test card</legend>".to_owned();
    for card in Card::ALL {
        let checked = if card == Card::Works { " checked" } else { "" };
        let _ = write!(
            html,
            "<label><input type=\"radio\" name=\"card\" value=\"{}\"{checked}> {}</label>",
            card.slug(),
            card.label()
        );
    }
    html + "</fieldset>"
}

#[derive(Deserialize)]
struct Payment {
    card: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
}

async fn pay(Shared(sandbox): Shared<Sandbox>, Path(session): Path<String>, Form(payment): Form<Payment>) -> Response {
    let Some(card) = Card::from_slug(&payment.card) else {
        return (StatusCode::BAD_REQUEST, page("No such card", "")).into_response();
    };
    let person =
        if payment.email.is_empty() { Person::default() } else { Person { email: payment.email, name: payment.name } };
    let outcome = sandbox.pay_as(&session, card, person).await;
    after(&sandbox, &session, outcome)
}

#[derive(Deserialize)]
struct Answered {
    answer: String,
}

async fn authenticate(
    Shared(sandbox): Shared<Sandbox>,
    Path(session): Path<String>,
    Form(answered): Form<Answered>,
) -> Response {
    let outcome = sandbox.authenticate(&session, answered.answer == "complete").await;
    after(&sandbox, &session, outcome)
}

fn after(sandbox: &Sandbox, session: &str, outcome: Result<PayOutcome, SandboxError>) -> Response {
    match outcome {
        Ok(PayOutcome::Paid { redirect } | PayOutcome::Processing { redirect }) => {
            Redirect::to(&redirect).into_response()
        }
        Ok(PayOutcome::Declined { message, .. }) => show_checkout(&sandbox.lock(), session, Some(&message)),
        Ok(PayOutcome::AuthenticationRequired) => {
            let action = escape(session);
            page(
                "Complete authentication",
                &format!(
                    "<p>Your bank asks whether it is you.</p>\
                     <form method=\"post\" action=\"/c/pay/{action}/authenticate\">\
                     <button name=\"answer\" value=\"complete\">Complete authentication</button>\
                     <button name=\"answer\" value=\"fail\">Fail authentication</button></form>"
                ),
            )
            .into_response()
        }
        Err(_) => show_checkout(&sandbox.lock(), session, None),
    }
}

async fn portal(Shared(sandbox): Shared<Sandbox>, Path(id): Path<String>) -> Response {
    show_portal(&sandbox.lock(), &id)
}

fn show_portal(state: &State, id: &str) -> Response {
    if !state.has("billing_portal.session", id) {
        return (StatusCode::NOT_FOUND, page("No such portal session", "")).into_response();
    }
    let mut html = card_form(id);
    if state.get(id)["flow"]["type"] == "payment_method_update" {
        let _ = write!(html, "{}", way_back(state, id));
        return page("Your card", &html).into_response();
    }
    match state.subscription_of_customer(&state.text(id, "customer")) {
        Some(known) => {
            let _ =
                write!(html, "<p>Subscription {}: {}</p>", escape(text(known, "id")), escape(text(known, "status")));
            if text(known, "status") != "canceled" && known["cancel_at_period_end"] != true {
                let _ = write!(
                    html,
                    "<form method=\"post\" action=\"/p/session/{}/cancel\"><button>Cancel at the end of the period</button></form>",
                    escape(id)
                );
            }
        }
        None => html.push_str("<p>No subscription.</p>"),
    }
    html.push_str(&way_back(state, id));
    page("Your subscription", &html).into_response()
}

fn way_back(state: &State, id: &str) -> String {
    let back = state.get(id)["return_url"].as_str();
    back.map(|back| format!("<p><a href=\"{}\">Back</a></p>", escape(back))).unwrap_or_default()
}

fn card_form(id: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/p/session/{}/card\">{}<button>Save card</button></form>",
        escape(id),
        cards()
    )
}

#[derive(Deserialize)]
struct NewCard {
    card: String,
}

/// The new card is used from the next invoice on.
async fn portal_card(
    Shared(sandbox): Shared<Sandbox>,
    Path(id): Path<String>,
    Form(chosen): Form<NewCard>,
) -> Response {
    let Some(card) = Card::from_slug(&chosen.card) else {
        return (StatusCode::BAD_REQUEST, page("No such card", "")).into_response();
    };
    let mut state = sandbox.lock();
    state.run_due();
    if !state.has("billing_portal.session", &id) {
        return (StatusCode::NOT_FOUND, page("No such portal session", "")).into_response();
    }
    let customer = state.text(&id, "customer");
    state.change_card(&customer, card);
    let html = format!("<p role=\"status\">From now on the new card is used.</p>{}", way_back(&state, &id));
    page("Your card is changed", &html).into_response()
}

async fn portal_cancel(Shared(sandbox): Shared<Sandbox>, Path(id): Path<String>) -> Response {
    let subscription = {
        let state = sandbox.lock();
        state.subscription_of_customer(&state.text(&id, "customer")).map(|known| text(known, "id").to_owned())
    };
    if let Some(subscription) = subscription {
        sandbox.cancel_subscription(&subscription, true);
    }
    Redirect::to(&format!("/p/session/{id}")).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_comes_from_outside_cannot_become_markup() {
        assert_eq!(super::escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
