//! Ending what recurs.

use stripe_billing::subscription::{CancelSubscription, UpdateSubscription};

use super::{CallError, Gateway};

/// When a subscription is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Now,
    AtPeriodEnd,
}

impl Gateway {
    /// Asks for the end of a subscription, under an idempotency key. That it has come is told by events. One that is over is
    /// as good as ended.
    pub async fn end_subscription(&self, id: &str, when: When, key: &str) -> Result<(), CallError> {
        let ended = match when {
            When::Now => self.post(&CancelSubscription::new(id.to_owned()), key).await.map(|_| ()),
            When::AtPeriodEnd => {
                let update = UpdateSubscription::new(id.to_owned()).cancel_at_period_end(true);
                self.post(&update, key).await.map(|_| ())
            }
        };
        match ended {
            Err(CallError::Refused { .. }) if self.is_over(id).await? => Ok(()),
            ended => ended,
        }
    }

    /// Whether a subscription has ended.
    pub(super) async fn is_over(&self, id: &str) -> Result<bool, CallError> {
        let answer = self.fetch(&format!("/subscriptions/{id}")).await?;
        let subscription: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| CallError::Unreadable)?;
        Ok(matches!(subscription["status"].as_str(), Some("canceled" | "incomplete_expired")))
    }
}
