//! Giving money back.

use std::collections::HashMap;

use stripe_core::refund::{CreateRefund, ListRefund};

use super::{CallError, Gateway};

/// Names the action of ours in a refund's metadata.
const ACTION_KEY: &str = "mainstay_action";
/// A page of Stripe's list; a charge that was given back in more parts than this is none of ours.
const PAGE: i64 = 100;

/// A refund to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// `act_…`.
    pub action_id: String,
    /// `ch_…`.
    pub charge_id: String,
    pub amount_minor: i64,
    /// Raised after Stripe stored a failure under the key.
    pub attempt: i64,
}

impl Gateway {
    /// Asks for a refund, under an idempotency key derived from the action; answers its id. Whether the money went back is
    /// told by events.
    pub async fn refund(&self, request: &RefundRequest) -> Result<String, CallError> {
        let create = CreateRefund::new()
            .charge(request.charge_id.clone())
            .amount(request.amount_minor)
            .metadata(HashMap::from([(ACTION_KEY.to_owned(), request.action_id.clone())]));
        let key = format!("{}-{}", request.action_id, request.attempt);
        Ok(self.post(&create, &key).await?.id.to_string())
    }

    /// The refund of an action among those of a charge.
    pub async fn find_refund(&self, charge_id: &str, action_id: &str) -> Result<Option<String>, CallError> {
        let list = self.send(&ListRefund::new().charge(charge_id.to_owned()).limit(PAGE)).await?;
        let ours = list.data.iter().find(|refund| {
            refund.metadata.as_ref().and_then(|known| known.get(ACTION_KEY)).is_some_and(|known| known == action_id)
        });
        match ours {
            Some(refund) => Ok(Some(refund.id.to_string())),
            None if list.has_more => Err(CallError::Unreadable),
            None => Ok(None),
        }
    }
}
