//! A campaign: which amounts, in which currencies and frequencies, under a slug.

use super::money::{Currency, Money};
use super::pledge::Frequency;

/// The campaign that exists after migration, taken when none is named.
pub const DEFAULT: &str = "default";

/// The longest slug.
const MAX_SLUG: usize = 64;

/// Whether `text` can be a slug at all: `[a-z0-9-]`, 1 to 64 characters.
pub fn is_slug(text: &str) -> bool {
    (1..=MAX_SLUG).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// A campaign as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    pub slug: String,
    pub name: String,
    pub default_currency: Currency,
    pub default_frequency: Frequency,
    /// In the order of the form.
    pub offers: Vec<Offer>,
}

/// What is offered in one currency at one frequency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub currency: Currency,
    pub frequency: Frequency,
    pub suggested_minor: Vec<i64>,
    pub min_minor: i64,
    pub max_minor: i64,
}

impl Offer {
    pub fn min(&self) -> Money {
        Money::new(self.min_minor, self.currency)
    }

    pub fn max(&self) -> Money {
        Money::new(self.max_minor, self.currency)
    }
}

impl Campaign {
    /// What is offered in `currency` at `frequency`.
    pub fn offer(&self, currency: Currency, frequency: Frequency) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.currency == currency && offer.frequency == frequency)
    }

    /// The currencies offered, in the order of the form.
    pub fn currencies(&self) -> Vec<Currency> {
        self.offers.iter().fold(Vec::new(), |mut currencies, offer| {
            if !currencies.contains(&offer.currency) {
                currencies.push(offer.currency);
            }
            currencies
        })
    }
}
