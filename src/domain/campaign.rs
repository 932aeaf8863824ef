//! A campaign: which amounts, in which currencies and frequencies, with which words, under a slug.

use std::collections::BTreeMap;

use super::language::Language;
use super::money::{Currency, Money};
use super::pledge::Frequency;

/// The campaign that exists after migration, taken when none is named.
pub const DEFAULT: &str = "default";

/// The longest slug.
const MAX_SLUG: usize = 64;
/// Hundredths of a percent in a whole.
pub const WHOLE: i64 = 10_000;

/// Whether `text` can be a slug at all: `[a-z0-9-]`, 1 to 64 characters.
pub fn is_slug(text: &str) -> bool {
    (1..=MAX_SLUG).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// A campaign as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    pub slug: String,
    /// What the product at Stripe is called, and its heading where a language has none of its own.
    pub name: String,
    pub default_currency: Currency,
    pub default_frequency: Frequency,
    pub default_language: Language,
    /// In the order of the form.
    pub offers: Vec<Offer>,
    pub texts: BTreeMap<Language, Texts>,
    pub fees: Vec<Fee>,
    /// Ways to pay that the form names; which ones the checkout offers is set at Stripe.
    pub methods: Vec<Method>,
    /// What the donor's bank statement will show.
    pub statement: Option<String>,
    pub look: Look,
    pub policy_url: Option<String>,
    pub newsletter_preview_url: Option<String>,
    /// Donors return to these origins only; empty: to all that the settings allow.
    pub return_origins: Vec<String>,
    /// Unix seconds.
    pub starts_at: Option<i64>,
    /// Unix seconds, exclusive.
    pub ends_at: Option<i64>,
}

/// The newsroom's own words in one language; what is not said is said in ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    pub name: Option<String>,
    pub lead: Option<String>,
    /// Shown above the form.
    pub warning: Option<String>,
    /// Said once the gift has come.
    pub thanks: Option<String>,
}

/// How its pages look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    pub accent: Option<Accent>,
    /// A picture as a `data:` address.
    pub logo: Option<String>,
}

/// A colour of buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent([u8; 3]);

impl Accent {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self([byte(0)?, byte(2)?, byte(4)?]))
    }

    /// As CSS writes it.
    pub fn css(self) -> String {
        format!("#{}", self.digits())
    }

    /// The same without the sign before it, as an address takes it.
    pub fn digits(self) -> String {
        let [red, green, blue] = self.0;
        format!("{red:02x}{green:02x}{blue:02x}")
    }

    /// Black or white, whichever stands out more on it (source: WCAG 2.2, relative luminance and contrast ratio). One of
    /// them always reaches 4.5 : 1.
    pub fn ink(self) -> &'static str {
        let linear = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 { "#ffffff" } else { "#000000" }
    }
}

/// A way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Card,
    ApplePay,
    GooglePay,
    Sepa,
    Bank,
}

impl Method {
    pub const ALL: [Self; 5] = [Self::Card, Self::ApplePay, Self::GooglePay, Self::Sepa, Self::Bank];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::ApplePay => "apple_pay",
            Self::GooglePay => "google_pay",
            Self::Sepa => "sepa",
            Self::Bank => "bank",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }
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

    /// In which way an amount is none that is offered.
    pub fn misfit(&self, amount_minor: i64) -> Option<Misfit> {
        if amount_minor < self.min_minor {
            Some(Misfit::TooSmall)
        } else if amount_minor > self.max_minor {
            Some(Misfit::TooLarge)
        } else if amount_minor % self.currency.step_minor() != 0 {
            Some(Misfit::TooFine)
        } else {
            None
        }
    }
}

/// Why an amount is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    TooSmall,
    TooLarge,
    /// No multiple of what the currency is paid in.
    TooFine,
}

/// What a payment in a currency costs the newsroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fee {
    pub currency: Currency,
    /// Of the charge, in 1/100 %; below [`WHOLE`].
    pub percent_hundredths: i64,
    pub fixed_minor: i64,
}

impl Fee {
    /// What is added to `base_minor` so that after the fee no less than that is left: the least that does, in the
    /// currency's steps. `None` beyond all amounts.
    pub fn cover_minor(&self, base_minor: i64) -> Option<i64> {
        let left = WHOLE - self.percent_hundredths;
        let owed = base_minor.checked_add(self.fixed_minor)?.checked_mul(WHOLE)?;
        let total = owed.checked_add(left - 1)?.checked_div(left)?;
        let step = self.currency.step_minor();
        let total = total.checked_add(step - 1)? / step * step;
        Some(total - base_minor)
    }
}

/// Whether a campaign takes gifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Season {
    /// The word of the API, which widgets in readers' caches go by.
    #[serde(rename = "upcoming")]
    Scheduled,
    #[serde(rename = "open")]
    Running,
    Ended,
}

