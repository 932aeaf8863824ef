//! Reading requests: size, media type, well-formedness, and unknown fields, in that order.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::value::RawValue;

use super::error::ApiError;
use crate::domain::field::{FieldError, Fields, Given};

/// The largest request body, in bytes, of everything but webhooks.
pub const MAX_BODY: usize = 64 * 1024;
/// Fields of a form or query that are read at most.
pub const MAX_FIELDS: usize = 32;
/// How many objects inside the request's are looked into: `due` and `consent` are the deepest there are.
const DEPTH: usize = 1;

/// The fields of a JSON object, each to be read by whoever knows what it means.
pub struct JsonFields(pub Fields);

impl<S: Send + Sync> FromRequest<S> for JsonFields {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        fields(&json(request, state).await?).map(Self)
    }
}

/// The fields of a JSON object, or of each in a list of them; with them where each stands: `[3].`, or nothing.
pub struct JsonObjects(pub Vec<(String, Fields)>);

impl<S: Send + Sync> FromRequest<S> for JsonObjects {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        objects(&json(request, state).await?).map(Self)
    }
}

async fn json<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    if !media_type(request.headers()).is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
        return Err(ApiError::unsupported_media("expected Content-Type: application/json"));
    }
    body(request, state).await
}

fn malformed() -> ApiError {
    ApiError::bad_request("malformed_json", "the body is not well-formed JSON")
}

/// Malformed JSON is 400, JSON that is no object 422.
fn fields(body: &[u8]) -> Result<Fields, ApiError> {
    // Raw values are checked for their form and not read: a number no machine can hold is wrong, but well-formed.
    object(serde_json::from_slice(body).map_err(|_| malformed())?, "body")
}

fn objects(body: &[u8]) -> Result<Vec<(String, Fields)>, ApiError> {
    let value: &RawValue = serde_json::from_slice(body).map_err(|_| malformed())?;
    if !value.get().starts_with('[') {
        return Ok(vec![(String::new(), object(value, "body")?)]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| malformed())?;
    let item = |(at, item)| object(item, &format!("[{at}]")).map(|fields| (format!("[{at}]."), fields));
    items.into_iter().enumerate().map(item).collect()
}

fn object(value: &RawValue, name: &str) -> Result<Fields, ApiError> {
    if !value.get().starts_with('{') {
        return Err(ApiError::invalid(vec![FieldError::new(name, "wrong_type", "expected a JSON object")]));
    }
    members(value.get(), DEPTH).ok_or_else(malformed)
}

/// The members of an object; what is nested deeper than `depth` is not looked into.
fn members(json: &str, depth: usize) -> Option<Fields> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    Some(members.into_iter().filter_map(|(name, value)| given(value.get(), depth).map(|given| (name, given))).collect())
}

fn given(json: &str, depth: usize) -> Option<Given> {
    match json.as_bytes().first() {
        Some(b'n') => None,
        Some(b'{') if depth > 0 => Some(members(json, depth - 1).map_or(Given::Other, Given::Object)),
        Some(b'"') => Some(serde_json::from_str(json).map_or(Given::Other, Given::Text)),
        Some(b'-' | b'0'..=b'9') => Some(Given::Number(json.to_owned())),
        Some(b't') => Some(Given::Flag(true)),
        Some(b'f') => Some(Given::Flag(false)),
        _ => Some(Given::Other),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are_written_and_null_is_absent() {
        let fields = fields(
            br#"{"a": "x", "b": 1e400, "c": -5, "d": null, "e": [1], "f": true, "g": "\ud800", "h": {"i": {}}}"#,
        )
        .unwrap();
        assert_eq!(fields.get("a"), Some(&Given::Text("x".to_owned())));
        assert_eq!(fields.get("b"), Some(&Given::Number("1e400".to_owned())));
        assert_eq!(fields.get("c"), Some(&Given::Number("-5".to_owned())));
        assert_eq!(fields.get("d"), None);
        assert_eq!(fields.get("f"), Some(&Given::Flag(true)));
        for name in ["e", "g"] {
            assert_eq!(fields.get(name), Some(&Given::Other), "{name}");
        }
        let inside = [("i".to_owned(), Given::Other)].into_iter().collect();
        assert_eq!(fields.get("h"), Some(&Given::Object(inside)), "one level, and no deeper");
    }

    #[test]
    fn a_list_is_read_object_by_object_and_an_object_alone_is_one() {
        let places =
            |body: &str| objects(body.as_bytes()).map(|found| found.into_iter().map(|(at, _)| at).collect::<Vec<_>>());
        assert_eq!(places(r#"[{"a": 1}, {"a": 2}]"#).unwrap(), ["[0].", "[1]."]);
        assert_eq!(places(r#"{"a": 1}"#).unwrap(), [""]);
        assert!(places("[]").unwrap().is_empty());
        assert_eq!(places("[{}, 1]").unwrap_err().field_errors()[0].field, "[1]");
        assert_eq!(places("1").unwrap_err().field_errors()[0].field, "body");
        for malformed in ["[{},]", "[{}", "[{\"a\":01}]", ""] {
            assert_eq!(places(malformed).unwrap_err().status(), StatusCode::BAD_REQUEST, "{malformed:?}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed_and_what_is_no_object_is_wrong() {
        for malformed in ["", "{", "{\"a\":}", "nul", "{\"a\":01}", "{} x", "\u{feff}{}", "{'a':1}", "\"\x01\""] {
            assert_eq!(fields(malformed.as_bytes()).unwrap_err().status(), StatusCode::BAD_REQUEST, "{malformed:?}");
        }
        assert_eq!(fields(b"{\"a\": \"\xff\"}").unwrap_err().status(), StatusCode::BAD_REQUEST);
        for wrong in ["[]", "null", "1", "\"x\"", "true"] {
            assert_eq!(fields(wrong.as_bytes()).unwrap_err().status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
    }
}
