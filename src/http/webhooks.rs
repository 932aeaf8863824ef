//! Where Stripe delivers its events.
//!
//! Nothing is believed before the signature over the raw bytes was checked, nothing is read beyond what the inbox row
//! needs, and nothing is acknowledged before it is durable. A rightly signed body is never refused for what it says.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{ApiError, Problem};
use crate::clock::Clock;
use crate::gateway::decode;
use crate::gateway::signature::{self, SignatureError};
use crate::service::ingest::Inbox;

/// The largest event that is taken, in bytes; Stripe's are a few thousand.
pub const MAX_EVENT: usize = 1024 * 1024;
/// Events that say they are longer than this, or do not say, are read so many at once: a signature can only be checked
/// over the whole body, and whoever sends long ones with any signature must not fill the memory.
const LONG_EVENT: usize = 64 * 1024;
const LONG_EVENTS: usize = 32;

/// What the endpoint needs.
#[derive(Clone, Debug)]
pub struct Webhooks {
    pub inbox: Inbox,
    /// The signing secrets in force: two while one is being rotated.
    pub secrets: Arc<[SecretString]>,
    pub clock: Clock,
    /// Places for long events.
    long: Arc<Semaphore>,
}

impl Webhooks {
    pub fn new(inbox: Inbox, secrets: Arc<[SecretString]>, clock: Clock) -> Self {
        Self { inbox, secrets, clock, long: Arc::new(Semaphore::new(LONG_EVENTS)) }
    }

    /// A place to read this request's body in; none is needed for a short one.
    fn place(&self, headers: &HeaderMap) -> Result<Option<SemaphorePermit<'_>>, ApiError> {
        let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if said.is_some_and(|length| length <= LONG_EVENT) {
            return Ok(None);
        }
        self.long.try_acquire().map(Some).map_err(|_| ApiError::unavailable("busy", 5))
    }
}

/// `POST /webhooks/stripe`.
pub fn routes(webhooks: Webhooks) -> Router {
    Router::new().route("/webhooks/stripe", post(receive)).layer(DefaultBodyLimit::max(MAX_EVENT)).with_state(webhooks)
}

/// Where Stripe delivers its events
#[utoipa::path(post, path = "/webhooks/stripe", tag = "stripe",
    request_body(content = String, content_type = "application/json", description = "an event, at most 1 MiB, signed"),
    params(("Stripe-Signature" = String, Header)),
    responses((status = 200, description = "stored durably, now or before"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "the signature is missing, bad, or off by more than 300 s; nothing was stored"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "a Content-Encoding"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "not stored; Stripe delivers again")))]
pub async fn receive(State(webhooks): State<Webhooks>, request: Request) -> Result<Response, ApiError> {
    let headers = request.headers();
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(ApiError::unsupported_media("expected an event without Content-Encoding, as Stripe sends it"));
    }
    // Whoever shows no signature is not listened to.
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let signature =
        signature.ok_or_else(|| ApiError::bad_request("bad_signature", &SignatureError::Missing.to_string()))?;
    let _place = webhooks.place(headers)?;
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large("expected at most 1 MiB"),
        _ => ApiError::bad_request("body_unreadable", "the body ended early"),
    })?;
    signature::verify(&signature, &body, &webhooks.secrets, webhooks.clock.now()).map_err(|error| {
        if let SignatureError::WrongTime { seconds_off } = error {
            metrics::counter!("mainstay_webhook_wrong_time_total").increment(1);
            tracing::warn!(seconds_off, "an event was signed rightly at another time: is this machine's clock right?");
        }
        ApiError::bad_request("bad_signature", &error.to_string())
    })?;
    let envelope = decode::envelope(&body);
    let event = envelope.id.clone();
    webhooks.inbox.put(envelope, &body).await.map_err(|error| {
        tracing::warn!(event, %error, "an event was not stored");
        ApiError::unavailable("not_stored", 5)
    })?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "{\"received\":true}").into_response())
}
