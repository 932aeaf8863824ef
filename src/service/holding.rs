//! Holding our books against what Stripe booked, day by day, and keeping where they differ until they do not any more.
//!
//! It mends nothing: a payment that we never heard of is brought by the sweep, a row that was changed by
//! `mainstay rebuild`; whichever way a difference goes, the next holding closes it.

use crate::clock::Clock;
use crate::domain::settlement::Sides;
use crate::service::balance::LINES;
use crate::store::{OpenBreak, PartSums, Period, Store, StoreError};

/// What holding needs.
#[derive(Clone, Debug)]
pub struct Holder {
    pub store: Store,
    pub clock: Clock,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What Stripe booked in the period, in the order of whose it is and the currency.
    pub booked: Vec<PartSums>,
    /// Differences that are open, in the order of their days.
    pub open: Vec<OpenBreak>,
    /// How many of them are of other days.
    pub elsewhere: usize,
}

impl Holder {
    /// Holds the days of `period` against what is kept of Stripe's lines.
    pub async fn hold(&self, period: Period) -> Result<Held, StoreError> {
        let read_until = self.store.cursor(LINES).await?.position;
        let sides = self.store.sides_that_differ(period).await?;
        let mut found: Vec<_> = sides.into_iter().filter_map(|sides: Sides| sides.differ(read_until)).collect();
        found.extend(self.store.payouts_that_differ(period).await?);
        let mut tx = self.store.begin().await?;
        tx.keep_breaks(period, &found, self.clock.now()).await?;
        tx.commit().await?;
        let mut open = self.store.open_breaks().await?;
        open.sort_by(|one, two| (one.found.day, &one.found.object_id).cmp(&(two.found.day, &two.found.object_id)));
        let within = |open: &&OpenBreak| (period.from..period.to).contains(&open.found.day);
        let elsewhere = open.len() - open.iter().filter(within).count();
        let mut booked = self.store.booked(period).await?;
        booked.sort_by(|one, two| (&one.whose, &one.currency).cmp(&(&two.whose, &two.currency)));
        Ok(Held { booked, open, elsewhere })
    }
}
