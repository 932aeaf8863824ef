//! What recurs this month, kept at hand by each process that shows it: it comes from every version of every subscription,
//! and with tens of thousands of these nobody would wait for it.
//!
//! Every transaction that changes the books takes a turn, whichever process it is of, so figures are those of now for as long
//! as no turn was taken. Once one was, [`AtHand::refresh`] reads them again beside whoever looks, at most once a minute;
//! until then they are shown as they were. Invariant: a figure never goes without the moment up to which it is right, and
//! that moment is never older than [`LATE`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::ReportError;
use crate::clock::{Clock, MINUTE};
use crate::domain::calendar::date_of;
use crate::domain::report::group::Lines;
use crate::domain::report::query::{Name, Only, Query, Split, View};
use crate::domain::report::recurring::{Line, lines};
use crate::store::Store;

/// So many versions are read in no time, whoever looks.
const FEW: usize = 2_000;
/// While the books move, more are read so often.
const EVERY: i64 = MINUTE;
/// Figures are never shown for longer than this: whoever looks then waits for others.
pub const LATE: i64 = 5 * MINUTE;

/// What recurs this month, by currency.
#[derive(Debug, Clone)]
pub struct Recurring {
    pub lines: Arc<Lines<Line>>,
    /// Up to which moment that is right, unix seconds.
    pub as_of: i64,
}

/// Keeps the figures. Clones keep the same.
#[derive(Debug, Clone)]
pub struct AtHand {
    store: Store,
    clock: Clock,
    /// The newsroom's.
    zone: TimeZone,
    kept: Arc<Mutex<Option<Kept>>>,
    /// Held while they are read, so that many who look at once let them be read once.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Kept {
    /// The first day of the month they are of.
    month: Date,
    figures: Recurring,
    /// How many versions there were to read.
    versions: usize,
    /// How many turns had been taken before they were read.
    turns: i64,
    /// When they were read.
    read_at: i64,
}

impl AtHand {
    pub fn new(store: Store, clock: Clock, zone: TimeZone) -> Self {
        Self { store, clock, zone, kept: Arc::default(), reading: Arc::default() }
    }

    /// The figures, and up to when they are right.
    pub async fn recurring(&self) -> Result<Recurring, ReportError> {
        if let Some(figures) = self.good_enough(self.store.turns_taken().await?) {
            return Ok(figures);
        }
        let _reading = self.reading.lock().await;
        // Whoever held it may have read them.
        let turns = self.store.turns_taken().await?;
        if let Some(figures) = self.good_enough(turns) {
            return Ok(figures);
        }
        self.read(turns).await
    }

    /// Reads them again where that is due, so that nobody has to wait for it; returns whether it did.
    pub async fn refresh(&self) -> Result<bool, ReportError> {
        let turns = self.store.turns_taken().await?;
        let due = self
            .hold(turns)
            .as_ref()
            .is_none_or(|kept| kept.turns != turns && kept.versions > FEW && self.clock.now() - kept.read_at >= EVERY);
        if !due {
            return Ok(false);
        }
        let _reading = self.reading.lock().await;
        self.read(turns).await?;
        Ok(true)
    }

    /// What is kept, if it may be shown while so many turns were taken.
    fn good_enough(&self, turns: i64) -> Option<Recurring> {
        let kept = self.hold(turns);
        let kept = kept.as_ref()?;
        let late = self.clock.now() - kept.figures.as_of >= LATE;
        (kept.turns == turns || (kept.versions > FEW && !late)).then(|| kept.figures.clone())
    }

    /// What is kept of this month, right as of now where the books have not moved since.
    fn hold(&self, turns: i64) -> MutexGuard<'_, Option<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let month = date_of(now, &self.zone).first_of_month();
        if kept.as_ref().is_some_and(|kept| kept.month != month) {
            *kept = None;
        }
        if let Some(kept) = kept.as_mut().filter(|kept| kept.turns == turns) {
            kept.figures.as_of = now;
        }
        kept
    }

    /// Reads the figures anew. What is booked meanwhile counts as a turn taken since.
    async fn read(&self, turns: i64) -> Result<Recurring, ReportError> {
        let now = self.clock.now();
        let month = date_of(now, &self.zone).first_of_month();
        let query = Query {
            name: Name::Recurring,
            from: month,
            to: month.saturating_add(1.month()),
            split: Split::default(),
            only: Only::default(),
            view: View::Charge,
        };
        let histories = self.store.histories(&query).await?;
        let lines = Arc::new(lines(&query, &histories.all, &self.zone)?);
        let figures = Recurring { lines, as_of: now };
        let kept = Kept { month, figures: figures.clone(), versions: histories.versions, turns, read_at: now };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(figures)
    }
}
