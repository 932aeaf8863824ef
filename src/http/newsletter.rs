//! `POST /v1/newsletter`, and what the links in its mails lead to.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use minijinja::{Value, context};
use serde::Serialize;

use super::client::Client;
use super::error::{ApiError, Problem};
use super::extract::JsonFields;
use super::links::{Link, action};
use super::reminders::ConsentRequest;
use super::state::Giving;
use crate::domain::campaign::DEFAULT;
use crate::domain::language::Language;
use crate::domain::new_reminder;
use crate::service::later;
use crate::store::{ShownSignup, StoreError};
use crate::text;

// The shape of the request, for its description only: `new_reminder` reads it.
/// Somebody signs up to the newsletter.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewsletterRequest {
    #[schema(example = "reader@example.org")]
    pub email: String,
    /// As the campaign's answer names it.
    #[schema(example = "newsletter")]
    pub list: String,
    /// Of the mails.
    pub locale: Option<String>,
    pub consent: ConsentRequest,
}

/// Nothing: whoever it is, a mail asks for confirmation where one is due.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewsletterAsked {}

/// Sign up to the newsletter
#[utoipa::path(post, path = "/v1/newsletter", tag = "giving", request_body = NewsletterRequest,
    responses((status = 202, body = NewsletterAsked, description = "the same whoever it is"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`rate_limited`; wait as `Retry-After` says"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<Giving>,
    client: Client,
    JsonFields(fields): JsonFields,
) -> Result<Response, ApiError> {
    let signup = new_reminder::signup(&fields, Language::En).map_err(ApiError::invalid)?;
    state.later.limits.admit(&client, DEFAULT, None)?;
    state.later.asking.ask(later::NEWSLETTER, &signup).await?;
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], axum::Json(NewsletterAsked {})).into_response())
}

/// What the links lead to.
pub fn routes(state: Giving) -> Router {
    Router::new()
        .route("/n/{token}", get(show))
        .route("/n/{token}/confirm", post(confirm))
        .route("/n/{token}/never", get(show).post(never))
        .route("/n/{token}/unsubscribe", get(show).post(unsubscribe))
        .with_state(state)
}

async fn show(State(state): State<Giving>, link: Link) -> Response {
    page(&state, &link).await
}

async fn confirm(State(state): State<Giving>, link: Link) -> Response {
    let done = state.pledges.store.confirm_signup(&link.hash, state.pledges.clock.now()).await;
    after(&state, &link, done).await
}

async fn unsubscribe(State(state): State<Giving>, link: Link) -> Response {
    let done = state.pledges.store.end_signup(&link.hash, "unsubscribed", state.pledges.clock.now()).await;
    after(&state, &link, done).await
}

async fn never(State(state): State<Giving>, link: Link) -> Response {
    let done = state.pledges.store.never_sign_up(&link.hash, state.pledges.clock.now()).await;
    after(&state, &link, done).await
}

async fn after(state: &Giving, link: &Link, done: Result<(), StoreError>) -> Response {
    match done {
        Ok(()) => page(state, link).await,
        Err(error) => link.problem(&error.into()),
    }
}

/// How the signup stands, and what can be done about it.
async fn page(state: &Giving, link: &Link) -> Response {
    match state.pledges.store.signup_by_token(&link.hash).await {
        Ok(Some(signup)) => link.page(None, standing(&signup, link)),
        Ok(None) => link.problem(&ApiError::not_found("signup")),
        Err(error) => link.problem(&error.into()),
    }
}

fn standing(signup: &ShownSignup, link: &Link) -> Value {
    let say = |id: &str| text::say(link.language, id, &[]);
    let (title, lead) = match (signup.state.as_str(), signup.reason.as_deref()) {
        ("asked", _) => ("newsletter-confirm-title", "newsletter-confirm-lead"),
        ("confirmed", _) => ("newsletter-set-title", "newsletter-set-lead"),
        (_, Some("never")) => ("never-title", "never-lead"),
        _ => ("newsletter-done-title", "newsletter-done-lead"),
    };
    let mut actions = Vec::new();
    match signup.state.as_str() {
        "asked" => actions.push(action(link, "n", "confirm", &say("newsletter-confirm"), None)),
        "confirmed" => actions.push(action(link, "n", "unsubscribe", &say("newsletter-unsubscribe"), None)),
        _ => {}
    }
    if signup.reason.as_deref() != Some("never") {
        actions.push(action(link, "n", "never", &say("never-again"), None));
    }
    context! { title => say(title), lead => say(lead), given => Value::from(()), actions }
}
