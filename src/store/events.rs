//! The inbox: Stripe's events as received, each stored once, and what became of them.

use std::collections::{BTreeMap, HashMap};

use super::db::{BATCH, Query};
use super::{Store, StoreError, Tx};
use crate::domain::event::{Envelope, EventState};

/// An event to be stored.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub envelope: Envelope,
    /// The raw body, sealed.
    pub body: Vec<u8>,
    pub state: EventState,
    /// Why it is ignored from the start.
    pub note: Option<&'static str>,
    pub received_at: i64,
}

/// An event held by a worker.
#[derive(Debug, Clone)]
pub struct LeasedEvent {
    pub envelope: Envelope,
    pub body: Vec<u8>,
    /// How often applying it has failed.
    pub attempts: i64,
}

/// An event and what became of it, for people: no body.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventSummary {
    pub id: String,
    pub kind: String,
    pub object_id: Option<String>,
    pub state: String,
    pub attempts: i64,
    pub received_at: i64,
    pub error: Option<String>,
}

/// All that is known of an event, for people: no body.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventDetails {
    pub id: String,
    pub kind: String,
    pub object_id: Option<String>,
    pub api_version: Option<String>,
    pub livemode: Option<i64>,
    pub stripe_created_at: Option<i64>,
    pub received_at: i64,
    pub state: String,
    pub attempts: i64,
    pub due_at: i64,
    pub error: Option<String>,
    pub settled_at: Option<i64>,
    /// Of the sealed body; none once it is no longer kept.
    pub body_bytes: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: String,
    kind: String,
    object_id: Option<String>,
    api_version: Option<String>,
    livemode: Option<i64>,
    stripe_created_at: Option<i64>,
    attempts: i64,
}

fn bind<'c>(query: Query<'c>, event: &NewEvent) -> Query<'c> {
    let settled = (event.state != EventState::Received).then_some(event.received_at);
    query
        .bind(event.envelope.id.clone())
        .bind(event.envelope.kind.clone())
        .bind(event.envelope.object_id.clone())
        .bind(event.envelope.api_version.clone())
        .bind(event.envelope.livemode.map(i64::from))
        .bind(event.envelope.created)
        .bind(event.received_at)
        .bind(event.state.as_str())
        .bind(event.received_at)
        .bind(event.note)
        .bind(settled)
}

impl Store {
    /// Stores events durably, all or none; one that is there already stays as it is. Returns how many were new.
    pub async fn put_events(&self, events: &[NewEvent]) -> Result<u64, StoreError> {
        // In one order, whoever stores them: two processes that hear the same events would else wait for each other.
        let mut events: Vec<&NewEvent> = events.iter().collect();
        events.sort_by(|one, two| one.envelope.id.cmp(&two.envelope.id));
        events.dedup_by(|one, two| one.envelope.id == two.envelope.id);
        loop {
            let mut tx = self.db.begin().await?;
            let stored = tx.insert_events(&events).await?;
            if stored == events.len() as u64 {
                crate::crash::passing("ingest before commit");
                tx.commit().await?;
                crate::crash::passing("ingest after commit");
                return Ok(stored);
            }
            // Some are there already, and their bodies may have been forgotten: those must not come back.
            tx.rollback().await?;
            let ids: Vec<String> = events.iter().map(|event| event.envelope.id.clone()).collect();
            let held = self.events_held(&ids).await?;
            events.retain(|event| !held.contains(&event.envelope.id));
        }
    }

