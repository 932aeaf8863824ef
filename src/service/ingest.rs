//! Taking events in: sealed, durable, and only then acknowledged.
//!
//! Each caller seals its own event; one task writes for everybody: it gathers what waits and commits it together, so that
//! many requests share one commit. The queue is bounded; when it is full the caller is told at once. Whoever got `Ok`
//! can rely on the event being on disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::clock::{Clock, MINUTE};
use crate::domain::event::{Envelope, EventState, is_handled};
use crate::service::event_body;
use crate::store::{BATCH, Mark, NewEvent, Store, StoreError};
use crate::vault::{DataKey, Sealer, VaultError};

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

type Answer = oneshot::Sender<Result<(), IngestError>>;

/// How long a commit waits for the events of callers who were there a moment ago: they are on their way again. A fuller
/// commit costs everybody less, and a lone caller waits for nobody.
const GATHER: Duration = Duration::from_millis(1);

struct Waiting {
    event: NewEvent,
    answer: Answer,
}

/// Where events are handed in. Clones share one writer and one data key.
#[derive(Clone, Debug)]
pub struct Inbox {
    queue: mpsc::Sender<Waiting>,
    keys: Arc<Keys>,
    clock: Clock,
}

impl Inbox {
    /// Starts the writer. It ends, having stored what waits, when every clone of the inbox is gone. `arrived` is
    /// notified after each commit that holds work for a worker.
    pub fn start(store: Store, sealer: Sealer, clock: Clock, arrived: Arc<Notify>) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let keys = Arc::new(Keys { sealer, current: Mutex::default() });
        let writer = Writer { store, clock: clock.clone(), arrived, heard_at: i64::MIN };
        (Self { queue, keys, clock }, tokio::spawn(writer.run(waiting)))
    }

    /// Stores an event; `Ok` once it is durable, also when it was there already. Its body is sealed by the caller, so that
    /// the writer has nothing to do but to write.
    pub async fn put(&self, envelope: Envelope, body: &[u8]) -> Result<(), IngestError> {
        let place = self.queue.try_reserve().map_err(|_| IngestError::Full)?;
        let received_at = self.clock.now();
        let sealed = self.keys.at(received_at).and_then(|key| new_event(&key, envelope, body, received_at));
        let event = sealed.map_err(|error| {
            tracing::error!(%error, "an event could not be sealed");
            IngestError::NotStored
        })?;
        let (answer, answered) = oneshot::channel();
        place.send(Waiting { event, answer });
        answered.await.unwrap_or(Err(IngestError::NotStored))
    }
}

/// What is stored of a body: sealed, and ignored from the start where its type says nothing to us.
pub fn new_event(key: &DataKey, envelope: Envelope, body: &[u8], received_at: i64) -> Result<NewEvent, VaultError> {
    let body = event_body::seal(key, &envelope.id, body)?;
    let note = match (is_handled(&envelope.kind), envelope.kind.is_empty()) {
        (true, _) => None,
        (false, true) => Some("signed, but not an event"),
        (false, false) => Some("a type that is not acted on"),
    };
    let state = if note.is_none() { EventState::Received } else { EventState::Ignored };
    Ok(NewEvent { envelope, body, state, note, received_at })
}

/// The data key in use.
#[derive(Debug)]
struct Keys {
    sealer: Sealer,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    key: Arc<DataKey>,
    seals: usize,
    made_at: i64,
}

impl Keys {
    /// The key to seal one body with.
    fn at(&self, now: i64) -> Result<Arc<DataKey>, VaultError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |key: &Current| key.seals < KEY_SEALS && (0..KEY_LIVES).contains(&(now - key.made_at));
        let mut key = match current.take().filter(fresh) {
            Some(key) => key,
            None => Current { key: Arc::new(self.sealer.data_key()?), seals: 0, made_at: now },
        };
        key.seals += 1;
        let shared = Arc::clone(&key.key);
        *current = Some(key);
        Ok(shared)
    }
}

struct Writer {
    store: Store,
    clock: Clock,
    arrived: Arc<Notify>,
    /// When it was last remembered that Stripe delivers.
    heard_at: i64,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut expected = 0;
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let until = Instant::now() + GATHER;
            while batch.len() < expected {
                let missing = expected - batch.len();
                let more = waiting.recv_many(&mut batch, missing);
                if timeout_at(until, more).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let stored = batch.len();
            let (events, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|one| (one.event, one.answer)).unzip();
            self.store_batch(&events, answers).await;
            self.remember().await;
            expected = (BATCH / 2).min(stored + waiting.len());
        }
    }

    /// Remembers, once a minute, that Stripe delivers: a long silence is a sign that it does not.
    async fn remember(&mut self) {
        let now = self.clock.now();
        if now.saturating_sub(self.heard_at) >= MINUTE && self.store.set_mark(Mark::WebhookReceived, now).await.is_ok()
        {
            self.heard_at = now;
        }
    }

    async fn store_batch(&self, events: &[NewEvent], answers: Vec<Answer>) {
        match self.store.put_events(events).await {
            Ok(_) => answer_all(answers, &Ok(())),
            Err(error) if error.is_outage() => {
                tracing::error!(reason = error.code(), "events could not be stored");
                answer_all(answers, &Err(IngestError::NotStored));
            }
            // One of them is at fault: the others must not suffer for it.
            Err(_) => {
                for (event, answer) in events.iter().zip(answers) {
                    let stored = self.store.put_events(std::slice::from_ref(event)).await;
                    if let Err(error) = &stored {
                        let reason = error.code();
                        tracing::error!(event = event.envelope.id, reason, "an event could not be stored");
                    }
                    answer_all(vec![answer], &stored.map(|_| ()).map_err(|_: StoreError| IngestError::NotStored));
                }
            }
        }
        if events.iter().any(|event| event.state == EventState::Received) {
            self.arrived.notify_one();
        }
    }
}

fn answer_all(answers: Vec<Answer>, result: &Result<(), IngestError>) {
    for answer in answers {
        // Who no longer waits will be asked again by Stripe.
        let _ = answer.send(result.clone());
    }
}
