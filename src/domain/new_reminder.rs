//! Reading what somebody asks for later: once, completely, and with every mistake named.
//!
//! What leaves here is sealed as it is and opened by the worker, so it holds everything the worker decides by.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::calendar;
use super::campaign::{Campaign, DEFAULT, is_slug};
use super::campaign_file::GREATEST_MINOR;
use super::email_address::EmailAddress;
use super::field::{FieldError, Fields, Given};
use super::language::Language;
use super::money::Currency;
use super::new_pledge::is_source;
use super::pledge::Frequency;
use super::reminder::{Due, MAX_MONTHS, Schedule};

/// The text of the reminder's form, counted up when its promise changes.
pub const REMINDER_TEXT: &str = "reminder-1";
/// The text of the newsletter's form.
pub const NEWSLETTER_TEXT: &str = "newsletter-1";
/// The newsroom's one list.
pub const LIST: &str = "newsletter";
/// Mails of a single reminder: its confirmation and itself.
pub const MAILS: u32 = 2;

const REMINDER_FIELDS: [&str; 10] = [
    "email",
    "due",
    "recurring_months",
    "frequency",
    "amount_minor",
    "currency",
    "campaign",
    "locale",
    "component",
    "consent",
];
const NEWSLETTER_FIELDS: [&str; 4] = ["email", "list", "locale", "consent"];

/// A reminder somebody asks for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReminder {
    pub email: String,
    /// As 20261123.
    pub anchor_on: i64,
    pub months: i16,
    pub recurring_months: Option<i16>,
    pub until_months: i16,
    pub frequency: Option<String>,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    pub campaign: String,
    pub language: String,
    pub component: String,
    pub consent_version: String,
}

impl NewReminder {
    pub fn schedule(&self) -> Option<Schedule> {
        let anchor = calendar::read_number(self.anchor_on)?;
        Some(Schedule { anchor, months: self.months, every: self.recurring_months, until: self.until_months })
    }
}

/// A newsletter somebody asks for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSignup {
    pub email: String,
    pub list: String,
    pub language: String,
    pub consent_version: String,
}

/// The slug of the campaign a request names, if it can be one.
pub fn campaign(fields: &Fields) -> Option<&str> {
    fields.text("campaign").ok().map(|slug| slug.unwrap_or(DEFAULT)).filter(|slug| is_slug(slug))
}

/// Collects mistakes.
#[derive(Default)]
struct Mistakes(Vec<FieldError>);

impl Mistakes {
    fn keep<T>(&mut self, read: Result<T, FieldError>) -> Option<T> {
        read.map_err(|mistake| self.0.push(mistake)).ok()
    }
}

/// Reads a reminder asked for on `today` in `campaign`; the day it is due with it.
pub fn reminder(
    fields: &Fields,
    campaign: Option<&Campaign>,
    today: Date,
) -> Result<(NewReminder, Date), Vec<FieldError>> {
    let mut mistakes = Mistakes(fields.strangers(&REMINDER_FIELDS));
    let email = mistakes.keep(email(fields));
    let schedule = mistakes.keep(every(fields)).and_then(|every| mistakes.keep(schedule(fields, every, today)));
    let frequency = mistakes.keep(frequency(fields));
    let currency = mistakes.keep(currency(fields));
    let amount = mistakes.keep(amount(fields, currency.flatten()));
    let component = mistakes.keep(component(fields));
    let consent = mistakes.keep(consent(fields, REMINDER_TEXT));
    let locale = mistakes.keep(fields.text("locale"));
    if campaign.is_none() {
        mistakes.0.push(FieldError::new("campaign", "unknown", "expected the slug of a campaign"));
    }
    match (email, schedule, frequency, currency, amount, component, consent, locale, campaign) {
        (
            Some(email),
            Some(schedule),
            Some(frequency),
            Some(currency),
            Some(amount_minor),
            Some(component),
            Some(consent_version),
            Some(locale),
            Some(campaign),
        ) if mistakes.0.is_empty() => {
            let reminder = NewReminder {
                email: email.as_str().to_owned(),
                anchor_on: calendar::number_of(schedule.anchor),
                months: schedule.months,
                recurring_months: schedule.every,
                until_months: schedule.until,
                frequency: frequency.map(|frequency| frequency.as_str().to_owned()),
                amount_minor,
                currency: currency.map(|currency| currency.to_string()),
                campaign: campaign.slug.clone(),
                language: locale.and_then(Language::parse).unwrap_or(campaign.default_language).as_str().to_owned(),
                component,
                consent_version,
            };
            Ok((reminder, schedule.due_on()))
        }
        _ => Err(mistakes.0),
    }
}

