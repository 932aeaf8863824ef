//! A campaign as a newsroom writes it down, read as a whole: every mistake is named, with the place it is at.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use url::Url;

use super::campaign::{Accent, Campaign, Fee, Look, Method, Offer, Texts, WHOLE, is_slug};
use super::field::FieldError;
use super::language::Language;
use super::mailbox::breaks;
use super::money::{Currency, Money};
use super::pledge::Frequency;

/// The greatest amount Stripe charges at once, in minor units (source: Stripe's API reference, `amount`: eight digits).
pub const GREATEST_MINOR: i64 = 99_999_999;
/// Suggested amounts of one currency and frequency.
const MAX_SUGGESTED: usize = 8;
const MAX_NAME: usize = 120;
const MAX_TEXT: usize = 600;
const MAX_URL: usize = 500;
/// What a bank statement has room for (source: Stripe's documentation, statement descriptors).
const STATEMENT: std::ops::RangeInclusive<usize> = 5..=22;
/// The longest picture as a `data:` address: the giving page with everything stays under 50 KB.
const MAX_LOGO: usize = 16 * 1024;

/// The file, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignFile {
    slug: String,
    name: String,
    default_currency: String,
    default_frequency: String,
    default_language: Option<String>,
    statement: Option<String>,
    methods: Option<Vec<String>>,
    accent: Option<String>,
    /// A picture beside the file; whoever reads the file puts its `data:` address here.
    pub logo: Option<String>,
    policy_url: Option<String>,
    newsletter_preview_url: Option<String>,
    #[serde(default)]
    return_origins: Vec<String>,
    starts_on: Option<String>,
    ends_on: Option<String>,
    #[serde(default)]
    amounts: Vec<AmountsFile>,
    #[serde(default)]
    fee_cover: BTreeMap<String, FeeFile>,
    #[serde(default)]
    texts: BTreeMap<String, TextsFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountsFile {
    currency: String,
    frequency: String,
    suggested: Vec<Amount>,
    min: Amount,
    max: Amount,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeeFile {
    percent: Amount,
    fixed: Amount,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextsFile {
    name: Option<String>,
    lead: Option<String>,
    warning: Option<String>,
    thanks: Option<String>,
}

/// An amount in major units: `25`, or `"2.50"`. Never a float.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Amount {
    Whole(u32),
    Written(String),
}

impl Amount {
    fn text(&self) -> String {
        match self {
            Self::Whole(whole) => whole.to_string(),
            Self::Written(text) => text.clone(),
        }
    }
}

/// What is wrong so far.
#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, place: &str, code: &str, wanted: impl Into<String>) {
        self.0.push(FieldError::new(place, code, wanted));
    }

    fn need<T>(&mut self, found: Option<T>, place: &str, code: &str, wanted: &str) -> Option<T> {
        if found.is_none() {
            self.add(place, code, wanted);
        }
        found
    }

    /// A text people read: not empty, no control characters, at most `longest` characters.
    fn text(&mut self, text: Option<&String>, place: &str, longest: usize) -> Option<String> {
        let text = text?.trim();
        let fits = !text.is_empty() && text.chars().count() <= longest && !text.chars().any(breaks);
        let wanted = format!("expected 1 to {longest} printable characters");
        self.need(fits.then(|| text.to_owned()), place, "malformed", &wanted)
    }

    fn url(&mut self, text: Option<&String>, place: &str) -> Option<String> {
        let text = text?;
        let url = Url::parse(text).ok().filter(|url| {
            url.scheme() == "https" && url.host().is_some() && url.username().is_empty() && url.password().is_none()
        });
        let url = url.filter(|_| text.len() <= MAX_URL && text.bytes().all(|byte| byte.is_ascii_graphic()));
        self.need(url.map(String::from), place, "malformed", "expected an https:// address of at most 500 characters")
    }

    /// The first second of a day in the newsroom's zone.
    fn day(&mut self, text: Option<&String>, place: &str, zone: &TimeZone, later: i64) -> Option<i64> {
        let start = |date: Date| date.checked_add(jiff::Span::new().days(later)).ok()?.to_zoned(zone.clone()).ok();
        let found = text?.parse::<Date>().ok().and_then(start).map(|start| start.timestamp().as_second());
        self.need(found, place, "malformed", "expected a day, such as \"2026-12-01\"")
    }
}

