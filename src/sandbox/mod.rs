//! A stateful stand-in for Stripe that speaks HTTP and signs webhooks.
//!
//! For the demo, the tests and the simulator: products, checkout sessions with a page a person can pay on, payments,
//! subscriptions that renew as the clock moves, refunds, disputes, and what goes wrong with each. It imports nothing
//! of ours but the clock and the ids, and only `cli/{demo,sandbox,simulate}` and tests import it: the product reaches
//! it by HTTP alone, as it reaches Stripe.
//!
//! Invariants: all that happens follows from requests, people's clicks, the clock and the seed; work is dated by the
//! time it was due; whatever is answered or sent reads as async-stripe's types (`tests/shapes.rs` holds it).

mod api;
mod balance;
mod billing;
mod card;
mod catalog;
mod changes;
mod checkout;
mod checkout_params;
mod dashboard;
mod disputes;
mod endpoints;
mod error;
mod faults;
mod form;
mod hosted;
mod idempotency;
mod inbox;
mod ledger;
mod list;
mod log;
mod money;
mod pages;
mod params;
mod payments;
mod portal;
mod refunds;
mod restricted;
mod schedule_phases;
mod schedules;
mod server;
mod state;
mod subscriptions;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use api::{ApiAnswer, ApiRequest};
pub use balance::SettlesIn;
pub use card::Card;
pub use faults::{ApiFault, WebhookFaults};
pub use ledger::{Entry, Flow, Ledger, Part, Settled, Totals};
pub use log::{Auth, LoggedRequest};
pub use payments::Person;
pub use restricted::Access;
pub use state::{API_VERSION, AfterRetries, Settings};
pub use webhooks::{DeliveryState, sign};

use crate::clock::Clock;
use crate::id::Random;
use state::State;

/// How often the background task looks what is due.
const TICK_EVERY: Duration = Duration::from_millis(200);
/// How long an endpoint may take to answer a webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Who sends the webhooks and lets time work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A task in the background.
    Automatic,
    /// The test, by [`Sandbox::tick`] and [`Sandbox::deliver_pending`].
    Manual,
}

/// What a sandbox is started with.
#[derive(Debug)]
pub struct Options {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub clock: Clock,
    pub random: Random,
    pub delivery: Delivery,
}

/// One event, as it is (or would be) sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEvent {
    pub id: String,
    pub kind: String,
    /// Unix seconds.
    pub created: i64,
    pub body: Vec<u8>,
}

/// What a person saw after pressing the button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayOutcome {
    /// Sent back to `success_url`.
    Paid { redirect: String },
    /// A bank debit is on its way; sent back to `success_url`.
    Processing { redirect: String },
    /// The session stays open.
    Declined { code: String, message: String },
    /// [`Sandbox::authenticate`] goes on from here.
    AuthenticationRequired,
}

/// Why something asked of the sandbox directly could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    #[error("there is no checkout session {0}")]
    NoSuchSession(String),
    #[error("the checkout session is not open but {0}")]
    NotOpen(String),
    #[error("no payment of this session waits for authentication")]
    NothingToAuthenticate,
    #[error("there is no {0} that this can be done to")]
    NoSuchObject(String),
}

/// A page of the world outside.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its media type.
    pub kind: &'static str,
    /// Its Content-Security-Policy.
    pub policy: String,
    pub text: String,
}

/// A running sandbox. Clones are the same one.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    clock: Clock,
    url: String,
    client: reqwest::Client,
    /// Held by whoever delivers, so that two rounds never interleave.
    delivering: tokio::sync::Mutex<()>,
    released: Notify,
    published: Mutex<BTreeMap<String, Published>>,
    inbox: Mutex<Option<PathBuf>>,
    stop: CancellationToken,
}

