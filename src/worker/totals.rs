//! Making up the sums of reports after a program ran that does not keep them.

use crate::service::totals::{Progress, mend};
use crate::store::{Store, StoreError};

/// Makes up the sums, a month at a time.
#[derive(Clone, Debug)]
pub struct TotalsWorker {
    store: Store,
    progress: Option<Progress>,
}

impl TotalsWorker {
    /// One that has not begun.
    pub fn new(store: Store) -> Self {
        Self { store, progress: None }
    }

    /// Does the next month, if any is to be done; returns how many that were.
    pub async fn run_once(&mut self) -> Result<usize, StoreError> {
        let mut progress = match self.progress {
            Some(progress) => progress,
            None => match Progress::begin(&self.store).await? {
                Some(begun) => begun,
                None => return Ok(0),
            },
        };
        let Some(month) = progress.next(&self.store).await? else {
            progress.end(&self.store).await?;
            self.progress = None;
            tracing::info!("the sums of reports were made up for what a program of the release before booked");
            return Ok(0);
        };
        let mut tx = self.store.begin().await?;
        tx.take_turn().await?;
        mend(&mut tx, month).await?;
        tx.commit().await?;
        // A month that failed is done again.
        self.progress = Some(progress);
        Ok(1)
    }
}
