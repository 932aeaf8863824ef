//! The one source of time.
//!
//! Every module asks a [`Clock`] it was handed; `clippy.toml` bans the ambient ones. So a test, the
//! demo and the sandbox can all live in one time that they move themselves, and a run can be repeated.
//! Invariant: a clock never goes back by itself, and one clock has one time for all who share it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds in one minute, hour and day (UTC; the newsroom's days are computed by [`crate::domain`]).
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A shared clock. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    runs: bool,
    /// Seconds added to the machine's time while it runs; the time itself while it stands still.
    seconds: i64,
}

impl Clock {
    /// The machine's own time.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(Hands { runs: true, seconds: 0 })))
    }

    /// A clock that stands still at `now` (unix seconds) until somebody moves it.
    #[must_use]
    pub fn manual(now: i64) -> Self {
        Self(Arc::new(Mutex::new(Hands { runs: false, seconds: now })))
    }

    /// Now, in unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        let Hands { runs, seconds } = *self.hands();
        if runs { machine_seconds().saturating_add(seconds) } else { seconds }
    }

    /// Moves the clock forward. A running clock keeps running from there.
    pub fn advance(&self, seconds: i64) {
        debug_assert!(seconds >= 0, "a clock never goes back");
        let mut hands = self.hands();
        hands.seconds = hands.seconds.saturating_add(seconds.max(0));
    }

    /// Lets a clock that stands still run on from where it stands; one that runs is left alone.
    pub fn run(&self) {
        let mut hands = self.hands();
        if !hands.runs {
            *hands = Hands { runs: true, seconds: hands.seconds.saturating_sub(machine_seconds()) };
        }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_clock_that_stood_still_runs_on_from_there() {
        let clock = Clock::manual(1_000);
        let other = clock.clone();
        clock.run();
        clock.run();
        assert!((1_000..1_000 + MINUTE).contains(&other.now()), "{}", other.now());
        clock.advance(DAY);
        assert!(other.now() >= 1_000 + DAY);
    }
}
