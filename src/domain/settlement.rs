//! What Stripe booked: lines of the account's balance, payouts, and where they and our books differ.
//!
//! Amounts are in the currency the account is settled in, which may be another than the donor's. A line belongs to a
//! payment of ours, to the account itself, or to somebody else's product on the same account (*foreign*).

use serde::Serialize;

use super::money::{Currency, Money};
use super::pledge::words;

/// Stripe may book a line a little later than the event that tells of its cause, and we may hear of the cause later than
/// we read the line. What is younger than this, in seconds, is not held against anything.
pub const GRACE: i64 = 3_600;

words! {
    /// What of a gift a line is.
    Part {
        Charge = "charge",
        Refund = "refund",
        Dispute = "dispute",
        /// Nothing of a gift's: a payout, a fee for something else.
        Account = "account",
    }
}

impl Part {
    /// By Stripe's reporting category; one that is new to us, by what caused the line.
    pub fn of(category: &str, source_id: Option<&str>) -> Self {
        match category {
            "charge" | "charge_failure" | "partial_capture_reversal" => Self::Charge,
            "refund" | "refund_failure" => Self::Refund,
            "dispute" | "dispute_reversal" => Self::Dispute,
            _ => match source_id.and_then(|id| id.split_once('_')).map(|(prefix, _)| prefix) {
                Some("ch" | "py") => Self::Charge,
                Some("re" | "pyr") => Self::Refund,
                Some("du" | "dp") => Self::Dispute,
                _ => Self::Account,
            },
        }
    }
}

/// One line of the account's balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `txn_…`
    pub id: String,
    /// Stripe's type.
    pub kind: String,
    pub category: String,
    pub part: Part,
    pub source_id: Option<String>,
    /// The charge that is behind it.
    pub charge_id: Option<String>,
    /// Before the fee; negative when money left.
    pub amount_minor: i64,
    pub fee_minor: i64,
    pub net_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    /// As Stripe wrote it.
    pub exchange_rate: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub available_at: i64,
    pub claim: Claim,
}

/// By what a line says whose it is, while its payment is not known. Not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The pledge that its charge names.
    pub pledge: Option<String>,
    pub customer: Option<String>,
}

/// Money that left for the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// `po_…`
    pub id: String,
    /// Stripe's word.
    pub status: String,
    /// By Stripe's schedule, rather than by somebody.
    pub automatic: bool,
    /// Stripe's word for whether it tells the lines.
    pub lines_known: String,
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Midnight UTC of the day the bank has it, in unix seconds.
    pub arrives_at: i64,
}

/// What a line of the daily settlement comes to. Its lines have the keys that those of the daily revenue have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SettlementSums {
    pub payments: i64,
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    pub fees_minor: i64,
    pub net_minor: i64,
}

impl SettlementSums {
    /// What has to be added to `other` to come to this.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            payments: self.payments.saturating_sub(other.payments),
            gross_minor: self.gross_minor.saturating_sub(other.gross_minor),
            refunds_minor: self.refunds_minor.saturating_sub(other.refunds_minor),
            disputes_minor: self.disputes_minor.saturating_sub(other.disputes_minor),
            fees_minor: self.fees_minor.saturating_sub(other.fees_minor),
            net_minor: self.net_minor.saturating_sub(other.net_minor),
        }
    }
}

words! {
    /// In which way our books and Stripe's differ.
    Fault {
        /// A payment that Stripe has not booked.
        PaymentUnbooked = "payment_unbooked",
        PaymentDiffers = "payment_differs",
        /// Stripe booked what must be a payment of ours, and our books do not have it.
        PaymentUnknown = "payment_unknown",
        RefundUnbooked = "refund_unbooked",
        RefundDiffers = "refund_differs",
        RefundUnknown = "refund_unknown",
        DisputeUnbooked = "dispute_unbooked",
        DisputeDiffers = "dispute_differs",
        DisputeUnknown = "dispute_unknown",
        /// An automatic payout that is not the sum of its lines.
        PayoutDiffers = "payout_differs",
        /// The subscription of a pledge that ended here: Stripe goes on charging it.
        SubscriptionRunsOn = "subscription_runs_on",
    }
}

/// What our books and Stripe's say of one payment, refund or dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    pub part: Part,
    pub object_id: String,
    /// The newsroom's day.
    pub day: i64,
    /// Our books' currency; the lines' where our books do not have it.
    pub currency: String,
    /// What our books say all its lines come to; `None` where they do not have it.
    pub expected_minor: Option<i64>,
    pub lines: i64,
    /// What its lines come to, whatever their currency.
    pub found_minor: i64,
    /// How many of them are in another currency.
    pub exchanged: i64,
    /// When anything of it last happened, in unix seconds.
    pub at: i64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    pub what: Fault,
    pub object_id: String,
    pub day: i64,
    pub currency: String,
    pub expected_minor: Option<i64>,
    pub found_minor: Option<i64>,
}

