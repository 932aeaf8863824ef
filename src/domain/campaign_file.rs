//! A campaign as a newsroom writes it down, in a file or in the form of a page, read as a whole: every mistake is named, with
//! the place it is at.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::campaign::{Accent, Campaign, Fee, Look, Method, Offer, Texts, WHOLE, is_slug};
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

/// The kinds of pictures, by the ends of their names.
const PICTURES: [(&str, &str); 5] =
    [("png", "png"), ("svg", "svg+xml"), ("webp", "webp"), ("jpg", "jpeg"), ("jpeg", "jpeg")];

/// The file, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignFile {
    pub slug: String,
    pub name: String,
    pub default_currency: String,
    pub default_frequency: String,
    pub default_language: Option<String>,
    pub statement: Option<String>,
    pub methods: Option<Vec<String>>,
    pub accent: Option<String>,
    /// A picture beside the file; whoever reads the file puts its `data:` address here.
    pub logo: Option<String>,
    pub policy_url: Option<String>,
    pub newsletter_preview_url: Option<String>,
    #[serde(default)]
    pub return_origins: Vec<String>,
    /// The first day.
    pub starts_on: Option<String>,
    /// The same to the minute, as the newsroom's clock shows it.
    pub starts_at: Option<String>,
    /// The last day.
    pub ends_on: Option<String>,
    /// The moment from which on nothing is taken.
    pub ends_at: Option<String>,
    #[serde(default)]
    pub amounts: Vec<AmountsFile>,
    #[serde(default, deserialize_with = "by_currency")]
    pub fee_cover: Vec<FeeFile>,
    #[serde(default)]
    pub texts: BTreeMap<String, TextsFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountsFile {
    pub currency: String,
    pub frequency: String,
    pub suggested: Vec<Amount>,
    pub min: Amount,
    pub max: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeeFile {
    pub currency: String,
    pub percent: Amount,
    pub fixed: Amount,
}

/// A file has fees by their currency.
fn by_currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FeeFile>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Costs {
        percent: Amount,
        fixed: Amount,
    }
    let costs = BTreeMap::<String, Costs>::deserialize(deserializer)?;
    Ok(costs.into_iter().map(|(currency, Costs { percent, fixed })| FeeFile { currency, percent, fixed }).collect())
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextsFile {
    pub name: Option<String>,
    pub lead: Option<String>,
    pub warning: Option<String>,
    pub thanks: Option<String>,
}

/// An amount in major units: `25`, or `"2.50"`. Never a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    Whole(u32),
    Written(String),
}

impl Amount {
    pub fn text(&self) -> String {
        match self {
            Self::Whole(whole) => whole.to_string(),
            Self::Written(text) => text.clone(),
        }
    }

    /// Without decimals where they are all zeros.
    fn of(money: Money) -> Self {
        let decimal = money.decimal();
        let whole = decimal.split_once('.').filter(|(_, decimals)| decimals.bytes().all(|digit| digit == b'0'));
        Self::Written(whole.map_or(decimal.as_str(), |(whole, _)| whole).to_owned())
    }
}

/// One thing that is wrong with a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// As a file names it: `amounts[1].suggested`, the first being 0.
    pub place: String,
    /// The id of the text that says what would be right.
    pub wanted: &'static str,
    /// The number in that text, where there is one.
    pub number: usize,
}

impl Mistake {
    pub fn new(place: &str, wanted: &'static str) -> Self {
        Self { place: place.to_owned(), wanted, number: 0 }
    }
}

