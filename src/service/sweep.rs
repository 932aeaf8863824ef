//! Looking through Stripe for what its webhooks did not bring.
//!
//! Stripe lists the events of the last 30 days; after a longer silence the objects themselves are read. Whatever is found
//! goes into the inbox like anything delivered, so that it is sealed, applied and counted in one way only. A sweep notes
//! after each page how far it came; one that dies is taken up where it was, by whichever process has its lease.
//!
//! Invariant: `swept_until` moves only when everything before it is in the inbox.

mod standing;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Notify;

use super::ingest::new_event;
use crate::clock::{Clock, DAY, HOUR, MINUTE};
use crate::gateway::list::{List, Pace};
use crate::gateway::{CallError, Gateway, decode};
use crate::id::{PledgeId, Random};
use crate::store::{BATCH, Mark, NewEvent, OverduePledge, Store, StoreError, SweepRun};
use crate::vault::{Sealer, VaultError};

pub use standing::Standings;

/// A sweep begins this long before the end of the last one: Stripe's clock is not ours, and lists may lag. Seconds.
const OVERLAP: i64 = HOUR;
/// After a longer silence events do not tell everything: Stripe keeps 30 days of them, and we do not rely on the last.
const EVENTS_TELL: i64 = 29 * DAY;
/// How far back events are asked for, in seconds.
const EVENTS_KEPT: i64 = 30 * DAY;
/// Objects are read from this long before the silence: what was made before may have changed in it. Seconds. A bank
/// debit takes up to 14 days, a refund to a bank up to 30.
const OBJECTS_BEFORE: i64 = 31 * DAY;
/// How long a process may be silent before another takes its sweep over, in seconds; longer than a page with all its
/// attempts takes.
const LEASE: i64 = 10 * MINUTE;
/// A webhook may be on its way for so long, in seconds.
const UNDER_WAY: i64 = 10 * MINUTE;
/// How long after its checkout ended a pledge is looked up, and how long it is left alone after that. Seconds.
const OVERDUE: i64 = HOUR;
const LOOK_AGAIN: i64 = DAY;
/// Overdue pledges taken at once.
const MOST_OVERDUE: i64 = 100;

/// What is read of Stripe, in this order.
struct Stage {
    name: &'static str,
    collection: &'static str,
    /// Whether its items are events; else they are objects, and read only after a long silence.
    events: bool,
    /// Whether those made before the silence are of no interest.
    since: bool,
    narrowed: &'static [(&'static str, &'static str)],
}

const fn events(name: &'static str, narrowed: &'static [(&'static str, &'static str)]) -> Stage {
    Stage { name, collection: "events", events: true, since: true, narrowed }
}

const fn objects(name: &'static str, since: bool, narrowed: &'static [(&'static str, &'static str)]) -> Stage {
    Stage { name, collection: name, events: false, since, narrowed }
}

const STAGES: [Stage; 12] = [
    events("events not delivered", &[("delivery_success", "false")]),
    events("events", &[]),
    // Charges first, with the time at which their money was booked: nothing else says when a bank debit came.
    objects("charges", true, &[("expand[]", "data.balance_transaction")]),
    objects("payment_intents", true, &[]),
    objects("checkout/sessions", true, &[]),
    objects("invoices", true, &[]),
    // Paid or given up in the silence, made long before it.
    Stage { name: "open invoices", ..objects("invoices", false, &[("status", "open")]) },
    objects("invoice_payments", true, &[]),
    objects("refunds", true, &[]),
    // Decided months after they were opened, and few.
    objects("disputes", false, &[]),
    objects("subscriptions", false, &[("status", "all")]),
    // Whose they are, where no checkout of ours told.
    objects("customers", true, &[]),
];

/// Why a sweep stopped. What it found is kept, and the next goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Stripe(#[from] CallError),
    #[error("another process is at it")]
    Busy,
}

impl SweepError {
    /// What may be written down about it: never a value of a row.
    pub fn code(&self) -> String {
        match self {
            Self::Store(error) => error.code(),
            other => other.to_string(),
        }
    }
}

/// What was read of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub list: &'static str,
    pub read: u64,
    /// Of those, what the inbox had not known.
    pub new: u64,
    /// Of the new, those whose webhook should long have come.
    pub late: u64,
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// From when it read, Stripe's time in unix seconds.
    pub from_at: i64,
    /// Whether objects were read too.
    pub objects: bool,
    /// In the order in which they were read. After a resumed sweep only what was left to read.
    pub counts: Vec<Count>,
    /// Pledges that should have been settled and were looked up.
    pub looked_up: u64,
    /// Pledges that the database had lost.
    pub recovered: u64,
    /// What came of holding subscriptions against Stripe's, where it was time to.
    pub standings: Option<Standings>,
}

impl SweepReport {
    /// How much of the events, or of the objects, was new.
    pub fn found(&self, of_events: bool) -> u64 {
        self.of(of_events).map(|count| count.new).sum()
    }

    /// How many events no webhook had brought that long should have.
    pub fn late_events(&self) -> u64 {
        self.of(true).map(|count| count.late).sum()
    }

