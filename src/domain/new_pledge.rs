//! Reading a pledge somebody sends: once, completely, and with every mistake named.
//!
//! Two entrances, JSON and the HTML form, differ only in how the amount is written. What leaves here is stored and sent
//! to Stripe as it is.

use sha2::{Digest, Sha256};

use super::campaign::{Campaign, DEFAULT, Misfit, Offer, Season, is_slug};
use super::campaign_file::GREATEST_MINOR;
use super::field::{FieldError, Fields, Given};
use super::money::{Currency, Money};
use super::pledge::Frequency;
use super::return_url::{self, Sites};
use crate::id::hex;

/// The fields of a JSON request.
const JSON_FIELDS: [&str; 8] =
    ["campaign", "frequency", "amount_minor", "currency", "cover_fee", "locale", "source", "return_url"];
/// The longest `source`, in characters.
pub const MAX_SOURCE: usize = 64;
/// So many sources of one campaign are told apart; pledges from further ones are of [`OTHER_SOURCE`]. A report that is
/// parted by source stays readable, and whoever makes sources up fills no table.
pub const MAX_SOURCES: i64 = 200;
/// The source of pledges beyond those.
pub const OTHER_SOURCE: &str = "other";
/// Languages Stripe's checkout speaks (source: Stripe's API reference, `locale` of a Checkout Session).
const LOCALES: [&str; 41] = [
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu",
    "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv",
    "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

/// What a donor chose, valid as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPledge {
    pub campaign: String,
    pub campaign_name: String,
    pub frequency: Frequency,
    /// What was chosen.
    pub money: Money,
    /// What is added to it to cover the payment fee.
    pub cover_minor: i64,
    pub locale: Option<String>,
    /// Empty when not said.
    pub source: String,
    /// Where the donor comes back to; none: our own thanks page.
    pub return_url: Option<String>,
}

/// How a request writes its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A whole number of minor units, as `amount_minor`.
    Minor,
    /// Major units as a person types them, as `amount`; what is typed into `other_amount` goes before it.
    Major,
}

/// A request, taken apart but not yet believed.
#[derive(Debug, Clone)]
pub struct Asked {
    fields: Fields,
    unit: Unit,
}

impl Asked {
    /// A JSON request: unknown fields are mistakes.
    pub fn json(fields: Fields) -> Self {
        Self { fields, unit: Unit::Minor }
    }

    /// A submitted form: other sites' forms have buttons and fields of their own, which are not read.
    pub fn form(fields: Fields) -> Self {
        Self { fields, unit: Unit::Major }
    }

    /// The slug of the campaign it is for, if it can be one.
    pub fn campaign(&self) -> Option<&str> {
        self.fields.text("campaign").ok().map(|slug| slug.unwrap_or(DEFAULT)).filter(|slug| is_slug(slug))
    }

    /// Holds the request, made at `now` (unix seconds), against its campaign, if there is one. All mistakes are reported together.
    pub fn parse(&self, campaign: Option<&Campaign>, sites: &Sites, now: i64) -> Result<NewPledge, Vec<FieldError>> {
        let mut errors = match self.unit {
            Unit::Minor => self.fields.strangers(&JSON_FIELDS),
            Unit::Major => Vec::new(),
        };
        let missing =
            || FieldError::new("campaign", "unknown", "there is no such campaign; leave it out for the default");
        let campaign = keep(&mut errors, campaign.ok_or_else(missing));
        errors.extend(campaign.and_then(|campaign| out_of_season(campaign.season(now))));
        let frequency = keep(&mut errors, self.frequency());
        let currency = keep(&mut errors, self.currency(campaign));
        let offer = campaign.zip(frequency.zip(currency)).and_then(|(campaign, (frequency, currency))| {
            let offer = campaign.offer(currency, frequency).ok_or_else(|| {
                FieldError::new("frequency", "not_offered", format!("{frequency} is not offered in {currency}"))
            });
            keep(&mut errors, offer)
        });
        let money = keep(&mut errors, self.money(currency)).flatten();
        let money = money.zip(offer).and_then(|(money, offer)| keep(&mut errors, self.within(money, offer)));
        let cover_fee = keep(&mut errors, self.fields.flag("cover_fee")).unwrap_or(false);
        let cover = campaign.zip(money).map(|(campaign, money)| Self::cover(cover_fee, campaign, money));
        let cover_minor = cover.and_then(|cover| keep(&mut errors, cover));
        let locale = keep(&mut errors, self.locale());
        let source = keep(&mut errors, self.source());
        let return_url = keep(&mut errors, self.return_url(campaign, sites));
        match (campaign, frequency, money.zip(cover_minor), locale, source, return_url) {
            (
                Some(campaign),
                Some(frequency),
                Some((money, cover_minor)),
                Some(locale),
                Some(source),
                Some(return_url),
            ) if errors.is_empty() => Ok(NewPledge {
                campaign: campaign.slug.clone(),
                campaign_name: campaign.name.clone(),
                frequency,
                money,
                cover_minor,
                locale,
                source,
                return_url,
            }),
            _ => Err(errors),
        }
    }

