//! Background jobs: each has `run_once()`; the loops are here.
//!
//! A worker claims by lease in a short transaction, works outside it and completes by token. It must not hold a
//! transaction open across a network call, and it never serves HTTP.

pub mod checkouts;
pub mod events;
pub mod newsletter;
pub mod reminders;
pub mod requests;
pub mod retention;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use checkouts::CheckoutWorker;
pub use events::EventWorker;
pub use newsletter::NewsletterWorker;
pub use reminders::ReminderWorker;
pub use requests::RequestWorker;
pub use retention::Retention;

use crate::clock::HOUR;
use crate::service::later::Desk;
use crate::service::reconcile::ReconcileError;
use crate::store::BATCH;

/// How long the worker rests when nothing was due and nobody called.
const REST: Duration = Duration::from_millis(500);
/// How long it lets events gather after a batch that was not full.
const GATHER: Duration = Duration::from_millis(50);
/// How long it rests after the database or Stripe failed it.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often, in seconds, what has had its time is forgotten.
const FORGET_EVERY: i64 = HOUR;

/// Everything the worker role does, until `stop`.
pub async fn run(events: EventWorker, desk: Desk, arrived: Arc<Notify>, stop: CancellationToken) {
    let checkouts = events.checkouts();
    tokio::join!(
        run_events(events, arrived, stop.clone()),
        run_checkouts(checkouts, stop.clone()),
        run_requests(RequestWorker::new(desk.clone()), stop.clone()),
        run_newsletter(NewsletterWorker { desk: desk.clone() }, stop.clone()),
        run_reminders(ReminderWorker { desk }, stop)
    );
}

/// Rests, unless it is to stop.
async fn rest(rest: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(rest) => {}
    }
}

/// Works off what readers asked for, until `stop`; a batch that has begun is finished.
async fn run_requests(worker: RequestWorker, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match worker.run_once().await {
            Ok(0) => rest(REST, &stop).await,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(reason = error.code(), "what readers asked for could not be worked on");
                rest(REST_AFTER_FAILURE, &stop).await;
            }
        }
    }
}

/// Welcomes whoever confirmed, until `stop`; a batch that has begun is finished.
async fn run_newsletter(worker: NewsletterWorker, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match worker.run_once().await {
            Ok(0) => rest(REST, &stop).await,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(reason = error.code(), "readers of the newsletter could not be welcomed");
                rest(REST_AFTER_FAILURE, &stop).await;
            }
        }
    }
}

/// Sends what is due, until `stop`; a batch that has begun is finished.
async fn run_reminders(worker: ReminderWorker, stop: CancellationToken) {
    let mut tidy_at = i64::MIN;
    while !stop.is_cancelled() {
        let now = worker.desk.clock.now();
        let tidied = if now >= tidy_at { worker.tidy().await } else { Ok(()) };
        if tidied.is_ok() && now >= tidy_at {
            tidy_at = now + FORGET_EVERY;
        }
        match tidied.map(|()| worker.run_once()) {
            Ok(work) => match work.await {
                Ok(0) => rest(REST, &stop).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(reason = error.code(), "reminders could not be worked on");
                    rest(REST_AFTER_FAILURE, &stop).await;
                }
            },
            Err(error) => {
                tracing::error!(reason = error.code(), "reminders could not be tidied");
                rest(REST_AFTER_FAILURE, &stop).await;
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
