//! A submitted form.

use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use url::form_urlencoded;

use super::error::ApiError;
use super::extract::{MAX_FIELDS, body, media_type};

/// The largest form with a file, in bytes. Who picks a photo that is far too large is to be told so, beside all else that
/// was typed; so this is more than photos are.
pub const MAX_UPLOAD: usize = 16 * 1024 * 1024;
/// So much is kept of a file, in bytes: more than any that is taken, so that one that was cut is refused for its length.
const KEPT: usize = 64 * 1024;
/// The most that is typed into a long form, in bytes. A longer one is read to its end all the same, and then refused: whose
/// form is cut off never reads why.
const MAX_LONG_FORM: usize = 2 * 1024 * 1024;
/// Fields of a form that may hold a file.
const MAX_LONG_FIELDS: usize = 2048;

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

/// A file as it was sent, or the beginning of one that is too long for all uses.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Its name where it came from; no path of ours.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl<S: Send + Sync> FromRequest<S> for LongForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match media_type(request.headers()).as_deref() {
            Some(URLENCODED) => {
                let body = body(request, state).await?;
                if body.len() > MAX_LONG_FORM { Err(too_large()) } else { urlencoded(&body) }
            }
            Some(MULTIPART) => multipart(Multipart::from_request(request, state).await.map_err(|_| broken())?).await,
            _ => Err(ApiError::unsupported_media("expected a form")),
        }
    }
}

fn broken() -> ApiError {
    ApiError::bad_request("malformed_form", "the form is not well-formed")
}

fn too_large() -> ApiError {
    ApiError::too_large("expected a smaller form")
}

fn too_many() -> ApiError {
    ApiError::too_large("expected fewer fields")
}

fn urlencoded(body: &Bytes) -> Result<LongForm, ApiError> {
    // One more than is taken, so that none is left out in silence.
    let fields: Vec<_> = form_urlencoded::parse(body).into_owned().take(MAX_LONG_FIELDS + 1).collect();
    if fields.len() > MAX_LONG_FIELDS {
        return Err(too_many());
    }
    Ok(LongForm { form: Form(fields), file: None })
}

/// Of several files the last that is not empty counts.
async fn multipart(mut parts: Multipart) -> Result<LongForm, ApiError> {
    let refused = |error: MultipartError| {
        let large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        if large { too_large() } else { broken() }
    };
    let (mut fields, mut count, mut typed, mut file) = (Vec::new(), 0, 0, None);
    while let Some(mut part) = parts.next_field().await.map_err(refused)? {
        let name = part.name().ok_or_else(broken)?.to_owned();
        if let Some(name) = part.file_name().map(str::to_owned) {
            let mut bytes = Vec::new();
            while let Some(more) = part.chunk().await.map_err(refused)? {
                bytes.extend(more.iter().take(KEPT - bytes.len()));
            }
            // Otherwise none was chosen.
            if !bytes.is_empty() {
                file = Some(File { name, bytes });
            }
        } else {
            let text = String::from_utf8(part.bytes().await.map_err(refused)?.to_vec()).map_err(|_| broken())?;
            count += 1;
            typed += text.len();
            if count <= MAX_LONG_FIELDS && typed <= MAX_LONG_FORM {
                fields.push((name, text));
            }
        }
    }
    if count > MAX_LONG_FIELDS {
        return Err(too_many());
    }
    if typed > MAX_LONG_FORM {
        return Err(too_large());
    }
    Ok(LongForm { form: Form(fields), file })
}
