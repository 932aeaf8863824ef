//! Recomputing what is derived: payments, refunds, disputes, statuses and the daily revenue, from the facts and the
//! versions of subscriptions. Raw bodies are never read. The same facts give the same rows, so that on sound books nothing
//! differs.
//!
//! A batch of pledges is one transaction, under the same turn that reconciling takes; a server may run meanwhile.

use jiff::tz::TimeZone;

use super::reconcile::ReconcileError;
use super::totals::{Progress, mend};
use crate::clock::Clock;
use crate::domain::books::Difference;
use crate::domain::calendar::day_of;
use crate::id::Random;
use crate::store::{DatedLine, Store, Tx};

/// So many of what Stripe booked are given their days in one transaction.
const DATED_AT_ONCE: i64 = 512;

/// What rebuilding needs.
#[derive(Clone, Debug)]
pub struct Rebuilder {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    /// In which days are counted; recorded as the database's if it is another.
    pub zone: TimeZone,
    /// Whether everything is left as it is.
    pub dry_run: bool,
}

impl Rebuilder {
    /// Recomputes everything and tells of each row that differed. Returns how many pledges there were.
    pub async fn run(&self, mut tell: impl FnMut(Difference)) -> Result<u64, ReconcileError> {
        if !self.dry_run {
            self.change_zone().await?;
        }
        let mut pledges = 0;
        let mut last = String::new();
        loop {
            let batch = self.store.pledges_after(&last).await?;
            let Some(newest) = batch.last().cloned() else { break };
            last = newest;
            pledges += batch.len() as u64;
            self.rebuild(&batch).await?.into_iter().for_each(&mut tell);
        }
        self.sum_up().await?.into_iter().for_each(&mut tell);
        self.settle(&mut tell).await?;
        self.mend_totals(tell).await?;
        Ok(pledges)
    }

    /// From here on processes that count their days in another zone reconcile no more.
    async fn change_zone(&self) -> Result<(), ReconcileError> {
        let mut tx = self.store.begin().await?;
        if tx.take_turn().await?.is_some_and(|zone| Some(zone.as_str()) != self.zone.iana_name()) {
            tx.change_time_zone(self.zone.iana_name().unwrap_or_default()).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn rebuild(&self, pledges: &[String]) -> Result<Vec<Difference>, ReconcileError> {
        let mut tx = self.begin().await?;
        let books = tx.load_whole_books(pledges).await?;
        let stored = books.stored();
        let changes = books.settle(&self.zone, self.clock.now());
        let differences = changes.differences(&stored);
        tx.write_changes(&changes, &self.random).await?;
        self.end(tx).await?;
        Ok(differences)
    }

    /// Holds the daily revenue against the sum of its rows.
    async fn sum_up(&self) -> Result<Vec<Difference>, ReconcileError> {
        let mut tx = self.begin().await?;
        let (kept, summed) = (tx.revenue_kept().await?, tx.revenue_summed().await?);
        let mut differences = Vec::new();
        let mut changes = Vec::new();
        for key in kept.keys().chain(summed.keys().filter(|key| !kept.contains_key(*key))) {
            let was = kept.get(key).copied().unwrap_or_default();
            let is = summed.get(key).copied().unwrap_or_default();
            if let Some(difference) = Difference::of_revenue(key, was, is) {
                differences.push(difference);
                changes.push((key.clone(), is.less(was)));
            }
        }
        tx.add_revenue(&changes).await?;
        self.end(tx).await?;
        Ok(differences)
    }

    /// Gives what Stripe booked the days it falls on, and holds the daily settlement against the sum of its lines. Those
    /// are as Stripe wrote them; they are read again, not recomputed.
    async fn settle(&self, mut tell: impl FnMut(Difference)) -> Result<(), ReconcileError> {
        let (mut last, mut dated) = (String::new(), true);
        while dated {
            let mut lines = self.store.lines_after(&last, DATED_AT_ONCE).await?;
            last = lines.last().map_or(last, |line| line.id.clone());
            dated = !lines.is_empty();
            self.date("balance transaction", &mut lines, &mut tell);
            let mut tx = self.begin().await?;
            tx.date_lines(&lines).await?;
            self.end(tx).await?;
        }
        let (mut last, mut dated) = (String::new(), true);
        while dated {
            let mut payouts = self.store.payouts_after(&last, DATED_AT_ONCE).await?;
            last = payouts.last().map_or(last, |payout| payout.id.clone());
            dated = !payouts.is_empty();
            self.date("payout", &mut payouts, &mut tell);
            let mut tx = self.begin().await?;
            tx.date_payouts(&payouts).await?;
            self.end(tx).await?;
        }
        let mut tx = self.begin().await?;
        let (kept, summed) = (tx.settlement_kept().await?, tx.settlement_summed().await?);
        let mut changes = Vec::new();
        for key in kept.keys().chain(summed.keys().filter(|key| !kept.contains_key(*key))) {
            let was = kept.get(key).copied().unwrap_or_default();
            let is = summed.get(key).copied().unwrap_or_default();
            if let Some(difference) = Difference::of_settlement(key, was, is) {
                tell(difference);
                changes.push((key.clone(), is.less(was)));
            }
        }
        tx.add_settlement(&changes).await?;
        self.end(tx).await
    }

    /// Holds the sums of reports against the daily sums, as these are now.
    async fn mend_totals(&self, mut tell: impl FnMut(Difference)) -> Result<(), ReconcileError> {
        let mut progress = Progress::of_all(&self.store).await?;
        while let Some(month) = progress.next(&self.store).await? {
            let mut tx = self.begin().await?;
            mend(&mut tx, month).await?.into_iter().for_each(&mut tell);
            self.end(tx).await?;
        }
        if !self.dry_run {
            progress.end(&self.store).await?;
        }
        Ok(())
    }

    /// Leaves those whose day is another, with the day they fall on.
    fn date(&self, what: &str, rows: &mut Vec<DatedLine>, tell: &mut impl FnMut(Difference)) {
        rows.retain_mut(|row| {
            let is = day_of(row.created_at, &self.zone);
            let difference = Difference::of_day(format!("{what} {}", row.id), row.day, is);
            row.day = is;
            difference.map(&mut *tell).is_some()
        });
    }

    async fn begin(&self) -> Result<Tx, ReconcileError> {
        let mut tx = self.store.begin().await?;
        let zone = tx.take_turn().await?;
        if !self.dry_run && zone.is_some_and(|zone| Some(zone.as_str()) != self.zone.iana_name()) {
            return Err(ReconcileError::OtherZone);
        }
        Ok(tx)
    }

    async fn end(&self, tx: Tx) -> Result<(), ReconcileError> {
        let ended = if self.dry_run { tx.rollback().await } else { tx.commit().await };
        Ok(ended?)
    }
}
