//! Taking events in: sealed, durable, and only then acknowledged.
//!
//! One task writes for everybody: it gathers what waits, seals it and commits it together, so that many requests share
//! one commit. The queue is bounded; when it is full the caller is told at once. Whoever got `Ok`
//! can rely on the event being on disk.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::event::{Envelope, EventState, is_handled};
use crate::store::{BATCH, NewEvent, Store, StoreError};
use crate::vault::{DataKey, Place, Sealer, VaultError};

/// Events that wait for the writer before callers are refused.
const QUEUE: usize = 2048;

/// Why an event was not stored. In every case the sender should send it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    #[error("too many events wait to be stored")]
    Full,
    #[error("the event could not be stored")]
    NotStored,
}

/// Bodies sealed under one data key, at most; and for how many seconds. What somebody inside a web process can open of the
/// past is that much; a key per commit would cost more than all else about an event.
const KEY_SEALS: usize = 1024;
const KEY_LIVES: i64 = 10;

struct Waiting {
    envelope: Envelope,
    body: Bytes,
    answer: oneshot::Sender<Result<(), IngestError>>,
}

/// Where events are handed in. Clones share one writer.
#[derive(Clone, Debug)]
pub struct Inbox {
    queue: mpsc::Sender<Waiting>,
}

impl Inbox {
    /// Starts the writer. It ends, having stored what waits, when every clone of the inbox is gone. `arrived` is
    /// notified after each commit that holds work for a worker.
    pub fn start(store: Store, sealer: Sealer, clock: Clock, arrived: Arc<Notify>) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = Writer { store, sealer, clock, arrived, key: None };
        (Self { queue }, tokio::spawn(writer.run(waiting)))
    }

    /// Stores an event; `Ok` once it is durable, also when it was there already.
    pub async fn put(&self, envelope: Envelope, body: Bytes) -> Result<(), IngestError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { envelope, body, answer }).map_err(|_| IngestError::Full)?;
        answered.await.unwrap_or(Err(IngestError::NotStored))
    }
}

struct Writer {
    store: Store,
    sealer: Sealer,
    clock: Clock,
    arrived: Arc<Notify>,
    /// The data key in use, how many bodies it has sealed, and when it was made.
    key: Option<(DataKey, usize, i64)>,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            self.store_batch(std::mem::take(&mut batch)).await;
        }
    }

    async fn store_batch(&mut self, batch: Vec<Waiting>) {
        let Ok(events) = self.seal(&batch) else {
            tracing::error!("events could not be sealed");
            return answer_all(batch, &Err(IngestError::NotStored));
        };
        match self.store.put_events(&events).await {
            Ok(()) => answer_all(batch, &Ok(())),
            Err(error) if error.is_outage() => {
                tracing::error!(reason = error.code(), "events could not be stored");
                answer_all(batch, &Err(IngestError::NotStored));
            }
            // One of them is at fault: the others must not suffer for it.
            Err(_) => {
                for (waiting, event) in batch.into_iter().zip(&events) {
                    let stored = self.store.put_events(std::slice::from_ref(event)).await;
                    if let Err(error) = &stored {
                        tracing::error!(
                            event = event.envelope.id,
                            reason = error.code(),
                            "an event could not be stored"
                        );
                    }
                    answer_all(vec![waiting], &stored.map_err(|_: StoreError| IngestError::NotStored));
                }
            }
        }
        if events.iter().any(|event| event.state == EventState::Received) {
            self.arrived.notify_one();
        }
    }

    fn seal(&mut self, batch: &[Waiting]) -> Result<Vec<NewEvent>, VaultError> {
        let now = self.clock.now();
        let fresh = |(_, sealed, made_at): &(DataKey, usize, i64)| {
            sealed + batch.len() <= KEY_SEALS && (0..KEY_LIVES).contains(&(now - made_at))
        };
        let (key, sealed, made_at) = match self.key.take().filter(fresh) {
            Some(key) => key,
            None => (self.sealer.data_key()?, 0, now),
        };
        let events = Self::seal_under(&key, batch, now);
        self.key = Some((key, sealed + batch.len(), made_at));
        events
    }

    fn seal_under(key: &DataKey, batch: &[Waiting], received_at: i64) -> Result<Vec<NewEvent>, VaultError> {
        let sealed = |waiting: &Waiting| {
            let place = Place { table: "stripe_events", column: "body", id: &waiting.envelope.id };
            let handled = is_handled(&waiting.envelope.kind);
            Ok(NewEvent {
                envelope: waiting.envelope.clone(),
                body: key.seal(place, &waiting.body)?,
                state: if handled { EventState::Received } else { EventState::Ignored },
                note: match (handled, waiting.envelope.kind.is_empty()) {
                    (true, _) => None,
                    (false, true) => Some("signed, but not an event"),
                    (false, false) => Some("a type that is not acted on"),
                },
                received_at,
            })
        };
        batch.iter().map(sealed).collect()
    }
}

fn answer_all(batch: Vec<Waiting>, result: &Result<(), IngestError>) {
    for waiting in batch {
        // Who no longer waits will be asked again by Stripe.
        let _ = waiting.answer.send(result.clone());
    }
}
