//! Reading what Stripe booked, and holding the last weeks of our books against it.

use std::sync::Arc;

use crate::clock::DAY;
use crate::domain::calendar::day_of;
use crate::gateway::list::Pace;
use crate::service::balance::{Balance, BalanceError, Reading};
use crate::service::holding::Holder;
use crate::store::Period;

/// How far back the books are held against Stripe each time, in seconds. Older days are for `mainstay reconcile`.
const HELD: i64 = 35 * DAY;

/// Keeps what Stripe booked.
#[derive(Clone, Debug)]
pub struct BalanceWorker {
    pub balance: Balance,
    pub pace: Arc<Pace>,
}

impl BalanceWorker {
    /// Reads what is new, then holds the last weeks against it.
    pub async fn run_once(&self) -> Result<Reading, BalanceError> {
        let reading = self.balance.run_once(&self.pace).await?;
        let Balance { store, clock, zone, .. } = &self.balance;
        let now = clock.now();
        let period = Period { from: day_of(now - HELD, zone), to: day_of(now + DAY, zone) };
        let held = Holder { store: store.clone(), clock: clock.clone() }.hold(period).await?;
        for open in held.open.iter().filter(|open| open.opened_at == now) {
            let (what, object) = (open.found.what.as_str(), &open.found.object_id);
            tracing::warn!(what, object, "our books and Stripe differ; `mainstay reconcile` tells more");
        }
        Ok(reading)
    }
}
