//! Idempotency keys as Stripe keeps them.
//!
//! It must not look into answers. Invariants: a key belongs to one endpoint and one set of parameters for a day; what
//! was stored under it is answered again, 500s included; refusals that did no work are not stored.

use std::collections::HashMap;

use super::error::ApiError;
use crate::clock::DAY;

/// How long Stripe remembers a key at least.
const KEPT_SECONDS: i64 = DAY;
const KEY_CHARS_MAX: usize = 255;

/// A status and the bytes that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub status: u16,
    pub request_id: String,
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    at: i64,
    endpoint: String,
    parameters: String,
    /// Nothing while the first request is at work.
    answer: Option<Stored>,
}

#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<String, Known>);

impl Keys {
    /// Takes the key for a request; an answer means that the work was done before.
    pub fn claim(&mut self, key: &str, endpoint: &str, parameters: &str, now: i64) -> Result<Option<Stored>, ApiError> {
        if key.is_empty() || key.len() > KEY_CHARS_MAX {
            return Err(ApiError::idempotency(400, "Idempotency keys must be between 1 and 255 characters."));
        }
        self.0.retain(|_, known| known.at + KEPT_SECONDS > now);
        let Some(known) = self.0.get(key) else {
            let known =
                Known { at: now, endpoint: endpoint.to_owned(), parameters: parameters.to_owned(), answer: None };
            self.0.insert(key.to_owned(), known);
            return Ok(None);
        };
        if known.endpoint != endpoint {
            let message = format!(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{endpoint}' vs '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
                known.endpoint
            );
            return Err(ApiError::idempotency(400, message));
        }
        if known.parameters != parameters {
            let message = format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            );
            return Err(ApiError::idempotency(400, message));
        }
        match &known.answer {
            Some(stored) => Ok(Some(stored.clone())),
            None => Err(ApiError::idempotency(
                409,
                format!("There is currently another in-progress request using this Idempotency Key: {key}"),
            )),
        }
    }

    /// Ends a claim: keeps the answer, or frees the key when no work was done.
    pub fn finish(&mut self, key: &str, answer: Stored) {
        if matches!(answer.status, 200 | 402 | 500) {
            if let Some(known) = self.0.get_mut(key) {
                known.answer = Some(answer);
            }
        } else {
            self.free(key);
        }
    }

    pub fn free(&mut self, key: &str) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(status: u16) -> Stored {
        Stored { status, request_id: "req_1".into(), body: b"{}".to_vec() }
    }

    #[test]
    fn a_key_replays_conflicts_and_is_forgotten_after_a_day() {
        let mut keys = Keys::default();
        assert_eq!(keys.claim("k", "/v1/a", "{}", 0), Ok(None));
        assert_eq!(keys.claim("k", "/v1/a", "{}", 0).unwrap_err().status, 409);
        keys.finish("k", stored(500));
        assert_eq!(keys.claim("k", "/v1/a", "{}", 0), Ok(Some(stored(500))));
        for (endpoint, parameters) in [("/v1/a", "{x}"), ("/v1/b", "{}")] {
            let refused = keys.claim("k", endpoint, parameters, 0).unwrap_err();
            assert_eq!((refused.status, refused.kind), (400, "idempotency_error"));
        }
        assert_eq!(keys.claim("k", "/v1/b", "{}", DAY), Ok(None));
    }

    #[test]
    fn a_refusal_without_work_frees_its_key() {
        let mut keys = Keys::default();
        assert_eq!(keys.claim("k", "/v1/a", "{bad}", 0), Ok(None));
        keys.finish("k", stored(400));
        assert_eq!(keys.claim("k", "/v1/a", "{good}", 0), Ok(None));
    }
}
