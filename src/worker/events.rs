//! Working off the inbox: lease, open, decode, apply.
//!
//! A batch is applied in one transaction; a batch that fails is redone event by event, so that one bad event is in
//! nobody's way. What still fails is tried again with growing pauses and then parked, visible and replayable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::checkouts::CheckoutWorker;
use crate::clock::{HOUR, MINUTE};
use crate::domain::event::{News, Reading};
use crate::gateway::{Gateway, decode};
use crate::service::event_body;
use crate::service::parallel;
use crate::service::reconcile::{Outcome, ReconcileError, Reconciler};
use crate::store::{BATCH, LeasedEvent, StoreError};
use crate::vault::Opener;

/// How long a worker may hold events, in seconds; far longer than a batch takes.
pub const LEASE: i64 = 60;
/// An event is parked after this many failures.
pub const MAX_ATTEMPTS: i64 = 10;
/// How many objects are fetched from Stripe at once.
const FETCHES_AT_ONCE: usize = 8;
/// How long all fetches of a batch may take together; well within the lease.
const FETCH_IN: Duration = Duration::from_secs(30);
/// Why an event waits although Stripe was asked.
const UNCLEAR: &str = "two snapshots of one second contradict each other, and Stripe has not said which is the newer";

/// Events held and what each came to.
type Batch<'e> = Vec<(&'e LeasedEvent, Outcome)>;

/// What reading an event leads to.
enum Read {
    Here(Outcome),
    /// The object of this id has to be fetched.
    AtStripe(String),
}

/// Applies events of the inbox.
#[derive(Clone, Debug)]
pub struct EventWorker {
    reconciler: Reconciler,
    opener: Arc<Opener>,
    gateway: Gateway,
    /// Names this worker's leases.
    token: String,
}

impl EventWorker {
    pub fn new(reconciler: Reconciler, opener: Arc<Opener>, gateway: Gateway) -> Self {
        let token = reconciler.random.hex();
        Self { reconciler, opener, gateway, token }
    }

    /// What ends spent checkouts of the same database, on the same clock, at the same Stripe.
    pub fn checkouts(&self) -> CheckoutWorker {
        let Reconciler { store, clock, .. } = &self.reconciler;
        CheckoutWorker { store: store.clone(), clock: clock.clone(), gateway: self.gateway.clone() }
    }

    /// Works on one batch of due events and returns how many there were.
    pub async fn run_once(&self) -> Result<usize, ReconcileError> {
        let now = self.reconciler.clock.now();
        let leased = self.reconciler.store.lease_events(&self.token, now, now + LEASE, BATCH).await?;
        let mut readable = Vec::with_capacity(leased.len());
        let mut to_fetch = Vec::new();
        let read = parallel::map(&leased, |event| self.read(event));
        for (event, read) in leased.iter().zip(read) {
            match read {
                Ok(Read::Here(outcome)) => readable.push((event, outcome)),
                Ok(Read::AtStripe(object_id)) => to_fetch.push((event, object_id)),
                Err(why) => self.failed(event, &why).await?,
            }
        }
        // Whoever needs nothing from Stripe does not wait for those who do.
        self.apply(readable).await?;
        let fetched = self.fetch_all(to_fetch).await?;
        self.apply(fetched).await?;
        Ok(leased.len())
    }

    /// Gives back what this worker holds.
    pub async fn release(&self) -> Result<(), StoreError> {
        self.reconciler.store.release_events(&self.token).await
    }

    /// Applies a batch together; if that fails, one by one.
    async fn apply(&self, batch: Batch<'_>) -> Result<(), ReconcileError> {
        let Some((batch, why)) = self.apply_together(batch).await? else { return Ok(()) };
        if let [(event, _)] = batch.as_slice() {
            return Ok(self.failed(event, &why).await?);
        }
        tracing::warn!(reason = why, "a batch of events failed; redoing them one by one");
        for one in batch {
            if let Some((batch, why)) = self.apply_together(vec![one]).await? {
                for (event, _) in batch {
                    self.failed(event, &why).await?;
                }
            }
        }
        Ok(())
    }

