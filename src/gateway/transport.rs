//! HTTP to Stripe, and in which way it fails.
//!
//! async-stripe's own client does not say whether a connection was made, what `Retry-After` asks, or what `Date` Stripe
//! answered; the pledge flow needs the first two and dating fetched objects needs the third. Bodies are never logged.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, body::Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::ExposeSecret;
use stripe_client_core::{CustomizedStripeRequest, RequestBuilder, StripeClient, StripeClientErr, StripeMethod};

use super::decode;
use super::probe::Probe;
use super::{Fetched, GatewayConfig};
use crate::domain::event::API_VERSION;

const CONNECT: Duration = Duration::from_secs(2);
/// From the request's first byte to the answer's last.
const ANSWER: Duration = Duration::from_secs(8);
/// A longer answer is not read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Why a call to Stripe has no usable answer. Holds no donor data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request never left, so nothing was done.
    #[error("Stripe cannot be reached")]
    Unreachable,
    /// It left, and no whole answer came: it may or may not have been carried out.
    #[error("the line to Stripe was cut or too slow")]
    Cut,
    /// A success that cannot be read: it was carried out.
    #[error("Stripe's answer cannot be read")]
    Unreadable,
    /// Too many requests, or another one under the same key is running.
    #[error("Stripe is busy (HTTP {status})")]
    Busy { status: u16, retry_after: Option<Duration> },
    /// Stripe failed; under the same key it will fail the same way again.
    #[error("Stripe failed (HTTP {status})")]
    Failed { status: u16 },
    /// Stripe refused.
    #[error("Stripe refused (HTTP {status}, {code})")]
    Refused { status: u16, code: String },
    #[error("the connection to Stripe is configured wrongly: {0}")]
    Configuration(&'static str),
}

impl CallError {
    /// Whether the same call, under the same key, may fare better at once.
    pub fn may_be_repeated(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Cut | Self::Unreadable | Self::Busy { .. })
    }

    /// How long Stripe asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl StripeClientErr for CallError {
    fn deserialize_err(_: impl fmt::Display) -> Self {
        Self::Unreadable
    }
}

pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// With the version's path: `https://api.stripe.com/v1`.
    base: String,
    authorization: HeaderValue,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(config: &GatewayConfig) -> Result<Self, CallError> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(hyper_rustls_provider())
            .map_err(|_| CallError::Configuration("no TLS"))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", config.secret_key.expose_secret()))
            .map_err(|_| CallError::Configuration("the secret key holds characters that no key has"))?;
        authorization.set_sensitive(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client, base: format!("{}/v1", config.api_url.trim_end_matches('/')), authorization })
    }

    /// Sends one request and reads its whole answer.
    pub(super) async fn send(&self, request: RequestBuilder, key: Option<&str>) -> Result<Fetched, CallError> {
        let request = self.request(request, key)?;
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| if error.is_connect() { CallError::Unreachable } else { CallError::Cut })?;
            read(answer).await
        };
        tokio::time::timeout(ANSWER, exchange).await.unwrap_or(Err(CallError::Cut))
    }

    /// Sends one request and reads only how its answer begins, whatever it says.
    pub(super) async fn probe(&self, request: RequestBuilder) -> Result<Probe, CallError> {
        let asking = self.client.request(self.request(request, None)?);
        let answer = match tokio::time::timeout(ANSWER, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_connect() => return Err(CallError::Unreachable),
            Ok(Err(_)) | Err(_) => return Err(CallError::Cut),
        };
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        Ok(Probe {
            status: answer.status().as_u16(),
            at: header("date").and_then(http_date),
            version: header("stripe-version").map(str::to_owned),
        })
    }

    fn request(&self, request: RequestBuilder, key: Option<&str>) -> Result<Request<Full<Bytes>>, CallError> {
        let query =
            request.query.filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
        let mut builder = Request::builder()
            .method(match request.method {
                StripeMethod::Get => Method::GET,
                StripeMethod::Post => Method::POST,
                StripeMethod::Delete => Method::DELETE,
            })
            .uri(format!("{}{}{query}", self.base, request.path))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", API_VERSION);
        if let Some(key) = key {
            builder = builder.header("idempotency-key", key);
        }
        if request.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        builder
            .body(Full::new(request.body.map(Bytes::from).unwrap_or_default()))
            .map_err(|_| CallError::Configuration("the address is none"))
    }
}

impl StripeClient for Transport {
    type Err = CallError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, CallError> {
        let (request, options) = request.into_pieces();
        let key = options.request_strategy.and_then(|strategy| strategy.get_key());
        self.send(request, key.as_ref().map(stripe::IdempotencyKey::as_str)).await.map(|answer| answer.body)
    }
}

fn hyper_rustls_provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

async fn read(answer: Response<Incoming>) -> Result<Fetched, CallError> {
    let (head, body) = answer.into_parts();
    let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let at = header(DATE).and_then(http_date);
    let retry_after = header(RETRY_AFTER).and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|_| CallError::Cut)?.to_bytes();
    match head.status.as_u16() {
        200..=299 => Ok(Fetched { body, at }),
        status @ (409 | 429) => Err(CallError::Busy { status, retry_after }),
        status @ 400..=499 => Err(CallError::Refused { status, code: error_code(&body) }),
        status => Err(CallError::Failed { status }),
    }
}

/// Stripe's word for what is wrong: never its message, which may repeat what was sent.
fn error_code(body: &[u8]) -> String {
    let answer = decode::json(body).unwrap_or_default();
    let word = |name: &str| answer["error"][name].as_str().filter(|word| word.len() <= 64).map(str::to_owned);
    word("code").or_else(|| word("type")).unwrap_or_else(|| "no_code".to_owned())
}

/// An HTTP date (RFC 9110, section 5.6.7) in unix seconds.
fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().as_second())
}
