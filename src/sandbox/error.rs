//! What Stripe answers when it refuses: a status and the body `{"error": {…}}`.
//!
//! It must not decide anything. Invariant: every refusal of the API is made by one of these constructors, so its
//! shape is Stripe's.

use serde_json::{Value, json};

/// One refusal, ready to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub status: u16,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub param: Option<String>,
    pub message: String,
}

pub(super) type ApiResult = Result<Value, ApiError>;

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into() }
    }

    /// 400 `invalid_request_error` about one parameter.
    pub fn param(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid(message) }
    }

    /// 400 `invalid_request_error` about the request as a whole.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// With Stripe's machine-readable code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// 403: a restricted key that may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "invalid_request_error", message)
    }

    pub fn no_such(what: &str, id: &str) -> Self {
        let error = Self::new(404, "invalid_request_error", format!("No such {what}: '{id}'")).code("resource_missing");
        Self { param: Some("id".to_owned()), ..error }
    }

    pub fn no_such_route(method: &str, path: &str) -> Self {
        Self::new(404, "invalid_request_error", format!("Unrecognized request URL ({method}: {path})."))
    }

    /// 402: the bank said no.
    pub fn card(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(402, "card_error", message).code(code)
    }

    pub fn idempotency(status: u16, message: impl Into<String>) -> Self {
        let error = Self::new(status, "idempotency_error", message);
        if status == 409 { error.code("idempotency_key_in_use") } else { error }
    }

    pub fn too_many_requests() -> Self {
        Self::new(429, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit")
    }

    pub fn too_large() -> Self {
        Self::new(413, "invalid_request_error", "The request body is too large.")
    }

    /// 500: something went wrong on Stripe's end.
    pub fn internal() -> Self {
        Self::new(500, "api_error", "An unknown error occurred")
    }

    /// The body Stripe sends.
    pub fn body(&self, request_id: &str) -> Value {
        let mut error = json!({
            "type": self.kind,
            "message": self.message,
            "request_log_url": format!("https://dashboard.stripe.com/test/logs/{request_id}"),
        });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] = json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")));
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}
