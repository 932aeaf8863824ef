//! `POST /v1/reminders`, and what the links in reminders' mails lead to.
//!
//! Whoever is asked for is sealed and not looked up: known and unknown addresses are answered by the same statements.
//! Links show by GET and act by POST; their token is the only proof there is, and the mail is where it came from.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use minijinja::{Value, context};
use serde::Serialize;

use super::client::Client;
use super::error::{ApiError, Problem};
use super::extract::JsonFields;
use super::links::{Link, MAX_TOKEN, action, say_with};
use super::state::Giving;
use super::{campaigns, links};
use crate::domain::calendar;
use crate::domain::money::{Currency, Money};
use crate::domain::new_reminder;
use crate::domain::reminder::{Due, Schedule, send_at};
use crate::service::later::{self, token_hash};
use crate::store::{NewDay, ShownReminder};
use crate::text;

// The shapes of the requests, for their description only: `new_reminder` reads them.
/// When to be reminded: one of the three.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DueRequest {
    /// A day after today, at most 24 months ahead.
    #[schema(example = "2027-01-15")]
    pub on: Option<String>,
    /// `next_month`, `3_months`, `6_months`, `one_year`, or `next_payday` with `payday`.
    pub r#in: Option<String>,
    /// Day of the month, 1 to 31; in a shorter month its last.
    pub payday: Option<i64>,
}

/// What was agreed to.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// As the campaign's answer names it.
    #[schema(example = "reminder-1")]
    pub text_version: String,
}

/// Somebody asks to be reminded.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderRequest {
    #[schema(example = "reader@example.org")]
    pub email: String,
    pub due: DueRequest,
    /// Months between reminders, 1 to 24; once only when absent. The last is 24 months after the first at most.
    pub recurring_months: Option<i64>,
    /// `once`, `monthly` or `annual`, as far as chosen.
    pub frequency: Option<String>,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    /// Slug; `default` when absent.
    pub campaign: Option<String>,
    /// Of the mails.
    pub locale: Option<String>,
    /// Where on the site it was asked for: at most 64 letters, digits and `-_./:`, no personal data.
    pub component: Option<String>,
    pub consent: ConsentRequest,
}

/// When the reminder will be sent once it was confirmed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReminderAsked {
    #[schema(example = "2027-01-15")]
    due_on: String,
}

/// Ask to be reminded
#[utoipa::path(post, path = "/v1/reminders", tag = "giving", request_body = ReminderRequest,
    responses((status = 202, body = ReminderAsked, description = "the same whoever it is; a mail asks for confirmation where one is due"),
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
    let later = &state.later;
    let campaign = match new_reminder::campaign(&fields) {
        Some(slug) => state.pledges.store.campaign(slug).await?,
        None => None,
    };
    let read = new_reminder::reminder(&fields, campaign.as_ref(), later.asking.today());
    let (reminder, due_on) = read.map_err(ApiError::invalid)?;
    later.limits.admit(&client, &reminder.campaign, None)?;
    later.asking.ask(later::REMINDER, &reminder).await?;
    let body = ReminderAsked { due_on: due_on.to_string() };
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response())
}

/// What the links lead to.
pub fn routes(state: Giving) -> Router {
    Router::new()
        .route("/r/{token}", get(show))
        .route("/r/{token}/confirm", post(confirm))
        .route("/r/{token}/cancel", post(cancel))
        .route("/r/{token}/reschedule", post(reschedule))
        .route("/r/{token}/never", get(show).post(never))
        // By hand from the mail, or by a mail program's one click (RFC 8058): the body says nothing we need.
        .route("/r/{token}/unsubscribe", get(show).post(unsubscribe))
        .with_state(state)
}

async fn show(State(state): State<Giving>, link: Link) -> Response {
    page(&state, &link).await
}

async fn confirm(State(state): State<Giving>, link: Link) -> Response {
    let done = state.pledges.store.confirm_reminder(&link.hash, state.pledges.clock.now()).await;
    after(&state, &link, done.map_err(ApiError::from)).await
}

async fn cancel(State(state): State<Giving>, link: Link) -> Response {
    end(&state, &link, "cancelled").await
}

async fn unsubscribe(State(state): State<Giving>, link: Link) -> Response {
    end(&state, &link, "unsubscribed").await
}

async fn end(state: &Giving, link: &Link, reason: &str) -> Response {
    let done = state.pledges.store.end_reminder(&link.hash, reason, state.pledges.clock.now()).await;
    after(state, link, done.map_err(ApiError::from)).await
}

async fn never(State(state): State<Giving>, link: Link) -> Response {
    let done = state.pledges.store.never_remind(&link.hash, state.pledges.clock.now()).await;
    after(&state, &link, done.map_err(ApiError::from)).await
}