    /// Takes up to a batch of events that are due, oldest first, for the holder of `token` until `until`.
    pub async fn lease_events(
        &self,
        token: &str,
        now: i64,
        until: i64,
        most: usize,
    ) -> Result<Vec<LeasedEvent>, StoreError> {
        let mut tx = self.db.begin().await?;
        let rows: Vec<EventRow> = tx
            .query(
                "UPDATE stripe_events SET lease_token = $1, lease_until = $2 \
                 WHERE state = 'received' AND due_at <= $3 AND lease_until <= $3 AND id IN (\
                   SELECT id FROM stripe_events WHERE state = 'received' AND due_at <= $3 AND lease_until <= $3 \
                   ORDER BY due_at, received_at, id LIMIT $4) \
                 RETURNING id, kind, object_id, api_version, livemode, stripe_created_at, attempts",
            )
            .bind(token)
            .bind(until)
            .bind(now)
            .bind(i64::try_from(most.min(BATCH)).unwrap_or(1))
            .all()
            .await?;
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let bodies: Vec<(String, Vec<u8>)> =
            tx.list("SELECT event_id, body FROM stripe_event_bodies WHERE event_id IN {?}", &ids).await?;
        tx.commit().await?;
        let mut bodies: HashMap<String, Vec<u8>> = bodies.into_iter().collect();
        Ok(rows
            .into_iter()
            .map(|row| LeasedEvent {
                body: bodies.remove(&row.id).unwrap_or_default(),
                envelope: Envelope {
                    id: row.id,
                    kind: row.kind,
                    object_id: row.object_id,
                    api_version: row.api_version,
                    livemode: row.livemode.map(|live| live != 0),
                    created: row.stripe_created_at,
                },
                attempts: row.attempts,
            })
            .collect())
    }

    /// Gives leased events back untried, for a worker that stops or cannot reach the database.
    pub async fn release_events(&self, token: &str) -> Result<(), StoreError> {
        let release = "UPDATE stripe_events SET lease_token = NULL, lease_until = 0 WHERE state = 'received' AND lease_token = $1";
        self.db.write(release).bind(token).run().await.map(|_| ())
    }

    /// Notes that applying an event failed: tried again at `due_at`, or parked when there is none.
    pub async fn fail_event(
        &self,
        id: &str,
        token: &str,
        error: &str,
        due_at: Option<i64>,
        now: i64,
    ) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE stripe_events SET attempts = attempts + 1, error = $1, state = $2, due_at = $3, settled_at = $4, \
                 lease_token = NULL, lease_until = 0 WHERE id = $5 AND lease_token = $6 AND state = 'received'",
            )
            .bind(error)
            .bind(if due_at.is_some() { EventState::Received } else { EventState::Parked }.as_str())
            .bind(due_at.unwrap_or(now))
            .bind(if due_at.is_some() { None } else { Some(now) })
            .bind(id)
            .bind(token)
            .run()
            .await
            .map(|_| ())
    }

    /// Lets events be tried again at once: one that is done with or parked, or all that are parked. Returns how many.
    pub async fn replay_events(&self, id: Option<&str>) -> Result<u64, StoreError> {
        self.db
            .write(
                "UPDATE stripe_events SET state = 'received', attempts = 0, due_at = 0, settled_at = NULL, error = NULL \
                 WHERE state IN ('parked', 'applied', 'ignored') AND (id = $1 OR ($2 = 1 AND state = 'parked')) \
                 AND EXISTS (SELECT 1 FROM stripe_event_bodies WHERE event_id = stripe_events.id)",
            )
            .bind(id.unwrap_or_default())
            .bind(i64::from(id.is_none()))
            .run()
            .await
    }

    /// How many events are in each state; every state is present.
    pub async fn count_events(&self) -> Result<BTreeMap<&'static str, i64>, StoreError> {
        let rows: Vec<(String, i64)> =
            self.db.read("SELECT state, COUNT(*) AS n FROM stripe_events GROUP BY state").all().await?;
        let of = |state: EventState| rows.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, n)| *n);
        Ok(EventState::ALL.into_iter().map(|state| (state.as_str(), of(state))).collect())
    }

    /// When the oldest event that is still to be applied was received.
    pub async fn oldest_received_at(&self) -> Result<Option<i64>, StoreError> {
        let (oldest,) = self
            .db
            .read("SELECT MIN(received_at) AS oldest FROM stripe_events WHERE state = 'received'")
            .one::<(Option<i64>,)>()
            .await?;
        Ok(oldest)
    }

    /// The newest events, newest first: all, or those in one state.
    pub async fn list_events(&self, state: Option<EventState>, most: i64) -> Result<Vec<EventSummary>, StoreError> {
        let query = match state {
            None => self.db.read(
                "SELECT id, kind, object_id, state, attempts, received_at, error FROM stripe_events \
                 ORDER BY received_at DESC, id DESC LIMIT $1",
            ),
            Some(state) => self
                .db
                .read(
                    "SELECT id, kind, object_id, state, attempts, received_at, error FROM stripe_events WHERE state = $1 \
                     ORDER BY received_at DESC, id DESC LIMIT $2",
                )
                .bind(state.as_str()),
        };
        query.bind(most).all().await
    }

    /// One event with everything but its body.
    pub async fn event(&self, id: &str) -> Result<Option<EventDetails>, StoreError> {
        self.db
            .read(
                "SELECT id, kind, object_id, api_version, livemode, stripe_created_at, received_at, state, attempts, due_at, \
                 error, settled_at, (SELECT CAST(LENGTH(body) AS BIGINT) FROM stripe_event_bodies WHERE event_id = stripe_events.id) \
                 AS body_bytes FROM stripe_events WHERE id = $1",
            )
            .bind(id)
            .maybe()
            .await
    }
}

