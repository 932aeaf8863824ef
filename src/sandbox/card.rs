//! The test cards and bank accounts a person can pay with.
//!
//! It must not move money. Invariant: a card says all about how an attempt with it goes; nothing is left to chance.

/// How a person pays, and what their bank makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Card {
    Works,
    Declined,
    InsufficientFunds,
    /// Works once the person has completed the bank's second factor; renewals then need none.
    NeedsAuthentication,
    /// Works on the page, is declined at every renewal.
    RenewalsFail,
    BankDebitSettles,
    BankDebitFails,
}

impl Card {
    pub const ALL: [Self; 7] = [
        Self::Works,
        Self::Declined,
        Self::InsufficientFunds,
        Self::NeedsAuthentication,
        Self::RenewalsFail,
        Self::BankDebitSettles,
        Self::BankDebitFails,
    ];

    /// As the page's form names it.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Declined => "declined",
            Self::InsufficientFunds => "insufficient_funds",
            Self::NeedsAuthentication => "needs_authentication",
            Self::RenewalsFail => "renewals_fail",
            Self::BankDebitSettles => "bank_debit_settles",
            Self::BankDebitFails => "bank_debit_fails",
        }
    }

    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|card| card.slug() == slug)
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Works => "4242 4242 4242 4242: works",
            Self::Declined => "4000 0000 0000 0002: is declined",
            Self::InsufficientFunds => "4000 0000 0000 9995: has insufficient funds",
            Self::NeedsAuthentication => "4000 0025 0000 3155: needs authentication",
            Self::RenewalsFail => "4000 0000 0000 0341: works now, renewals fail",
            Self::BankDebitSettles => "Bank debit that settles days later",
            Self::BankDebitFails => "Bank debit that fails days later",
        }
    }

    pub(super) fn last4(self) -> &'static str {
        match self {
            Self::Declined => "0002",
            Self::InsufficientFunds => "9995",
            Self::NeedsAuthentication => "3155",
            Self::RenewalsFail => "0341",
            _ => "4242",
        }
    }

    pub(super) fn is_bank_debit(self) -> bool {
        matches!(self, Self::BankDebitSettles | Self::BankDebitFails)
    }

    pub(super) fn decline_code(self) -> &'static str {
        if self == Self::InsufficientFunds { "insufficient_funds" } else { "generic_decline" }
    }

    /// The same card when its owner is not there.
    pub(super) fn off_session(self) -> Self {
        match self {
            Self::NeedsAuthentication => Self::Works,
            Self::RenewalsFail => Self::Declined,
            other => other,
        }
    }
}
