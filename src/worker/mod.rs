//! Background jobs: each has `run_once()`; the loops are here.
//!
//! A worker claims by lease in a short transaction, works outside it and completes by token. It must not hold a
//! transaction open across a network call, and it never serves HTTP.

pub mod balance;
mod changes;
pub mod checkouts;
pub mod events;
mod letters;
pub mod newsletter;
pub mod notices;
pub mod outbox;
pub mod receipts;
pub mod reminders;
pub mod requests;
pub mod retention;
pub mod sweep;
pub mod totals;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use balance::BalanceWorker;
pub use checkouts::CheckoutWorker;
pub use events::EventWorker;
pub use newsletter::NewsletterWorker;
pub use notices::NoticeWorker;
pub use outbox::OutboxWorker;
pub use receipts::ReceiptWorker;
pub use reminders::ReminderWorker;
pub use requests::RequestWorker;
pub use retention::Retention;
pub use sweep::SweepWorker;
pub use totals::TotalsWorker;

use crate::clock::HOUR;
use crate::service::chain::Keeper;
use crate::service::later::Desk;
use crate::service::reconcile::ReconcileError;
use crate::service::reports::at_hand::AtHand;
use crate::store::BATCH;
use notices::RENEWALS_EVERY;

/// How long the worker rests when nothing was due and nobody called.
const REST: Duration = Duration::from_millis(500);
/// How long it lets events gather after a batch that was not full.
const GATHER: Duration = Duration::from_millis(50);
/// How long it rests after the database or Stripe failed it.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long the outbox rests where no mail is sent and all that is to be done is to let mails expire.
const REST_WITHOUT_MAIL: Duration = Duration::from_mins(1);
/// How long nobody looks for payments to be thanked for, reminders that are due, and readers to be welcomed: nobody waits for
/// these at a screen.
const REST_OF_MAILS: Duration = Duration::from_secs(2);
/// How long nobody looks for what else donors are to be told.
const REST_OF_NOTICES: Duration = Duration::from_secs(5);
/// How long nobody looks whether it is time to sweep.
const REST_OF_SWEEP: Duration = Duration::from_secs(1);
/// How long nobody looks whether sums are to be made up; until they are, reports do without.
const REST_OF_TOTALS: Duration = Duration::from_secs(5);
/// How often the head of the commit chain is kept.
const REST_OF_CHAIN: Duration = Duration::from_secs(1);
/// How long nobody looks whether figures that are kept at hand are to be read again.
const REST_OF_FIGURES: Duration = Duration::from_secs(1);
/// How often, in seconds, what has had its time is forgotten.
const FORGET_EVERY: i64 = HOUR;

/// What the worker role does.
#[derive(Debug)]
pub struct Jobs {
    pub events: EventWorker,
    /// What is asked for later is worked on from here.
    pub desk: Desk,
    pub receipts: ReceiptWorker,
    pub notices: NoticeWorker,
    pub outbox: OutboxWorker,
    /// None where Stripe is not to be looked through.
    pub sweep: Option<SweepWorker>,
    pub retention: Retention,
    pub totals: TotalsWorker,
}

/// Does all of it until `stop`. `arrived` is rung when an event was stored by this process.
pub async fn run(jobs: Jobs, arrived: Arc<Notify>, stop: CancellationToken) {
    let Jobs { events, desk, receipts, notices, outbox, sweep, retention, totals } = jobs;
    let checkouts = events.checkouts();
    let requests = RequestWorker::new(desk.clone(), notices.gateway.clone());
    let newsletter = NewsletterWorker { desk: desk.clone() };
    let reminders = Reminders { worker: ReminderWorker { desk }, tidy_at: i64::MIN };
    let outbox = OutboxWorker { stop: stop.clone(), ..outbox };
    // Where no mail is sent, addresses would be put down for nothing.
    let is_sent = outbox.post.is_some();
    let to_donors = async {
        if is_sent {
            tokio::join!(rounds(receipts, stop.clone()), run_notices(notices, stop.clone()));
        }
    };
    tokio::join!(
        run_events(events, arrived, stop.clone()),
        run_checkouts(checkouts, stop.clone()),
        run_sweep(sweep, stop.clone()),
        rounds(retention, stop.clone()),
        rounds(totals, stop.clone()),
        rounds(requests, stop.clone()),
        rounds(newsletter, stop.clone()),
        rounds(reminders, stop.clone()),
        to_donors,
        rounds(outbox, stop.clone())
    );
}

