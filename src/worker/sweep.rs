//! Sweeping at start and on a timer: what a server missed while it was down, what Stripe did not bring, and then what it
//! booked.

use tokio_util::sync::CancellationToken;

use super::BalanceWorker;
use crate::clock::{DAY, HOUR, MINUTE};
use crate::service::sweep::{SweepError, Sweeper};
use crate::store::{Mark, StoreError};

/// Seconds until a sweep that failed, or that another process is at, is tried again.
const AGAIN: i64 = MINUTE;

/// Sweeps when it is time to.
#[derive(Debug)]
pub struct SweepWorker {
    sweeper: Sweeper,
    balance: BalanceWorker,
    /// Seconds from the end of one sweep to the next.
    every: i64,
    due_at: i64,
    /// Seconds without a webhook after which a warning is due, if ever.
    silence: Option<i64>,
    /// Not to be warned of again before.
    warn_at: i64,
    /// Cancelled once it is known that the account at Stripe is the database's.
    account_known: CancellationToken,
}

impl SweepWorker {
    /// The first is due at once.
    pub fn new(
        sweeper: Sweeper,
        balance: BalanceWorker,
        every: i64,
        silence: Option<i64>,
        account_known: CancellationToken,
    ) -> Self {
        Self { sweeper, balance, every, due_at: i64::MIN, silence, warn_at: i64::MIN, account_known }
    }

    /// Sweeps if it is time; returns whether it did so to the end.
    pub async fn run_once(&mut self) -> bool {
        self.account_known.cancelled().await;
        if self.sweeper.clock.now() < self.due_at {
            return false;
        }
        let swept = self.sweeper.run(None, &mut |_| {}).await;
        let now = self.sweeper.clock.now();
        self.due_at = now + if swept.is_ok() { self.every } else { AGAIN };
        match &swept {
            Ok(report) => {
                let (events, late, objects) = (report.found(true), report.late_events(), report.found(false));
                metrics::counter!("mainstay_sweep_found").increment(late);
                metrics::gauge!("mainstay_sweep_last_run_timestamp_seconds").set(seconds(now));
                let (from, looked_up) = (report.from_at, report.looked_up);
                if late > 0 {
                    tracing::warn!(late, objects, looked_up, from, "a sweep found events that no webhook had brought");
                } else {
                    tracing::info!(events, objects, looked_up, from, "a sweep found no event missing");
                }
            }
            Err(SweepError::Busy) => tracing::debug!("another process sweeps"),
            Err(error) => {
                tracing::error!(reason = error.code(), "a sweep stopped; it goes on from there in a minute");
            }
        }
        if let Err(error) = self.balance.run_once().await {
            tracing::error!(reason = error.code(), "what Stripe booked could not be read; the next sweep tries again");
        }
        if let Err(error) = self.listen().await {
            tracing::warn!(reason = error.code(), "it is not known when Stripe last delivered something");
        }
        swept.is_ok()
    }

    /// Warns, once a day, when Stripe has long delivered nothing: it disables endpoints that fail for days.
    async fn listen(&mut self) -> Result<(), StoreError> {
        let now = self.sweeper.clock.now();
        let Some(silence) = self.silence.filter(|_| now >= self.warn_at) else { return Ok(()) };
        let heard_at = self.sweeper.store.mark(Mark::WebhookReceived).await?;
        if let Some(silent) = heard_at.map(|at| now - at).filter(|silent| *silent >= silence) {
            self.warn_at = now + DAY;
            let hours = silent / HOUR;
            tracing::warn!(hours, "Stripe has delivered nothing for long; look whether its endpoint is enabled");
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
fn seconds(at: i64) -> f64 {
    at as f64
}
