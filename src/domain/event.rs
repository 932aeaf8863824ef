//! Stripe's events as the inbox keeps them, and which of them say anything to us.

use super::facts::Object;

/// The API version every event and answer is read in.
pub const API_VERSION: &str = "2026-09-30.endive";

/// The event types we act on, and have Stripe send; all others are kept and ignored.
pub const HANDLED: [&str; 42] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.processing",
    "charge.succeeded",
    "charge.updated",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    // What `refund.updated` was called before; it holds the refund.
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "invoice.created",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.finalized",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice_payment.paid",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "subscription_schedule.updated",
    "subscription_schedule.released",
    "subscription_schedule.canceled",
    "customer.created",
    "customer.updated",
    "customer.deleted",
];

/// The kind of an inbox row that holds an object as Stripe's lists or an answer showed it. No event of Stripe's is called so.
pub const SEEN: &str = "mainstay.object";

/// Whether an event of this type is acted on. A thin event of a snapshot type is called `v1.` and the type.
pub fn is_handled(kind: &str) -> bool {
    kind == SEEN || HANDLED.contains(&kind.strip_prefix("v1.").unwrap_or(kind))
}

/// Where a stored event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    Received,
    Applied,
    Ignored,
    Parked,
}

impl EventState {
    pub const ALL: [Self; 4] = [Self::Received, Self::Applied, Self::Ignored, Self::Parked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
        }
    }
}

/// What the row of an event needs; everything else stays sealed in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `evt_…`, `sha256_<hex>` of a body that is no event, `seen_<id>_<time>` or
    /// `adopted_<id>_<time>` of an object that was read at Stripe.
    pub id: String,
    /// Stripe's event type, empty for a body that is no event.
    pub kind: String,
    pub object_id: Option<String>,
    pub api_version: Option<String>,
    pub livemode: Option<bool>,
    pub created: Option<i64>,
}

impl Envelope {
    /// Of an object that Stripe showed at `at`, in unix seconds.
    pub fn of_object(object_id: &str, livemode: Option<bool>, at: i64) -> Self {
        Self::of_shown("seen", object_id, livemode, at)
    }

    /// Of an object that Stripe showed at `at` and that is taken over: another row, since it says to whom it belongs.
    pub fn of_adopted(object_id: &str, livemode: Option<bool>, at: i64) -> Self {
        Self::of_shown("adopted", object_id, livemode, at)
    }

    fn of_shown(how: &str, object_id: &str, livemode: Option<bool>, at: i64) -> Self {
        Self {
            id: format!("{how}_{object_id}_{at}"),
            kind: SEEN.to_owned(),
            object_id: Some(object_id.to_owned()),
            api_version: Some(API_VERSION.to_owned()),
            livemode,
            created: Some(at),
        }
    }
}

/// What an event says to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nothing; the reason is for people.
    Nothing(&'static str),
    /// It is written in another version of the API: the object must be fetched.
    Fetch {
        /// Stripe's id of the object.
        object_id: String,
    },
    /// The object's new fact.
    Said(Box<News>),
}

/// One object as one event showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub object: Object,
    /// The donor's address, if the snapshot names one. Never stored unsealed.
    pub email: Option<String>,
}