/// Keeps the head of an SQLite database's chain until `stop`, and once more behind everything that was done until then.
pub async fn keep_chain(keeper: Keeper, stop: CancellationToken) {
    let mut chain = Chain { keeper };
    rounds(&mut chain, stop).await;
    if let Err(reason) = (&mut chain).round().await {
        tracing::warn!(reason, "the last link of the commit chain could not be added");
    }
}

struct Chain {
    keeper: Keeper,
}

impl Job for &mut Chain {
    const NAME: &'static str = "chain";

    fn idle(&self) -> Duration {
        REST_OF_CHAIN
    }

    async fn round(&mut self) -> Result<usize, String> {
        // However much was done, the next round is a second later.
        self.keeper.run_once().await.map(|_| 0).map_err(|error| error.code())
    }
}

/// Keeps the figures of the dashboard at hand until `stop`; reading them is then given up.
pub async fn keep_at_hand(figures: AtHand, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = rounds(figures, stop.clone()) => {}
    }
}

impl Job for AtHand {
    const NAME: &'static str = "figures";

    fn idle(&self) -> Duration {
        REST_OF_FIGURES
    }

    async fn round(&mut self) -> Result<usize, String> {
        // However much was read, more is due in a minute.
        self.refresh().await.map(|_| 0).map_err(|error| error.code())
    }
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

    fn idle(&self) -> Duration {
        REST_OF_MAILS
    }

    async fn round(&mut self) -> Result<usize, String> {
        self.run_once().await.map_err(|error| error.code())
    }
}

impl Job for ReceiptWorker {
    const NAME: &'static str = "receipts";

    fn idle(&self) -> Duration {
        REST_OF_MAILS
    }

    async fn round(&mut self) -> Result<usize, String> {
        self.run_once().await.map_err(|error| error.code())
    }
}

/// Notices, and those of renewals now and then.
struct Notices {
    worker: NoticeWorker,
    renewals_at: i64,
}

impl Job for Notices {
    const NAME: &'static str = "notices";

    fn idle(&self) -> Duration {
        REST_OF_NOTICES
    }

    async fn round(&mut self) -> Result<usize, String> {
        let now = self.worker.desk.clock.now();
        if now >= self.renewals_at {
            self.worker.tell_of_renewals().await.map_err(|error| error.code())?;
            self.renewals_at = now + RENEWALS_EVERY;
        }
        self.worker.run_once().await.map_err(|error| error.code())
    }
}

/// Tells donors until `stop`; a call to Stripe is then given up, for it may be repeated.
async fn run_notices(worker: NoticeWorker, stop: CancellationToken) {
    let notices = Notices { worker, renewals_at: i64::MIN };
    tokio::select! {
        () = stop.cancelled() => {}
        () = rounds(notices, stop.clone()) => {}
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

impl Job for Retention {
    const NAME: &'static str = "retention";

    async fn round(&mut self) -> Result<usize, String> {
        // However much was forgotten, more is due in an hour.
        self.run_once().await.map(|_| 0).map_err(|error| error.code())
    }
}

impl Job for TotalsWorker {
    const NAME: &'static str = "totals";

    fn idle(&self) -> Duration {
        REST_OF_TOTALS
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

    fn idle(&self) -> Duration {
        REST_OF_MAILS
    }

    async fn round(&mut self) -> Result<usize, String> {
        let now = self.worker.desk.clock.now();
        if now >= self.tidy_at {
            self.worker.tidy().await.map_err(|error| error.code())?;
            self.tidy_at = now + FORGET_EVERY;
        }
        self.worker.run_once().await.map_err(|error| error.code())
    }
}

/// Sweeps until `stop`; a sweep is then given up where it is, for the next goes on from there.
async fn run_sweep(sweep: Option<SweepWorker>, stop: CancellationToken) {
    let Some(mut worker) = sweep else { return };
    let work = async {
        loop {
            worker.run_once().await;
            tokio::time::sleep(REST_OF_SWEEP).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
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

/// Applies events until `stop`; a batch that has begun is finished.
async fn run_events(worker: EventWorker, arrived: Arc<Notify>, stop: CancellationToken) {
    let mut interrupted = false;
    while !stop.is_cancelled() {
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