/// Reads a newsletter signup.
pub fn signup(fields: &Fields, default: Language) -> Result<NewSignup, Vec<FieldError>> {
    let mut mistakes = Mistakes(fields.strangers(&NEWSLETTER_FIELDS));
    let email = mistakes.keep(email(fields));
    let consent = mistakes.keep(consent(fields, NEWSLETTER_TEXT));
    let locale = mistakes.keep(fields.text("locale"));
    let list = mistakes.keep(fields.text("list")).flatten();
    if list != Some(LIST) {
        mistakes.0.push(FieldError::new("list", "unknown", format!("expected {LIST}")));
    }
    match (email, consent, locale) {
        (Some(email), Some(consent_version), Some(locale)) if mistakes.0.is_empty() => Ok(NewSignup {
            email: email.as_str().to_owned(),
            list: LIST.to_owned(),
            language: locale.and_then(Language::parse).unwrap_or(default).as_str().to_owned(),
            consent_version,
        }),
        _ => Err(mistakes.0),
    }
}

fn email(fields: &Fields) -> Result<EmailAddress, FieldError> {
    let text = fields.text("email")?.unwrap_or_default();
    EmailAddress::parse(text).map_err(|wrong| FieldError::new("email", "malformed", wrong.to_string()))
}

/// The text that was agreed to: only the one that is shown.
fn consent(fields: &Fields, shown: &str) -> Result<String, FieldError> {
    let wrong =
        || FieldError::new("consent.text_version", "unknown", format!("expected {shown}, the text that is shown now"));
    let Some(Given::Object(consent)) = fields.get("consent") else { return Err(wrong()) };
    if let Some(stranger) = consent.strangers(&["text_version"]).into_iter().next() {
        return Err(stranger);
    }
    match consent.text("text_version")? {
        Some(version) if version == shown => Ok(version.to_owned()),
        _ => Err(wrong()),
    }
}

fn number(fields: &Fields, name: &str) -> Result<Option<i64>, FieldError> {
    match fields.get(name) {
        None => Ok(None),
        Some(Given::Number(text)) => {
            let whole = text.parse().map_err(|_| FieldError::new(name, "wrong_type", "expected a whole number"));
            whole.map(Some)
        }
        Some(_) => Err(FieldError::new(name, "wrong_type", "expected a whole number")),
    }
}

fn every(fields: &Fields) -> Result<Option<i16>, FieldError> {
    let wrong = || FieldError::new("recurring_months", "out_of_range", format!("expected 1 to {MAX_MONTHS}"));
    let Some(months) = number(fields, "recurring_months")? else { return Ok(None) };
    let months = i16::try_from(months).map_err(|_| wrong())?;
    if (1..=MAX_MONTHS).contains(&months) { Ok(Some(months)) } else { Err(wrong()) }
}

fn schedule(fields: &Fields, every: Option<i16>, today: Date) -> Result<Schedule, FieldError> {
    let wrong = || {
        let right = "expected {\"on\": \"2027-01-15\"}, {\"in\": \"next_month\"} (3_months, 6_months, one_year) or \
                     {\"in\": \"next_payday\", \"payday\": 5}";
        FieldError::new("due", "malformed", right)
    };
    let Some(Given::Object(due)) = fields.get("due") else { return Err(wrong()) };
    if !due.strangers(&["on", "in", "payday"]).is_empty() {
        return Err(wrong());
    }
    let payday = number(due, "payday").map_err(|_| wrong())?;
    let due = match (due.text("on").map_err(|_| wrong())?, due.text("in").map_err(|_| wrong())?, payday) {
        (Some(on), None, None) => Due::On(day(on).ok_or_else(wrong)?),
        (None, Some("next_month"), None) => Due::InMonths(1),
        (None, Some("3_months"), None) => Due::InMonths(3),
        (None, Some("6_months"), None) => Due::InMonths(6),
        (None, Some("one_year"), None) => Due::InMonths(12),
        (None, Some("next_payday"), Some(payday @ 1..=31)) => {
            Due::NextPayday(i8::try_from(payday).map_err(|_| wrong())?)
        }
        _ => return Err(wrong()),
    };
    Schedule::new(due, every, today).ok_or_else(|| {
        FieldError::new("due", "out_of_range", format!("expected a day after today, at most {MAX_MONTHS} months ahead"))
    })
}

/// A day as 2027-01-15 and in no other form.
fn day(text: &str) -> Option<Date> {
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    plain.then(|| text.parse().ok()).flatten()
}

fn frequency(fields: &Fields) -> Result<Option<Frequency>, FieldError> {
    let Some(word) = fields.text("frequency")? else { return Ok(None) };
    let read = Frequency::parse(word);
    read.map(Some).ok_or_else(|| FieldError::new("frequency", "unknown", "expected once, monthly or annual"))
}

