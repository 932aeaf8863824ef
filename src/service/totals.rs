//! Making up the sums of the daily sums, a month in a transaction, so that whoever reconciles waits for no longer.
//!
//! Needed after a program ran that does not keep them, and done by `mainstay rebuild` in any case.

use crate::domain::books::Difference;
use crate::domain::report::query::View;
use crate::store::{Store, StoreError, Tx};

/// Where making them up has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many turns had been taken without the sums when it began.
    turns: i64,
    /// The last month that is done.
    month: i64,
}

impl Progress {
    /// Begins, if other programs took turns since they were last made up.
    pub async fn begin(store: &Store) -> Result<Option<Self>, StoreError> {
        Ok(store.turns_unsummed().await?.map(|turns| Self { turns, month: 0 }))
    }

    /// Begins in any case.
    pub async fn of_all(store: &Store) -> Result<Self, StoreError> {
        Ok(Self { turns: store.turns_unsummed().await?.unwrap_or_default(), month: 0 })
    }

    /// The next month; none once all are done.
    pub async fn next(&mut self, store: &Store) -> Result<Option<i64>, StoreError> {
        let next = store.month_after(self.month).await?;
        self.month = next.unwrap_or(self.month);
        Ok(next)
    }

    /// Notes that all months are done. What a program added meanwhile that keeps the sums, it added to them whether or not
    /// they were done; what another added is known by its turn, and is not noted.
    pub async fn end(self, store: &Store) -> Result<(), StoreError> {
        store.note_mended(self.turns).await
    }
}

/// Puts the sums of a month right, and tells what differed.
pub async fn mend(tx: &mut Tx, month: i64) -> Result<Vec<Difference>, StoreError> {
    let mut differences = Vec::new();
    for view in View::ALL {
        differences.extend(tx.mend_totals(*view, month).await?);
    }
    Ok(differences)
}
