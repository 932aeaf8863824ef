//! Asking for a link, following it, and leaving.
//!
//! Known and unknown addresses are sealed by the same statement and answered by the same bytes.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use serde::Serialize;

use super::super::client::Client;
use super::super::error::{ApiError, Problem};
use super::super::extract::JsonFields;
use super::super::form::Form;
use super::super::same_site::set_cookie;
use super::super::state::{Giving, Later};
use super::DonorState;
use super::visit::{COOKIE, Signed, Visit, token};
use crate::domain::campaign::DEFAULT;
use crate::domain::email_address::EmailAddress;
use crate::domain::field::{FieldError, Fields};
use crate::domain::language::Language;
use crate::service::later::{self, token_hash};
use crate::service::manage::{NewManage, open_session};
use crate::store::ManageLink;

// The shape of the request, for its description only.
/// Somebody wants to see, change or stop what they give.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManageRequest {
    /// The address they gave with.
    #[schema(example = "reader@example.org")]
    pub email: String,
    /// Of the mail: `en` or `ru`.
    pub locale: Option<String>,
}

/// Nothing: whoever it is, a mail leads on where one is due.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ManageAsked {}

/// Ask for a link to what one gives
#[utoipa::path(post, path = "/v1/manage-links", tag = "giving", request_body = ManageRequest,
    responses((status = 202, body = ManageAsked, description = "the same whoever it is; whom we know gets a link that is good for 30 minutes"),
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
    let asked = read(&fields, Language::En).map_err(ApiError::invalid)?;
    put(&state.later, &client, &asked).await?;
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], axum::Json(ManageAsked {})).into_response())
}

fn read(fields: &Fields, default: Language) -> Result<NewManage, Vec<FieldError>> {
    let mut mistakes = fields.strangers(&["email", "locale"]);
    let mut keep =
        |read: Result<Option<String>, FieldError>| read.map_err(|mistake| mistakes.push(mistake)).ok().flatten();
    let email = keep(fields.text("email").map(|text| text.map(str::to_owned)));
    let locale = keep(fields.text("locale").map(|text| text.map(str::to_owned)));
    let email = email.and_then(|email| EmailAddress::parse(&email).ok());
    if email.is_none() && !mistakes.iter().any(|mistake| mistake.field == "email") {
        mistakes.push(FieldError::new("email", "malformed", "expected an e-mail address, such as name@example.org"));
    }
    let language = locale.as_deref().and_then(Language::parse).unwrap_or(default);
    let asked =
        email.map(|email| NewManage { email: email.as_str().to_owned(), language: language.as_str().to_owned() });
    asked.filter(|_| mistakes.is_empty()).ok_or(mistakes)
}

async fn put(later: &Later, client: &Client, asked: &NewManage) -> Result<(), ApiError> {
    later.limits.admit(client, DEFAULT, None)?;
    Ok(later.asking.ask(later::MANAGE, asked).await?)
}

/// The page on which a link is asked for.
pub fn ask_page(visit: &Visit, status: StatusCode, typed: &str, wrong: bool) -> Response {
    let values = context! { action => visit.at("/manage/link"), typed, wrong };
    visit.page(status, "manage_ask", "support-ask-title", values)
}

/// Whoever picks another language on the page that the form led to may ask again.
pub async fn back(visit: Visit) -> Response {
    visit.to("/manage")
}

pub async fn ask(
    State(donors): State<DonorState>,
    visit: Visit,
    client: Client,
    form: Result<Form, ApiError>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(error) => return visit.problem(&error),
    };
    let typed = form.text("email");
    let Ok(email) = EmailAddress::parse(typed) else {
        return ask_page(&visit, StatusCode::UNPROCESSABLE_ENTITY, typed, true);
    };
    let asked = NewManage { email: email.as_str().to_owned(), language: visit.language.as_str().to_owned() };
    match put(&donors.later, &client, &asked).await {
        Ok(()) => visit.press(StatusCode::ACCEPTED, "support-asked-title", visit.say("support-asked-lead"), None),
        Err(error) => visit.problem(&error),
    }
}

/// Shows the button: mail scanners follow links, and must not use them up.
pub async fn show(State(donors): State<DonorState>, visit: Visit, Path(link): Path<String>) -> Response {
    let found = match token(&link) {
        Some(link) => donors.store.manage_link(&token_hash(link), donors.clock.now()).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(ManageLink::Good)) => {
            let lead = visit.say("support-continue-lead");
            visit.press(
                StatusCode::OK,
                "support-continue-title",
                lead,
                Some((format!("/m/{link}"), "support-continue")),
            )
        }
        Ok(found) => over(&visit, found),
        Err(error) => visit.problem(&error.into()),
    }
}

fn over(visit: &Visit, found: Option<ManageLink>) -> Response {
    let (title, lead) = match found {
        Some(_) => ("support-used-title", "support-used-lead"),
        None => ("support-over-title", "support-over-lead"),
    };
    visit.press(StatusCode::GONE, title, visit.say(lead), None)
}

/// Opens this browser's session.
pub async fn open(State(donors): State<DonorState>, visit: Visit, Path(link): Path<String>) -> Response {
    if let Err(error) = donors.desk() {
        return visit.problem(&error);
    }
    let Some(link) = token(&link) else { return over(&visit, None) };
    match open_session(&donors.store, &donors.random, link, donors.clock.now()).await {
        Ok(Some(session)) => {
            let mut response = visit.to("/manage");
            set_cookie(response.headers_mut(), COOKIE, Some(&session));
            response
        }
        Ok(None) => match donors.store.manage_link(&token_hash(link), donors.clock.now()).await {
            Ok(found) => over(&visit, found),
            Err(error) => visit.problem(&error.into()),
        },
        Err(error) => visit.problem(&error.into()),
    }
}

/// Ends this browser's session.
pub async fn leave(State(donors): State<DonorState>, visit: Visit, signed: Signed) -> Response {
    match donors.store.end_manage_session(&token_hash(&signed.session)).await {
        Ok(()) => {
            let mut response = visit.press(StatusCode::OK, "support-left-title", visit.say("support-left-lead"), None);
            set_cookie(response.headers_mut(), COOKIE, None);
            response
        }
        Err(error) => visit.problem(&error.into()),
    }
}