    fn of(&self, events: bool) -> impl Iterator<Item = &Count> {
        let of_kind = move |list: &str| STAGES.iter().any(|stage| stage.name == list && stage.events == events);
        self.counts.iter().filter(move |count| of_kind(count.list))
    }
}

/// What a page brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TakenIn {
    new: u64,
    late: u64,
}

/// Sweeps.
#[derive(Clone, Debug)]
pub struct Sweeper {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub sealer: Sealer,
    pub gateway: Gateway,
    pub pace: Arc<Pace>,
    /// Rung when there is something for the worker.
    pub arrived: Arc<Notify>,
    /// Whether everything is only counted, and nothing stored.
    pub dry_run: bool,
}

impl Sweeper {
    /// Reads what is missing since the last sweep, or since `wanted` if that is earlier, and tells after each page what was
    /// read of its list so far.
    ///
    /// # Errors
    /// [`SweepError::Busy`] while another process sweeps; else what stopped it.
    pub async fn run(
        &self,
        wanted: Option<i64>,
        tell: &mut (dyn FnMut(&Count) + Send),
    ) -> Result<SweepReport, SweepError> {
        let token = self.random.hex();
        let now = self.clock.now();
        if !self.dry_run && !self.store.lease_sweep(&token, now, now + LEASE).await? {
            return Err(SweepError::Busy);
        }
        let swept = self.sweep(&token, wanted, tell).await;
        if !self.dry_run && swept.is_err() {
            self.store.release_sweep(&token).await?;
        }
        swept
    }

    async fn sweep(
        &self,
        token: &str,
        wanted: Option<i64>,
        tell: &mut (dyn FnMut(&Count) + Send),
    ) -> Result<SweepReport, SweepError> {
        let lost = self.store.sweep_wanted().await?;
        let mut run = self.plan(wanted, lost.is_some()).await?;
        let mut report =
            SweepReport { from_at: run.from_at, objects: run.objects_from_at.is_some(), ..SweepReport::default() };
        if lost.is_some() && !self.dry_run {
            report.recovered = self.recover_pledges(run.from_at).await?;
        }
        let begin = STAGES.iter().position(|stage| Some(stage.name) == run.stage.as_deref()).unwrap_or(0);
        for stage in STAGES.iter().skip(begin) {
            if stage.events || run.objects_from_at.is_some() {
                run.stage = Some(stage.name.to_owned());
                report.counts.push(self.read_list(token, stage, &mut run, tell).await?);
            }
            run.after_id = None;
        }
        report.looked_up = self.look_up_overdue().await?;
        report.standings = self.hold_standings(token, &run).await?;
        if !self.dry_run {
            self.store.end_sweep(token, &run, self.clock.now()).await?;
            if let Some(lost) = lost {
                self.store.sweep_done(lost).await?;
            }
        }
        Ok(report)
    }

    /// The sweep that was left under way, or a new one. Where something was lost, what was under way says nothing.
    async fn plan(&self, wanted: Option<i64>, lost: bool) -> Result<SweepRun, SweepError> {
        let under_way = self.store.sweep_under_way().await?;
        let goes_on = |run: &SweepRun| !self.dry_run && !lost && wanted.is_none_or(|wanted| wanted >= run.from_at);
        if let Some(run) = under_way.filter(goes_on) {
            return Ok(run);
        }
        let now = self.clock.now();
        let swept_until = match self.store.mark(Mark::SweptUntil).await? {
            Some(at) => at,
            // Never swept: what came so far came by webhooks, and before the first of them there is nothing to be ours.
            None => self.store.newest_event_at().await?.unwrap_or(now),
        };
        let from_at = (swept_until - OVERLAP).min(wanted.unwrap_or(i64::MAX));
        let silent = from_at < now - EVENTS_TELL;
        Ok(SweepRun {
            stage: None,
            after_id: None,
            from_at,
            until_at: now,
            objects_from_at: silent.then(|| (from_at - OBJECTS_BEFORE).max(0)),
        })
    }

    /// Reads the rest of a list.
    async fn read_list(
        &self,
        token: &str,
        stage: &Stage,
        run: &mut SweepRun,
        tell: &mut (dyn FnMut(&Count) + Send),
    ) -> Result<Count, SweepError> {
        let from = match run.objects_from_at {
            Some(from) if !stage.events => from,
            _ => run.from_at.max(run.until_at - EVENTS_KEPT),
        };
        let list = List {
            collection: stage.collection,
            created_from: stage.since.then_some(from),
            created_before: None,
            narrowed: stage.narrowed.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        };
        let mut count = Count { list: stage.name, read: 0, new: 0, late: 0 };
        loop {
            if !self.dry_run {
                self.store.note_sweep(token, run, self.clock.now() + LEASE).await?;
            }
            let page = match self.gateway.page(&self.pace, &list, run.after_id.as_deref()).await {
                // What the list went on from is gone from it: 30 days have passed, or somebody deleted it.
                Err(CallError::Refused { status: 400 | 404, .. }) if run.after_id.is_some() => {
                    run.after_id = None;
                    continue;
                }
                page => page?,
            };
            let at = page.at.unwrap_or_else(|| self.clock.now());
            // All that Stripe dates before its first answer is in the lists.
            run.until_at = run.until_at.min(at);
            count.read += page.objects.len() as u64;
            let taken_in = self.take_in(stage.events, &page.objects, at).await?;
            count.new += taken_in.new;
            count.late += taken_in.late;
            tell(&count);
            run.after_id = page.after;
            if run.after_id.is_none() {
                return Ok(count);
            }
        }
    }

