//! Working off the inbox: lease, open, decode, apply.
//!
//! A batch is applied in one transaction; a batch that fails is redone event by event, so that one bad event is in
//! nobody's way. What still fails is tried again with growing pauses and then parked, visible and replayable.

use std::sync::Arc;

use super::retention::Retention;
use crate::clock::{HOUR, MINUTE};
use crate::domain::event::Reading;
use crate::gateway::{Gateway, decode};
use crate::service::reconcile::{Outcome, ReconcileError, Reconciler};
use crate::store::{BATCH, LeasedEvent, StoreError};
use crate::vault::{Opener, Place};

/// How long a worker may hold events, in seconds; far longer than a batch takes.
pub const LEASE: i64 = 60;
/// An event is parked after this many failures.
pub const MAX_ATTEMPTS: i64 = 10;

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

    /// The retention of the same database, on the same clock.
    pub fn retention(&self) -> Retention {
        Retention { store: self.reconciler.store.clone(), clock: self.reconciler.clock.clone() }
    }

    /// Works on one batch of due events and returns how many there were.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let now = self.reconciler.clock.now();
        let leased = self.reconciler.store.lease_events(&self.token, now, now + LEASE, BATCH).await?;
        let mut readable = Vec::with_capacity(leased.len());
        for event in &leased {
            match self.read(event).await {
                Ok(outcome) => readable.push((event, outcome)),
                Err(why) => self.failed(event, &why).await?,
            }
        }
        self.apply(readable).await?;
        Ok(leased.len())
    }

    /// Gives back what this worker holds.
    pub async fn release(&self) -> Result<(), StoreError> {
        self.reconciler.store.release_events(&self.token).await
    }

    async fn apply(&self, batch: Vec<(&LeasedEvent, Outcome)>) -> Result<(), StoreError> {
        let outcomes: Vec<(String, Outcome)> =
            batch.iter().map(|(event, outcome)| (event.envelope.id.clone(), outcome.clone())).collect();
        if outcomes.is_empty() {
            return Ok(());
        }
        match self.reconciler.apply(&self.token, &outcomes).await {
            Ok(()) => return Ok(()),
            Err(ReconcileError::Store(StoreError::LeaseLost)) => {
                tracing::warn!("the lease on a batch of events was lost; another worker has them");
                return Ok(());
            }
            Err(ReconcileError::Store(error)) if error.is_outage() => return Err(error),
            Err(error) => {
                tracing::warn!(reason = describe(&error), "a batch of events failed; redoing them one by one");
            }
        }
        for ((event, _), outcome) in batch.iter().zip(outcomes) {
            match self.reconciler.apply(&self.token, std::slice::from_ref(&outcome)).await {
                Ok(()) | Err(ReconcileError::Store(StoreError::LeaseLost)) => {}
                Err(ReconcileError::Store(error)) if error.is_outage() => return Err(error),
                Err(error) => self.failed(event, &describe(&error)).await?,
            }
        }
        Ok(())
    }

    async fn read(&self, event: &LeasedEvent) -> Result<Outcome, String> {
        let place = Place { table: "stripe_events", column: "body", id: &event.envelope.id };
        let body = self.opener.open(place, &event.body).map_err(|error| error.to_string())?;
        match decode::read(&event.envelope, &body) {
            Reading::Said(news) => Ok(Outcome::Said(news)),
            Reading::Nothing(why) => Ok(Outcome::Nothing(why)),
            Reading::Fetch { object_id } => self.fetch(event, &object_id).await,
        }
    }

    async fn fetch(&self, event: &LeasedEvent, object_id: &str) -> Result<Outcome, String> {
        let Some(path) = decode::path_of(object_id) else {
            return Ok(Outcome::Nothing("an object we keep no facts of"));
        };
        let fetched = self.gateway.fetch(&path).await.map_err(|error| error.to_string())?;
        let at = fetched.at.unwrap_or_else(|| self.reconciler.clock.now());
        Ok(match decode::read_fetched(&fetched.body, at, &event.envelope) {
            Reading::Said(news) => Outcome::Said(news),
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

/// What may be written down about a failure.
fn describe(error: &ReconcileError) -> String {
    match error {
        ReconcileError::Store(error) => error.code(),
        ReconcileError::Vault(error) => error.to_string(),
    }
}
