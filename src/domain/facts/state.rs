//! What one snapshot of a Stripe object says to us, and how far along it is.

use serde::{Deserialize, Serialize};

/// What a snapshot says. Texts are Stripe's own words, since Stripe adds to them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    Refund {
        status: String,
        amount_minor: i64,
        currency: String,
    },
    Dispute {
        status: String,
        amount_minor: i64,
        currency: String,
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
        /// For one interval: each item's price times its quantity.
        amount_minor: Option<i64>,
        #[serde(default)]
        currency: String,
        interval: Option<String>,
        #[serde(default, skip_serializing_if = "Billing::is_unknown")]
        billing: Billing,
    },
    /// What holds a subscription to change it at the end of its period.
    Schedule {
        status: String,
        next: Option<Pending>,
    },
    Customer {
        deleted: bool,
    },
}

/// How the days of a subscription are counted, and what holds them up.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Billing {
    /// From when on periods are counted.
    pub anchor: Option<i64>,
    /// When a pause ends by itself.
    pub resumes_at: Option<i64>,
    /// `sub_sched_…`
    pub schedule: Option<String>,
}

impl Billing {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// What a subscription is to bring from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pending {
    pub at: i64,
    pub amount_minor: i64,
    /// Stripe's word.
    pub interval: String,
}

impl State {
    /// (grade, rank) of [`super::Snapshot`].
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
            // A refund may fail days after it succeeded; what failed stays so.
            Self::Refund { status, .. } => match status.as_str() {
                "failed" | "canceled" => (2, 0),
                "succeeded" => (1, 0),
                "pending" => (0, 1),
                _ => (0, 0),
            },
            Self::Dispute { status, .. } => (u8::from(matches!(status.as_str(), "won" | "lost")), 0),
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
            Self::Schedule { status, .. } => (u8::from(!matches!(status.as_str(), "active" | "not_started")), 0),
            Self::Customer { deleted } => (u8::from(*deleted), 0),
        }
    }
}
