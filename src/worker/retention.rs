//! Forgetting what is no longer needed, by our own clock, and making it unreachable in the database's files.

use super::FORGET_EVERY;
use crate::clock::Clock;
use crate::service::forget::Forgetter;
use crate::service::onlooker::Onlooker;
use crate::store::StoreError;

/// Forgets what has had its time.
#[derive(Clone, Debug)]
pub struct Retention {
    pub forgetter: Forgetter,
    pub onlooker: Onlooker,
    pub clock: Clock,
    /// When it is time again, unix seconds.
    due_at: i64,
    /// Whether something was forgotten that the files may still hold.
    to_purge: bool,
}

impl Retention {
    /// One that is due at once. What an earlier process forgot last may not be purged yet.
    pub fn new(forgetter: Forgetter, onlooker: Onlooker, clock: Clock) -> Self {
        Self { forgetter, onlooker, clock, due_at: i64::MIN, to_purge: true }
    }

    /// Forgets what is due, once an hour; returns how many rows that were.
    pub async fn run_once(&mut self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut forgotten = 0;
        if now >= self.due_at {
            forgotten = self.forgetter.run_once(now).await? + self.onlooker.run_once(now).await?;
            self.due_at = now + FORGET_EVERY;
            self.to_purge |= forgotten > 0;
        }
        // Whoever reads what was there before is waited for by trying again.
        if self.to_purge && self.forgetter.store.purge().await? {
            self.to_purge = false;
        }
        Ok(forgotten)
    }
}
