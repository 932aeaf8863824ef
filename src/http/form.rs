//! A submitted form.

use axum::extract::{FromRequest, Request};
use url::form_urlencoded;

use super::error::ApiError;
use super::extract::{MAX_FIELDS, body, media_type};

/// Its fields, the first of each name.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Without the blanks around it; empty when it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.as_typed(name).trim()
    }

    /// As it was typed, for passwords.
    pub fn as_typed(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if media_type(request.headers()).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(ApiError::unsupported_media("expected Content-Type: application/x-www-form-urlencoded"));
        }
        let body = body(request, state).await?;
        Ok(Self(form_urlencoded::parse(&body).into_owned().take(MAX_FIELDS).collect()))
    }
}