impl CampaignFile {
    /// The campaign, or everything that is wrong with it. Days are the newsroom's; `ends_on` is the last day.
    pub fn read(&self, zone: &TimeZone) -> Result<Campaign, Vec<FieldError>> {
        let mut errors = Errors::default();
        if !is_slug(&self.slug) {
            errors.add("slug", "malformed", "expected 1 to 64 of a-z, 0-9 and -");
        }
        let name = errors.text(Some(&self.name), "name", MAX_NAME).unwrap_or_default();
        let currency =
            errors.need(Currency::parse(&self.default_currency).ok(), "default_currency", "unknown", CURRENCY);
        let frequency =
            errors.need(Frequency::parse(&self.default_frequency), "default_frequency", "unknown", FREQUENCY);
        let offers = self.offers(&mut errors);
        if let (Some(currency), Some(frequency)) = (currency, frequency)
            && !offers.iter().any(|offer| offer.currency == currency && offer.frequency == frequency)
        {
            errors.add("amounts", "required", "expected amounts for default_currency at default_frequency");
        }
        let starts_at = errors.day(self.starts_on.as_ref(), "starts_on", zone, 0);
        let ends_at = errors.day(self.ends_on.as_ref(), "ends_on", zone, 1);
        if starts_at.zip(ends_at).is_some_and(|(start, end)| end <= start) {
            errors.add("ends_on", "too_early", "expected a day not before starts_on");
        }
        let campaign = Campaign {
            default_language: self.default_language(&mut errors),
            texts: self.texts(&mut errors),
            fees: self.fees(&offers, &mut errors),
            methods: self.methods(&mut errors),
            statement: self.statement(&mut errors),
            look: self.look(&mut errors),
            policy_url: errors.url(self.policy_url.as_ref(), "policy_url"),
            newsletter_preview_url: errors.url(self.newsletter_preview_url.as_ref(), "newsletter_preview_url"),
            return_origins: self.return_origins(&mut errors),
            starts_at,
            ends_at,
            // Stand-ins where there was a mistake; nobody sees them then.
            ..Campaign::plain(
                &self.slug,
                &name,
                currency.unwrap_or(Currency::USD),
                frequency.unwrap_or(Frequency::Once),
                offers,
            )
        };
        if errors.0.is_empty() { Ok(campaign) } else { Err(errors.0) }
    }

