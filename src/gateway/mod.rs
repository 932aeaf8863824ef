//! The only `use stripe::…`: calls to Stripe, the signature of its webhooks, and reading what it sends.
//!
//! Requests are async-stripe's own types, sent over a transport of ours ([`transport`]) that knows in which way a call
//! failed. A call that may have been carried out is repeated only under the same idempotency key. Nothing here touches
//! the database.

pub mod adopt;
pub mod balance;
pub mod checkout;
pub mod decode;
pub mod farewell;
pub mod list;
pub mod portal;
pub mod probe;
pub mod reasons;
pub mod refund;
pub mod schedule;
pub mod setup;
pub mod signature;
pub mod subscription;
mod transport;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use stripe::{IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::id::Random;
pub use transport::CallError;
use transport::Transport;

/// Attempts of one call.
const MAX_ATTEMPTS: u32 = 3;
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How Stripe is reached.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// With the trailing slash, such as `https://api.stripe.com/`.
    pub api_url: String,
    pub secret_key: SecretString,
}

/// Stripe. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Gateway {
    transport: Arc<Transport>,
    random: Random,
    /// Products known to exist.
    products: Arc<Mutex<Vec<String>>>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub body: bytes::Bytes,
    /// Stripe's time, from the `Date` header, in unix seconds.
    pub at: Option<i64>,
}

impl Fetched {
    /// What it says.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn json(&self) -> Result<Value, CallError> {
        decode::json(&self.body).ok_or(CallError::Unreadable)
    }
}

impl Gateway {
    /// # Errors
    /// When the key cannot stand in a header or the URL is none.
    pub fn new(config: &GatewayConfig, random: Random) -> Result<Self, CallError> {
        Ok(Self { transport: Arc::new(Transport::new(config)?), random, products: Arc::default() })
    }

    /// Fetches what is at `path` (without `/v1`), such as `/invoices/in_1`.
    pub async fn fetch(&self, path: &str) -> Result<Fetched, CallError> {
        self.repeated(|| self.transport.send(RequestBuilder::new(StripeMethod::Get, path), None)).await
    }

    /// The account the key belongs to, `acct_…`.
    pub async fn account_id(&self) -> Result<String, CallError> {
        let answer = self.fetch("/account").await?;
        let account = answer.json()?;
        account["id"].as_str().map(str::to_owned).ok_or(CallError::Unreadable)
    }

    /// Sends a request that may be carried out twice without harm.
    async fn send<R: StripeRequest + Sync>(&self, request: &R) -> Result<R::Output, CallError>
    where
        R::Output: miniserde::Deserialize,
    {
        self.repeated(|| async { request.customize().send(&*self.transport).await }).await
    }

    /// Sends a request that changes something, always under the same `key`.
    async fn post<R: StripeRequest + Sync>(&self, request: &R, key: &str) -> Result<R::Output, CallError>
    where
        R::Output: miniserde::Deserialize,
    {
        let key =
            IdempotencyKey::new(key).map_err(|_| CallError::Configuration("an idempotency key of a bad length"))?;
        let strategy = RequestStrategy::Idempotent(key);
        self.repeated(|| async { request.customize().request_strategy(strategy.clone()).send(&*self.transport).await })
            .await
    }

    /// Repeats a call while that can help: the line was cut, Stripe is busy, or the answer could not be read. A 5xx is
    /// not repeated, since Stripe would replay it under the same key.
    async fn repeated<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, CallError> {
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt == MAX_ATTEMPTS || !error.may_be_repeated() {
                return Err(error);
            }
            tokio::time::sleep(self.backoff(attempt, error.retry_after())).await;
            attempt += 1;
        }
    }

    /// 100 to 200 ms, doubled each time; what Stripe asks for if that is longer; never above [`MAX_PAUSE`].
    fn backoff(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let jittered = Duration::from_millis((100 + self.random.below(100)) << (attempt - 1));
        asked.map_or(jittered, |asked| asked.max(jittered)).min(MAX_PAUSE)
    }

    fn product_is_known(&self, id: &str) -> bool {
        self.products.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == id)
    }

    fn remember_product(&self, id: String) {
        self.products.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }
}
