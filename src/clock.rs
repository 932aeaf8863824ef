//! The one source of time.
//!
//! Every module asks a [`Clock`] it was handed; `clippy.toml` bans the ambient ones. So a test, the
//! demo and the sandbox can all live in one time that they move themselves, and a run can be repeated.
//! Invariant: a clock never goes back by itself, and one clock has one time for all who share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds in one minute, hour and day (UTC; the newsroom's days are computed by [`crate::domain`]).
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A shared clock. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runs: bool,
    /// Seconds added to the machine's time while it runs; the time itself while it stands still.
    seconds: AtomicI64,
}

impl Clock {
    /// The machine's own time.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Inner { runs: true, seconds: AtomicI64::new(0) }))
    }

    /// A clock that stands still at `now` (unix seconds) until somebody moves it.
    #[must_use]
    pub fn manual(now: i64) -> Self {
        Self(Arc::new(Inner { runs: false, seconds: AtomicI64::new(now) }))
    }

    /// Now, in unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        let seconds = self.0.seconds.load(Ordering::SeqCst);
        if self.0.runs { machine_seconds().saturating_add(seconds) } else { seconds }
    }

    /// Moves the clock forward. A running clock keeps running from there.
    pub fn advance(&self, seconds: i64) {
        debug_assert!(seconds >= 0, "a clock never goes back");
        self.0.seconds.fetch_add(seconds.max(0), Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(1_000);
        let other = clock.clone();
        clock.advance(DAY);
        assert_eq!(other.now(), 1_000 + DAY);
    }

    #[test]
    fn a_running_clock_can_be_moved_ahead() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(HOUR);
        assert!(clock.now() >= before + HOUR);
    }
}
