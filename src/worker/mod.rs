//! Background jobs: each has `run_once()`; the loops are here.
//!
//! A worker claims by lease in a short transaction, works outside it and completes by token. It must not hold a
//! transaction open across a network call, and it never serves HTTP.

pub mod balance;
pub mod checkouts;
pub mod events;
pub mod newsletter;
pub mod outbox;
pub mod receipts;
pub mod reminders;
pub mod requests;
pub mod retention;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use balance::BalanceWorker;
pub use checkouts::CheckoutWorker;
pub use events::EventWorker;
pub use newsletter::NewsletterWorker;
pub use outbox::OutboxWorker;
pub use receipts::ReceiptWorker;
pub use reminders::ReminderWorker;
pub use requests::RequestWorker;
pub use retention::Retention;

use crate::clock::HOUR;
use crate::service::balance::BalanceError;
use crate::service::later::Desk;
use crate::service::reconcile::ReconcileError;
use crate::store::BATCH;

/// How long the worker rests when nothing was due and nobody called.
const REST: Duration = Duration::from_millis(500);
/// How long it lets events gather after a batch that was not full.
const GATHER: Duration = Duration::from_millis(50);
/// How long it rests after the database or Stripe failed it.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long the outbox rests where no mail is sent and all that is to be done is to let mails expire.
const REST_WITHOUT_MAIL: Duration = Duration::from_mins(1);
/// How long nobody looks for payments to be thanked for.
const REST_OF_RECEIPTS: Duration = Duration::from_secs(2);
/// How often Stripe's balance transactions and payouts are read.
const BALANCE_EVERY: Duration = Duration::from_mins(15);
/// How often, in seconds, what has had its time is forgotten.
const FORGET_EVERY: i64 = HOUR;

/// Everything the worker role does, until `stop`.
pub async fn run(
    events: EventWorker,
    desk: Desk,
    receipts: ReceiptWorker,
    outbox: OutboxWorker,
    balance: BalanceWorker,
    arrived: Arc<Notify>,
    stop: CancellationToken,
) {
    let checkouts = events.checkouts();
    let requests = RequestWorker::new(desk.clone());
    let newsletter = NewsletterWorker { desk: desk.clone() };
    let reminders = Reminders { worker: ReminderWorker { desk }, tidy_at: i64::MIN };
    let outbox = OutboxWorker { stop: stop.clone(), ..outbox };
    // Where no mail is sent, addresses would be put down for nothing.
    let receipts = Some(receipts).filter(|_| outbox.post.is_some());
    let receipts = async {
        if let Some(receipts) = receipts {
            rounds(receipts, stop.clone()).await;
        }
    };
    tokio::join!(
        run_events(events, arrived, stop.clone()),
        run_checkouts(checkouts, stop.clone()),
        rounds(requests, stop.clone()),
        rounds(newsletter, stop.clone()),
        rounds(reminders, stop.clone()),
        receipts,
        rounds(outbox, stop.clone()),
        run_balance(balance, stop.clone())
    );
}

/// A job that is done in rounds.
trait Job: Send {
    const NAME: &'static str;
    /// How long it rests when there was nothing to do.
    fn idle(&self) -> Duration {
        REST
    }

    /// Does one round, and returns how much there was to do; else why it could not be done, as it may be written down.
    fn round(&mut self) -> impl Future<Output = Result<usize, String>> + Send;
}

