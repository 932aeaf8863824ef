//! Whether Stripe answers, and what it last had to tell.

use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::event::ListEvent;

use super::{CallError, Gateway};

/// What Stripe's answer looks like, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The HTTP status: 401 where the key is none, 403 where it may not ask whose account it is of.
    pub status: u16,
    /// Stripe's time, in unix seconds.
    pub at: Option<i64>,
    /// The version it answers in.
    pub version: Option<String>,
}

/// An event that Stripe made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeEvent {
    pub id: String,
    pub kind: String,
    /// Unix seconds.
    pub created: i64,
}

impl Gateway {
    /// Asks once.
    pub async fn probe(&self) -> Result<Probe, CallError> {
        self.transport.probe(RequestBuilder::new(StripeMethod::Get, "/account")).await
    }

    /// The newest events, newest first.
    pub async fn newest_events(&self, most: i64) -> Result<Vec<MadeEvent>, CallError> {
        let page = self.send(&ListEvent::new().limit(most)).await?;
        let made = page.data.into_iter().map(|event| MadeEvent {
            id: event.id.to_string(),
            kind: event.type_.to_string(),
            created: event.created,
        });
        Ok(made.collect())
    }
}