/// What is wrong so far.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, place: &str, wanted: &'static str) {
        self.0.push(Mistake::new(place, wanted));
    }

    fn need<T>(&mut self, found: Option<T>, place: &str, wanted: &'static str) -> Option<T> {
        if found.is_none() {
            self.add(place, wanted);
        }
        found
    }

    /// A text people read: not empty, no control characters, at most `longest` characters.
    fn text(&mut self, text: Option<&String>, place: &str, longest: usize) -> Option<String> {
        let text = text?.trim();
        let fits = !text.is_empty() && text.chars().count() <= longest && !text.chars().any(breaks);
        if !fits {
            self.0.push(Mistake { number: longest, ..Mistake::new(place, "wanted-text") });
        }
        fits.then(|| text.to_owned())
    }

    fn url(&mut self, text: Option<&String>, place: &str) -> Option<String> {
        let text = text?;
        let url = Url::parse(text).ok().filter(|url| {
            url.scheme() == "https" && url.host().is_some() && url.username().is_empty() && url.password().is_none()
        });
        let url = url.filter(|_| text.len() <= MAX_URL && text.bytes().all(|byte| byte.is_ascii_graphic()));
        self.need(url.map(String::from), place, "wanted-url")
    }

    /// When it begins or ends, said as a day or as a time of day; the place where that was said is `place` with `_on` or `_at`
    /// behind it. A day counts from its first second, or, `later` days on, from the first second after it.
    fn moment(
        &mut self,
        place: &str,
        day: Option<&String>,
        time: Option<&String>,
        zone: &TimeZone,
        later: i64,
    ) -> Option<i64> {
        let (on, at) = (format!("{place}_on"), format!("{place}_at"));
        let start = |date: Date| date.checked_add(jiff::Span::new().days(later)).ok()?.to_zoned(zone.clone()).ok();
        match (day, time) {
            (None, None) => None,
            (Some(_), Some(_)) => self.need(None, &on, "wanted-day-or-time"),
            (Some(day), None) => {
                let found = day.parse::<Date>().ok().and_then(start).map(|start| start.timestamp().as_second());
                self.need(found, &on, "wanted-day")
            }
            (None, Some(time)) => match clock_time(time, zone) {
                Ok(found) => Some(found),
                Err(wanted) => self.need(None, &at, wanted),
            },
        }
    }
}

/// When the newsroom's clock shows `2026-12-01T09:00`; the first time, where it shows that twice.
fn clock_time(text: &str, zone: &TimeZone) -> Result<i64, &'static str> {
    let plain = matches!(text.len(), 16 | 19) && text.bytes().all(|b| b.is_ascii_digit() || b"-:T ".contains(&b));
    let time = plain.then(|| text.parse::<DateTime>().ok()).flatten().ok_or("wanted-time")?;
    let moment = zone.to_ambiguous_zoned(time);
    if matches!(moment.offset(), AmbiguousOffset::Gap { .. }) {
        return Err("wanted-time-shown");
    }
    moment.compatible().map(|moment| moment.timestamp().as_second()).map_err(|_| "wanted-time")
}

/// What the newsroom's clock shows at `at` (unix seconds), as [`clock_time`] reads it.
fn shown(at: i64, zone: &TimeZone) -> String {
    let moment = Timestamp::from_second(at).unwrap_or_default().to_zoned(zone.clone());
    moment.strftime(if moment.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" }).to_string()
}

/// A picture as a `data:` address; none where its name says that it is none of ours.
pub fn picture(name: &str, bytes: &[u8]) -> Option<String> {
    let (_, end) = name.rsplit_once('.')?;
    let (_, kind) = PICTURES.into_iter().find(|(known, _)| end.eq_ignore_ascii_case(known))?;
    Some(format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)))
}

impl CampaignFile {
    /// How a campaign would be written down. [`CampaignFile::read`] makes the same campaign of it.
    pub fn of(campaign: &Campaign, zone: &TimeZone) -> Self {
        let amounts = |offer: &Offer| AmountsFile {
            currency: offer.currency.to_string(),
            frequency: offer.frequency.as_str().to_owned(),
            suggested: offer
                .suggested_minor
                .iter()
                .map(|minor| Amount::of(Money::new(*minor, offer.currency)))
                .collect(),
            min: Amount::of(offer.min()),
            max: Amount::of(offer.max()),
        };
        let fee = |fee: &Fee| FeeFile {
            currency: fee.currency.to_string(),
            percent: Amount::of(Money::new(fee.percent_hundredths, PERCENT)),
            fixed: Amount::of(Money::new(fee.fixed_minor, fee.currency)),
        };
        let texts = |(language, texts): (&Language, &Texts)| {
            let Texts { name, lead, warning, thanks } = texts.clone();
            (language.as_str().to_owned(), TextsFile { name, lead, warning, thanks })
        };
        Self {
            slug: campaign.slug.clone(),
            name: campaign.name.clone(),
            default_currency: campaign.default_currency.to_string(),
            default_frequency: campaign.default_frequency.as_str().to_owned(),
            default_language: Some(campaign.default_language.as_str().to_owned()),
            statement: campaign.statement.clone(),
            methods: Some(campaign.methods.iter().map(|method| method.as_str().to_owned()).collect()),
            accent: campaign.look.accent.map(Accent::css),
            logo: campaign.look.logo.clone(),
            policy_url: campaign.policy_url.clone(),
            newsletter_preview_url: campaign.newsletter_preview_url.clone(),
            return_origins: campaign.return_origins.clone(),
            starts_on: None,
            starts_at: campaign.starts_at.map(|at| shown(at, zone)),
            ends_on: None,
            ends_at: campaign.ends_at.map(|at| shown(at, zone)),
            amounts: campaign.offers.iter().map(amounts).collect(),
            fee_cover: campaign.fees.iter().map(fee).collect(),
            texts: campaign.texts.iter().map(texts).collect(),
        }
    }

