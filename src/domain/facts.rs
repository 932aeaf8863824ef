//! What Stripe last told us of each of its objects, reduced to money, states and links.
//!
//! Events arrive late, twice and in any order. So an object's fact is a join of everything heard of it: the newest
//! snapshot wins, links once known are kept, and evidence (when money moved, what failed) keeps its earliest time. The
//! join is commutative, associative and idempotent, so every order of the same events ends in the same facts.

use serde::{Deserialize, Serialize};

use super::pledge::words;

mod state;

pub use state::{Billing, Pending, State};

words! {
    /// The kinds of Stripe objects that facts are kept of.
    ObjectKind {
        Session = "checkout_session",
        PaymentIntent = "payment_intent",
        Charge = "charge",
        Refund = "refund",
        Dispute = "dispute",
        Invoice = "invoice",
        InvoicePayment = "invoice_payment",
        Subscription = "subscription",
        Schedule = "subscription_schedule",
        Customer = "customer",
    }
}

impl ObjectKind {
    /// The value of Stripe's `object` field.
    pub fn from_stripe(object: &str) -> Option<Self> {
        match object {
            "checkout.session" => Some(Self::Session),
            other => Self::parse(other).filter(|kind| *kind != Self::Session),
        }
    }
}

/// One Stripe object as far as we know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub id: String,
    pub kind: ObjectKind,
    pub links: Links,
    /// The donor whose address the newest snapshot that has one names.
    pub donor_id: Option<String>,
    pub fact: Fact,
}

/// The other objects it names. A link once known stays known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    pub pledge: Option<String>,
    pub payment_intent: Option<String>,
    pub charge: Option<String>,
    pub invoice: Option<String>,
    pub subscription: Option<String>,
    pub customer: Option<String>,
}

/// The newest snapshot, and all evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub snapshot: Snapshot,
    pub state: State,
    /// The states that updates to this one are known to have come from, where Stripe said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<State>,
    /// Other snapshots as new as this one (Stripe's times are whole seconds), which this one is known to follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Sighting>,
    #[serde(flatten)]
    pub evidence: Evidence,
    /// Stripe's time of the snapshot that named the donor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub donor_as_of: Option<i64>,
}

/// How snapshots of one object are ordered; the greater is the newer. Fields compare from the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Terminal states never regress, whatever their time says.
    pub grade: u8,
    /// Stripe's time of the event, or the last whole second before the answer it was fetched by.
    pub at: i64,
    /// Within one second: `*.created`, then updates, then endings.
    pub step: u8,
    /// Within one step: how far along the status is.
    pub rank: u8,
    /// The event it was seen in.
    pub event: String,
}

/// A state and the event that showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    pub state: State,
    pub event: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<State>,
}

/// What once seen stays seen: the earliest Stripe time of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// It brought its money; of a refund: it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<i64>,
    /// An attempt on it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<i64>,
    /// It was ended: a subscription, a payment intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// A dispute took its money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<i64>,
    /// A dispute gave its money back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinstated_at: Option<i64>,
    /// A charge was seen to be refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<i64>,
    /// The most that a charge was seen to be refunded by. Refunds that failed count in it: they are known by themselves.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refunded_minor: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// More snapshots of one object within one second than this are not told apart by what each came from.
const MAX_RIVALS: usize = 8;

impl Snapshot {
    fn order(&self) -> (u8, i64, u8, u8) {
        (self.grade, self.at, self.step, self.rank)
    }
}

impl Object {
    /// Takes in what else was heard of the same object.
    pub fn join(&mut self, other: Self) {
        debug_assert_eq!(self.id, other.id, "only facts of one object are joined");
        self.links.join(other.links);
        // The newest snapshot that names a donor; of two in one second the same one whichever came first.
        if (other.fact.donor_as_of, &other.donor_id) > (self.fact.donor_as_of, &self.donor_id) {
            self.fact.donor_as_of = other.fact.donor_as_of;
            self.donor_id = other.donor_id;
        }
        self.fact.join(other.fact);
    }
}

impl Fact {
    fn join(&mut self, other: Self) {
        self.evidence.join(&other.evidence);
        match other.snapshot.order().cmp(&self.snapshot.order()) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Greater => {
                self.snapshot = other.snapshot;
                self.state = other.state;
                self.after = other.after;
                self.rivals = other.rivals;
            }
            std::cmp::Ordering::Equal => self.join_equally_new(&other),
        }
    }

    /// Two snapshots of one second: the one that says it came from the other is the newer.
    fn join_equally_new(&mut self, other: &Self) {
        let mut sightings = self.sightings();
        other.sightings().into_iter().for_each(|sighting| take_in(&mut sightings, sighting));
        sightings.sort_by(|one, two| one.event.cmp(&two.event));
        let newest = newest(&sightings).unwrap_or(sightings.len() - 1);
        let Sighting { state, event, after } = sightings.remove(newest);
        (self.state, self.snapshot.event, self.after, self.rivals) = (state, event, after, sightings);
    }

    /// Whether it is known which snapshot is the newest. Where it is not, only Stripe can tell.
    pub fn is_settled(&self) -> bool {
        self.rivals.is_empty() || (self.rivals.len() < MAX_RIVALS && newest(&self.sightings()).is_some())
    }

    /// This snapshot and its rivals.
    fn sightings(&self) -> Vec<Sighting> {
        let own = Sighting { state: self.state.clone(), event: self.snapshot.event.clone(), after: self.after.clone() };
        std::iter::once(own).chain(self.rivals.iter().cloned()).collect()
    }
}

/// One sighting a state: of several the first event, and all that any of them came from.
fn take_in(sightings: &mut Vec<Sighting>, new: Sighting) {
    let Some(known) = sightings.iter_mut().find(|known| known.state == new.state) else {
        return sightings.push(new);
    };
    known.event = std::mem::take(&mut known.event).min(new.event);
    known.after.extend(new.after);
    known.after.sort();
    known.after.dedup();
}

/// The place of the one state that no other came from.
fn newest(sightings: &[Sighting]) -> Option<usize> {
    let is_last = |(_, one): &(usize, &Sighting)| !sightings.iter().any(|other| other.after.contains(&one.state));
    let mut last = sightings.iter().enumerate().filter(is_last).map(|(place, _)| place);
    last.next().filter(|_| last.next().is_none())
}

impl Evidence {
    fn join(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.succeeded_at, other.succeeded_at),
            (&mut self.failed_at, other.failed_at),
            (&mut self.ended_at, other.ended_at),
            (&mut self.withdrawn_at, other.withdrawn_at),
            (&mut self.reinstated_at, other.reinstated_at),
            (&mut self.refunded_at, other.refunded_at),
        ] {
            *mine = earliest(*mine, theirs);
        }
        self.refunded_minor = self.refunded_minor.max(other.refunded_minor);
    }
}

impl Links {
    fn join(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.pledge, other.pledge),
            (&mut self.payment_intent, other.payment_intent),
            (&mut self.charge, other.charge),
            (&mut self.invoice, other.invoice),
            (&mut self.subscription, other.subscription),
            (&mut self.customer, other.customer),
        ] {
            // Links do not change at Stripe; should one, every order of events still agrees on one.
            *mine = match (mine.take(), theirs) {
                (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
                (mine, theirs) => mine.or(theirs),
            };
        }
    }
}

/// The earlier of two times, where known.
pub fn earliest(one: Option<i64>, two: Option<i64>) -> Option<i64> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    }
}

#[cfg(test)]
mod tests;
