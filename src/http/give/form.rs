//! The plain form of a campaign: what is chosen in it, what is wrong with that, and how it looks before it is saved.

use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};

use super::super::pages;
use super::super::widget::WIDGET;
use super::reader::Reader;
use crate::domain::campaign::{Accent, Campaign, DEFAULT, Offer, Season};
use crate::domain::field::{FieldError, Fields};
use crate::domain::language::Language;
use crate::domain::money::{Currency, Money};
use crate::domain::new_pledge::is_source;
use crate::domain::pledge::Frequency;
use crate::text;

/// What somebody chose so far.
#[derive(Debug, Default)]
pub struct Choice {
    pub campaign: String,
    frequency: String,
    pub amount: String,
    currency: String,
    pub other: String,
    source: String,
    cover_fee: bool,
}

impl Choice {
    /// Of a form, or of a link: those are written as the widget reads them, `d_freq=monthly&d_amount=5`.
    pub fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).ok().flatten();
        let either = |name, link| text(name).or_else(|| text(link)).unwrap_or_default().to_owned();
        let source = either("source", "d_ref");
        Self {
            campaign: either("campaign", "d_campaign"),
            frequency: either("frequency", "d_freq"),
            amount: either("amount", "d_amount"),
            currency: text("currency").unwrap_or_default().to_owned(),
            other: text("other_amount").unwrap_or_default().to_owned(),
            source: if is_source(&source) { source } else { String::new() },
            cover_fee: fields.flag("cover_fee").unwrap_or(false),
        }
    }

    /// The amount that counts: what was typed, or what was picked.
    fn amount(&self) -> &str {
        if self.other.is_empty() { &self.amount } else { &self.other }
    }
}

/// The form, or why there is none.
pub fn form(reader: &Reader<'_>, campaign: &Campaign, choice: &Choice, errors: &[FieldError], now: i64) -> Response {
    match campaign.season(now) {
        Season::Running => {}
        Season::Ended if campaign.slug == DEFAULT => return reader.closed("ended-title", "ended-thanks"),
        Season::Ended => return reader.closed("ended-title", "ended-lead"),
        Season::Scheduled => return reader.closed("upcoming-title", "upcoming-lead"),
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let values = context! { preview => false, ..values(reader, campaign, choice, errors) };
    reader.page(status, "give", campaign.heading(reader.language), values)
}

/// The form of a campaign that is yet to be saved, for the newsroom to look at. There is nothing in it that could be sent, and
/// its policy forbids to.
pub fn preview(campaign: &Campaign, language: Language, test_mode: bool) -> Response {
    let reader = Reader { language, campaign: Some(campaign), here: String::new() };
    let accent = campaign.look.accent.map(Accent::digits);
    let values = context! {
        preview => true, test_mode, title => campaign.heading(language), campaign => &campaign.slug,
        // Said even when there is none: the one that is stored may have one.
        accent => accent.unwrap_or_default(), logo => &campaign.look.logo, languages => Vec::<Value>::new(),
        ..values(&reader, campaign, &Choice::default(), &[])
    };
    pages::preview("give", language, values)
}

/// What the template of the form is filled with.
fn values(reader: &Reader<'_>, campaign: &Campaign, choice: &Choice, errors: &[FieldError]) -> Value {
    let frequency = Frequency::parse(&choice.frequency).unwrap_or(campaign.default_frequency);
    let currency = Currency::parse(&choice.currency).ok().filter(|c| campaign.currencies().contains(c));
    let currency = currency.unwrap_or(campaign.default_currency);
    let offered = |frequency: &Frequency| campaign.offer(currency, *frequency).is_some();
    let frequency = [frequency].into_iter().chain(Frequency::ALL.iter().copied()).find(offered).unwrap_or(frequency);
    let offer = campaign.offer(currency, frequency);
    let suggested: Vec<Money> = offer
        .map(|offer| offer.suggested_minor.iter().map(|minor| Money::new(*minor, currency)).collect())
        .unwrap_or_default();
    let chosen = Money::parse_major(choice.amount(), currency).ok();
    let picked = chosen.filter(|money| suggested.contains(money));
    let amount = match (choice.amount(), picked, suggested.get(suggested.len() / 2)) {
        (_, Some(money), _) | ("", None, Some(&money)) => money.decimal(),
        (typed, ..) => typed.to_owned(),
    };
    let say = |money: Money| text::money(reader.language, money);
    let minimum = format!("minimum-{}", frequency.as_str());
    let least = offer.map(|offer| say(offer.min())).unwrap_or_default();
    let wrong: Vec<Value> = errors.iter().map(|error| wrong(reader.language, error, offer, currency)).collect();
    let words = campaign.words(reader.language);
    context! {
        lead => words.lead.unwrap_or_else(|| reader.say("lead")), warning => words.warning,
        widget => WIDGET.path(), integrity => &WIDGET.integrity,
        return_url => format!("/give/thanks?lang={}", reader.language.as_str()),
        frequency => frequency.as_str(), currency => currency.to_string(), amount, source => &choice.source,
        frequencies => Frequency::ALL.iter().filter(|f| offered(f)).map(|f| f.as_str()).collect::<Vec<_>>(),
        currencies => campaign.currencies().iter().map(Currency::to_string).collect::<Vec<_>>(),
        suggested => suggested.iter().map(|m| context! { value => m.decimal(), label => say(*m) }).collect::<Vec<_>>(),
        other => if picked.is_some() { "" } else { choice.amount() },
        minimum => text::say(reader.language, &minimum, &[("amount", least.into())]),
        fee => campaign.fee(currency).is_some(), cover_fee => choice.cover_fee, errors => wrong,
        statement => &campaign.statement, policy_url => &campaign.policy_url,
        methods => campaign.methods.iter().map(|method| method.as_str()).collect::<Vec<_>>(),
    }
}

/// A mistake in the reader's language, and the field it is in.
fn wrong(language: Language, error: &FieldError, offer: Option<&Offer>, currency: Currency) -> Value {
    let (id, money) = match (error.field.as_str(), error.code.as_str()) {
        ("amount", "required") => ("error-required", None),
        ("amount", "malformed") => {
            ("error-malformed", Some(Money::new(25 * 10_i64.pow(currency.exponent()), currency)))
        }
        ("amount", "too_small") => ("error-too-small", offer.map(Offer::min)),
        ("amount", "too_large") => ("error-too-large", offer.map(Offer::max)),
        ("amount", "too_fine") => ("error-too-fine", Some(Money::new(currency.step_minor(), currency))),
        (_, "not_offered") => ("error-not-offered", None),
        _ => ("error-other", None),
    };
    let amount = money.map(|money| text::money(language, money)).unwrap_or_default();
    let at = match error.field.as_str() {
        "amount" => Some("other_amount"),
        "currency" => Some("currency"),
        _ => None,
    };
    context! { message => text::say(language, id, &[("amount", amount.into())]), at }
}
