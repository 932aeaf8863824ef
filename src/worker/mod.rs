//! Background jobs: each has `run_once()`; the loops are here.
//!
//! A worker claims by lease in a short transaction, works outside it and completes by token. It must not hold a
//! transaction open across a network call, and it never serves HTTP.

pub mod events;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use events::EventWorker;

/// How long the worker rests when nothing was due and nobody called.
const REST: Duration = Duration::from_millis(500);
/// How long it rests after the database or Stripe failed it.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Applies events until `stop`; a batch that has begun is finished.
pub async fn run_events(worker: EventWorker, arrived: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let rest = match worker.run_once().await {
            Ok(0) => REST,
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
