//! Everything the sandbox knows, and the one way to change it.
//!
//! It must not do I/O: a request, a person's click and the passing of time are functions on [`State`]. Invariants:
//! `at` is the time the present work is dated by, and it never goes back; every object is JSON in Stripe's shape
//! under its id; what Stripe keeps to itself (a card, a retry) lives beside the objects, never in them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::balance::SettlesIn;
use super::billing::Agreement;
use super::idempotency::Keys;
use super::ledger::{Entry, Flow, Settled};
use super::log::LoggedRequest;
use super::payments::Intent;
use super::restricted::Restricted;
use super::webhooks::Outbound;
use super::{SentEvent, checkout::Visit, faults::Faults};
use crate::clock::Clock;
use crate::id::Random;

/// The API version whose shapes the sandbox speaks.
pub const API_VERSION: &str = "2026-09-30.endive";

/// Something that happens when its time comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    ExpireSession(String),
    /// A bank debit's answer arrives.
    Settle(String),
    /// A subscription's period ends.
    EndPeriod(String),
    FinalizeInvoice(String),
    RetryInvoice(String),
    CancelAt(String),
    /// A pause of collection ends.
    ResumeCollection(String),
    /// A phase of a subscription's schedule begins, or its last one ends.
    EnterPhase(String),
    /// A day's payouts.
    PayOut,
    PayoutArrives(String),
}

/// What a test or the demo may choose about how this account is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seconds a renewal's invoice stays a draft. Stripe waits an hour; 0 keeps a whole journey in one second.
    pub draft_seconds: i64,
    /// Seconds until a bank debit settles or fails.
    pub bank_debit_seconds: i64,
    /// Seconds between the attempts to collect a failed invoice.
    pub retry_after_seconds: Vec<i64>,
    /// What becomes of a subscription when no attempt is left.
    pub after_retries: AfterRetries,
    /// Whether what is available is paid out, every day at midnight UTC.
    pub payouts: bool,
    /// The currency all money is settled in; otherwise each in its own.
    pub settles_in: Option<SettlesIn>,
    /// How many events are sent side by side. Stripe keeps no order; with 1 they arrive in theirs.
    pub sent_at_once: usize,
}

/// The subscription's status after the last failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRetries {
    Canceled,
    Unpaid,
    PastDue,
}

impl Default for Settings {
    fn default() -> Self {
        let day = crate::clock::DAY;
        Self {
            draft_seconds: 0,
            bank_debit_seconds: 4 * day,
            retry_after_seconds: vec![3 * day, 5 * day, 7 * day],
            after_retries: AfterRetries::Canceled,
            payouts: false,
            sent_at_once: 1,
            settles_in: None,
        }
    }
}

/// The request at work, named in the events it makes.
#[derive(Debug, Clone)]
pub(super) struct RequestMark {
    pub id: String,
    pub idempotency_key: Option<String>,
}

pub(super) struct State {
    pub clock: Clock,
    pub random: Random,
    /// Unix seconds; the time of the work being done.
    pub at: i64,
    /// `http://127.0.0.1:PORT/`
    pub base: String,
    pub settings: Settings,
    pub faults: Faults,
    pub request: Option<RequestMark>,
    pub events: Vec<SentEvent>,
    pub outbound: Outbound,
    pub keys: Keys,
    pub restricted: Restricted,
    pub log: Vec<LoggedRequest>,
    pub ledger: Vec<Entry>,
    pub settled: Vec<Settled>,
    /// Lines of the balance that have not left in a payout.
    pub unpaid: Vec<String>,
    /// In which payout a line left.
    pub paid_out: HashMap<String, String>,
    /// Whether the next day's payouts are scheduled.
    pub pays_out: bool,
    pub intents: HashMap<String, Intent>,
    pub agreements: HashMap<String, Agreement>,
    pub visits: HashMap<String, Visit>,
    objects: HashMap<String, Value>,
    /// Ids by kind (`object`), oldest first.
    order: HashMap<String, Vec<String>>,
    due: BTreeMap<(i64, u64), Due>,
    drawn: u64,
}

