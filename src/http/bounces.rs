//! `POST /v1/mail/bounces`: a mail service, or the newsroom's glue to it, tells which addresses get no mail any more.
//!
//! The web half has no key to find an address by, so what it is told is sealed like what readers ask for, and the worker
//! suppresses.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::SecretString;
use serde::Serialize;

use super::bearer::guarded;
use super::error::{ApiError, Problem};
use super::extract::JsonObjects;
use super::state::Giving;
use crate::domain::bounce::{self, MAX_REPORTS, Undeliverable};
use crate::domain::field::FieldError;
use crate::service::later;

// The shape of the request, for its description only: `bounce` reads it.
/// A mail came back, or a reader called it spam.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BounceReport {
    #[schema(example = "reader@example.org")]
    pub email: String,
    /// `bounce` or `complaint`.
    #[schema(example = "bounce")]
    pub kind: String,
    /// `false` for a bounce that may pass, such as a full mailbox: it changes nothing. True when absent.
    pub permanent: Option<bool>,
}

/// One report, or a list of them.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
pub enum BounceReports {
    One(BounceReport),
    Several(Vec<BounceReport>),
}

/// What was taken down.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BouncesTaken {
    /// Reports by which an address gets no mail from now on; the same whether it was known.
    lasting: usize,
    /// Bounces that may pass, and change nothing.
    passing: usize,
}

/// Report bounces and complaints
#[utoipa::path(post, path = "/v1/mail/bounces", tag = "operations", request_body(content = BounceReports,
        description = "at most 500 reports and 64 KiB"), security(("mail_bounce_secret" = [])),
    responses((status = 202, body = BouncesTaken, description = "taken down; all of it or, with another answer, nothing"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`switched_off`: MAINSTAY_MAIL_BOUNCE_SECRET is not set"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(state): State<Giving>, JsonObjects(reports): JsonObjects) -> Result<Response, ApiError> {
    if reports.len() > MAX_REPORTS {
        let message = format!("expected at most {MAX_REPORTS} reports; send the rest in further requests");
        return Err(ApiError::invalid(vec![FieldError::new("body", "too_many", message)]));
    }
    let mut lasting: Vec<Undeliverable> = Vec::new();
    let mut mistakes = Vec::new();
    for (at, fields) in &reports {
        match bounce::read(fields, at) {
            Ok(undeliverable) => lasting.extend(undeliverable),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if !mistakes.is_empty() {
        return Err(ApiError::invalid(mistakes));
    }
    if !lasting.is_empty() {
        state.later.asking.ask(later::BOUNCES, &lasting).await?;
    }
    let taken = BouncesTaken { lasting: lasting.len(), passing: reports.len() - lasting.len() };
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], axum::Json(taken)).into_response())
}

/// The route, for whoever says `secret`.
pub fn routes(state: Giving, secret: Option<&SecretString>) -> Router {
    let routes = Router::new().route("/v1/mail/bounces", post(create)).with_state(state);
    guarded(routes, "MAINSTAY_MAIL_BOUNCE_SECRET", secret)
}
