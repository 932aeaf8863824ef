//! What Stripe last told us of each of its objects, reduced to money, states and links.
//!
//! Events arrive late, twice and in any order. So an object's fact is a join of everything heard of it: the greatest
//! snapshot wins, links once known are kept, and evidence of success or failure keeps its earliest time. The join is
//! commutative, associative and idempotent, so every order of the same events ends in the same facts.

use serde::{Deserialize, Serialize};

use super::pledge::words;

words! {
    /// The kinds of Stripe objects that facts are kept of.
    ObjectKind {
        Session = "checkout_session",
        PaymentIntent = "payment_intent",
        Charge = "charge",
        Invoice = "invoice",
        InvoicePayment = "invoice_payment",
        Subscription = "subscription",
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
    pub invoice: Option<String>,
    pub subscription: Option<String>,
    pub customer: Option<String>,
}

/// The newest snapshot, and the earliest evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub snapshot: Snapshot,
    pub state: State,
    /// Earliest Stripe time at which it was seen to have brought its money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<i64>,
    /// Earliest Stripe time at which an attempt on it was seen to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<i64>,
    /// Stripe's time of the snapshot that named the donor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub donor_as_of: Option<i64>,
}

/// How snapshots of one object are ordered; the greater is the newer. Fields compare from the top.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Snapshot {
    /// Terminal states never regress, whatever their time says.
    pub grade: u8,
    /// Stripe's time of the event, or of the answer it was fetched by.
    pub at: i64,
    /// Within one second: `*.created`, then updates, then endings.
    pub step: u8,
    /// Within one step: how far along the status is.
    pub rank: u8,
    /// The event, so that the order is total.
    pub event: String,
}

/// What a snapshot says. Texts are Stripe's own words, since Stripe adds to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum State {
    Session {
        status: String,
        payment_status: String,
        amount_minor: i64,
        currency: String,
    },
    PaymentIntent {
        status: String,
        amount_minor: i64,
        received_minor: i64,
        currency: String,
    },
    Charge {
        status: String,
        amount_minor: i64,
        currency: String,
        balance_transaction: Option<String>,
    },
    Invoice {
        status: String,
        due_minor: i64,
        paid_minor: i64,
        currency: String,
    },
    InvoicePayment {
        status: String,
    },
    Subscription {
        status: String,
        paused: bool,
        cancel_at_period_end: bool,
        cancel_at: Option<i64>,
        period_end: Option<i64>,
        amount_minor: Option<i64>,
        interval: Option<String>,
    },
    Customer {
        deleted: bool,
    },
}

impl State {
    /// (grade, rank) of [`Snapshot`].
    pub fn order(&self) -> (u8, u8) {
        match self {
            Self::Session { status, payment_status, .. } => match (status.as_str(), payment_status.as_str()) {
                ("complete", "unpaid") => (2, 0),
                ("complete", _) => (3, 0),
                // A late `completed` after `expired`: the money wins.
                ("expired", _) => (1, 0),
                _ => (0, 0),
            },
            Self::PaymentIntent { status, .. } => match status.as_str() {
                "succeeded" => (2, 0),
                "canceled" => (1, 0),
                "requires_capture" => (0, 4),
                "processing" => (0, 3),
                "requires_action" => (0, 2),
                "requires_confirmation" => (0, 1),
                _ => (0, 0),
            },
            Self::Charge { status, balance_transaction, .. } => match status.as_str() {
                "succeeded" => (2, u8::from(balance_transaction.is_some())),
                "failed" => (1, 0),
                _ => (0, 0),
            },
            Self::Invoice { status, .. } => match status.as_str() {
                "paid" => (4, 0),
                "void" => (3, 0),
                "uncollectible" => (2, 0),
                "open" => (1, 0),
                _ => (0, 0),
            },
            Self::InvoicePayment { status } => match status.as_str() {
                "paid" => (2, 0),
                "canceled" => (1, 0),
                _ => (0, 0),
            },
            Self::Subscription { status, .. } => match status.as_str() {
                "canceled" | "incomplete_expired" => (1, 0),
                "incomplete" => (0, 0),
                _ => (0, 1),
            },
            Self::Customer { deleted } => (u8::from(*deleted), 0),
        }
    }
}

impl Object {
    /// Takes in what else was heard of the same object.
    pub fn join(&mut self, other: Self) {
        debug_assert_eq!(self.id, other.id, "only facts of one object are joined");
        self.links.join(other.links);
        self.fact.succeeded_at = earliest(self.fact.succeeded_at, other.fact.succeeded_at);
        self.fact.failed_at = earliest(self.fact.failed_at, other.fact.failed_at);
        // The newest snapshot that names a donor; of two in one second the same one whichever came first.
        if (other.fact.donor_as_of, &other.donor_id) > (self.fact.donor_as_of, &self.donor_id) {
            self.fact.donor_as_of = other.fact.donor_as_of;
            self.donor_id = other.donor_id;
        }
        if other.fact.snapshot > self.fact.snapshot {
            self.fact.snapshot = other.fact.snapshot;
            self.fact.state = other.fact.state;
        }
    }
}

impl Links {
    fn join(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.pledge, other.pledge),
            (&mut self.payment_intent, other.payment_intent),
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
mod tests {
    use super::*;

    fn invoice(at: i64, status: &str, event: &str) -> Object {
        let state = State::Invoice {
            status: status.to_owned(),
            due_minor: 200,
            paid_minor: if status == "paid" { 200 } else { 0 },
            currency: "EUR".to_owned(),
        };
        let (grade, rank) = state.order();
        Object {
            id: "in_1".to_owned(),
            kind: ObjectKind::Invoice,
            links: Links { customer: (at > 10).then(|| "cus_1".to_owned()), ..Links::default() },
            donor_id: None,
            fact: Fact {
                snapshot: Snapshot { grade, at, step: 1, rank, event: event.to_owned() },
                state,
                succeeded_at: (status == "paid").then_some(at),
                failed_at: None,
                donor_as_of: None,
            },
        }
    }

    #[test]
    fn every_order_of_the_same_snapshots_ends_in_the_same_fact() {
        // Stripe's own first invoice is draft, open and paid within one second.
        let heard = [
            invoice(10, "draft", "evt_3"),
            invoice(10, "open", "evt_2"),
            invoice(10, "paid", "evt_1"),
            invoice(12, "open", "evt_4"),
        ];
        let joined = |order: [usize; 4]| {
            let mut object = heard[order[0]].clone();
            order[1..].iter().for_each(|n| object.join(heard[*n].clone()));
            object.join(heard[order[1]].clone());
            object
        };
        let expected = joined([0, 1, 2, 3]);
        assert_eq!(expected.fact.state, heard[2].fact.state);
        assert_eq!(expected.links.customer.as_deref(), Some("cus_1"));
        for order in [[3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [0, 2, 3, 1]] {
            assert_eq!(joined(order), expected, "{order:?}");
        }
    }
}