/// Does a job until `stop`: again at once while there was something to do, else after a rest. A round that has begun is
/// finished.
async fn rounds<J: Job>(mut job: J, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let rest = match job.round().await {
            Ok(0) => job.idle(),
            Ok(_) => continue,
            Err(reason) => {
                tracing::error!(job = J::NAME, reason, "a job could not be done; trying again");
                REST_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}

impl Job for NewsletterWorker {
    const NAME: &'static str = "newsletter";

    async fn round(&mut self) -> Result<usize, String> {
        self.run_once().await.map_err(|error| error.code())
    }
}

impl Job for ReceiptWorker {
    const NAME: &'static str = "receipts";

    fn idle(&self) -> Duration {
        REST_OF_RECEIPTS
    }

    async fn round(&mut self) -> Result<usize, String> {
        self.run_once().await.map_err(|error| error.code())
    }
}

impl Job for OutboxWorker {
    const NAME: &'static str = "outbox";

    fn idle(&self) -> Duration {
        if self.post.is_some() { REST } else { REST_WITHOUT_MAIL }
    }

    async fn round(&mut self) -> Result<usize, String> {
        self.run_once().await.map_err(|error| error.code())
    }
}

impl Job for RequestWorker {
    const NAME: &'static str = "requests";

    async fn round(&mut self) -> Result<usize, String> {
        self.run_once().await.map_err(|error| error.code())
    }
}

/// Reminders, and what is tidied among them now and then.
struct Reminders {
    worker: ReminderWorker,
    tidy_at: i64,
}

impl Job for Reminders {
    const NAME: &'static str = "reminders";

    async fn round(&mut self) -> Result<usize, String> {
        let now = self.worker.desk.clock.now();
        if now >= self.tidy_at {
            self.worker.tidy().await.map_err(|error| error.code())?;
            self.tidy_at = now + FORGET_EVERY;
        }
        self.worker.run_once().await.map_err(|error| error.code())
    }
}

/// Keeps what Stripe booked, until `stop`; a reading is then given up, for it goes on where it was.
async fn run_balance(balance: BalanceWorker, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = rounds(balance, CancellationToken::new()) => {}
    }
}

impl Job for BalanceWorker {
    const NAME: &'static str = "balance";

    fn idle(&self) -> Duration {
        BALANCE_EVERY
    }

    async fn round(&mut self) -> Result<usize, String> {
        match self.run_once().await {
            Ok(_) => Ok(0),
            Err(BalanceError::Store(error)) => Err(error.code()),
            // Stripe was asked patiently already, and a restart is waited for: neither gets better in a second.
            Err(error) => {
                tracing::warn!(reason = error.code(), "what Stripe booked could not be read; trying again later");
                Ok(0)
            }
        }
    }
}

/// Ends spent checkouts until `stop`; a call to Stripe is then given up, for it may be repeated.
async fn run_checkouts(worker: CheckoutWorker, stop: CancellationToken) {
    let work = async {
        loop {
            let rest = match worker.run_once().await {
                Ok(_) => REST,
                Err(error) => {
                    tracing::error!(reason = error.code(), "spent checkouts could not be looked for");
                    REST_AFTER_FAILURE
                }
            };
            tokio::time::sleep(rest).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Applies events until `stop`, and forgets what is due in between; a batch that has begun is finished.
async fn run_events(worker: EventWorker, arrived: Arc<Notify>, stop: CancellationToken) {
    let retention = worker.retention();
    let mut forget_at = i64::MIN;
    let mut interrupted = false;
    while !stop.is_cancelled() {
        let now = retention.clock.now();
        if now >= forget_at {
            forget_at = now + FORGET_EVERY;
            if let Err(error) = retention.run_once().await {
                tracing::warn!(
                    reason = error.code(),
                    "what has had its time could not be forgotten; trying again later"
                );
            }
        }
        let rest = match work(&worker, &mut interrupted).await {
            Ok(0) => REST,
            Ok(events) if events < BATCH => {
                // Those that come meanwhile share a transaction.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(GATHER) => {}
                }
                continue;
            }
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(reason = error.code(), "the inbox could not be worked on");
                REST_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = arrived.notified() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    if let Err(error) = worker.release().await {
        tracing::warn!(reason = error.code(), "leased events could not be given back; their leases end by themselves");
    }
}

/// Works on one batch. What a failure left leased to this worker is given back first, rather than waited for.
async fn work(worker: &EventWorker, interrupted: &mut bool) -> Result<usize, ReconcileError> {
    if *interrupted {
        worker.release().await?;
    }
    *interrupted = true;
    let events = worker.run_once().await?;
    *interrupted = false;
    Ok(events)
}