fn currency(fields: &Fields) -> Result<Option<Currency>, FieldError> {
    let Some(code) = fields.text("currency")? else { return Ok(None) };
    Currency::parse(&code.to_ascii_uppercase())
        .map(Some)
        .map_err(|_| FieldError::new("currency", "unknown", "expected a currency by ISO 4217, such as USD"))
}

/// What the giving page makes of it is for the campaign to say then; here it only has to be an amount.
fn amount(fields: &Fields, currency: Option<Currency>) -> Result<Option<i64>, FieldError> {
    match number(fields, "amount_minor")? {
        None => Ok(None),
        Some(_) if currency.is_none() => {
            Err(FieldError::new("currency", "required", "expected the currency of amount_minor"))
        }
        Some(minor) if (1..=GREATEST_MINOR).contains(&minor) => Ok(Some(minor)),
        Some(_) => {
            Err(FieldError::new("amount_minor", "out_of_range", format!("expected minor units, 1 to {GREATEST_MINOR}")))
        }
    }
}

fn component(fields: &Fields) -> Result<String, FieldError> {
    let component = fields.text("component")?.unwrap_or_default();
    if component.is_empty() || is_source(component) {
        Ok(component.to_owned())
    } else {
        Err(FieldError::new("component", "malformed", "expected at most 64 letters, digits and -_./:"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn fields(members: &[(&str, Given)]) -> Fields {
        members.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect()
    }

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    fn object(members: &[(&str, Given)]) -> Given {
        Given::Object(fields(members))
    }

    fn asked(more: &[(&str, Given)]) -> Fields {
        let mut all = vec![
            ("email", text("reader@example.org")),
            ("due", object(&[("in", text("next_month"))])),
            ("consent", object(&[("text_version", text(REMINDER_TEXT))])),
        ];
        all.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        all.extend_from_slice(more);
        fields(&all)
    }

    fn read(fields: &Fields) -> Result<(NewReminder, Date), Vec<FieldError>> {
        let usd = Currency::parse("USD").unwrap();
        let campaign = Campaign::plain("default", "Paper", usd, Frequency::Once, Vec::new());
        reminder(fields, Some(&campaign), date(2026, 11, 30))
    }

    #[test]
    fn a_reminder_is_read_with_its_day() {
        let number = |text: &str| Given::Number(text.to_owned());
        for (due, day) in [
            (object(&[("in", text("next_month"))]), "2026-12-30"),
            (object(&[("in", text("3_months"))]), "2027-02-28"),
            (object(&[("in", text("6_months"))]), "2027-05-30"),
            (object(&[("in", text("one_year"))]), "2027-11-30"),
            (object(&[("on", text("2027-01-15"))]), "2027-01-15"),
            (object(&[("in", text("next_payday")), ("payday", number("31"))]), "2026-12-31"),
        ] {
            let (reminder, due) = read(&asked(&[("due", due)])).unwrap();
            assert_eq!(due.to_string(), day);
            assert_eq!(reminder.schedule().unwrap().due_on(), due);
        }
    }

    #[test]
    fn every_mistake_is_named_and_no_value_repeated() {
        let number = |text: &str| Given::Number(text.to_owned());
        for (field, given, named) in [
            ("email", text("nobody"), "email"),
            ("email", text("a@example.org\r\nBcc: b@example.org"), "email"),
            ("due", text("2027-01-15"), "due"),
            ("due", object(&[("on", text("2026-11-30"))]), "due"),
            ("due", object(&[("on", text("2027-02-30"))]), "due"),
            ("due", object(&[("in", text("never"))]), "due"),
            ("due", object(&[("in", text("next_payday"))]), "due"),
            ("due", object(&[("in", text("next_payday")), ("payday", number("0"))]), "due"),
            ("recurring_months", number("0"), "recurring_months"),
            ("recurring_months", number("25"), "recurring_months"),
            ("recurring_months", number("1e3"), "recurring_months"),
            ("frequency", text("weekly"), "frequency"),
            ("amount_minor", number("500"), "currency"),
            ("component", text("a b"), "component"),
            ("consent", text("yes"), "consent.text_version"),
            ("consent", object(&[("text_version", text("reminder-0"))]), "consent.text_version"),
            ("name", text("Somebody"), "name"),
        ] {
            let Err(mistakes) = read(&asked(&[(field, given)])) else { panic!("{field} is taken") };
            assert_eq!(mistakes.iter().map(|mistake| mistake.field.as_str()).collect::<Vec<_>>(), [named]);
            assert!(!format!("{mistakes:?}").contains("Bcc"));
        }
        assert_eq!(reminder(&fields(&[]), None, date(2026, 11, 30)).err().unwrap().len(), 4);
    }
}
