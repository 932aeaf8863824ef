//! Every API request that came, for assertions.
//!
//! It must not hold a key: only which kind it was. Invariant: one entry per request, in the order they were read, also
//! for those refused or cut off.

use serde_json::Value;

/// How a request proved who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    Missing,
    Refused,
    Bearer,
    Basic,
}

/// One request and what was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedRequest {
    /// As in the `Request-Id` header.
    pub id: String,
    /// Unix seconds.
    pub at: i64,
    pub method: String,
    pub path: String,
    pub query: String,
    pub auth: Auth,
    pub idempotency_key: Option<String>,
    pub stripe_version: Option<String>,
    pub user_agent: Option<String>,
    /// The form, every leaf a string; null when it could not be read.
    pub form: Value,
    pub raw_body: String,
    /// The status decided on; also for an answer that a fault kept back.
    pub status: u16,
    /// Whether the answer was a stored one.
    pub replayed: bool,
}
