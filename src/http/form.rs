//! A submitted form.

mod multipart;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use url::form_urlencoded;

use super::error::ApiError;
use super::extract::{MAX_FIELDS, body, media_type};

/// The largest form with a file, in bytes. A picture that is too large is to be told from one that is not sent at all; so this
/// is far more than any that is taken.
pub const MAX_UPLOAD: usize = 2 * 1024 * 1024;
/// Fields of a form that may hold a file.
const MAX_LONG_FIELDS: usize = 2048;

/// The longest line that parts the parts (source: RFC 2046).
const MAX_BOUNDARY: usize = 70;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// Its fields, in their order.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The first of a name without the blanks around it; empty when it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.as_typed(name).trim()
    }

    /// As it was typed, for passwords.
    pub fn as_typed(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
    }

    /// Every field of a name: of boxes, those that were ticked.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether there was a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if media_type(request.headers()).as_deref() != Some(URLENCODED) {
            return Err(ApiError::unsupported_media("expected Content-Type: application/x-www-form-urlencoded"));
        }
        let body = body(request, state).await?;
        Ok(Self(form_urlencoded::parse(&body).into_owned().take(MAX_FIELDS).collect()))
    }
}

/// A long form, with the file that was chosen in it.
#[derive(Debug, Default)]
pub struct LongForm {
    pub form: Form,
    pub file: Option<File>,
}

/// A file as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Its name where it came from; no path of ours.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl<S: Send + Sync> FromRequest<S> for LongForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let headers = request.headers().clone();
        let kind = media_type(&headers);
        let read = match kind.as_deref() {
            Some(URLENCODED) => urlencoded(&body(request, state).await?),
            Some(MULTIPART) => {
                let broken = || ApiError::bad_request("malformed_form", "the form is not well-formed");
                let boundary = boundary(&headers).ok_or_else(broken)?;
                multipart::read(&body(request, state).await?, &boundary).ok_or_else(broken)?
            }
            _ => return Err(ApiError::unsupported_media("expected a form")),
        };
        if read.form.0.len() > MAX_LONG_FIELDS {
            return Err(ApiError::too_large("expected fewer fields"));
        }
        Ok(read)
    }
}

fn urlencoded(body: &Bytes) -> LongForm {
    // One more than is taken, so that none is left out in silence.
    let fields = form_urlencoded::parse(body).into_owned().take(MAX_LONG_FIELDS + 1);
    LongForm { form: Form(fields.collect()), file: None }
}

/// What parts the parts (source: RFC 7578).
fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (_, boundary) = kind
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim().trim_matches('"').to_owned()).filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
}
