//! Reading what Stripe booked: balance transactions and payouts, into tables of their own.
//!
//! Stripe sends no events about balance transactions, and they say nothing of a donor; so they do not pass the inbox. A
//! list is read from where it was read up to, with an overlap, newest first. Each page is kept together with the place it
//! ends at, so that a reading that was interrupted goes on behind it; up to when everything is known moves on only at the
//! end. Whoever reads again what is there changes nothing. No transaction is open while Stripe is asked.

use jiff::tz::TimeZone;

use crate::clock::{Clock, DAY};
use crate::domain::calendar::day_of;
use crate::domain::settlement::{GRACE, Line, Payout};
use crate::gateway::balance::Read;
use crate::gateway::list::Pace;
use crate::gateway::{CallError, Gateway};
use crate::store::{Cursor, NewLine, NewPayout, Store, StoreError, Tx};

/// The list of balance transactions, as the table `cursors` names it.
pub const LINES: &str = "balance_transactions";
/// That of payouts.
pub const PAYOUTS: &str = "payouts";
/// What Stripe makes shows in its lists within this time, in seconds.
const LINES_OVERLAP: i64 = GRACE;
/// A payout may still fail days after it was paid; those of this time, in seconds, are looked at again.
const PAYOUTS_OVERLAP: i64 = 30 * DAY;

/// What reading needs.
#[derive(Clone, Debug)]
pub struct Balance {
    pub store: Store,
    pub gateway: Gateway,
    pub clock: Clock,
    /// In which days are counted.
    pub zone: TimeZone,
}

/// What a reading came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Lines that were new or had changed.
    pub lines: usize,
    /// Payouts that were looked at.
    pub payouts: usize,
    /// Lines whose payment was heard of after they were read.
    pub linked: usize,
}

/// Why a reading ended early. What was read is kept, and the next one goes on there.
#[derive(Debug, thiserror::Error)]
pub enum BalanceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("Stripe's {list} could not be read: {source}")]
    Stripe { list: &'static str, source: CallError },
    /// `mainstay rebuild --time-zone` was run since this process started: its days would be of another zone.
    #[error("the time zone of this database has changed; this process must be restarted with the new one")]
    OtherZone,
}

impl BalanceError {
    /// What may be written down about it: never a value of a row.
    pub fn code(&self) -> String {
        match self {
            Self::Store(error) => error.code(),
            other => other.to_string(),
        }
    }
}

impl Balance {
    /// Reads what was booked and paid out since the last time, and links what can be linked by now.
    pub async fn run_once(&self, pace: &Pace) -> Result<Reading, BalanceError> {
        let lines = self.read_lines(pace).await?;
        let payouts = self.read_payouts(pace).await?;
        let of_payouts = self.read_lines_of_payouts(pace).await?;
        let linked = self.link().await?;
        Ok(Reading { lines: lines + of_payouts, payouts, linked })
    }

    async fn read_lines(&self, pace: &Pace) -> Result<usize, BalanceError> {
        let mut cursor = self.store.cursor(LINES).await?;
        let mut kept = 0;
        loop {
            let (from, after) = ((cursor.position - LINES_OVERLAP).max(0), cursor.after_id.clone());
            let answer = self.gateway.lines(pace, from, after.as_deref()).await;
            let read = self.moved_on(LINES, &mut cursor, answer).await?;
            let lines = self.dated(read.objects, None);
            let mut tx = self.begin().await?;
            kept += tx.keep_lines(&lines).await?;
            crate::crash::passing("balance before commit");
            tx.set_cursor(LINES, &cursor).await?;
            tx.commit().await?;
            crate::crash::passing("balance after commit");
            if read.after.is_none() {
                return Ok(kept);
            }
        }
    }

