//! What a mail's facts hold, and how they are put to its templates: dates, money and plurals as the language writes
//! them, links that are links, and nothing that ends or turns a line.

use std::collections::BTreeMap;

use fluent_bundle::FluentValue;
use jiff::civil::Date;
use minijinja::Value;
use serde_json::Value as Json;
use url::Url;

use crate::domain::email::EmailKind;
use crate::domain::language::Language;
use crate::domain::mailbox::Line;
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;
use crate::text;

/// The facts do not hold what the mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fact `{0}` is missing or wrong")]
pub struct BadFact(pub &'static str);

/// What a fact is, by the way it is shown.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Url,
    Date,
    Count,
    /// `amount_minor` with its `currency`.
    Amount,
    /// The amount with its `frequency`, in words.
    Given,
    /// The same of a fact that holds these of something else.
    GivenOf,
    Maybe(&'static Is),
}

const MAYBE_TEXT: Is = Is::Maybe(&Is::Text);
const MAYBE_URL: Is = Is::Maybe(&Is::Url);
const MAYBE_DATE: Is = Is::Maybe(&Is::Date);

/// The facts of each mail, by the names its templates know.
fn expected(kind: EmailKind) -> &'static [(&'static str, Is)] {
    use Is::{Amount, Count, Date, Given, GivenOf, Maybe, Text, Url};
    match kind {
        EmailKind::ReminderConfirmation => {
            &[("confirm_url", Url), ("never_url", Url), ("due_on", Date), ("mails", Count), ("asked_on", Date)]
        }
        EmailKind::Reminder => &[
            ("give_url", Url),
            ("manage_url", Url),
            ("unsubscribe_url", Url),
            ("asked_on", Date),
            ("given", Maybe(&Given)),
        ],
        EmailKind::NewsletterConfirmation => {
            &[("confirm_url", Url), ("never_url", Url), ("asked_on", Date), ("list", Text)]
        }
        EmailKind::NewsletterWelcome => {
            &[("unsubscribe_url", Url), ("asked_on", Date), ("list", Text), ("preview_url", MAYBE_URL)]
        }
        EmailKind::ThankYou | EmailKind::Receipt => &[
            ("amount", Amount),
            ("given", Given),
            ("paid_on", Date),
            ("next_on", MAYBE_DATE),
            ("statement", MAYBE_TEXT),
            ("stop_url", MAYBE_URL),
            ("other", Maybe(&GivenOf)),
            ("other_stop_url", MAYBE_URL),
        ],
        EmailKind::PaymentFailed => &[
            ("given", Given),
            ("reason", Text),
            ("next_try_on", MAYBE_DATE),
            ("pay_url", MAYBE_URL),
            ("stop_url", MAYBE_URL),
        ],
        EmailKind::PledgeEnded => &[("given", Given), ("ended_on", Date), ("why", Text)],
        EmailKind::RenewalNotice => &[("amount", Amount), ("charged_on", Date), ("stop_url", MAYBE_URL)],
        EmailKind::Refund => &[("amount", Amount), ("refunded_on", Date), ("stop_url", MAYBE_URL)],
        EmailKind::ManageLink => &[("continue_url", Url), ("asked_on", Date), ("asked_by", Text), ("minutes", Count)],
        EmailKind::PledgeChanged => {
            &[("given", Given), ("before", GivenOf), ("next_on", MAYBE_DATE), ("stop_url", MAYBE_URL)]
        }
        EmailKind::ResumeNotice => &[("given", Given), ("resumes_on", Date), ("stop_url", MAYBE_URL)],
    }
}

/// The facts as templates get them.
pub(super) fn read(
    kind: EmailKind,
    language: Language,
    facts: &Json,
) -> Result<BTreeMap<&'static str, Value>, BadFact> {
    let all = [("campaign_name", Is::Text), ("support_url", MAYBE_URL)];
    let fields = all.iter().chain(expected(kind));
    fields.map(|(name, is)| Ok((*name, shown(name, *is, language, facts)?))).collect()
}

fn shown(name: &'static str, is: Is, language: Language, facts: &Json) -> Result<Value, BadFact> {
    let bad = BadFact(name);
    let held = facts.get(name).and_then(Json::as_str);
    match is {
        Is::Text => line(held.ok_or(bad)?).ok_or(bad),
        Is::Url => link(held.ok_or(bad)?).map(|url| Value::from(url.to_string())).ok_or(bad),
        Is::Date => {
            let date: Date = held.ok_or(bad)?.parse().map_err(|_| bad)?;
            Ok(Value::from(text::date(language, date)))
        }
        Is::Count => facts.get(name).and_then(Json::as_i64).filter(|count| *count >= 0).map(Value::from).ok_or(bad),
        Is::Amount => Ok(Value::from(text::money(language, money(facts)?))),
        Is::Given => given(language, facts),
        Is::GivenOf => given(language, facts.get(name).ok_or(bad)?),
        Is::Maybe(is) => {
            // What is shown of several facts is there when the first of them is.
            let first = if matches!(is, Is::Given) { "frequency" } else { name };
            match facts.get(first) {
                None | Some(Json::Null) => Ok(Value::from(())),
                Some(_) => shown(name, *is, language, facts),
            }
        }
    }
}

fn given(language: Language, facts: &Json) -> Result<Value, BadFact> {
    let frequency = text_of(facts, "frequency").and_then(Frequency::parse).ok_or(BadFact("frequency"))?;
    let amount = text::money(language, money(facts)?);
    let id = format!("given-{}", frequency.as_str());
    Ok(Value::from(text::say(language, &id, &[("amount", FluentValue::from(amount))])))
}

fn text_of<'a>(facts: &'a Json, name: &str) -> Option<&'a str> {
    facts.get(name).and_then(Json::as_str)
}

fn line(text: &str) -> Option<Value> {
    let line = Line::of(text);
    (!line.as_str().is_empty()).then(|| Value::from(line.as_str()))
}

/// A link to a page; what it is written with cannot end a line.
pub(super) fn link(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

fn money(facts: &Json) -> Result<Money, BadFact> {
    let minor = facts.get("amount_minor").and_then(Json::as_i64).ok_or(BadFact("amount_minor"))?;
    let currency = text_of(facts, "currency").and_then(|code| Currency::parse(code).ok());
    Ok(Money::new(minor, currency.ok_or(BadFact("currency"))?))
}
