//! Making the books agree with what was heard: one transaction for many events.
//!
//! Everything slow (opening, decoding, fetching, sealing) is done before; the transaction only loads, computes and writes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::later::{DONOR_INDEX, REMINDER_INDEX};
use crate::clock::Clock;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventState, News};
use crate::id::{DonorId, Random};
use crate::store::{NewDonor, Store, StoreError};
use crate::vault::{IndexKey, Place, Sealer, VaultError};

/// What an event of the batch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What it says, and what Stripe answered when it was asked because of it.
    Said(Vec<News>),
    Nothing(&'static str),
}

/// What reconciling needs.
#[derive(Clone, Debug)]
pub struct Reconciler {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub zone: TimeZone,
    pub sealer: Sealer,
    pub index: Arc<IndexKey>,
}

/// Why a batch was not reconciled. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Snapshots of these objects were made within one second, and only Stripe can say which is the newest.
    #[error("snapshots of one second contradict each other")]
    Unsettled(Vec<String>),
    /// `mainstay rebuild --time-zone` was run since this process started: its days would be of another zone.
    #[error("the time zone of this database has changed; this process must be restarted with the new one")]
    OtherZone,
}

impl ReconcileError {
    /// Whether the events are not to blame and the same may work later.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Store(error) => error.is_outage(),
            Self::OtherZone => true,
            Self::Vault(_) | Self::Unsettled(_) => false,
        }
    }

    /// What may be written down about it: never a value of a row.
    pub fn code(&self) -> String {
        match self {
            Self::Store(error) => error.code(),
            other => other.to_string(),
        }
    }
}

impl Reconciler {
    /// Applies a batch of events, held under the lease `token`, and marks them done; all or nothing.
    pub async fn apply(&self, token: &str, events: &[(String, Outcome)]) -> Result<(), ReconcileError> {
        let now = self.clock.now();
        let donors = self.donors(events)?;
        let mut applied: Vec<&str> = Vec::new();
        let mut ignored: HashMap<&'static str, Vec<&str>> = HashMap::new();
        let mut tx = self.store.begin().await?;
        if tx.take_turn().await?.is_some_and(|zone| Some(zone.as_str()) != self.zone.iana_name()) {
            return Err(ReconcileError::OtherZone);
        }
        let ids = tx.upsert_donors(&donors.values().cloned().collect::<Vec<_>>(), now).await?;
        let mut news = Vec::with_capacity(events.len());
        for (event, outcome) in events {
            match outcome {
                Outcome::Said(said) => {
                    for said in said {
                        let mut object = said.object.clone();
                        let donor = said.email.as_ref().and_then(|email| donors.get(email));
                        object.donor_id = donor.and_then(|donor| ids.get(&donor.email_index).cloned());
                        news.push(object);
                    }
                    applied.push(event);
                }
                Outcome::Nothing(why) => ignored.entry(why).or_default().push(event),
            }
        }
        let books = tx.load_books(news).await?;
        let unsettled = books.unsettled();
        if !unsettled.is_empty() {
            tx.rollback().await?;
            return Err(ReconcileError::Unsettled(unsettled));
        }
        let changes = books.settle(&self.zone, now);
        tx.write_changes(&changes, &self.random).await?;
        let payments: Vec<String> = changes.payments.iter().map(|payment| payment.stripe_key.clone()).collect();
        let pledges: Vec<String> = changes.pledges.iter().map(|pledge| pledge.id.clone()).collect();
        tx.end_reminders_of_givers(&payments, &pledges, now).await?;
        tx.settle_events(&applied, token, EventState::Applied, None, now).await?;
        for (why, events) in ignored {
            tx.settle_events(&events, token, EventState::Ignored, Some(why), now).await?;
        }
        crate::crash::passing("apply before commit");
        tx.commit().await?;
        crate::crash::passing("apply after commit");
        for pledge in &changes.spent {
            tracing::warn!(pledge, "too many attempts to pay have failed on a checkout; it is to be ended at Stripe");
        }
        for pledge in &changes.paid_after_end {
            tracing::error!(pledge, "money came for a pledge that had ended; somebody has to look at it");
        }
        Ok(())
    }

    /// The addresses the batch names, sealed under one data key.
    fn donors(&self, events: &[(String, Outcome)]) -> Result<HashMap<String, NewDonor>, VaultError> {
        let mut donors = HashMap::new();
        let mut key = None;
        for (_, outcome) in events {
            let Outcome::Said(news) = outcome else { continue };
            for email in news.iter().filter_map(|news| news.email.as_ref()) {
                if donors.contains_key(email) {
                    continue;
                }
                let key = match &mut key {
                    Some(key) => key,
                    none => none.insert(self.sealer.data_key()?),
                };
                let id = DonorId::new(&self.random);
                let place = Place { table: "donors", column: "email_sealed", id: id.as_str() };
                let email_sealed = key.seal(place, email.as_bytes())?;
                // As reminders are found; whatever is no address asks for none.
                let address = EmailAddress::parse(email);
                let normal = address.as_ref().map_or(email.as_str(), EmailAddress::normal);
                let reminder_index = self.index.of(REMINDER_INDEX, normal);
                let email_index = self.index.of(DONOR_INDEX, email);
                donors.insert(email.clone(), NewDonor { id, email_index, reminder_index, email_sealed });
            }
        }
        Ok(donors)
    }
}