    fn frequency(&self) -> Result<Frequency, FieldError> {
        let wanted = "expected once, monthly or annual";
        let word = self.fields.text("frequency")?.ok_or_else(|| FieldError::new("frequency", "required", wanted))?;
        Frequency::parse(word).ok_or_else(|| FieldError::new("frequency", "unknown", wanted))
    }

    fn currency(&self, campaign: Option<&Campaign>) -> Result<Currency, FieldError> {
        let offered = campaign.map(Campaign::currencies);
        let wanted = || match &offered {
            Some(offered) => {
                format!("expected one of {}", offered.iter().map(Currency::code).collect::<Vec<_>>().join(", "))
            }
            None => "expected an ISO 4217 code, such as USD".to_owned(),
        };
        let wrong = |code| FieldError::new("currency", code, wanted());
        let code = self.fields.text("currency")?.ok_or_else(|| wrong("required"))?;
        let known = Currency::parse(code).map_err(|_| wrong("unknown"))?;
        if offered.as_ref().is_none_or(|offered| offered.contains(&known)) {
            Ok(known)
        } else {
            Err(wrong("not_offered"))
        }
    }

    /// The amount as such. What is typed means nothing without its currency, whose own error then stands alone.
    fn money(&self, currency: Option<Currency>) -> Result<Option<Money>, FieldError> {
        match (self.unit, currency) {
            (Unit::Minor, _) => self.minor().map(|minor| currency.map(|currency| Money::new(minor, currency))),
            (Unit::Major, Some(currency)) => self.major(currency).map(Some),
            (Unit::Major, None) => Ok(None),
        }
    }

    fn minor(&self) -> Result<i64, FieldError> {
        let wrong =
            |code| FieldError::new("amount_minor", code, "expected a whole number of minor units: 2500 for USD 25.00");
        match self.fields.get("amount_minor") {
            None => Err(wrong("required")),
            Some(Given::Number(digits)) if digits.contains(['.', 'e', 'E']) => Err(wrong("not_whole")),
            // Too large for any amount there is, in either direction.
            Some(Given::Number(digits)) => {
                digits.parse().map_err(|_| wrong(if digits.starts_with('-') { "too_small" } else { "too_large" }))
            }
            Some(_) => Err(wrong("wrong_type")),
        }
    }

    fn major(&self, currency: Currency) -> Result<Money, FieldError> {
        let typed = self.fields.text("other_amount")?.filter(|text| !text.trim().is_empty());
        let text = typed.or(self.fields.text("amount")?);
        let text = text.ok_or_else(|| FieldError::new("amount", "required", "choose an amount or write one"))?;
        Money::parse_major(text, currency).map_err(|_| {
            let example = Money::new(25 * 10_i64.pow(currency.exponent()), currency).decimal();
            FieldError::new("amount", "malformed", format!("expected an amount in {currency}, such as {example}"))
        })
    }