    /// The campaign, or everything that is wrong with it. Days and times are the newsroom's.
    pub fn read(&self, zone: &TimeZone) -> Result<Campaign, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        if !is_slug(&self.slug) {
            mistakes.add("slug", "wanted-slug");
        }
        let name = mistakes.text(Some(&self.name), "name", MAX_NAME).unwrap_or_default();
        let currency =
            mistakes.need(Currency::parse(&self.default_currency).ok(), "default_currency", "wanted-currency");
        let frequency =
            mistakes.need(Frequency::parse(&self.default_frequency), "default_frequency", "wanted-frequency");
        if let (Some(currency), Some(frequency)) = (currency, frequency)
            && !self.offered(currency).any(|amounts| Frequency::parse(&amounts.frequency) == Some(frequency))
        {
            mistakes.add("amounts", "wanted-default-amounts");
        }
        let offers = self.offers(&mut mistakes);
        let (starts_at, ends_at) = self.times(zone, &mut mistakes);
        let campaign = Campaign {
            default_language: self.default_language(&mut mistakes),
            texts: self.texts(&mut mistakes),
            fees: self.fees(&mut mistakes),
            methods: self.methods(&mut mistakes),
            statement: self.statement(&mut mistakes),
            look: self.look(&mut mistakes),
            policy_url: mistakes.url(self.policy_url.as_ref(), "policy_url"),
            newsletter_preview_url: mistakes.url(self.newsletter_preview_url.as_ref(), "newsletter_preview_url"),
            return_origins: self.return_origins(&mut mistakes),
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
        if mistakes.0.is_empty() { Ok(campaign) } else { Err(mistakes.0) }
    }

    /// The amounts in a currency, right or wrong.
    fn offered(&self, currency: Currency) -> impl Iterator<Item = &AmountsFile> {
        self.amounts.iter().filter(move |amounts| Currency::parse(&amounts.currency) == Ok(currency))
    }

    fn times(&self, zone: &TimeZone, mistakes: &mut Mistakes) -> (Option<i64>, Option<i64>) {
        let starts_at = mistakes.moment("starts", self.starts_on.as_ref(), self.starts_at.as_ref(), zone, 0);
        let ends_at = mistakes.moment("ends", self.ends_on.as_ref(), self.ends_at.as_ref(), zone, 1);
        if starts_at.zip(ends_at).is_some_and(|(start, end)| end <= start) {
            mistakes.add(if self.ends_on.is_some() { "ends_on" } else { "ends_at" }, "wanted-after-start");
        }
        (starts_at, ends_at)
    }