impl State {
    pub fn new(clock: Clock, random: Random, base: String) -> Self {
        let at = clock.now();
        Self {
            clock,
            random,
            at,
            base,
            settings: Settings::default(),
            faults: Faults::default(),
            request: None,
            events: Vec::new(),
            outbound: Outbound::default(),
            keys: Keys::default(),
            restricted: Restricted::default(),
            log: Vec::new(),
            ledger: Vec::new(),
            settled: Vec::new(),
            unpaid: Vec::new(),
            paid_out: HashMap::new(),
            pays_out: false,
            intents: HashMap::new(),
            agreements: HashMap::new(),
            visits: HashMap::new(),
            objects: HashMap::new(),
            order: HashMap::new(),
            due: BTreeMap::new(),
            drawn: 0,
        }
    }

    /// Does everything due up to now, each at its own time, and leaves `at` at now.
    pub fn run_due(&mut self) {
        let now = self.clock.now();
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((at, _), due) = entry.remove_entry();
            self.at = self.at.max(at);
            self.run(due);
        }
        self.at = self.at.max(now);
    }

    fn run(&mut self, due: Due) {
        match due {
            Due::ExpireSession(id) => self.expire_session(&id),
            Due::Settle(id) => self.settle(&id),
            Due::EndPeriod(id) => self.end_period(&id),
            Due::FinalizeInvoice(id) => self.finalize_invoice(&id),
            Due::RetryInvoice(id) => self.retry_invoice(&id),
            Due::CancelAt(id) => self.cancel_at(&id),
            Due::ResumeCollection(id) => self.resume_collection(&id),
            Due::EnterPhase(id) => {
                self.enter_phase(&id);
            }
            Due::PayOut => self.pay_out(),
            Due::PayoutArrives(id) => self.payout_arrives(&id),
        }
    }

    pub fn schedule(&mut self, at: i64, due: Due) {
        self.drawn += 1;
        self.due.insert((at, self.drawn), due);
    }

    /// An id as Stripe makes them: a prefix and 24 characters, of which the first tell the second it was made in, so that
    /// ids grow with time. (Not those of customers.)
    pub fn new_id(&mut self, prefix: &str) -> String {
        let mut digits = self.random.hex();
        if prefix == "cus" {
            digits.truncate(14);
            return format!("{prefix}_{digits}");
        }
        digits.truncate(17);
        format!("{prefix}_1{}{digits}", base62(self.at))
    }

    /// Keeps a new object; its id and kind are its own fields.
    pub fn insert(&mut self, object: Value) -> String {
        let id = text(&object, "id").to_owned();
        self.order.entry(text(&object, "object").to_owned()).or_default().push(id.clone());
        self.objects.insert(id.clone(), object);
        id
    }

    /// Takes an object away as if it had never been.
    pub fn remove(&mut self, kind: &str, id: &str) {
        self.objects.remove(id);
        if let Some(ids) = self.order.get_mut(kind) {
            ids.retain(|other| other != id);
        }
    }

    /// The object, or null.
    pub fn get(&self, id: &str) -> &Value {
        self.objects.get(id).unwrap_or(&Value::Null)
    }

    pub fn has(&self, kind: &str, id: &str) -> bool {
        self.get(id)["object"] == kind
    }

    /// A text field of an object; empty when there is none.
    pub fn text(&self, id: &str, field: &str) -> String {
        text(self.get(id), field).to_owned()
    }

    /// A whole number of an object; 0 when there is none.
    pub fn int(&self, id: &str, field: &str) -> i64 {
        self.get(id)[field].as_i64().unwrap_or(0)
    }

    /// All objects of a kind, oldest first.
    pub fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.order.get(kind).into_iter().flatten().map(|id| self.get(id))
    }

    /// Overwrites fields of an object; answers what they held before where that differs.
    pub fn patch(&mut self, id: &str, fields: Value) -> Value {
        let mut previous = Map::new();
        let (Some(Value::Object(object)), Value::Object(fields)) = (self.objects.get_mut(id), fields) else {
            return Value::Null;
        };
        for (name, value) in fields {
            let before = object.insert(name.clone(), value.clone()).unwrap_or(Value::Null);
            if before != value {
                previous.insert(name, before);
            }
        }
        Value::Object(previous)
    }

    /// Overwrites fields and tells of it, with what they held before.
    pub fn change(&mut self, event: &str, id: &str, fields: Value) {
        let previous = self.patch(id, fields);
        self.emit_previous(event, id, previous);
    }

    /// Tells of an object that was patched before, with what it held then.
    pub fn emit_previous(&mut self, event: &str, id: &str, previous: Value) {
        self.emit_with(event, id, Some(previous));
    }

    /// Tells of an object as it is now.
    pub fn emit(&mut self, event: &str, id: &str) {
        self.emit_with(event, id, None);
    }

    fn emit_with(&mut self, event: &str, id: &str, previous: Option<Value>) {
        // Put together by hand: `json!` would copy the object twice over.
        let mut data = Map::from_iter([("object".to_owned(), self.get(id).clone())]);
        if let Some(previous) = previous {
            data.insert("previous_attributes".to_owned(), previous);
        }
        let (request_id, key) = match &self.request {
            Some(mark) => (Some(mark.id.clone()), mark.idempotency_key.clone()),
            None => (None, None),
        };
        let event_id = self.new_id("evt");
        let mut value = json!({
            "id": event_id, "object": "event", "api_version": API_VERSION, "created": self.at, "livemode": false,
            "pending_webhooks": self.outbound.listening(event), "request": { "id": request_id, "idempotency_key": key },
            "type": event,
        });
        value["data"] = Value::Object(data);
        let body = format!("{value:#}").into_bytes();
        self.insert(value);
        self.events.push(SentEvent { id: event_id, kind: event.to_owned(), created: self.at, body });
        self.outbound.enqueue(self.events.len() - 1, self.at, &self.events, &self.faults);
    }

    /// Books money that moved.
    pub fn book(&mut self, flow: Flow, amount_minor: i64, fee_minor: i64, charge: &str) {
        self.book_undoing(None, flow, amount_minor, fee_minor, charge);
    }

    /// Books money that came back because what was done at `undone_at` did not last.
    pub fn book_undoing(
        &mut self,
        undone_at: Option<i64>,
        flow: Flow,
        amount_minor: i64,
        fee_minor: i64,
        charge: &str,
    ) {
        let currency = self.text(charge, "currency");
        let intent = self.text(charge, "payment_intent");
        let interval = self.intents.get(&intent).and_then(|intent| intent.interval.clone());
        let charge = charge.to_owned();
        self.ledger.push(Entry { at: self.at, undone_at, flow, currency, amount_minor, fee_minor, interval, charge });
    }
}

/// A time in six characters that sort as the times do.
fn base62(at: i64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = at.max(0);
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = usize::try_from(left % 62).ok().and_then(|digit| DIGITS.get(digit)).copied().unwrap_or(b'0');
        left /= 62;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A text field; empty when there is none.
pub(super) fn text<'v>(object: &'v Value, field: &str) -> &'v str {
    object[field].as_str().unwrap_or_default()
}

/// The members of `metadata` in request parameters, or none.
pub(super) fn metadata(params: &Value) -> Value {
    match &params["metadata"] {
        Value::Object(given) => Value::Object(given.clone()),
        _ => json!({}),
    }
}

/// Metadata after an update: named keys are set, empty ones removed.
pub(super) fn merged_metadata(before: &Value, given: &Value) -> Value {
    let mut merged = before.as_object().cloned().unwrap_or_default();
    for (name, value) in given.as_object().into_iter().flatten() {
        if value == "" {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::Object(merged)
}
