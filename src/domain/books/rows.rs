//! The rows that are derived from facts, and how they add up to the day's revenue.

use std::collections::BTreeMap;

use crate::domain::facts::{Object, State};
use crate::domain::pledge::{Frequency, PledgeStatus, words};

words! {
    /// How a payment stands.
    PaymentStatus {
        Pending = "pending",
        Processing = "processing",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
}

/// What the books need of a pledge, and what they decide about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PledgeEntry {
    pub id: String,
    pub campaign: String,
    pub source: String,
    pub frequency: Frequency,
    /// Whether we found that no checkout session was ever made.
    pub given_up: bool,
    pub status: PledgeStatus,
    pub settled_at: Option<i64>,
    pub paid_at: Option<i64>,
    pub ended_at: Option<i64>,
    /// When money last came after it had ended: somebody has to look.
    pub paid_after_end_at: Option<i64>,
    /// When so many attempts had failed that its checkout is to be ended.
    pub spent_at: Option<i64>,
    pub stripe_subscription_id: Option<String>,
    pub stripe_customer_id: Option<String>,
    pub donor_id: Option<String>,
    /// Whether nothing may tell any more who gave it.
    pub forgotten: bool,
}

/// One attempt to move money: keyed by the invoice for recurring gifts, by the payment intent for one-time ones.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Payment {
    pub stripe_key: String,
    pub pledge_id: String,
    pub status: PaymentStatus,
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    pub succeeded_at: Option<i64>,
    /// The newsroom's day of `succeeded_at`.
    pub day: Option<i64>,
    /// When the first attempt on it failed, whatever came of it later.
    pub failed_at: Option<i64>,
    pub stripe_charge_id: Option<String>,
    pub stripe_balance_transaction_id: Option<String>,
}

/// Money given back, on the day the refund was made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refund {
    /// `re_…`, or the charge's id for what a charge says was refunded by refunds that are not known yet.
    pub stripe_refund_id: String,
    /// The payment's key.
    pub stripe_key: String,
    /// Stripe's word.
    pub status: String,
    pub amount_minor: i64,
    /// What counts: nothing of one that failed, and all refunds of a payment together at most the payment.
    pub counted_minor: i64,
    pub currency: String,
    pub created_at: i64,
    pub day: i64,
}

/// Money a donor's bank took back, and perhaps returned.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dispute {
    pub stripe_dispute_id: String,
    /// The payment's key.
    pub stripe_key: String,
    /// Stripe's word.
    pub status: String,
    pub amount_minor: i64,
    /// What counts on each of the days: nothing before the payment has succeeded.
    pub counted_minor: i64,
    pub currency: String,
    pub withdrawn_at: Option<i64>,
    pub withdrawn_day: Option<i64>,
    pub reinstated_at: Option<i64>,
    pub reinstated_day: Option<i64>,
}

/// Which line of the daily revenue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevenueKey {
    pub day: i64,
    pub currency: String,
    pub frequency: Frequency,
    pub campaign: String,
    pub source: String,
}

/// By how much a line of the daily revenue changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct RevenueChange {
    pub payments: i64,
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
}

impl RevenueChange {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            payments: self.payments.saturating_add(other.payments),
            gross_minor: self.gross_minor.saturating_add(other.gross_minor),
            refunds_minor: self.refunds_minor.saturating_add(other.refunds_minor),
            disputes_minor: self.disputes_minor.saturating_add(other.disputes_minor),
        }
    }

    /// What has to be added to `other` to come to this.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            payments: self.payments.saturating_sub(other.payments),
            gross_minor: self.gross_minor.saturating_sub(other.gross_minor),
            refunds_minor: self.refunds_minor.saturating_sub(other.refunds_minor),
            disputes_minor: self.disputes_minor.saturating_sub(other.disputes_minor),
        }
    }
}

