//! One error for every route, rendered as RFC 9457 problem+json.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::field::FieldError;
use crate::gateway::CallError;
use crate::service::later::LaterError;
use crate::service::start_pledge::StartError;
use crate::store::StoreError;

/// The media type of every error (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// Why a request has no other answer.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<u32>,
    errors: Vec<FieldError>,
}

/// The body of an error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    #[schema(example = 422)]
    status: u16,
    /// A stable word for programs.
    #[schema(example = "invalid_request")]
    code: &'static str,
    /// What is wrong and what would be right, for people.
    detail: String,
    /// Names this request in our logs.
    #[schema(example = "req_0123456789abcdef0123456789abcdef")]
    request_id: String,
    /// Each field that is wrong; empty when no field is.
    errors: Vec<FieldError>,
}

impl ApiError {
    /// An error of its own kind.
    pub(super) fn with(status: StatusCode, code: &'static str, detail: &str) -> Self {
        Self::new(status, code, detail)
    }

    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, errors: Vec::new() }
    }

    /// 400: not even well-formed.
    pub fn bad_request(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: whoever calls must say the secret.
    pub fn unauthorized() -> Self {
        let detail = "expected the secret of this address, as Authorization: Bearer SECRET";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 404: there is such an address once this variable is set.
    pub fn switched_off(variable: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "switched_off", format!("this address is switched off: {variable} is not set"))
    }

    /// 404.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// 413.
    pub fn too_large(detail: &str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 415.
    pub fn unsupported_media(detail: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// 422: well-formed, but wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail =
            errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail) }
    }

    /// 409, to be tried again after so many seconds.
    pub fn conflict(code: &'static str, detail: &str, retry_after: Option<u32>) -> Self {
        Self { retry_after, ..Self::new(StatusCode::CONFLICT, code, detail) }
    }

    /// 429: too often; to be tried again after so many seconds.
    pub fn rate_limited(retry_after: u32) -> Self {
        let detail = format!("too many tries in a short time; nothing was charged; try again in {retry_after} s");
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail) }
    }

    /// 501: this process cannot, and another can.
    pub fn elsewhere(detail: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_in_this_process", detail)
    }

    /// 502: Stripe did not do it.
    pub fn bad_gateway(code: &'static str, detail: &str, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::BAD_GATEWAY, code, detail) }
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, retry_after: u32) -> Self {
        let detail = "this cannot be done right now; please try again";
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    /// Any status a middleware or the router answered by itself.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("not_found", "there is nothing at this address"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "this address does not take that method; see Allow")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "the body is larger than this address takes"),
            StatusCode::REQUEST_TIMEOUT => ("timeout", "the request took too long to arrive or to be answered"),
            status if status.is_server_error() => ("internal", "something went wrong on our side"),
            _ => ("bad_request", "the request cannot be understood"),
        };
        Self::new(status, code, detail)
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// After how many seconds it may be tried again, where that is known.
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// What is wrong, field by field.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.errors
    }

    fn problem(&self, request_id: &str) -> Problem {
        Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }

    /// The response, naming the request it answers.
    pub fn respond(&self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The error travels in the response's extensions until the router, which knows the request's id, renders it.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(reason = error.code(), "the database failed a request");
        if error.is_outage() {
            Self::unavailable("database_unavailable", 5)
        } else {
            Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

impl From<LaterError> for ApiError {
    fn from(error: LaterError) -> Self {
        match error {
            LaterError::Store(error) => error.into(),
            other => {
                tracing::error!(reason = other.code(), "what is sealed could not be worked with");
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Mismatch => Self::conflict(
                "idempotency_mismatch",
                "this Idempotency-Key was used for another request; use a new one",
                None,
            ),
            StartError::InProgress => Self::conflict(
                "in_progress",
                "another request with this Idempotency-Key is at work; try again",
                Some(2),
            ),
            StartError::Over => Self::conflict(
                "checkout_over",
                "the checkout of this pledge is over; start anew with a new Idempotency-Key",
                None,
            ),
            StartError::Interrupted => Self::of_status(StatusCode::INTERNAL_SERVER_ERROR),
            StartError::Store(error) => error.into(),
            StartError::Stripe(error) => error.into(),
        }
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        tracing::error!(%error, "Stripe did not answer a request as hoped");
        match error {
            CallError::Unreachable | CallError::Cut => Self::unavailable("payment_provider_unavailable", 10),
            CallError::Busy { .. } => Self::unavailable("payment_provider_busy", 5),
            _ => Self::bad_gateway(
                "payment_provider_failed",
                "the payment provider did not accept the request; nothing was charged",
                30,
            ),
        }
    }
}
