//! What truly moved: the sandbox's own books, to hold the product's reports against.
//!
//! It must not be read from the objects. Invariant: an entry is written once, when its money moves, and never changed.

use std::collections::BTreeMap;

/// Which way money went, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Payment,
    Refund,
    /// A refund that failed: its money came back.
    RefundFailed,
    Dispute,
    /// A dispute that was won: its money came back.
    DisputeWon,
}

/// One movement of money, positive in the direction its [`Flow`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unix seconds.
    pub at: i64,
    /// Of a refund that failed: when it had been made. Unix seconds.
    pub undone_at: Option<i64>,
    pub flow: Flow,
    /// Lower case, as Stripe writes it.
    pub currency: String,
    pub amount_minor: i64,
    pub fee_minor: i64,
    /// `month` or `year` for a subscription's payment.
    pub interval: Option<String>,
    pub charge: String,
}

/// Sums of one currency on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub payments: i64,
    pub payments_minor: i64,
    /// Net of failed ones.
    pub refunds_minor: i64,
    /// Net of won ones.
    pub disputes_minor: i64,
    pub fees_minor: i64,
}

/// What of the account's balance moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Payment,
    /// Given back, or come back because it could not be given.
    Refund,
    /// Taken by a bank, or returned by it.
    Dispute,
    /// Nothing of a payment's: a payout, a fee of Stripe's for something else.
    Account,
}

/// One line of the account's balance, in the currency it was settled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Unix seconds.
    pub at: i64,
    pub part: Part,
    /// Lower case, as Stripe writes it.
    pub currency: String,
    /// Negative when money left.
    pub amount_minor: i64,
    pub fee_minor: i64,
    /// The charge behind it, if one is.
    pub charge: Option<String>,
}

/// All movements so far, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    pub entries: Vec<Entry>,
    /// What of it the account's balance shows. A payment is in it once Stripe has worked out its fee.
    pub settled: Vec<Settled>,
}

impl Ledger {
    /// Totals by currency and day (20261123) in a time zone. A refund that failed was none on the day it was made; a
    /// dispute gives back on the day it was won.
    #[must_use]
    pub fn daily(&self, zone: &jiff::tz::TimeZone) -> BTreeMap<(String, i64), Totals> {
        let mut days: BTreeMap<(String, i64), Totals> = BTreeMap::new();
        for entry in &self.entries {
            days.entry((entry.currency.clone(), day(entry.undone_at.unwrap_or(entry.at), zone)))
                .or_default()
                .add(entry);
        }
        days
    }

    /// Totals by currency.
    #[must_use]
    pub fn by_currency(&self) -> BTreeMap<String, Totals> {
        let mut all: BTreeMap<String, Totals> = BTreeMap::new();
        for entry in &self.entries {
            all.entry(entry.currency.clone()).or_default().add(entry);
        }
        all
    }
}

impl Totals {
    fn add(&mut self, entry: &Entry) {
        match entry.flow {
            Flow::Payment => {
                self.payments += 1;
                self.payments_minor += entry.amount_minor;
            }
            Flow::Refund => self.refunds_minor += entry.amount_minor,
            Flow::RefundFailed => self.refunds_minor -= entry.amount_minor,
            Flow::Dispute => self.disputes_minor += entry.amount_minor,
            Flow::DisputeWon => self.disputes_minor -= entry.amount_minor,
        }
        self.fees_minor += entry.fee_minor;
    }
}

fn day(at: i64, zone: &jiff::tz::TimeZone) -> i64 {
    let date = jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(zone.clone()).date();
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}
