//! Routes for programs of the newsroom: whoever calls them says a secret as bearer token (RFC 6750).
//!
//! Without a secret in the settings they are switched off. Secrets are compared by their hashes and in constant time, so
//! that neither a part of one nor its length shows. Nothing of a request is read before it is let in.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::ApiError;

/// What comes before the secret, in any case of letters.
const SCHEME: &str = "bearer";

#[derive(Clone)]
struct Guard {
    /// The variable that switches the routes on.
    variable: &'static str,
    hash: Option<[u8; 32]>,
}

/// `routes`, for those who say `secret`.
pub fn guarded(routes: Router, variable: &'static str, secret: Option<&SecretString>) -> Router {
    let hash = secret.map(|secret| Sha256::digest(secret.expose_secret().as_bytes()).into());
    routes.route_layer(middleware::from_fn_with_state(Guard { variable, hash }, admit))
}

async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Result<Response, ApiError> {
    let hash = guard.hash.ok_or_else(|| ApiError::switched_off(guard.variable))?;
    let said = token(request.headers()).map(|token| Sha256::digest(token.as_bytes()));
    match said {
        Some(said) if bool::from(said.as_slice().ct_eq(&hash)) => Ok(next.run(request).await),
        _ => Err(ApiError::unauthorized()),
    }
}

/// What was said as bearer token.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_start())
}