    fn within(&self, money: Money, offer: &Offer) -> Result<Money, FieldError> {
        let (currency, kind, step) = (offer.currency, adjective(offer.frequency), offer.currency.step_minor());
        let (code, message) = match offer.misfit(money.amount_minor) {
            None => return Ok(money),
            Some(Misfit::TooSmall) => ("too_small", format!("the least {kind} gift in {currency} is {}", offer.min())),
            Some(Misfit::TooLarge) => {
                ("too_large", format!("the greatest {kind} gift in {currency} is {}", offer.max()))
            }
            Some(Misfit::TooFine) => {
                ("too_fine", format!("amounts in {currency} are multiples of {}", Money::new(step, currency)))
            }
        };
        let field = if self.unit == Unit::Minor { "amount_minor" } else { "amount" };
        Err(FieldError::new(field, code, message))
    }

    /// What is added to the amount; nothing unless it was asked for.
    fn cover(asked: bool, campaign: &Campaign, money: Money) -> Result<i64, FieldError> {
        if !asked {
            return Ok(0);
        }
        let wrong = |code, message| FieldError::new("cover_fee", code, message);
        let fee = campaign.fee(money.currency);
        let fee = fee.ok_or_else(|| wrong("not_offered", "the fee is not to be covered in this currency"))?;
        let cover = fee.cover_minor(money.amount_minor);
        // The limits are those of the amount; this one is Stripe's.
        let fits = cover.filter(|cover| money.amount_minor.saturating_add(*cover) <= GREATEST_MINOR);
        fits.ok_or_else(|| wrong("too_large", "with the fee the amount is more than can be charged at once"))
    }

    fn locale(&self) -> Result<Option<String>, FieldError> {
        let Some(asked) = self.fields.text("locale")? else { return Ok(None) };
        let known = |tag: &str| LOCALES.iter().find(|known| known.eq_ignore_ascii_case(tag));
        // Browsers name regions the checkout does not know: de-AT is served in de.
        let language = asked.split('-').next().unwrap_or_default();
        known(asked).or_else(|| known(language)).map(|known| Some((*known).to_owned())).ok_or_else(|| {
            FieldError::new("locale", "unknown", "expected a language of the checkout, such as en, ru or pt-BR")
        })
    }

    fn source(&self) -> Result<String, FieldError> {
        let source = self.fields.text("source")?.unwrap_or_default();
        if is_source(source) {
            Ok(source.to_owned())
        } else {
            let wanted = format!("expected at most {MAX_SOURCE} letters, digits and - _ . / : and no personal data");
            Err(FieldError::new("source", "malformed", wanted))
        }
    }

    fn return_url(&self, campaign: Option<&Campaign>, sites: &Sites) -> Result<Option<String>, FieldError> {
        let Some(url) = self.fields.text("return_url")? else { return Ok(None) };
        // A campaign may narrow what the settings allow, and never widens it.
        let narrowed = campaign.map_or(&[][..], |campaign| campaign.return_origins.as_slice());
        let allowed = sites.allowed_origins.iter().filter(|origin| narrowed.is_empty() || narrowed.contains(origin));
        return_url::parse(url, &sites.public_url, &allowed.cloned().collect::<Vec<_>>())
            .map(Some)
            .map_err(|error| FieldError::new("return_url", "not_allowed", error.to_string()))
    }
}

impl NewPledge {
    /// SHA-256 of what was asked for, whatever its spelling.
    pub fn fingerprint(&self) -> String {
        let (minor, cover) = (self.money.amount_minor.to_string(), self.cover_minor.to_string());
        let parts = [
            self.campaign.as_str(),
            self.frequency.as_str(),
            &minor,
            &cover,
            self.money.currency.code(),
            self.locale.as_deref().unwrap_or_default(),
            &self.source,
            self.return_url.as_deref().unwrap_or_default(),
        ];
        hex(&Sha256::digest(parts.join("\n")))
    }
}

/// Whether `text` can say where a gift came from.
pub fn is_source(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    text.len() <= MAX_SOURCE && text.chars().all(plain)
}

fn out_of_season(season: Season) -> Option<FieldError> {
    match season {
        Season::Running => None,
        Season::Scheduled => Some(FieldError::new("campaign", "upcoming", "this campaign has not begun yet")),
        Season::Ended => Some(FieldError::new("campaign", "ended", "this campaign has ended")),
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

#[cfg(test)]
#[path = "new_pledge_tests.rs"]
mod tests;