impl Sides {
    /// The difference, if there is one. `read_until` is the time up to which Stripe's lines were read.
    ///
    /// Of what was exchanged only that it is there is held, and that what came to nothing for us came to nothing there.
    pub fn differ(self, read_until: i64) -> Option<Break> {
        if self.at > read_until - GRACE {
            return None;
        }
        let (unbooked, differs, unknown) = match self.part {
            Part::Charge => (Fault::PaymentUnbooked, Fault::PaymentDiffers, Fault::PaymentUnknown),
            Part::Refund => (Fault::RefundUnbooked, Fault::RefundDiffers, Fault::RefundUnknown),
            Part::Dispute => (Fault::DisputeUnbooked, Fault::DisputeDiffers, Fault::DisputeUnknown),
            Part::Account => return None,
        };
        let what = match self.expected_minor {
            None => unknown,
            Some(0) if self.found_minor == 0 => return None,
            Some(_) if self.lines == 0 => unbooked,
            Some(expected) if expected != 0 && self.exchanged > 0 => return None,
            Some(expected) if expected == self.found_minor => return None,
            Some(_) => differs,
        };
        Some(Break {
            what,
            object_id: self.object_id,
            day: self.day,
            currency: self.currency,
            expected_minor: self.expected_minor,
            found_minor: (self.lines > 0).then_some(self.found_minor),
        })
    }
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let money = |minor: Option<i64>| {
            let currency = Currency::recorded(&self.currency).ok();
            match (minor, currency) {
                (None, _) => "nothing".to_owned(),
                (Some(minor), Some(currency)) => Money::new(minor, currency).to_string(),
                (Some(minor), None) => format!("{minor} {}", self.currency),
            }
        };
        let Self { what, object_id, day, currency, expected_minor, found_minor } = self;
        let (expected, found) = (money(*expected_minor), money(*found_minor));
        write!(f, "{day}  {currency}  {what}  {object_id}  expected {expected}, found {found}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(part: Part, expected_minor: Option<i64>, lines: i64, found_minor: i64) -> Sides {
        let (object_id, currency) = ("pi_1".to_owned(), "USD".to_owned());
        Sides { part, object_id, day: 20_261_123, currency, expected_minor, lines, found_minor, exchanged: 0, at: 100 }
    }

    fn fault(sides: Sides) -> Option<Fault> {
        sides.differ(100 + GRACE).map(|found| found.what)
    }

    #[test]
    fn a_line_is_taken_for_what_its_category_says_and_a_new_one_for_what_its_source_is() {
        for (category, source, part) in [
            ("charge", Some("ch_1"), Part::Charge),
            ("charge_failure", Some("py_1"), Part::Charge),
            ("refund_failure", Some("re_1"), Part::Refund),
            ("dispute_reversal", Some("du_1"), Part::Dispute),
            ("payout", Some("po_1"), Part::Account),
            ("fee", None, Part::Account),
            ("something_new", Some("du_1"), Part::Dispute),
            ("something_new", Some("pyr_1"), Part::Refund),
            ("something_new", Some("tr_1"), Part::Account),
        ] {
            assert_eq!(Part::of(category, source), part, "{category} {source:?}");
        }
    }

    #[test]
    fn what_differs_is_named_and_what_agrees_is_not() {
        assert_eq!(fault(sides(Part::Charge, Some(2500), 1, 2500)), None);
        assert_eq!(fault(sides(Part::Charge, Some(2500), 0, 0)), Some(Fault::PaymentUnbooked));
        assert_eq!(fault(sides(Part::Charge, Some(2500), 1, 2400)), Some(Fault::PaymentDiffers));
        assert_eq!(fault(sides(Part::Charge, None, 1, 2400)), Some(Fault::PaymentUnknown));
        assert_eq!(fault(sides(Part::Charge, Some(0), 0, 0)), None, "nothing came, nothing was booked");
        assert_eq!(fault(sides(Part::Refund, Some(0), 2, 0)), None, "it failed and came back");
        assert_eq!(fault(sides(Part::Refund, Some(0), 1, -500)), Some(Fault::RefundDiffers));
        assert_eq!(fault(sides(Part::Dispute, Some(-500), 2, 0)), Some(Fault::DisputeDiffers));
        assert_eq!(fault(sides(Part::Account, None, 1, 5)), None);
    }

    #[test]
    fn of_what_was_exchanged_the_lines_must_be_there_and_what_is_young_is_not_judged() {
        let exchanged = |expected, found| Sides { exchanged: 1, ..sides(Part::Charge, Some(expected), 1, found) };
        assert_eq!(fault(exchanged(2500, 2708)), None);
        assert_eq!(fault(exchanged(0, 2708)), Some(Fault::PaymentDiffers));
        assert_eq!(sides(Part::Charge, Some(2500), 0, 0).differ(99 + GRACE), None);
    }

    #[test]
    fn a_difference_reads_as_a_person_would_say_it() {
        let found = sides(Part::Charge, Some(2500), 0, 0).differ(100 + GRACE).unwrap();
        assert_eq!(found.to_string(), "20261123  USD  payment_unbooked  pi_1  expected $25.00, found nothing");
    }
}