impl Tx {
    /// Stores events, each with its body; how many of them were new.
    async fn insert_events(&mut self, events: &[&NewEvent]) -> Result<u64, StoreError> {
        let stored = self
            .batch(
                "INSERT INTO stripe_events (id, kind, object_id, api_version, livemode, stripe_created_at, received_at, state, \
                 attempts, due_at, lease_until, error, settled_at) \
                 VALUES {(?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?, ?)} ON CONFLICT (id) DO NOTHING",
                events,
                |query, event| bind(query, event),
            )
            .await?;
        self.batch(
            "INSERT INTO stripe_event_bodies (event_id, body) VALUES {(?, ?)} ON CONFLICT (event_id) DO NOTHING",
            events,
            |query, event| query.bind(event.envelope.id.clone()).bind(event.body.clone()),
        )
        .await?;
        Ok(stored)
    }

    /// Deletes the bodies of these events.
    pub async fn delete_bodies(&mut self, event_ids: &[impl AsRef<str>]) -> Result<u64, StoreError> {
        if event_ids.is_empty() {
            return Ok(0);
        }
        self.keyed("DELETE FROM stripe_event_bodies WHERE event_id IN {?}").keys(event_ids).run().await
    }

    /// Deletes the bodies of those of these events that are done with or parked.
    pub async fn delete_applied_bodies(&mut self, event_ids: &[&str]) -> Result<u64, StoreError> {
        let done = "DELETE FROM stripe_event_bodies WHERE event_id IN \
                    (SELECT id FROM stripe_events WHERE id IN {?} AND state <> 'received')";
        self.keyed(done).keys(event_ids).run().await
    }

    /// Marks events as done inside the transaction that did it. Fails when the lease has passed to another worker.
    pub async fn settle_events(
        &mut self,
        ids: &[&str],
        token: &str,
        state: EventState,
        note: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let settled = self
            .keyed(
                "UPDATE stripe_events SET state = ?, error = ?, settled_at = ?, lease_token = NULL, lease_until = 0 \
                 WHERE id IN {?} AND state = 'received' AND lease_token = ?",
            )
            .bind(state.as_str())
            .bind(note.map(str::to_owned))
            .bind(now)
            .keys(ids)
            .bind(token)
            .run()
            .await?;
        if settled != ids.len() as u64 {
            return Err(StoreError::LeaseLost);
        }
        Ok(())
    }
}