    /// Applies a batch in one transaction. What only Stripe can order is asked there first, outside of it. Returns the
    /// batch and the reason when something of it is at fault.
    async fn apply_together<'e>(&self, mut batch: Batch<'e>) -> Result<Option<(Batch<'e>, String)>, ReconcileError> {
        let mut asked = BTreeSet::new();
        loop {
            let outcomes: Vec<(String, Outcome)> =
                batch.iter().map(|(event, outcome)| (event.envelope.id.clone(), outcome.clone())).collect();
            if outcomes.is_empty() {
                return Ok(None);
            }
            match self.reconciler.apply(&self.token, &outcomes).await {
                Ok(()) => return Ok(None),
                Err(ReconcileError::Store(StoreError::LeaseLost)) => {
                    tracing::warn!("the lease on a batch of events was lost; another worker has them");
                    return Ok(None);
                }
                Err(ReconcileError::Unsettled(objects)) => batch = self.ask(batch, &objects, &mut asked).await?,
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => return Ok(Some((batch, error.code()))),
            }
        }
    }

    /// Asks Stripe how these objects are now and adds the answer to the first event about each. Events about an object
    /// that stays unclear are tried again later, when Stripe's answer is sure to be newer than they are.
    async fn ask<'e>(
        &self,
        mut batch: Batch<'e>,
        objects: &[String],
        asked: &mut BTreeSet<String>,
    ) -> Result<Batch<'e>, StoreError> {
        for object_id in objects {
            let Some((event, said)) = batch.iter_mut().find_map(|(event, outcome)| match outcome {
                Outcome::Said(said) if about(said, object_id) => Some((*event, said)),
                _ => None,
            }) else {
                continue;
            };
            let answer = if asked.insert(object_id.clone()) {
                self.fetch(event, object_id).await
            } else {
                Err(UNCLEAR.to_owned())
            };
            let why = match answer {
                Ok(Outcome::Said(answer)) => {
                    said.extend(answer);
                    continue;
                }
                Ok(Outcome::Nothing(why)) => why.to_owned(),
                Err(why) => why,
            };
            let unclear =
                |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Said(said) if about(said, object_id));
            let (unclear, rest): (Batch<'e>, Batch<'e>) = batch.into_iter().partition(unclear);
            for (event, _) in unclear {
                self.failed(event, &why).await?;
            }
            batch = rest;
        }
        Ok(batch)
    }

    fn read(&self, event: &LeasedEvent) -> Result<Read, String> {
        let body =
            event_body::open(&self.opener, &event.envelope.id, &event.body).map_err(|error| error.to_string())?;
        Ok(match decode::read(&event.envelope, &body) {
            Reading::Said(news) => Read::Here(Outcome::Said(vec![*news])),
            Reading::Nothing(why) => Read::Here(Outcome::Nothing(why)),
            Reading::Fetch { object_id } => Read::AtStripe(object_id),
        })
    }

    /// Fetches what events of another API version are about, a few at once. What has not come in time is tried again
    /// later.
    async fn fetch_all<'e>(&self, events: Vec<(&'e LeasedEvent, String)>) -> Result<Batch<'e>, StoreError> {
        let by = Instant::now() + FETCH_IN;
        let fetch = |(event, object_id): (&'e LeasedEvent, String)| async move {
            let answer = tokio::time::timeout_at(by, self.fetch(event, &object_id)).await;
            (event, answer.unwrap_or_else(|_| Err("Stripe took too long".to_owned())))
        };
        let fetches: Vec<_> = events.into_iter().map(fetch).collect();
        let answers: Vec<_> = stream::iter(fetches).buffered(FETCHES_AT_ONCE).collect().await;
        let mut readable = Vec::with_capacity(answers.len());
        for (event, answer) in answers {
            match answer {
                Ok(outcome) => readable.push((event, outcome)),
                Err(why) => self.failed(event, &why).await?,
            }
        }
        Ok(readable)
    }

    async fn fetch(&self, event: &LeasedEvent, object_id: &str) -> Result<Outcome, String> {
        let Some(path) = decode::path_of(object_id) else {
            return Ok(Outcome::Nothing("an object we keep no facts of"));
        };
        let fetched = self.gateway.fetch(&path).await.map_err(|error| error.to_string())?;
        let at = fetched.at.unwrap_or_else(|| self.reconciler.clock.now());
        Ok(match decode::read_fetched(&fetched.body, at, &event.envelope) {
            Reading::Said(news) => Outcome::Said(vec![*news]),
            Reading::Nothing(why) => Outcome::Nothing(why),
            // An object is read as it is; it never asks to be fetched again.
            Reading::Fetch { .. } => Outcome::Nothing("an object that cannot be read"),
        })
    }

    async fn failed(&self, event: &LeasedEvent, why: &str) -> Result<(), StoreError> {
        let now = self.reconciler.clock.now();
        let attempts = event.attempts + 1;
        let due_at = (attempts < MAX_ATTEMPTS).then(|| now + pause(attempts));
        if due_at.is_none() {
            tracing::error!(event = event.envelope.id, kind = event.envelope.kind, reason = why, "an event was parked");
        }
        self.reconciler.store.fail_event(&event.envelope.id, &self.token, why, due_at, now).await
    }
}

/// Seconds to wait after the n-th failure: 10 s, 20 s, 40 s … at most an hour; 2 h 20 min until an event is parked.
fn pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
    (MINUTE / 6 * 2_i64.pow(doublings)).min(HOUR)
}

fn about(said: &[News], object_id: &str) -> bool {
    said.iter().any(|news| news.object.id == object_id)
}
