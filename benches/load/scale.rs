//! How much is measured.

use std::time::Duration;

/// The bounds of a run.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Events of a backlog; as many are told of.
    pub backlog: usize,
    /// Events over which CPU is counted.
    pub journey_events: usize,
    /// The longest that load is put on a server.
    pub load: Duration,
    /// Reminders that are due all at once.
    pub reminders: usize,
    /// How many payments there are while reports are asked for, step by step.
    pub payments: &'static [usize],
    /// How often a server is started.
    pub starts: usize,
    /// How often the demo is started, each of its two ways.
    pub demos: usize,
}

impl Scale {
    pub const FULL: Self = Self {
        backlog: 100_000,
        journey_events: 40_000,
        load: Duration::from_secs(5),
        reminders: 100_000,
        payments: &[1_000_000, 5_000_000],
        starts: 11,
        demos: 3,
    };
    /// Enough to see that the bench works, or to profile.
    pub const QUICK: Self = Self {
        backlog: 10_000,
        journey_events: 8_000,
        load: Duration::from_secs(1),
        reminders: 5_000,
        payments: &[20_000, 100_000],
        starts: 3,
        demos: 1,
    };
}
