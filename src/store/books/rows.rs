//! How the rows of the books are read.

use crate::domain::books::{Dispute, Payment, PaymentStatus, PledgeEntry, Refund};
use crate::domain::facts::{Fact, Links, Object, ObjectKind};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(super) struct ObjectRow {
    object_id: String,
    kind: String,
    pledge_id: Option<String>,
    payment_intent_id: Option<String>,
    charge_id: Option<String>,
    invoice_id: Option<String>,
    subscription_id: Option<String>,
    customer_id: Option<String>,
    donor_id: Option<String>,
    fact: String,
}

impl ObjectRow {
    pub fn read(self) -> Result<Object, StoreError> {
        let corrupt = |what| StoreError::Corrupt { what };
        let fact: Fact = serde_json::from_str(&self.fact).map_err(|_| corrupt("stripe_objects.fact"))?;
        Ok(Object {
            id: self.object_id,
            kind: ObjectKind::parse(&self.kind).ok_or(corrupt("stripe_objects.kind"))?,
            links: Links {
                pledge: self.pledge_id,
                payment_intent: self.payment_intent_id,
                charge: self.charge_id,
                invoice: self.invoice_id,
                subscription: self.subscription_id,
                customer: self.customer_id,
            },
            donor_id: self.donor_id,
            fact,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct PledgeRow {
    id: String,
    campaign: String,
    source: String,
    frequency: String,
    status: String,
    given_up_at: Option<i64>,
    settled_at: Option<i64>,
    paid_at: Option<i64>,
    ended_at: Option<i64>,
    paid_after_end_at: Option<i64>,
    spent_at: Option<i64>,
    stripe_subscription_id: Option<String>,
    stripe_customer_id: Option<String>,
    donor_id: Option<String>,
    forgotten_at: Option<i64>,
}

impl PledgeRow {
    pub fn read(self) -> Result<PledgeEntry, StoreError> {
        let corrupt = |what| StoreError::Corrupt { what };
        Ok(PledgeEntry {
            frequency: Frequency::parse(&self.frequency).ok_or(corrupt("pledges.frequency"))?,
            status: PledgeStatus::parse(&self.status).ok_or(corrupt("pledges.status"))?,
            id: self.id,
            campaign: self.campaign,
            source: self.source,
            given_up: self.given_up_at.is_some(),
            settled_at: self.settled_at,
            paid_at: self.paid_at,
            ended_at: self.ended_at,
            paid_after_end_at: self.paid_after_end_at,
            spent_at: self.spent_at,
            stripe_subscription_id: self.stripe_subscription_id,
            stripe_customer_id: self.stripe_customer_id,
            donor_id: self.donor_id,
            forgotten: self.forgotten_at.is_some(),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct PaymentRow {
    stripe_key: String,
    pledge_id: String,
    status: String,
    amount_minor: i64,
    currency: String,
    succeeded_at: Option<i64>,
    day: Option<i64>,
    failed_at: Option<i64>,
    stripe_charge_id: Option<String>,
    stripe_balance_transaction_id: Option<String>,
}

impl PaymentRow {
    pub fn read(self) -> Result<Payment, StoreError> {
        Ok(Payment {
            status: PaymentStatus::parse(&self.status).ok_or(StoreError::Corrupt { what: "payments.status" })?,
            stripe_key: self.stripe_key,
            pledge_id: self.pledge_id,
            amount_minor: self.amount_minor,
            currency: self.currency,
            succeeded_at: self.succeeded_at,
            day: self.day,
            failed_at: self.failed_at,
            stripe_charge_id: self.stripe_charge_id,
            stripe_balance_transaction_id: self.stripe_balance_transaction_id,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct RefundRow {
    stripe_refund_id: String,
    stripe_key: String,
    status: String,
    amount_minor: i64,
    counted_minor: i64,
    currency: String,
    created_at: i64,
    day: i64,
}

impl RefundRow {
    pub fn read(self) -> Refund {
        Refund {
            stripe_refund_id: self.stripe_refund_id,
            stripe_key: self.stripe_key,
            status: self.status,
            amount_minor: self.amount_minor,
            counted_minor: self.counted_minor,
            currency: self.currency,
            created_at: self.created_at,
            day: self.day,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct DisputeRow {
    stripe_dispute_id: String,
    stripe_key: String,
    status: String,
    amount_minor: i64,
    counted_minor: i64,
    currency: String,
    withdrawn_at: Option<i64>,
    withdrawn_day: Option<i64>,
    reinstated_at: Option<i64>,
    reinstated_day: Option<i64>,
}

impl DisputeRow {
    pub fn read(self) -> Dispute {
        Dispute {
            stripe_dispute_id: self.stripe_dispute_id,
            stripe_key: self.stripe_key,
            status: self.status,
            amount_minor: self.amount_minor,
            counted_minor: self.counted_minor,
            currency: self.currency,
            withdrawn_at: self.withdrawn_at,
            withdrawn_day: self.withdrawn_day,
            reinstated_at: self.reinstated_at,
            reinstated_day: self.reinstated_day,
        }
    }
}
