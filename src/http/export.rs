//! `GET /v1/newsletter/export`: what `mainstay newsletter export` prints, for a program that holds the token.
//!
//! Addresses are opened, so it is served only by a process that also works and has the private key.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use secrecy::SecretString;
use url::form_urlencoded;

use super::bearer::guarded;
use super::error::{ApiError, Problem};
use super::extract::MAX_FIELDS;
use crate::domain::action::reason;
use crate::domain::field::{FieldError, Fields, Given};
use crate::service::later::Desk;
use crate::service::newsletter::{Format, entry, export};
use crate::service::opening::{OpeningError, UNSAID, note};

/// Fetch confirmed readers of the newsletter
#[utoipa::path(get, path = "/v1/newsletter/export", tag = "operations", security(("newsletter_export_token" = [])),
    params(("since" = String, Query, example = "2026-11-01", description = "the first day of confirmation, the newsroom's"),
        ("reason" = Option<String>, Query, example = "weekly import", description = "why addresses are opened, in 3 to 500 characters; each export is put into the audit log before it begins"),
        ("format" = Option<String>, Query, example = "csv", description = "`csv` (also when absent) or `json`")),
    responses((status = 200, description = "who confirmed and has not unsubscribed; what `mainstay newsletter export` prints",
            content((String = "text/csv"), (String = "application/json"))),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`switched_off`: MAINSTAY_NEWSLETTER_EXPORT_TOKEN is not set"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 501, body = Problem, content_type = "application/problem+json", description = "`not_in_this_process`: it only serves the web and has no key"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(desk): State<Option<Desk>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let desk = desk.ok_or_else(|| {
        ApiError::elsewhere(
            "this process serves the web only and cannot open addresses; run `mainstay serve` as one process, or \
             `mainstay newsletter export` where the private key is",
        )
    })?;
    let Asked { since, format, reason } = read(query.as_deref().unwrap_or_default()).map_err(ApiError::invalid)?;
    let noted = note(&desk, entry("newsletter_export_token", since, &reason)).await?;
    let mut pieces = Box::pin(export(desk, since, format, &noted));
    // What fails before the first piece is answered as a problem; what fails later cuts the answer off.
    let first = pieces.try_next().await?.unwrap_or_default();
    let rest = pieces.inspect_err(|error| tracing::error!(reason = error.code(), "an export was cut off"));
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"newsletter.csv\""),
        Format::Json => ("application/json", "attachment; filename=\"newsletter.json\""),
    };
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(stream::once(async { Ok(first) }).chain(rest))).into_response())
}

/// What is asked for, and why.
struct Asked {
    since: Date,
    format: Format,
    reason: String,
}

fn read(query: &str) -> Result<Asked, Vec<FieldError>> {
    let pairs = form_urlencoded::parse(query.as_bytes()).take(MAX_FIELDS);
    let fields: Fields = pairs.map(|(name, value)| (name.into_owned(), Given::Text(value.into_owned()))).collect();
    let mut mistakes = fields.strangers(&["since", "format", "reason"]);
    let since = fields.text("since").ok().flatten().and_then(|text| text.parse::<Date>().ok());
    let format = Format::parse(fields.text("format").ok().flatten().unwrap_or("csv"));
    let reason = fields.text("reason").ok().and_then(|typed| typed.map_or(Some(UNSAID), reason));
    if since.is_none() {
        mistakes.push(FieldError::new("since", "malformed", "expected a day, such as 2026-11-01"));
    }
    if format.is_none() {
        mistakes.push(FieldError::new("format", "unknown", "expected csv or json"));
    }
    if reason.is_none() {
        mistakes.push(FieldError::new("reason", "malformed", "expected why, in 3 to 500 characters"));
    }
    match (since, format, reason) {
        (Some(since), Some(format), Some(reason)) if mistakes.is_empty() => {
            Ok(Asked { since, format, reason: reason.to_owned() })
        }
        _ => Err(mistakes),
    }
}

impl From<OpeningError> for ApiError {
    fn from(error: OpeningError) -> Self {
        match error {
            OpeningError::NoReason => Self::invalid(vec![FieldError::new("reason", "required", error.to_string())]),
            OpeningError::Later(error) => error.into(),
        }
    }
}

/// The route, for whoever says `token`.
pub fn routes(desk: Option<Desk>, token: Option<&SecretString>) -> Router {
    let routes = Router::new().route("/v1/newsletter/export", get(show)).with_state(desk);
    guarded(routes, "MAINSTAY_NEWSLETTER_EXPORT_TOKEN", token)
}