impl Season {
    /// At `now` (unix seconds), with a beginning and an end.
    pub fn at(now: i64, starts_at: Option<i64>, ends_at: Option<i64>) -> Self {
        match (starts_at, ends_at) {
            (_, Some(end)) if now >= end => Self::Ended,
            (Some(start), _) if now < start => Self::Scheduled,
            _ => Self::Running,
        }
    }

    /// The word for whoever runs campaigns, on pages and in the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }
}

impl Campaign {
    /// One that offers these amounts, open for ever, with our words and our look.
    pub fn plain(slug: &str, name: &str, currency: Currency, frequency: Frequency, offers: Vec<Offer>) -> Self {
        Self {
            slug: slug.to_owned(),
            name: name.to_owned(),
            default_currency: currency,
            default_frequency: frequency,
            default_language: Language::En,
            offers,
            texts: BTreeMap::new(),
            fees: Vec::new(),
            methods: vec![Method::Card],
            statement: None,
            look: Look::default(),
            policy_url: None,
            newsletter_preview_url: None,
            return_origins: Vec::new(),
            starts_at: None,
            ends_at: None,
        }
    }

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

    /// What a payment in `currency` costs, where donors may cover it.
    pub fn fee(&self, currency: Currency) -> Option<&Fee> {
        self.fees.iter().find(|fee| fee.currency == currency)
    }

    /// Whether it takes gifts at `now` (unix seconds).
    pub fn season(&self, now: i64) -> Season {
        Season::at(now, self.starts_at, self.ends_at)
    }

    /// When it next begins or ends, after `now` (unix seconds).
    pub fn turns_at(&self, now: i64) -> Option<i64> {
        [self.starts_at, self.ends_at].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Its heading in a language.
    pub fn heading(&self, language: Language) -> &str {
        self.texts.get(&language).and_then(|texts| texts.name.as_deref()).unwrap_or(&self.name)
    }

    /// Its own words in a language, where it has any.
    pub fn words(&self, language: Language) -> Texts {
        self.texts.get(&language).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fee(code: &str, percent_hundredths: i64, fixed_minor: i64) -> Fee {
        Fee { currency: Currency::parse(code).unwrap(), percent_hundredths, fixed_minor }
    }

    #[test]
    fn with_the_fee_covered_the_net_is_never_below_the_base_and_no_smaller_cover_would_do() {
        for fee in
            [fee("USD", 290, 30), fee("EUR", 150, 25), fee("JPY", 360, 0), fee("USD", 0, 0), fee("USD", 9_999, 1)]
        {
            for base in 1..=10_000 {
                let cover = fee.cover_minor(base).unwrap();
                // Whatever way the fee is rounded.
                let net = |total: i64| total - (total * fee.percent_hundredths + WHOLE - 1) / WHOLE - fee.fixed_minor;
                assert!(net(base + cover) >= base, "{fee:?} {base}");
                assert!(cover == 0 || net(base + cover - 1) < base, "{fee:?} {base}: the least");
            }
        }
        let whole = fee("ISK", 290, 3000);
        for base in (100..1_000_000).step_by(100) {
            let cover = whole.cover_minor(base).unwrap();
            assert_eq!(cover % 100, 0, "in the currency's steps");
            let total = base + cover;
            assert!(total - (total * 290 + WHOLE - 1) / WHOLE - 3000 >= base);
        }
        assert_eq!(fee("USD", 290, 30).cover_minor(i64::MAX), None);
    }

    #[test]
    fn what_stands_on_an_accent_can_be_read() {
        let contrast = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
        for (accent, ink) in
            [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#8c1d18", "#ffffff"), ("#ffd400", "#000000")]
        {
            assert_eq!(Accent::parse(accent).unwrap().ink(), ink, "{accent}");
        }
        // The worst there is: where both are equally far away.
        assert!(contrast(0.179, 0.0) >= 4.5 && contrast(0.179, 1.0) >= 4.5);
        for wrong in ["", "8c1d18", "#8c1d1", "#8c1d188", "#8c1d1g", "red", "#ééé"] {
            assert_eq!(Accent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_campaign_takes_gifts_from_its_start_until_before_its_end() {
        let mut campaign = Campaign::plain("a", "A", Currency::parse("USD").unwrap(), Frequency::Once, Vec::new());
        assert_eq!((campaign.season(i64::MIN), campaign.turns_at(i64::MIN)), (Season::Running, None));
        (campaign.starts_at, campaign.ends_at) = (Some(10), Some(20));
        let seasons = [9, 10, 19, 20].map(|now| campaign.season(now));
        assert_eq!(seasons, [Season::Scheduled, Season::Running, Season::Running, Season::Ended]);
        assert_eq!([9, 10, 19, 20].map(|now| campaign.turns_at(now)), [Some(10), Some(20), Some(20), None]);
    }
}
