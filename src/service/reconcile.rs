//! Making the books agree with what was heard: one transaction for many events.
//!
//! Everything slow (opening, decoding, fetching, sealing) is done before; the transaction only loads, computes and writes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::later::{DONOR_INDEX, REMINDER_INDEX};
use crate::clock::Clock;
use crate::domain::books::Books;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventState, News};
use crate::id::{DonorId, Random};
use crate::store::{NewDonor, Store, StoreError, Tx};
use crate::vault::{DataKey, IndexKey, Place, Sealer, VaultError};

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
        let met = donors.meet(&mut tx, &self.random).await?;
        let mut news = Vec::with_capacity(events.len());
        for (event, outcome) in events {
            match outcome {
                Outcome::Said(said) => {
                    for said in said {
                        let mut object = said.object.clone();
                        object.donor_id =
                            said.email.as_ref().and_then(|email| met.get(email)).map(|(donor, _)| donor.id.clone());
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
        let forgotten = of_the_forgotten(&books, events);
        let unnamed = books.donors_unnamed();
        let named: HashSet<String> = books.donors_heard_of().map(str::to_owned).collect();
        donors.note(&mut tx, met.values().filter(|(donor, whole)| !whole && named.contains(&donor.id)), now).await?;
        let changes = books.settle(&self.zone, now);
        tx.write_changes(&changes, &self.random).await?;
        for (subscription, at) in changes.ended_subscriptions() {
            tx.ends_at_stripe(subscription, at, now).await?;
        }
        let payments: Vec<String> = changes.payments.iter().map(|payment| payment.stripe_key.clone()).collect();
        let pledges: Vec<String> = changes.pledges.iter().map(|pledge| pledge.id.clone()).collect();
        tx.end_reminders_of_givers(&payments, &pledges, now).await?;
        tx.settle_events(&applied, token, EventState::Applied, None, now).await?;
        for (why, events) in ignored {
            tx.settle_events(&events, token, EventState::Ignored, Some(why), now).await?;
        }
        tx.delete_bodies(&forgotten).await?;
        // Somebody who was known by nothing but what is now found to be of a forgotten pledge.
        tx.forget_strangers(&unnamed, now).await?;
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

    /// The addresses the batch names, and a data key for them.
    fn donors(&self, events: &[(String, Outcome)]) -> Result<Donors, VaultError> {
        let mut addresses = BTreeMap::new();
        for (_, outcome) in events {
            let Outcome::Said(news) = outcome else { continue };
            for email in news.iter().filter_map(|news| news.email.as_ref()) {
                addresses.entry(email.clone()).or_insert_with(|| {
                    // As reminders are found; whatever is no address asks for none.
                    let address = EmailAddress::parse(email);
                    let normal = address.as_ref().map_or(email.as_str(), EmailAddress::normal);
                    let reminder_index = self.index.of(REMINDER_INDEX, normal);
                    Indexes { email_index: self.index.of(DONOR_INDEX, email), reminder_index }
                });
            }
        }
        let key = if addresses.is_empty() { None } else { Some(self.sealer.data_key()?) };
        Ok(Donors { addresses, key })
    }
}

/// The events that tell of forgotten pledges: what they say of donors is not kept.
fn of_the_forgotten<'e>(books: &Books, events: &'e [(String, Outcome)]) -> Vec<&'e str> {
    let tells = |outcome: &Outcome| matches!(outcome, Outcome::Said(news) if news.iter().any(|news| books.forgets(&news.object.id)));
    events.iter().filter(|(_, outcome)| tells(outcome)).map(|(event, _)| event.as_str()).collect()
}

/// What an address is found by.
struct Indexes {
    email_index: String,
    reminder_index: String,
}

/// Addresses of a batch. One is sealed only once it is known that it is to be kept.
struct Donors {
    addresses: BTreeMap<String, Indexes>,
    key: Option<DataKey>,
}

/// A donor, and the address they are known by.
#[derive(Debug, Clone)]
struct Met {
    id: String,
    email: String,
    /// Whether there is a row already.
    known: bool,
}

impl Donors {
    /// Who these are: donors who are there, or would be under a new id; each with whether nothing is to be noted.
    async fn meet(&self, tx: &mut Tx, random: &Random) -> Result<HashMap<String, (Met, bool)>, StoreError> {
        let indexes: Vec<String> = self.addresses.values().map(|indexes| indexes.email_index.clone()).collect();
        let known = tx.donors_known(&indexes).await?;
        // Spellings that differ in case alone are one address.
        let mut fresh: HashMap<&str, String> = HashMap::new();
        let mut met = HashMap::new();
        for (email, indexes) in &self.addresses {
            let (id, whole, known) = if let Some(donor) = known.get(&indexes.email_index) {
                (donor.id.clone(), donor.whole, true)
            } else {
                let new = || DonorId::new(random).to_string();
                (fresh.entry(&indexes.email_index).or_insert_with(new).clone(), false, false)
            };
            met.insert(email.clone(), (Met { id, email: email.clone(), known }, whole));
        }
        Ok(met)
    }

    /// Stores those of whom something is to be noted.
    async fn note(&self, tx: &mut Tx, met: impl Iterator<Item = &(Met, bool)>, now: i64) -> Result<(), ReconcileError> {
        let mut by_id: BTreeMap<&str, &Met> = BTreeMap::new();
        for (donor, _) in met {
            let first = by_id.entry(&donor.id).or_insert(donor);
            if donor.email < first.email {
                *first = donor;
            }
        }
        let (mut new, mut again) = (Vec::new(), Vec::new());
        for (id, donor) in by_id {
            let (Some(indexes), Some(key)) = (self.addresses.get(&donor.email), &self.key) else { continue };
            let place = Place { table: "donors", column: "email_sealed", id };
            let row = NewDonor {
                id: id.to_owned(),
                email_index: indexes.email_index.clone(),
                reminder_index: indexes.reminder_index.clone(),
                email_sealed: key.seal(place, donor.email.as_bytes())?,
            };
            if donor.known { &mut again } else { &mut new }.push(row);
        }
        tx.insert_donors(&new, now).await?;
        for donor in &again {
            tx.meet_again(donor).await?;
        }
        Ok(())
    }
}
