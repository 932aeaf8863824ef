//! Reading Stripe's lists, page by page, at a pace that leaves room for donors.
//!
//! Stripe takes about 25 reads a second from a test account and 100 from a live one; whoever reads long lists takes a
//! configured share of the smaller figure, however many pages there are. Reading changes nothing, so that every failure
//! that may pass is waited out, and for longer than a donor would wait.

use std::time::Duration;

use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{CallError, Fetched, Gateway};

/// Objects on a page; the most Stripe gives.
pub const PAGE: usize = 100;
/// Attempts to read one page.
const MAX_ATTEMPTS: u32 = 8;
/// The first pause after a failure, doubled each time and jittered.
const FIRST_PAUSE_MS: u64 = 250;
/// Longest pause between two attempts, also where Stripe asks for a longer one.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Reads at most so many pages a second.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `per_second` of 0 is taken as 1.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { every: Duration::from_secs(1) / per_second.max(1), next: Mutex::default() }
    }

    /// Waits for the next turn.
    async fn turn(&self) {
        let mut next = self.next.lock().await;
        let now = Instant::now();
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.every);
        drop(next);
        tokio::time::sleep_until(at).await;
    }
}

/// What of a collection is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Without `/v1`, such as `events` or `checkout/sessions`.
    pub collection: &'static str,
    /// What Stripe made at this time or later, in unix seconds.
    pub created_from: Option<i64>,
    /// What Stripe made before this time, in unix seconds.
    pub created_before: Option<i64>,
    /// Further parameters, such as `("status", "all")`; `("expand[]", "data.customer")` to have an object in place of its id.
    pub narrowed: Vec<(&'static str, String)>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page {
    pub objects: Vec<Value>,
    /// Where to go on, `None` at the end.
    pub after: Option<String>,
    /// Stripe's time of the answer, from its `Date` header, in unix seconds.
    pub at: Option<i64>,
}

impl Gateway {
    /// The page that follows the object `after`, or the first.
    ///
    /// # Errors
    /// When it cannot be had after every attempt, or is refused.
    pub async fn page(&self, pace: &Pace, list: &List, after: Option<&str>) -> Result<Page, CallError> {
        let query = query(list, after);
        let path = format!("/{}", list.collection);
        let answer = self.patiently(pace, &path, &query).await?;
        let mut body = answer.json()?;
        let Value::Array(objects) = body["data"].take() else { return Err(CallError::Unreadable) };
        let more = body["has_more"].as_bool().unwrap_or(false);
        let end = objects.last().and_then(|object| object["id"].as_str()).map(str::to_owned);
        // A page that says there is more and shows nothing to go on from would be read for ever.
        Ok(Page { after: end.filter(|_| more), objects, at: answer.at })
    }

    /// Fetches what is at `path` (without `/v1`), waiting out whatever may pass.
    ///
    /// # Errors
    /// When it cannot be had after every attempt, or is refused.
    pub async fn fetch_patiently(&self, pace: &Pace, path: &str) -> Result<Fetched, CallError> {
        self.patiently(pace, path, &[]).await
    }

    async fn patiently(&self, pace: &Pace, path: &str, query: &[(&str, String)]) -> Result<Fetched, CallError> {
        let mut attempt = 1;
        loop {
            pace.turn().await;
            let mut request = RequestBuilder::new(StripeMethod::Get, path);
            if !query.is_empty() {
                request.query = Some(encoded(query));
            }
            let error = match self.transport.send(request, None).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = error.may_be_repeated() || matches!(error, CallError::Failed { .. });
            if attempt == MAX_ATTEMPTS || !passes {
                return Err(error);
            }
            let jittered = (FIRST_PAUSE_MS << (attempt - 1)) + self.random.below(FIRST_PAUSE_MS);
            let pause = error.retry_after().unwrap_or_default().max(Duration::from_millis(jittered));
            tokio::time::sleep(pause.min(MAX_PAUSE)).await;
            attempt += 1;
        }
    }
}

fn query<'l>(list: &'l List, after: Option<&str>) -> Vec<(&'l str, String)> {
    let mut query = vec![("limit", PAGE.to_string())];
    query.extend(list.created_from.map(|at| ("created[gte]", at.to_string())));
    query.extend(list.created_before.map(|at| ("created[lt]", at.to_string())));
    query.extend(list.narrowed.iter().map(|(name, value)| (*name, value.clone())));
    query.extend(after.map(|id| ("starting_after", id.to_owned())));
    query
}

fn encoded(query: &[(&str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_for_as_stripe_takes_it() {
        let list = List {
            collection: "events",
            created_from: Some(1),
            created_before: Some(9),
            narrowed: vec![("delivery_success", "false".to_owned()), ("expand[]", "data.customer".to_owned())],
        };
        assert_eq!(
            encoded(&query(&list, Some("evt_1"))),
            "limit=100&created%5Bgte%5D=1&created%5Blt%5D=9&delivery_success=false&expand%5B%5D=data.customer\
             &starting_after=evt_1"
        );
        assert_eq!(encoded(&query(&List { collection: "events", ..List::default() }, None)), "limit=100");
    }

    #[tokio::test(start_paused = true)]
    async fn pages_are_read_at_the_pace_that_was_set_whoever_reads() {
        let pace = Pace::new(10);
        let begun = Instant::now();
        tokio::join!(pace.turn(), pace.turn(), pace.turn());
        pace.turn().await;
        assert_eq!(begun.elapsed().as_millis(), 300);
    }
}
