//! Reading a pledge somebody sends: once, completely, and with every mistake named.

use super::campaign::{Campaign, Offer};
use super::money::{Currency, Money};
use super::pledge::Frequency;

/// The longest `source`, in characters.
pub const MAX_SOURCE: usize = 64;
/// Languages Stripe's checkout speaks (source: Stripe's API reference, `locale` of a Checkout Session).
const LOCALES: [&str; 41] = [
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu",
    "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv",
    "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

/// One thing wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field as it was named in the request.
    #[schema(example = "amount_minor")]
    pub field: String,
    /// A stable word for programs.
    #[schema(example = "too_small")]
    pub code: String,
    /// What would be right, for people.
    #[schema(example = "the least monthly gift in USD is $2.00")]
    pub message: String,
}

impl FieldError {
    pub fn new(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), code: code.to_owned(), message: message.into() }
    }
}

/// What a donor chose, valid as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPledge {
    pub campaign: String,
    pub campaign_name: String,
    pub frequency: Frequency,
    pub money: Money,
    pub locale: Option<String>,
    /// Empty when not said.
    pub source: String,
    /// Where the donor comes back to; none: our own thanks page.
    pub return_url: Option<String>,
}

/// The words of a request, not yet believed.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub frequency: Option<String>,
    pub currency: Option<String>,
    pub amount: Option<AskedAmount>,
    pub locale: Option<String>,
    pub source: Option<String>,
    pub return_url: Option<String>,
}

/// An amount as it was sent: minor units in JSON, major units typed into a form.
#[derive(Debug, Clone)]
pub enum AskedAmount {
    Minor(i64),
    Major(String),
}

impl Asked {
    /// Holds the request against the campaign. All mistakes are reported together.
    pub fn parse(
        &self,
        campaign: &Campaign,
        public_url: &str,
        allowed_origins: &[String],
    ) -> Result<NewPledge, Vec<FieldError>> {
        let mut errors = Vec::new();
        let frequency = keep(&mut errors, self.frequency());
        let currency = keep(&mut errors, self.currency(campaign));
        let offer = frequency.zip(currency).and_then(|(frequency, currency)| {
            let offer = campaign.offer(currency, frequency).ok_or_else(|| {
                FieldError::new("frequency", "not_offered", format!("{frequency} is not offered in {currency}"))
            });
            keep(&mut errors, offer)
        });
        let money = match (offer, &self.amount) {
            (_, None) => keep(
                &mut errors,
                Err(FieldError::new("amount_minor", "required", "expected a whole number of minor units")),
            ),
            (Some(offer), Some(amount)) => keep(&mut errors, amount.parse(offer)),
            (None, Some(_)) => None,
        };
        let locale = keep(&mut errors, self.locale());
        let source = keep(&mut errors, self.source());
        let return_url = keep(&mut errors, self.return_url(public_url, allowed_origins));
        match (frequency, money, locale, source, return_url) {
            (Some(frequency), Some(money), Some(locale), Some(source), Some(return_url)) if errors.is_empty() => {
                Ok(NewPledge {
                    campaign: campaign.slug.clone(),
                    campaign_name: campaign.name.clone(),
                    frequency,
                    money,
                    locale,
                    source,
                    return_url,
                })
            }
            _ => Err(errors),
        }
    }

    fn frequency(&self) -> Result<Frequency, FieldError> {
        let wanted = "expected once, monthly or annual";
        let word = self.frequency.as_ref().ok_or_else(|| FieldError::new("frequency", "required", wanted))?;
        Frequency::parse(word).ok_or_else(|| FieldError::new("frequency", "unknown", wanted))
    }

    fn currency(&self, campaign: &Campaign) -> Result<Currency, FieldError> {
        let offered: Vec<String> = campaign.currencies().iter().map(Currency::to_string).collect();
        let wanted = format!("expected one of {}", offered.join(", "));
        let code = self.currency.as_ref().ok_or_else(|| FieldError::new("currency", "required", wanted.clone()))?;
        let known = Currency::parse(code).map_err(|_| FieldError::new("currency", "unknown", wanted.clone()))?;
        if campaign.currencies().contains(&known) {
            Ok(known)
        } else {
            Err(FieldError::new("currency", "not_offered", wanted))
        }
    }

    fn locale(&self) -> Result<Option<String>, FieldError> {
        match self.locale.as_deref().filter(|locale| !locale.is_empty()) {
            None => Ok(None),
            Some(locale) => match LOCALES.iter().find(|known| known.eq_ignore_ascii_case(locale)) {
                Some(known) => Ok(Some((*known).to_owned())),
                None => Err(FieldError::new(
                    "locale",
                    "unknown",
                    "expected a language of the checkout, such as en, ru or pt-BR",
                )),
            },
        }
    }

    fn source(&self) -> Result<String, FieldError> {
        let source = self.source.as_deref().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        if source.len() <= MAX_SOURCE && source.chars().all(plain) {
            Ok(source.to_owned())
        } else {
            Err(FieldError::new(
                "source",
                "malformed",
                "expected at most 64 letters, digits and - _ . / : and no personal data",
            ))
        }
    }

    fn return_url(&self, public_url: &str, allowed_origins: &[String]) -> Result<Option<String>, FieldError> {
        match self.return_url.as_deref().filter(|url| !url.is_empty()) {
            None => Ok(None),
            Some(url) => super::return_url::parse(url, public_url, allowed_origins)
                .map(Some)
                .map_err(|error| FieldError::new("return_url", "not_allowed", error.to_string())),
        }
    }
}

impl AskedAmount {
    fn parse(&self, offer: &Offer) -> Result<Money, FieldError> {
        let (currency, frequency) = (offer.currency, offer.frequency);
        let field = if matches!(self, Self::Minor(_)) { "amount_minor" } else { "amount" };
        let money = match self {
            Self::Minor(minor) => Money::new(*minor, currency),
            Self::Major(text) => Money::parse_major(text, currency).map_err(|_| {
                FieldError::new(
                    field,
                    "malformed",
                    format!("expected an amount in {currency}, such as {}", offer.min().decimal()),
                )
            })?,
        };
        if money.amount_minor < offer.min_minor {
            let message = format!("the least {} gift in {currency} is {}", adjective(frequency), offer.min());
            return Err(FieldError::new(field, "too_small", message));
        }
        if money.amount_minor > offer.max_minor {
            let message = format!("the greatest {} gift in {currency} is {}", adjective(frequency), offer.max());
            return Err(FieldError::new(field, "too_large", message));
        }
        if money.amount_minor % currency.step_minor() != 0 {
            let message = format!("amounts in {currency} are multiples of {} minor units", currency.step_minor());
            return Err(FieldError::new(field, "too_fine", message));
        }
        Ok(money)
    }
}

fn adjective(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Once => "one-time",
        Frequency::Monthly => "monthly",
        Frequency::Annual => "annual",
    }
}

fn keep<T>(errors: &mut Vec<FieldError>, result: Result<T, FieldError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}