impl Sandbox {
    /// Listens and serves until [`Self::shutdown`].
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(WEBHOOK_TIMEOUT)
            .build()
            .map_err(std::io::Error::other)?;
        let state = State::new(options.clock.clone(), options.random, url.clone());
        let sandbox = Self(Arc::new(Inner {
            state: Mutex::new(state),
            clock: options.clock,
            url,
            client,
            delivering: tokio::sync::Mutex::new(()),
            released: Notify::new(),
            published: Mutex::default(),
            inbox: Mutex::default(),
            stop: CancellationToken::new(),
        }));
        tokio::spawn(server::serve(sandbox.clone(), listener));
        if options.delivery == Delivery::Automatic {
            sandbox.deliver_by_itself();
        }
        Ok(sandbox)
    }

    /// From now on a task in the background does so, as with [`Delivery::Automatic`].
    pub fn deliver_by_itself(&self) {
        tokio::spawn(self.clone().run());
    }

    async fn run(self) {
        let mut ticks = tokio::time::interval(TICK_EVERY);
        loop {
            tokio::select! {
                () = self.stopped() => return,
                _ = ticks.tick() => {}
            }
            self.tick().await;
            self.deliver_pending().await;
        }
    }

    /// Where it listens, with the trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    /// Links to its pages at `url` (with the trailing slash) from now on, where browsers reach it elsewhere than it
    /// listens.
    pub fn reached_at(&self, url: &str) {
        url.clone_into(&mut self.lock().base);
    }

    /// Hangs a page out at `/paper/{name}`, instead of what was there.
    pub fn publish(&self, name: &str, page: Published) {
        self.0.published.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), page);
    }

    /// Shows the mails of this folder at `/inbox`.
    pub fn show_inbox(&self, folder: PathBuf) {
        *self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
    }

    fn inbox(&self) -> Option<PathBuf> {
        self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn published(&self, name: &str) -> Option<Published> {
        self.0.published.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Sends every event from now on to `url` too, signed with `secret`.
    pub fn add_endpoint(&self, url: &str, secret: &str) {
        self.lock().outbound.add(url, secret, None);
    }

    /// From now on, requests under this key (`rk_test_…`) may do no more than this: the paths of resources, such as
    /// `checkout/sessions`, and what may be done with them.
    pub fn restrict_key(&self, key: &str, permissions: &[(&str, Access)]) {
        self.lock().restricted.set(key, permissions);
    }

    /// Pays on the page of a session, as a person with the default name and address would.
    ///
    /// # Errors
    /// When the session is not there or not open.
    pub async fn pay(&self, session_id: &str, card: Card) -> Result<PayOutcome, SandboxError> {
        self.pay_as(session_id, card, Person::default()).await
    }

    /// Pays on the page of a session as somebody.
    ///
    /// # Errors
    /// When the session is not there or not open.
    #[expect(clippy::unused_async, reason = "callers wait for the person or for time, as over the wire")]
    pub async fn pay_as(&self, session_id: &str, card: Card, person: Person) -> Result<PayOutcome, SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.pay_session(session_id, card, person)
    }

    /// Answers the bank's second factor.
    ///
    /// # Errors
    /// When nothing waits for it.
    #[expect(clippy::unused_async, reason = "callers wait for the person or for time, as over the wire")]
    pub async fn authenticate(&self, session_id: &str, granted: bool) -> Result<PayOutcome, SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.authenticate_session(session_id, granted)
    }

    /// Does everything due up to now, each at its own time: renewals, retries, settlements, expiries.
    #[expect(clippy::unused_async, reason = "callers wait for the person or for time, as over the wire")]
    pub async fn tick(&self) {
        self.lock().run_due();
    }

    /// Sends what is due, retries included, as many side by side as the settings say; answers how many were accepted (2xx).
    pub async fn deliver_pending(&self) -> usize {
        let _turn = self.0.delivering.lock().await;
        let mut accepted = 0;
        loop {
            let (posts, at_once) = {
                let state = self.lock();
                (state.due_posts(), state.settings.sent_at_once.max(1))
            };
            if posts.is_empty() {
                return accepted;
            }
            let attempt = |post: webhooks::Post| async move { (self.send(&post).await, post) };
            let mut sent = pin!(stream::iter(posts).map(attempt).buffered(at_once));
            while let Some((good, post)) = sent.next().await {
                accepted += usize::from(good);
                let mut state = self.lock();
                let now = state.clock.now();
                state.outbound.attempted(post.delivery, good, now);
            }
        }
    }

    async fn send(&self, post: &webhooks::Post) -> bool {
        let request = self
            .0
            .client
            .post(&post.url)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header("stripe-signature", &post.signature)
            .body(post.body.clone());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<SentEvent> {
        self.lock().events.clone()
    }

    /// Whether no endpoint waits for an event.
    #[must_use]
    pub fn all_delivered(&self) -> bool {
        self.lock().outbound.all_delivered()
    }

    /// The events that came after the first `known` ones, oldest first.
    #[must_use]
    pub fn events_after(&self, known: usize) -> Vec<SentEvent> {
        self.lock().events.get(known..).unwrap_or_default().to_vec()
    }

    /// Sends an event once more to every endpoint at the next round. False when there is none of this id.
    pub fn resend(&self, event_id: &str) -> bool {
        let mut state = self.lock();
        let Some(at) = state.events.iter().position(|event| event.id == event_id) else { return false };
        let kind = state.events.get(at).map(|event| event.kind.clone()).unwrap_or_default();
        let now = state.clock.now();
        state.outbound.resend(at, &kind, now);
        true
    }

    /// How an event's deliveries stand, with the number of attempts; one per endpoint and duplicate.
    #[must_use]
    pub fn deliveries(&self, event_id: &str) -> Vec<(DeliveryState, usize)> {
        let state = self.lock();
        let at = state.events.iter().position(|event| event.id == event_id);
        at.map_or_else(Vec::new, |at| state.outbound.of_event(at))
    }

    /// The value of `Stripe-Signature` for a body sent at `at` (unix seconds).
    #[must_use]
    pub fn sign(&self, body: &[u8], secret: &str, at: i64) -> String {
        sign(body, secret, at)
    }

    /// Every API request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.lock().log.clone()
    }

    /// Answers a request without a socket: the same bytes.
    #[must_use]
    pub fn call(&self, request: ApiRequest) -> ApiAnswer {
        let mut state = self.lock();
        match state.admit(request, None) {
            api::Admitted::Answer(answer) => answer,
            api::Admitted::Work(work) => state.work(&work, None),
        }
    }

    /// Makes the next `times` API requests whose path begins with `path_prefix` (and whose method is `method`, if
    /// given) go wrong.
    pub fn fail_api(&self, method: Option<&str>, path_prefix: &str, fault: ApiFault, times: u32) {
        self.lock().faults.add(method, path_prefix, fault, times);
    }

    /// Sets how webhooks go wrong from now on.
    pub fn fail_webhooks(&self, faults: WebhookFaults) {
        self.lock().faults.webhooks = faults;
    }

    /// Ends all faults and lets stalled requests go on.
    pub fn heal(&self) {
        self.lock().faults.clear();
        self.release();
    }

    /// Lets requests stalled by a fault go on.
    pub fn release(&self) {
        self.0.released.notify_waiters();
    }

    /// Changes how the account is set up.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.lock();
        change(&mut state.settings);
        state.begin_payouts();
    }

    /// Sets what a subscription is charged on from now on; [`Card::Declined`] makes the next renewal fail.
    pub fn set_card(&self, subscription_id: &str, card: Card) {
        if let Some(agreement) = self.lock().agreements.get_mut(subscription_id) {
            agreement.card = card;
        }
    }

    /// Ends a subscription from the dashboard or the portal.
    pub fn cancel_subscription(&self, id: &str, at_period_end: bool) {
        let mut state = self.lock();
        state.run_due();
        let form = if at_period_end { "cancel_at_period_end=true" } else { "" };
        // Canceling what is canceled changes nothing, and says so only to the API.
        let _ = form::parse(form).and_then(|form| {
            if at_period_end { state.update_subscription(id, &form) } else { state.delete_subscription(id, &form) }
        });
    }

    /// Pauses a subscription (its status, not its collection).
    pub fn pause_subscription(&self, id: &str) {
        let mut state = self.lock();
        state.run_due();
        state.pause_subscription(id);
    }

    /// The newsroom gives a charge back from the dashboard, all that is left of it or a part; answers the refund's id.
    ///
    /// # Errors
    /// When there is no such charge, or less is left of it.
    pub fn refund(&self, charge_id: &str, amount_minor: Option<i64>) -> Result<String, SandboxError> {
        let mut state = self.lock();
        state.run_due();
        let amount = amount_minor.map(|amount| format!("&amount={amount}")).unwrap_or_default();
        let refund = form::parse(&format!("charge={charge_id}{amount}")).and_then(|form| state.create_refund(&form));
        let refund = refund.map_err(|_| SandboxError::NoSuchObject(charge_id.to_owned()))?;
        Ok(state::text(&refund, "id").to_owned())
    }

    /// A bank disputes a charge (reason as Stripe's, such as `fraudulent`); answers the dispute's id.
    ///
    /// # Errors
    /// When there is no such succeeded, undisputed charge.
    pub fn dispute(&self, charge_id: &str, reason: &str) -> Result<String, SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.open_dispute(charge_id, reason)
    }

    /// The newsroom answers a dispute: it is under review.
    ///
    /// # Errors
    /// When it is not open.
    pub fn submit_evidence(&self, dispute_id: &str) -> Result<(), SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.submit_evidence(dispute_id)
    }

    /// The bank decides a dispute.
    ///
    /// # Errors
    /// When it is not open.
    pub fn close_dispute(&self, dispute_id: &str, won: bool) -> Result<(), SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.close_dispute(dispute_id, won)
    }

    /// A pending refund (of a bank debit) arrives.
    ///
    /// # Errors
    /// When it is not pending.
    pub fn succeed_refund(&self, refund_id: &str) -> Result<(), SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.succeed_refund(refund_id)
    }

    /// A refund comes back: its money returns.
    ///
    /// # Errors
    /// When it failed or was canceled before.
    pub fn fail_refund(&self, refund_id: &str) -> Result<(), SandboxError> {
        let mut state = self.lock();
        state.run_due();
        state.fail_refund(refund_id)
    }

    /// Stripe takes a fee of the account itself, for something other than a payment; answers the line's id.
    pub fn take_account_fee(&self, amount_minor: i64, currency: &str) -> String {
        let mut state = self.lock();
        state.run_due();
        state.take_account_fee(amount_minor, currency)
    }

    /// Makes an object say something else and tells nobody, as no Stripe would.
    pub fn misstate(&self, id: &str, fields: Value) {
        self.lock().patch(id, fields);
    }

    /// A checkout session as the API would answer it.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<Value> {
        self.object(id).filter(|object| object["object"] == "checkout.session")
    }

    /// Any object as the API would answer it.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        Some(self.lock().get(id).clone()).filter(|object| !object.is_null())
    }

    /// All objects of a kind (`subscription`, `invoice`, …), oldest first.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.lock().all(kind).cloned().collect()
    }

    /// What truly moved.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let state = self.lock();
        Ledger { entries: state.ledger.clone(), settled: state.settled.clone() }
    }

    /// Stops listening and ends all connections and tasks.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.released.notify_waiters();
        let _last_round = self.0.delivering.lock().await;
    }

    fn now(&self) -> i64 {
        self.0.clock.now()
    }

    fn advance(&self, seconds: i64) {
        self.0.clock.advance(seconds);
    }

    async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Ready when stalls are next released, counted from the call.
    fn released(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.released.notified()
    }

    /// A panic elsewhere leaves whole objects behind, so its poison is ignored.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
