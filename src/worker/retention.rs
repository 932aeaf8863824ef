//! Forgetting what is no longer needed, by our own clock.

use crate::clock::Clock;
use crate::service::start_pledge::KEY_LIFE;
use crate::store::{Store, StoreError};

/// Forgets what has had its time.
#[derive(Clone, Debug)]
pub struct Retention {
    pub store: Store,
    pub clock: Clock,
}

impl Retention {
    /// Forgets callers' idempotency keys that have had their day; returns how many.
    pub async fn run_once(&self) -> Result<u64, StoreError> {
        self.store.forget_keys(self.clock.now() - KEY_LIFE).await
    }
}
