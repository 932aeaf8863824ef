//! Which gifts are made, in which proportion: a guess at a small newsroom's month, with every way a gift can go.

use mainstay::sandbox::Card;

/// What happens to a gift after its first payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// The donor leaves the page; the session expires.
    Leave,
    /// The first card is declined.
    DeclineFirst,
    Refund {
        percent: i64,
    },
    /// Won or lost by turns.
    Dispute,
    Cancel {
        at_period_end: bool,
    },
    /// One renewal is declined; a retry succeeds.
    MissOne,
}

/// How one gift goes.
#[derive(Debug)]
pub struct Plan {
    /// How many in [`all`] go this way.
    share: usize,
    pub frequency: &'static str,
    pub amount_minor: i64,
    pub currency: &'static str,
    pub card: Card,
    pub then: Then,
}

const fn gift(
    share: usize,
    frequency: &'static str,
    amount_minor: i64,
    currency: &'static str,
    card: Card,
    then: Then,
) -> Plan {
    Plan { share, frequency, amount_minor, currency, card, then }
}

const PLANS: [Plan; 19] = [
    gift(12, "once", 2500, "USD", Card::Works, Then::Nothing),
    gift(3, "once", 1000, "EUR", Card::Works, Then::DeclineFirst),
    gift(2, "once", 700, "GBP", Card::NeedsAuthentication, Then::Nothing),
    gift(2, "once", 5000, "EUR", Card::BankDebitSettles, Then::Nothing),
    gift(1, "once", 6000, "EUR", Card::BankDebitFails, Then::Nothing),
    gift(4, "once", 300, "USD", Card::Works, Then::Leave),
    gift(1, "once", 1500, "USD", Card::Works, Then::Refund { percent: 100 }),
    gift(1, "once", 3000, "EUR", Card::Works, Then::Refund { percent: 40 }),
    gift(2, "once", 9000, "USD", Card::Works, Then::Dispute),
    gift(10, "monthly", 200, "USD", Card::Works, Then::Nothing),
    gift(2, "monthly", 300, "USD", Card::Works, Then::Leave),
    gift(2, "monthly", 1100, "USD", Card::Works, Then::Cancel { at_period_end: true }),
    gift(1, "monthly", 1300, "USD", Card::Works, Then::Cancel { at_period_end: false }),
    gift(2, "monthly", 900, "EUR", Card::Works, Then::MissOne),
    gift(1, "monthly", 500, "EUR", Card::RenewalsFail, Then::Nothing),
    gift(1, "monthly", 800, "EUR", Card::Works, Then::Refund { percent: 100 }),
    gift(1, "monthly", 1000, "EUR", Card::BankDebitSettles, Then::Nothing),
    gift(1, "annual", 5000, "JPY", Card::Works, Then::Nothing),
    gift(1, "annual", 6000, "EUR", Card::Works, Then::Cancel { at_period_end: true }),
];

/// How the gift of this number goes.
pub fn plan(number: usize) -> &'static Plan {
    let all: usize = PLANS.iter().map(|plan| plan.share).sum();
    let mut left = number % all;
    for plan in &PLANS {
        match left.checked_sub(plan.share) {
            Some(rest) => left = rest,
            None => return plan,
        }
    }
    unreachable!("the shares add up to all")
}