    fn offers(&self, mistakes: &mut Mistakes) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for (n, amounts) in self.amounts.iter().enumerate() {
            let place = |what: &str| format!("amounts[{n}].{what}");
            let currency =
                mistakes.need(Currency::parse(&amounts.currency).ok(), &place("currency"), "wanted-currency");
            let frequency =
                mistakes.need(Frequency::parse(&amounts.frequency), &place("frequency"), "wanted-frequency");
            let (Some(currency), Some(frequency)) = (currency, frequency) else { continue };
            if offers.iter().any(|offer| offer.currency == currency && offer.frequency == frequency) {
                mistakes.add(&place("frequency"), "wanted-once");
            }
            let minor = |amount: &Amount| {
                let money = Money::parse_major(&amount.text(), currency).ok().map(|money| money.amount_minor);
                money.filter(|minor| (1..=GREATEST_MINOR).contains(minor) && minor % currency.step_minor() == 0)
            };
            let min_minor = mistakes.need(minor(&amounts.min), &place("min"), "wanted-amount");
            let max_minor = mistakes.need(minor(&amounts.max), &place("max"), "wanted-amount");
            let suggested: Option<Vec<i64>> = amounts.suggested.iter().map(minor).collect();
            let suggested = mistakes.need(suggested, &place("suggested"), "wanted-amounts").unwrap_or_default();
            let (Some(min_minor), Some(max_minor)) = (min_minor, max_minor) else { continue };
            if min_minor > max_minor {
                mistakes.add(&place("max"), "wanted-max");
            }
            if !(1..=MAX_SUGGESTED).contains(&amounts.suggested.len()) {
                mistakes.add(&place("suggested"), "wanted-suggested");
            }
            if suggested.iter().any(|minor| !(min_minor..=max_minor).contains(minor)) {
                mistakes.add(&place("suggested"), "wanted-between");
            }
            if suggested.windows(2).any(|pair| pair[0] >= pair[1]) {
                mistakes.add(&place("suggested"), "wanted-rising");
            }
            offers.push(Offer { currency, frequency, suggested_minor: suggested, min_minor, max_minor });
        }
        offers
    }

    fn fees(&self, mistakes: &mut Mistakes) -> Vec<Fee> {
        let mut fees: Vec<Fee> = Vec::new();
        for fee in &self.fee_cover {
            let place = |what: &str| format!("fee_cover.{}{what}", fee.currency);
            let offered = Currency::parse(&fee.currency).ok().filter(|known| self.offered(*known).next().is_some());
            let Some(currency) = mistakes.need(offered, &place(""), "wanted-offered") else { continue };
            if fees.iter().any(|known| known.currency == currency) {
                mistakes.add(&place(""), "wanted-one-fee");
            }
            let percent = Money::parse_major(&fee.percent.text(), PERCENT).ok().map(|percent| percent.amount_minor);
            let percent = percent.filter(|percent| *percent <= WHOLE / 5);
            let percent = mistakes.need(percent, &place(".percent"), "wanted-percent");
            let fixed = Money::parse_major(&fee.fixed.text(), currency).ok().map(|fixed| fixed.amount_minor);
            let fixed = mistakes.need(fixed, &place(".fixed"), "wanted-fixed");
            if let (Some(percent_hundredths), Some(fixed_minor)) = (percent, fixed) {
                fees.push(Fee { currency, percent_hundredths, fixed_minor });
            }
        }
        // As the store gives them back.
        fees.sort_by_key(|fee| fee.currency.to_string());
        fees
    }

    fn texts(&self, mistakes: &mut Mistakes) -> BTreeMap<Language, Texts> {
        let mut all = BTreeMap::new();
        for (tag, texts) in &self.texts {
            let place = |what: &str| format!("texts.{tag}{what}");
            let known = Language::ALL.into_iter().find(|language| language.as_str() == tag);
            let Some(language) = mistakes.need(known, &place(""), "wanted-language") else { continue };
            let texts = Texts {
                name: mistakes.text(texts.name.as_ref(), &place(".name"), MAX_NAME),
                lead: mistakes.text(texts.lead.as_ref(), &place(".lead"), MAX_TEXT),
                warning: mistakes.text(texts.warning.as_ref(), &place(".warning"), MAX_TEXT),
                thanks: mistakes.text(texts.thanks.as_ref(), &place(".thanks"), MAX_TEXT),
            };
            if texts != Texts::default() {
                all.insert(language, texts);
            }
        }
        all
    }

    fn default_language(&self, mistakes: &mut Mistakes) -> Language {
        let Some(tag) = &self.default_language else { return Language::En };
        let known = Language::ALL.into_iter().find(|language| language.as_str() == tag);
        mistakes.need(known, "default_language", "wanted-language").unwrap_or(Language::En)
    }

    fn methods(&self, mistakes: &mut Mistakes) -> Vec<Method> {
        let Some(words) = &self.methods else { return vec![Method::Card] };
        let known: Option<Vec<Method>> = words.iter().map(|word| Method::parse(word)).collect();
        mistakes.need(known, "methods", "wanted-methods").unwrap_or_default()
    }

    fn statement(&self, mistakes: &mut Mistakes) -> Option<String> {
        let text = self.statement.as_ref()?.trim();
        let plain = |c: char| c.is_ascii_graphic() && !"<>\\'\"*".contains(c) || c == ' ';
        let fits =
            STATEMENT.contains(&text.len()) && text.chars().all(plain) && text.chars().any(|c| c.is_ascii_alphabetic());
        mistakes.need(fits.then(|| text.to_owned()), "statement", "wanted-statement")
    }

    fn look(&self, mistakes: &mut Mistakes) -> Look {
        let accent =
            self.accent.as_ref().and_then(|text| mistakes.need(Accent::parse(text), "accent", "wanted-accent"));
        let logo = self.logo.as_ref().and_then(|data| {
            let of_kind = |(_, kind): &(_, &str)| data.strip_prefix(format!("data:image/{kind};base64,").as_str());
            let encoded = PICTURES.iter().find_map(of_kind);
            let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
            let fits = encoded.as_ref().is_some_and(plain) && data.len() <= MAX_LOGO;
            mistakes.need(fits.then(|| data.clone()), "logo", "wanted-logo")
        });
        Look { accent, logo }
    }

    fn return_origins(&self, mistakes: &mut Mistakes) -> Vec<String> {
        let exact = |text: &String| {
            let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
            origin.filter(|origin| origin == text && text.starts_with("http"))
        };
        let read: Option<Vec<String>> = self.return_origins.iter().map(exact).collect();
        mistakes.need(read, "return_origins", "wanted-origins").unwrap_or_default()
    }
}