    /// Puts what Stripe showed at `at` into the inbox.
    pub(super) async fn take_in(&self, events: bool, shown: &[Value], at: i64) -> Result<TakenIn, SweepError> {
        let key = self.sealer.data_key()?;
        let received_at = self.clock.now();
        let mut rows: Vec<NewEvent> = Vec::with_capacity(shown.len());
        for shown in shown {
            let body = shown.to_string();
            let envelope =
                if events { Some(decode::envelope(body.as_bytes())) } else { decode::envelope_of_object(shown, at) };
            if let Some(envelope) = envelope {
                rows.push(new_event(&key, envelope, body.as_bytes(), received_at)?);
            }
        }
        // Apart, so that what is new of each can be counted: a webhook that is on its way is no news.
        let (late, under_way): (Vec<NewEvent>, Vec<NewEvent>) =
            rows.into_iter().partition(|row| row.envelope.created.is_some_and(|created| created < at - UNDER_WAY));
        let late = self.put(&late).await?;
        Ok(TakenIn { new: late + self.put(&under_way).await?, late })
    }

    /// Stores rows, or only counts them; returns how many were not known.
    async fn put(&self, rows: &[NewEvent]) -> Result<u64, SweepError> {
        let mut new = 0;
        for rows in rows.chunks(BATCH) {
            if self.dry_run {
                let ids: Vec<String> = rows.iter().map(|row| row.envelope.id.clone()).collect();
                new += (ids.len() - self.store.events_held(&ids).await?.len()) as u64;
            } else {
                new += self.store.put_events(rows).await?;
                self.arrived.notify_one();
            }
        }
        Ok(new)
    }

    /// Asks Stripe about pledges whose checkout ended and that nobody told us the end of.
    async fn look_up_overdue(&self) -> Result<u64, SweepError> {
        let mut looked_up = 0;
        loop {
            let now = self.clock.now();
            let overdue = self.store.overdue_pledges(now - OVERDUE, now - LOOK_AGAIN, MOST_OVERDUE).await?;
            if self.dry_run || overdue.is_empty() {
                return Ok(looked_up + overdue.len() as u64);
            }
            for pledge in overdue {
                let Ok(id) = PledgeId::parse(&pledge.id) else { continue };
                match self.look_up(&id, &pledge).await {
                    Ok(()) => {}
                    Err(SweepError::Stripe(CallError::Refused { status, code })) => {
                        tracing::warn!(
                            pledge = pledge.id,
                            status,
                            code,
                            "Stripe does not know an overdue pledge's checkout"
                        );
                    }
                    // Too many sessions to look through, or one that makes no sense: the others are not to wait for it.
                    Err(SweepError::Stripe(error @ CallError::Unreadable)) => {
                        tracing::warn!(pledge = pledge.id, %error, "an overdue pledge could not be looked up");
                    }
                    Err(error) => return Err(error),
                }
                self.store.note_looked_up(&id, now).await?;
                looked_up += 1;
            }
        }
    }

    async fn look_up(&self, id: &PledgeId, pledge: &OverduePledge) -> Result<(), SweepError> {
        let session = match &pledge.stripe_session_id {
            Some(session) => session.clone(),
            None => match self.gateway.find_session(&pledge.id, pledge.created_at).await? {
                Some(found) => {
                    self.store.set_session(id, &found.id, found.url.as_deref()).await?;
                    found.id
                }
                None => return Ok(self.store.give_up(id, self.clock.now()).await?),
            },
        };
        let session = self.look_at(&format!("/checkout/sessions/{session}")).await?;
        let named = |object: &Value, field: &str| object[field].as_str().and_then(decode::path_of);
        if let Some(path) = named(&session, "payment_intent") {
            let intent = self.look_at(&path).await?;
            if let Some(path) = named(&intent, "latest_charge") {
                self.look_at(&format!("{path}?expand%5B%5D=balance_transaction")).await?;
            }
        }
        for field in ["subscription", "invoice"] {
            if let Some(path) = named(&session, field) {
                self.look_at(&path).await?;
            }
        }
        Ok(())
    }

    /// Fetches an object into the inbox.
    async fn look_at(&self, path: &str) -> Result<Value, SweepError> {
        let answer = self.gateway.fetch_patiently(&self.pace, path).await?;
        let object = answer.json()?;
        let at = answer.at.unwrap_or_else(|| self.clock.now());
        self.take_in(false, std::slice::from_ref(&object), at).await?;
        Ok(object)
    }
}