    fn offers(&self, errors: &mut Errors) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for (n, amounts) in self.amounts.iter().enumerate() {
            let place = |what: &str| format!("amounts[{n}].{what}");
            let currency =
                errors.need(Currency::parse(&amounts.currency).ok(), &place("currency"), "unknown", CURRENCY);
            let frequency =
                errors.need(Frequency::parse(&amounts.frequency), &place("frequency"), "unknown", FREQUENCY);
            let (Some(currency), Some(frequency)) = (currency, frequency) else { continue };
            if offers.iter().any(|offer| offer.currency == currency && offer.frequency == frequency) {
                errors.add(&place("frequency"), "repeated", "expected each currency and frequency once");
            }
            let mut minor = |amount: &Amount, what: &str| {
                let money = Money::parse_major(&amount.text(), currency).ok().map(|money| money.amount_minor);
                let fits = |minor: &i64| (1..=GREATEST_MINOR).contains(minor) && minor % currency.step_minor() == 0;
                errors.need(
                    money.filter(fits),
                    &place(what),
                    "malformed",
                    "expected an amount in major units, such as 25 or \"2.50\"",
                )
            };
            let (min_minor, max_minor) = (minor(&amounts.min, "min"), minor(&amounts.max, "max"));
            let suggested: Vec<i64> =
                amounts.suggested.iter().filter_map(|amount| minor(amount, "suggested")).collect();
            let (Some(min_minor), Some(max_minor)) = (min_minor, max_minor) else { continue };
            if min_minor > max_minor {
                errors.add(&place("max"), "too_small", "expected max not below min");
            }
            if suggested.is_empty() || suggested.len() > MAX_SUGGESTED {
                errors.add(&place("suggested"), "malformed", "expected 1 to 8 amounts");
            }
            if suggested.iter().any(|minor| !(min_minor..=max_minor).contains(minor)) {
                errors.add(&place("suggested"), "out_of_range", "expected amounts from min to max");
            }
            if suggested.windows(2).any(|pair| pair[0] >= pair[1]) {
                errors.add(&place("suggested"), "unsorted", "expected amounts from small to large, each once");
            }
            offers.push(Offer { currency, frequency, suggested_minor: suggested, min_minor, max_minor });
        }
        offers
    }

    fn fees(&self, offers: &[Offer], errors: &mut Errors) -> Vec<Fee> {
        let mut fees = Vec::new();
        for (code, fee) in &self.fee_cover {
            let place = |what: &str| format!("fee_cover.{code}{what}");
            let offered =
                Currency::parse(code).ok().filter(|known| offers.iter().any(|offer| offer.currency == *known));
            let Some(currency) = errors.need(offered, &place(""), "not_offered", "expected a currency of amounts")
            else {
                continue;
            };
            // A percentage has two decimals, as a dollar has.
            let percent =
                Money::parse_major(&fee.percent.text(), Currency::USD).ok().map(|percent| percent.amount_minor);
            let percent = percent.filter(|percent| *percent <= WHOLE / 5);
            let percent = errors.need(
                percent,
                &place(".percent"),
                "malformed",
                "expected a percentage from 0 to 20, such as \"2.9\"",
            );
            let fixed = Money::parse_major(&fee.fixed.text(), currency).ok().map(|fixed| fixed.amount_minor);
            let fixed = errors.need(
                fixed,
                &place(".fixed"),
                "malformed",
                "expected an amount in major units, such as \"0.30\"",
            );
            if let (Some(percent_hundredths), Some(fixed_minor)) = (percent, fixed) {
                fees.push(Fee { currency, percent_hundredths, fixed_minor });
            }
        }
        fees
    }

    fn texts(&self, errors: &mut Errors) -> BTreeMap<Language, Texts> {
        let mut all = BTreeMap::new();
        for (tag, texts) in &self.texts {
            let place = |what: &str| format!("texts.{tag}{what}");
            let known = Language::ALL.into_iter().find(|language| language.as_str() == tag);
            let Some(language) = errors.need(known, &place(""), "unknown", "expected en or ru") else { continue };
            let texts = Texts {
                name: errors.text(texts.name.as_ref(), &place(".name"), MAX_NAME),
                lead: errors.text(texts.lead.as_ref(), &place(".lead"), MAX_TEXT),
                warning: errors.text(texts.warning.as_ref(), &place(".warning"), MAX_TEXT),
                thanks: errors.text(texts.thanks.as_ref(), &place(".thanks"), MAX_TEXT),
            };
            all.insert(language, texts);
        }
        all
    }

    fn default_language(&self, errors: &mut Errors) -> Language {
        let Some(tag) = &self.default_language else { return Language::En };
        let known = Language::ALL.into_iter().find(|language| language.as_str() == tag);
        errors.need(known, "default_language", "unknown", "expected en or ru").unwrap_or(Language::En)
    }

    fn methods(&self, errors: &mut Errors) -> Vec<Method> {
        let Some(words) = &self.methods else { return vec![Method::Card] };
        let known = Method::ALL.map(Method::as_str).join(", ");
        let mut read = |word: &String| {
            errors.need(Method::parse(word), "methods", "unknown", &format!("expected some of {known}"))
        };
        words.iter().filter_map(&mut read).collect()
    }

    fn statement(&self, errors: &mut Errors) -> Option<String> {
        let text = self.statement.as_ref()?.trim();
        let plain = |c: char| c.is_ascii_graphic() && !"<>\\'\"*".contains(c) || c == ' ';
        let fits =
            STATEMENT.contains(&text.len()) && text.chars().all(plain) && text.chars().any(|c| c.is_ascii_alphabetic());
        let wanted = "expected 5 to 22 Latin letters, digits and signs other than < > \\ ' \" *, one of them a letter";
        errors.need(fits.then(|| text.to_owned()), "statement", "malformed", wanted)
    }

    fn look(&self, errors: &mut Errors) -> Look {
        let accent = self.accent.as_ref().and_then(|text| {
            errors.need(Accent::parse(text), "accent", "malformed", "expected a colour such as \"#8c1d18\"")
        });
        let logo = self.logo.as_ref().and_then(|data| {
            let kinds = [
                "data:image/png;base64,",
                "data:image/svg+xml;base64,",
                "data:image/webp;base64,",
                "data:image/jpeg;base64,",
            ];
            let encoded = kinds.iter().find_map(|kind| data.strip_prefix(kind));
            let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
            let fits = encoded.as_ref().is_some_and(plain) && data.len() <= MAX_LOGO;
            let wanted = "expected a .png, .svg, .webp or .jpg file of at most 12 KB";
            errors.need(fits.then(|| data.clone()), "logo", "malformed", wanted)
        });
        Look { accent, logo }
    }

    fn return_origins(&self, errors: &mut Errors) -> Vec<String> {
        let exact = |text: &String| {
            let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
            origin.filter(|origin| origin == text && text.starts_with("http"))
        };
        let mut read = |text: &String| {
            errors.need(
                exact(text),
                "return_origins",
                "malformed",
                "expected origins such as \"https://paper.example\"",
            )
        };
        self.return_origins.iter().filter_map(&mut read).collect()
    }
}

const CURRENCY: &str = "expected an ISO 4217 code, such as USD";
const FREQUENCY: &str = "expected once, monthly or annual";