/// The rows that are different now.
#[derive(Debug, Default)]
pub struct Changes {
    /// Objects that are new or name others than before.
    pub objects: Vec<Object>,
    /// Objects of which only the fact is different.
    pub facts: Vec<Object>,
    /// Subscriptions as single events showed them.
    pub versions: Vec<Object>,
    pub payments: Vec<Payment>,
    pub refunds: Vec<Refund>,
    /// Refunds known only from their charge until the refunds themselves were heard of.
    pub gone_refunds: Vec<String>,
    pub disputes: Vec<Dispute>,
    pub pledges: Vec<PledgeEntry>,
    pub revenue: Vec<(RevenueKey, RevenueChange)>,
    /// Pledges that are now known to have brought money after they ended.
    pub paid_after_end: Vec<String>,
    /// Pledges on whose checkouts too many attempts are now known to have failed.
    pub spent: Vec<String>,
}

impl Changes {
    /// The subscriptions of which something that was heard says that they are over, and when it was so.
    pub fn ended_subscriptions(&self) -> impl Iterator<Item = (&str, i64)> {
        let over = |version: &&Object| matches!(&version.fact.state, State::Subscription { status, .. } if status == "canceled" || status == "incomplete_expired");
        self.versions.iter().filter(over).map(|version| (version.id.as_str(), version.fact.snapshot.at))
    }

    /// Notes which rows of an account are new or different.
    pub(super) fn note(&mut self, before: &Account, after: &Account) {
        if before.payment != after.payment {
            self.payments.extend(after.payment.clone());
        }
        let refunds = after.refunds.values().filter(|row| before.refunds.get(&row.stripe_refund_id) != Some(row));
        self.refunds.extend(refunds.cloned());
        let gone = before.refunds.keys().filter(|id| !after.refunds.contains_key(*id));
        self.gone_refunds.extend(gone.cloned());
        let disputes = after.disputes.values().filter(|row| before.disputes.get(&row.stripe_dispute_id) != Some(row));
        self.disputes.extend(disputes.cloned());
    }
}

/// A payment with what went back of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub payment: Option<Payment>,
    pub refunds: BTreeMap<String, Refund>,
    pub disputes: BTreeMap<String, Dispute>,
}

/// Changes of the daily revenue, added up.
#[derive(Debug, Default)]
pub(super) struct Revenue(BTreeMap<RevenueKey, RevenueChange>);

impl Revenue {
    /// Adds (`sign` 1) or takes away (-1) what a payment and its reversals bring.
    pub fn count(&mut self, pledge: &PledgeEntry, account: &Account, sign: i64) {
        if let Some(Payment { status: PaymentStatus::Succeeded, day: Some(day), amount_minor, currency, .. }) =
            &account.payment
        {
            let line = self.line(pledge, *day, currency);
            line.payments += sign;
            add(&mut line.gross_minor, *amount_minor, sign);
        }
        for refund in account.refunds.values() {
            add(&mut self.line(pledge, refund.day, &refund.currency).refunds_minor, refund.counted_minor, sign);
        }
        for dispute in account.disputes.values() {
            for (day, sign) in [(dispute.withdrawn_day, sign), (dispute.reinstated_day, -sign)] {
                if let Some(day) = day {
                    let line = self.line(pledge, day, &dispute.currency);
                    add(&mut line.disputes_minor, dispute.counted_minor, sign);
                }
            }
        }
    }

    fn line(&mut self, pledge: &PledgeEntry, day: i64, currency: &str) -> &mut RevenueChange {
        let key = RevenueKey {
            day,
            currency: currency.to_owned(),
            frequency: pledge.frequency,
            campaign: pledge.campaign.clone(),
            source: pledge.source.clone(),
        };
        self.0.entry(key).or_default()
    }

    /// The lines that change.
    pub fn into_changes(self) -> Vec<(RevenueKey, RevenueChange)> {
        self.0.into_iter().filter(|(_, change)| *change != RevenueChange::default()).collect()
    }
}

fn add(sum: &mut i64, amount_minor: i64, sign: i64) {
    *sum = sum.saturating_add(amount_minor.saturating_mul(sign));
}