    async fn read_payouts(&self, pace: &Pace) -> Result<usize, BalanceError> {
        let mut cursor = self.store.cursor(PAYOUTS).await?;
        let mut looked_at = 0;
        loop {
            let (from, after) = ((cursor.position - PAYOUTS_OVERLAP).max(0), cursor.after_id.clone());
            let answer = self.gateway.payouts(pace, from, after.as_deref()).await;
            let read = self.moved_on(PAYOUTS, &mut cursor, answer).await?;
            let payouts: Vec<NewPayout> = read.objects.into_iter().map(|payout| self.dated_payout(payout)).collect();
            let mut tx = self.begin().await?;
            tx.keep_payouts(&payouts).await?;
            tx.set_cursor(PAYOUTS, &cursor).await?;
            tx.commit().await?;
            looked_at += payouts.len();
            if read.after.is_none() {
                return Ok(looked_at);
            }
        }
    }

    /// The lines of each automatic payout, for no line says itself in which it left.
    async fn read_lines_of_payouts(&self, pace: &Pace) -> Result<usize, BalanceError> {
        let (mut kept, mut last) = (0, String::new());
        loop {
            let payouts = self.store.payouts_to_read(&last).await?;
            let Some(newest) = payouts.last() else { return Ok(kept) };
            last.clone_from(newest);
            for payout in &payouts {
                let mut after = None;
                loop {
                    let answer = self.gateway.lines_of(pace, payout, after.as_deref()).await;
                    let read = answer.map_err(|source| BalanceError::Stripe { list: LINES, source })?;
                    let lines = self.dated(read.objects, Some(payout));
                    let mut tx = self.begin().await?;
                    kept += tx.keep_lines(&lines).await?;
                    tx.commit().await?;
                    after = read.after;
                    if after.is_none() {
                        break;
                    }
                }
                self.store.sum_payout(payout, self.clock.now()).await?;
            }
        }
    }

    /// Links lines that were read before their payments were heard of.
    async fn link(&self) -> Result<usize, BalanceError> {
        let (mut linked, mut last) = (0, String::new());
        loop {
            let lines = self.store.linkable_lines(&last).await?;
            let Some(newest) = lines.last() else { return Ok(linked) };
            last.clone_from(newest);
            let mut tx = self.begin().await?;
            linked += tx.link_lines(&lines).await?;
            tx.commit().await?;
        }
    }

    /// The page, with the cursor moved on to its end; nothing of that is kept yet.
    async fn moved_on<T>(
        &self,
        list: &'static str,
        cursor: &mut Cursor,
        answer: Result<Read<T>, CallError>,
    ) -> Result<Read<T>, BalanceError> {
        let read = match answer {
            Ok(read) => read,
            Err(source) => {
                if matches!(source, CallError::Refused { .. }) && cursor.after_id.is_some() {
                    // Perhaps for the place to go on from: then the list is read from its beginning the next time.
                    let begin = Cursor { reached: None, after_id: None, ..cursor.clone() };
                    let mut tx = self.begin().await?;
                    tx.set_cursor(list, &begin).await?;
                    tx.commit().await?;
                }
                return Err(BalanceError::Stripe { list, source });
            }
        };
        // Up to Stripe's own time of its first answer: whatever our clock says, nothing is passed over.
        let reached = cursor.reached.or(read.at).unwrap_or(cursor.position);
        *cursor = match &read.after {
            Some(after) => Cursor { reached: Some(reached), after_id: Some(after.clone()), position: cursor.position },
            None => Cursor { position: reached.max(cursor.position), reached: None, after_id: None },
        };
        Ok(read)
    }

    fn dated(&self, lines: Vec<Line>, payout: Option<&String>) -> Vec<NewLine> {
        let dated = |line: Line| NewLine { day: day_of(line.created_at, &self.zone), line, payout_id: payout.cloned() };
        lines.into_iter().map(dated).collect()
    }

    fn dated_payout(&self, payout: Payout) -> NewPayout {
        let (day, arrives_on) = (day_of(payout.created_at, &self.zone), day_of(payout.arrives_at, &TimeZone::UTC));
        NewPayout { payout, day, arrives_on }
    }

    /// Under the turn that reconciling takes: so lines and their payments do not miss each other, and all days are of one
    /// zone.
    async fn begin(&self) -> Result<Tx, BalanceError> {
        let mut tx = self.store.begin().await?;
        if tx.take_turn().await?.is_some_and(|zone| Some(zone.as_str()) != self.zone.iana_name()) {
            return Err(BalanceError::OtherZone);
        }
        Ok(tx)
    }
}
