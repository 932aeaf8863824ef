//! Ending what Stripe holds of somebody who is to be erased.
//!
//! Nothing here takes or gives back money. Each call may be repeated: what is over already stays so.

use stripe_billing::subscription::CancelSubscription;
use stripe_core::customer::DeleteCustomer;

use super::checkout::Ending;
use super::decode::reference;
use super::{CallError, Gateway};

/// What Stripe answers about something that is not there, or no more.
const NOT_THERE: u16 = 404;

impl Gateway {
    /// Cancels a subscription at once: nothing more is charged.
    pub async fn cancel_subscription(&self, id: &str) -> Result<Ending, CallError> {
        // Without a key of ours: it cannot be done twice, and a failure stored under a key would be replayed for a day.
        match self.send(&CancelSubscription::new(id.to_owned())).await {
            Ok(_) => return Ok(Ending::Now),
            Err(CallError::Refused { status: NOT_THERE, .. }) => {}
            Err(error) => return Err(error),
        }
        // Stripe says that of an ended one too.
        match self.is_over(id).await {
            Ok(true) | Err(CallError::Refused { status: NOT_THERE, .. }) => Ok(Ending::Before),
            Ok(false) => Err(CallError::Refused { status: NOT_THERE, code: "resource_missing".to_owned() }),
            Err(error) => Err(error),
        }
    }

    /// The subscription and the customer that came of a checkout session, as far as there are any.
    pub async fn came_of_session(&self, id: &str) -> Result<(Option<String>, Option<String>), CallError> {
        let answer = self.fetch(&format!("/checkout/sessions/{id}")).await?;
        let session = answer.json()?;
        Ok((reference(&session["subscription"]), reference(&session["customer"])))
    }

    /// Deletes a customer, with the ways to pay that are stored there. Their subscriptions end with them.
    pub async fn delete_customer(&self, id: &str) -> Result<Ending, CallError> {
        match self.send(&DeleteCustomer::new(id.to_owned())).await {
            Ok(_) => Ok(Ending::Now),
            Err(CallError::Refused { status: NOT_THERE, .. }) => Ok(Ending::Before),
            Err(error) => Err(error),
        }
    }
}