async fn reschedule(State(state): State<Giving>, link: Link, body: Bytes) -> Response {
    let months = match links::field(&body, "in").as_deref() {
        Some("next_month") => 1,
        Some("3_months") => 3,
        Some("6_months") => 6,
        Some("one_year") => 12,
        _ => return link.problem(&ApiError::of_status(StatusCode::BAD_REQUEST)),
    };
    let done = put_off(&state, &link.hash, months).await;
    after(&state, &link, done).await
}

async fn put_off(state: &Giving, hash: &str, months: i16) -> Result<(), ApiError> {
    let (asking, store) = (&state.later.asking, &state.pledges.store);
    let Some(reminder) = store.reminder_by_token(hash).await? else { return Ok(()) };
    let every = reminder.recurring_months.and_then(|months| i16::try_from(months).ok());
    let Some(schedule) = Schedule::new(Due::InMonths(months), every, asking.today()) else { return Ok(()) };
    let day = NewDay {
        anchor_on: calendar::number_of(schedule.anchor),
        months: i64::from(schedule.months),
        until_months: i64::from(schedule.until),
        due_on: calendar::number_of(schedule.due_on()),
        due_at: send_at(schedule.due_on(), asking.hour, &asking.zone),
    };
    Ok(store.reschedule_reminder(hash, &day).await?)
}

async fn after(state: &Giving, link: &Link, done: Result<(), ApiError>) -> Response {
    match done {
        Ok(()) => page(state, link).await,
        Err(error) => link.problem(&error),
    }
}

/// How the reminder stands, and what can be done about it.
async fn page(state: &Giving, link: &Link) -> Response {
    let found = match state.pledges.store.reminder_by_token(&link.hash).await {
        Ok(found) => found,
        Err(error) => return link.problem(&error.into()),
    };
    let Some(reminder) = found else { return link.problem(&ApiError::not_found("reminder")) };
    let campaign = campaigns::find(state, &reminder.campaign).await.ok();
    link.page(campaign.as_ref(), standing(&reminder, link))
}

fn standing(reminder: &ShownReminder, link: &Link) -> Value {
    let language = link.language;
    let day = calendar::read_number(reminder.due_on).map(|day| links::date(language, day)).unwrap_or_default();
    let say = |id: &str| text::say(language, id, &[]);
    let dated = |id: &str| say_with(language, id, "date", &day);
    let (title, lead) = match (reminder.state.as_str(), reminder.reason.as_deref()) {
        ("asked", _) => (say("reminder-confirm-title"), dated("reminder-confirm-lead")),
        ("confirmed", _) => (say("reminder-set-title"), dated("reminder-set-lead")),
        (_, Some("never")) => (say("never-title"), say("never-lead")),
        _ => (say("reminder-done-title"), say("reminder-done-lead")),
    };
    let mut actions = Vec::new();
    if reminder.state == "asked" {
        actions.push(action(link, "r", "confirm", &say("reminder-confirm"), None));
    }
    if reminder.state != "done" {
        for (word, id) in [
            ("next_month", "reminder-in-1"),
            ("3_months", "reminder-in-3"),
            ("6_months", "reminder-in-6"),
            ("one_year", "reminder-in-12"),
        ] {
            actions.push(action(link, "r", "reschedule", &say(id), Some(word)));
        }
        actions.push(action(link, "r", "cancel", &say("reminder-cancel"), None));
    }
    if reminder.reason.as_deref() != Some("never") {
        actions.push(action(link, "r", "never", &say("never-again"), None));
    }
    context! { title, lead, given => given(reminder, link), actions }
}

/// What was chosen: `$5 monthly`.
fn given(reminder: &ShownReminder, link: &Link) -> Option<String> {
    let frequency = reminder.frequency.as_deref()?;
    let money = Money::new(reminder.amount_minor?, Currency::parse(reminder.currency.as_deref()?).ok()?);
    Some(say_with(link.language, &format!("given-{frequency}"), "amount", &text::money(link.language, money)))
}

/// The link of a request.
impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Link {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Response> {
        let token: Option<String> = Path::from_request_parts(parts, state).await.ok().map(|Path(token)| token);
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or(RawQuery(None));
        let headers: &HeaderMap = &parts.headers;
        let language = campaigns::language(
            campaigns::asked_language(query.as_deref()),
            headers,
            crate::domain::language::Language::En,
        );
        let token = token.filter(|token| token.len() == MAX_TOKEN && token.bytes().all(|b| b.is_ascii_hexdigit()));
        let link = Self { hash: token.as_deref().map(token_hash).unwrap_or_default(), token, language };
        if link.token.is_some() { Ok(link) } else { Err(link.problem(&ApiError::not_found("link"))) }
    }
}