/// A percentage has two decimals, as a dollar has.
const PERCENT: Currency = Currency::USD;

#[cfg(test)]
mod tests {
    use super::*;

    fn riga() -> TimeZone {
        TimeZone::get("Europe/Riga").unwrap()
    }

    #[test]
    fn what_is_written_down_of_a_campaign_reads_as_the_same_campaign() {
        let sample: CampaignFile = toml::from_str(include_str!("../../docs/campaign.toml")).unwrap();
        let mut campaign = sample.read(&riga()).unwrap();
        for ends_at in [campaign.ends_at, Some(1_803_000_007), None] {
            campaign.ends_at = ends_at;
            campaign.look.logo = picture("logo.SVG", b"<svg/>");
            let written = CampaignFile::of(&campaign, &riga());
            assert_eq!(written.read(&riga()).unwrap(), campaign);
            assert_eq!(CampaignFile::of(&campaign, &riga()), written);
        }
        let written = CampaignFile::of(&campaign, &riga());
        assert_eq!(written.starts_at.as_deref(), Some("2026-12-01T00:00"));
        assert_eq!(written.amounts[2].suggested[0].text(), "2.50");
        assert_eq!(written.amounts[2].suggested[1].text(), "5");
        assert_eq!(picture("logo.gif", b"GIF"), None);
        assert_eq!(picture("png", b""), None);
    }

    #[test]
    fn a_time_is_what_the_newsrooms_clock_shows() {
        for (text, at) in [
            ("2026-12-01T09:00", Ok(1_796_108_400)),
            ("2026-12-01 09:00:01", Ok(1_796_108_401)),
            // Clocks are put back from 4 to 3: the first of the two.
            ("2026-10-25T03:30", Ok(1_792_888_200)),
            // And forward from 3 to 4: no clock shows this.
            ("2026-03-29T03:30", Err("wanted-time-shown")),
            ("2026-12-01", Err("wanted-time")),
            ("2026-12-01T09:00Z", Err("wanted-time")),
            ("2026-12-01T25:00", Err("wanted-time")),
            ("2026-12-01T09:00+02", Err("wanted-time")),
        ] {
            assert_eq!(clock_time(text, &riga()), at, "{text}");
        }
    }

    #[test]
    fn an_end_is_said_once_and_comes_after_the_beginning() {
        let mut file: CampaignFile = toml::from_str(include_str!("../../docs/campaign.toml")).unwrap();
        let wrong = |file: &CampaignFile| -> Vec<(String, &str)> {
            file.read(&riga()).unwrap_err().into_iter().map(|mistake| (mistake.place, mistake.wanted)).collect()
        };
        file.ends_at = Some("2027-01-01T12:00".to_owned());
        assert_eq!(wrong(&file), [("ends_on".to_owned(), "wanted-day-or-time")]);
        file.ends_on = None;
        assert!(file.read(&riga()).is_ok());
        file.ends_at = Some("2026-12-01T00:00".to_owned());
        assert_eq!(wrong(&file), [("ends_at".to_owned(), "wanted-after-start")]);
    }
}
