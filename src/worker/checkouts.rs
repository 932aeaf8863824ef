//! Ending checkouts on which too many attempts to pay have failed, so that nobody goes on trying cards there.
//!
//! The books say which are spent. Each is claimed by the time of its next try, in a statement of its own; Stripe is asked
//! outside of any transaction, and again until its event settles the pledge. Asking twice does no harm.

use crate::clock::{Clock, MINUTE};
use crate::gateway::checkout::Ending;
use crate::gateway::{CallError, Gateway};
use crate::store::{SpentCheckout, Store, StoreError};

/// Seconds until a checkout that is still not known to be over is asked about again.
const AGAIN: i64 = MINUTE;
/// Checkouts taken at once.
pub const MOST: i64 = 16;

/// Ends spent checkouts at Stripe.
#[derive(Clone, Debug)]
pub struct CheckoutWorker {
    pub store: Store,
    pub clock: Clock,
    pub gateway: Gateway,
}

impl CheckoutWorker {
    /// Ends what is due, and returns how many that were. Those that could not be ended are due again in a minute.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let spent = self.store.claim_spent_checkouts(now, now + AGAIN, MOST).await?;
        for checkout in &spent {
            if let Err(error) = self.end(checkout).await? {
                let pledge = checkout.pledge_id.as_str();
                tracing::warn!(pledge, %error, "a spent checkout could not be ended; trying again in a minute");
                if error.may_be_repeated() {
                    // Stripe is out of reach: the others would only wait for it, one after the other.
                    break;
                }
            }
        }
        Ok(spent.len())
    }

    async fn end(&self, checkout: &SpentCheckout) -> Result<Result<(), CallError>, StoreError> {
        let pledge = checkout.pledge_id.as_str();
        match self.gateway.expire_session(&checkout.session_id).await {
            Ok(Ending::Now) => {
                metrics::counter!("mainstay_checkouts_ended").increment(1);
                tracing::warn!(pledge, "a spent checkout was ended at Stripe");
            }
            // Its event is on its way and says how it ended.
            Ok(Ending::Before) => tracing::info!(pledge, "a spent checkout is over at Stripe already"),
            Err(error) => return Ok(Err(error)),
        }
        self.store.leave_spent_checkout(pledge).await?;
        Ok(Ok(()))
    }
}
