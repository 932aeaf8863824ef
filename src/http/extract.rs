//! Reading requests: size, media type, well-formedness, and unknown fields, in that order.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::domain::new_pledge::FieldError;

/// The largest request body, in bytes, of everything but webhooks.
pub const MAX_BODY: usize = 64 * 1024;

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !media_type(request.headers()).is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
            return Err(ApiError::unsupported_media("expected Content-Type: application/json"));
        }
        let body = body(request, state).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| refusal(&error))
    }
}

/// The body, within the router's limit.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large("expected at most 64 KiB"),
        _ => ApiError::bad_request("body_unreadable", "the body ended early"),
    })
}

/// The media type without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Malformed JSON is 400; JSON of the wrong shape is 422, naming the field as far as serde says.
fn refusal(error: &serde_json::Error) -> ApiError {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            // serde quotes the field's name in backticks where it knows it.
            let field = message.split('`').nth(1).filter(|_| message.contains("field")).unwrap_or("body").to_owned();
            let code = if message.starts_with("unknown field") { "unknown_field" } else { "wrong_type" };
            ApiError::invalid(vec![FieldError::new(&field, code, message)])
        }
        _ => ApiError::bad_request("malformed_json", "the body is not well-formed JSON"),
    }
}
