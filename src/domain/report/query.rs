//! What is asked of a report, read once and completely, with every mistake named. The command line and HTTP ask alike.

use jiff::civil::{Date, date};

use super::{By, periods};
use crate::domain::campaign::is_slug;
use crate::domain::field::{FieldError, Fields};
use crate::domain::money::Currency;
use crate::domain::new_pledge::{MAX_SOURCE, is_source};
use crate::domain::pledge::{Frequency, words};

/// More periods than this are not put into one report: ten years of days fit.
pub const MAX_PERIODS: usize = 4_000;

words! {
    /// Which report.
    Name {
        Revenue = "revenue",
        Recurring = "recurring",
        OneTime = "one-time",
        Failed = "failed",
        Reminders = "reminders",
        Payouts = "payouts",
        Statement = "statement",
        Payments = "payments",
    }
}

words! {
    /// Which money the revenue counts.
    View {
        /// What donors gave, in their currencies, on the days they gave.
        Charge = "charge",
        /// What Stripe booked, in the currency the account is settled in, on the days it was booked.
        Settlement = "settlement",
    }
}

/// What figures are parted by, besides their currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    pub period: Option<By>,
    pub frequency: bool,
    pub campaign: bool,
    pub source: bool,
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dimensions = [(self.frequency, "frequency"), (self.campaign, "campaign"), (self.source, "source")];
        let named = dimensions.into_iter().filter(|(is, _)| *is).map(|(_, name)| name);
        let words: Vec<&str> = self.period.map(By::as_str).into_iter().chain(named).collect();
        f.write_str(&if words.is_empty() { "currency".to_owned() } else { words.join(",") })
    }
}

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Only {
    pub currency: Option<Currency>,
    pub campaign: Option<String>,
    pub frequency: Option<Frequency>,
    pub source: Option<String>,
}

/// A report as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub name: Name,
    pub from: Date,
    /// Exclusive.
    pub to: Date,
    pub split: Split,
    pub only: Only,
    pub view: View,
}

/// Fields that say how the answer is written; whoever writes it reads them.
pub const FORM_FIELDS: [&str; 2] = ["format", "bom"];
const FIELDS: [&str; 10] =
    ["from", "to", "by", "currency", "campaign", "frequency", "source", "view", FORM_FIELDS[0], FORM_FIELDS[1]];
/// Where a report has no days of its own, it is about all.
const ALL_DAYS: (Date, Date) = (date(1970, 1, 1), date(9999, 12, 31));

impl Name {
    /// The fields besides `from` and `to` that this report knows.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Revenue => &["by", "currency", "campaign", "frequency", "source", "view"],
            Self::Recurring | Self::Failed => &["by", "currency", "campaign", "frequency", "source"],
            Self::OneTime => &["by", "currency", "campaign", "source"],
            Self::Reminders => &["campaign"],
            Self::Payouts => &["currency"],
            Self::Statement => &["by", "currency"],
            Self::Payments => &["currency", "campaign", "frequency", "source"],
        }
    }

    /// Whether its figures may be parted like this.
    pub fn is_parted_by(self, by: &str) -> bool {
        self.fields().contains(&"by") && split(by, self).is_some()
    }

    /// What `by` may name, besides a period and the currency.
    fn dimensions(self) -> &'static [&'static str] {
        match self {
            Self::Revenue | Self::Recurring | Self::Failed => &["frequency", "campaign", "source"],
            Self::OneTime => &["campaign", "source"],
            _ => &[],
        }
    }
}

impl Query {
    /// Reads a report's name and what was said with it. All mistakes are reported together.
    pub fn parse(name: &str, fields: &Fields) -> Result<Self, Vec<FieldError>> {
        let mut errors = fields.strangers(&FIELDS);
        let Some(name) = Name::parse(name) else {
            let known: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
            errors.push(FieldError::new("name", "unknown", format!("expected one of {}", known.join(", "))));
            return Err(errors);
        };
        for field in ["by", "currency", "campaign", "frequency", "source", "view"] {
            if fields.get(field).is_some() && !name.fields().contains(&field) {
                let known = format!("this report knows from, to and {}", name.fields().join(", "));
                errors.push(FieldError::new(field, "not_used", known));
            }
        }
        let mut keep = |result: Result<(), FieldError>| errors.extend(result.err());
        let default = (name == Name::Reminders).then_some(ALL_DAYS);
        let (mut from, mut to) = (ALL_DAYS.0, ALL_DAYS.1);
        keep(day(fields, "from", default.map(|days| days.0)).map(|day| from = day));
        keep(day(fields, "to", default.map(|days| days.1)).map(|day| to = day));
        let mut split = Split { period: Some(By::Month), ..Split::default() };
        keep(read_split(fields, name).map(|read| split = read));
        let mut query = Self { name, from, to, split, only: Only::default(), view: View::Charge };
        keep(query.read_only(fields));
        keep(
            word(fields, "frequency", "expected once, monthly or annual", Frequency::parse)
                .map(|read| query.only.frequency = read),
        );
        keep(
            word(fields, "view", "expected charge or settlement", View::parse)
                .map(|read| query.view = read.unwrap_or(View::Charge)),
        );
        keep(source(fields).map(|read| query.only.source = read));
        if errors.is_empty() {
            errors.extend(query.days_wrong());
        }
        if errors.is_empty() { Ok(query) } else { Err(errors) }
    }

    fn read_only(&mut self, fields: &Fields) -> Result<(), FieldError> {
        let unknown = "expected an ISO 4217 code, such as USD";
        self.only.currency = word(fields, "currency", unknown, |code| Currency::parse(code).ok())?;
        let slug = "expected the slug of a campaign: a-z, 0-9 and -";
        self.only.campaign = word(fields, "campaign", slug, |slug| is_slug(slug).then(|| slug.to_owned()))?;
        Ok(())
    }

    fn days_wrong(&self) -> Option<FieldError> {
        if self.from >= self.to {
            let message = "expected a day after `from`: it is the day after the last one";
            return Some(FieldError::new("to", "not_after_from", message));
        }
        let many = self.name.fields().contains(&"by")
            && periods(self.split.period, self.from, self.to, MAX_PERIODS).len() > MAX_PERIODS;
        many.then(|| {
            FieldError::new(
                "to",
                "too_many_periods",
                format!("expected at most {MAX_PERIODS} periods; ask for longer ones"),
            )
        })
    }

    /// Whether each figure is one person's or a few's, so that small ones are not told: where people are parted by source.
    pub fn hides_few(&self) -> bool {
        self.split.source || self.only.source.is_some()
    }

    /// The periods that are asked for.
    pub fn periods(&self) -> Vec<super::Period> {
        periods(self.split.period, self.from, self.to, MAX_PERIODS)
    }
}

fn day(fields: &Fields, name: &str, default: Option<Date>) -> Result<Date, FieldError> {
    let wrong = |code| FieldError::new(name, code, "expected a day, such as 2026-11-01");
    match (fields.text(name)?, default) {
        (None, Some(day)) => Ok(day),
        (None, None) => Err(wrong("required")),
        // Of all the spellings a library reads, one is taken.
        (Some(text), _) => {
            text.parse::<Date>().ok().filter(|day| day.to_string() == text).ok_or_else(|| wrong("malformed"))
        }
    }
}

fn word<T>(
    fields: &Fields,
    name: &str,
    wanted: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, FieldError> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    read(text).map(Some).ok_or_else(|| FieldError::new(name, "unknown", wanted))
}

fn source(fields: &Fields) -> Result<Option<String>, FieldError> {
    let wanted = format!("expected at most {MAX_SOURCE} letters, digits and - _ . / :");
    let Some(source) = fields.text("source")? else { return Ok(None) };
    if is_source(source) { Ok(Some(source.to_owned())) } else { Err(FieldError::new("source", "malformed", wanted)) }
}

fn read_split(fields: &Fields, name: Name) -> Result<Split, FieldError> {
    let Some(text) = fields.text("by")? else { return Ok(Split { period: Some(By::Month), ..Split::default() }) };
    let wanted = || {
        let dimensions = ["currency"].iter().chain(name.dimensions()).copied().collect::<Vec<_>>().join(", ");
        FieldError::new(
            "by",
            "unknown",
            format!("expected at most one of day, week, month, year, and any of {dimensions}, with commas between"),
        )
    };
    split(text, name).ok_or_else(wanted)
}

fn split(text: &str, name: Name) -> Option<Split> {
    let mut split = Split::default();
    for word in text.split(',') {
        match (By::parse(word), word) {
            (Some(period), _) if split.period.is_none() => split.period = Some(period),
            (None, "currency") => {}
            (None, word) if name.dimensions().contains(&word) => match word {
                "frequency" => split.frequency = true,
                "campaign" => split.campaign = true,
                _ => split.source = true,
            },
            _ => return None,
        }
    }
    Some(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::Given;

    fn asked(name: &str, pairs: &[(&str, &str)]) -> Result<Query, Vec<String>> {
        let fields = pairs.iter().map(|(name, value)| ((*name).to_owned(), Given::Text((*value).to_owned()))).collect();
        let shown = |error: FieldError| format!("{} {}", error.field, error.code);
        Query::parse(name, &fields).map_err(|errors| errors.into_iter().map(shown).collect())
    }

    const NOVEMBER: [(&str, &str); 2] = [("from", "2026-11-01"), ("to", "2026-12-01")];

    #[test]
    fn what_is_left_out_is_a_month_each_of_everything() {
        let query = asked("revenue", &NOVEMBER).unwrap();
        assert_eq!(
            (query.split.to_string(), query.view, query.only),
            ("month".to_owned(), View::Charge, Only::default())
        );
        let by = |by| asked("revenue", &[NOVEMBER[0], NOVEMBER[1], ("by", by)]).map(|query| query.split.to_string());
        assert_eq!(by("week,source,campaign"), Ok("week,campaign,source".to_owned()));
        assert_eq!(by("currency"), Ok("currency".to_owned()));
        for wrong in ["month,day", "hour", "month,,source", "country"] {
            assert_eq!(by(wrong), Err(vec!["by unknown".to_owned()]), "{wrong}");
        }
        assert!(asked("reminders", &[]).is_ok(), "reminders have no days of their own");
    }

    #[test]
    fn each_mistake_is_named_by_its_field() {
        for (name, pairs, mistakes) in [
            ("profit", vec![], vec!["name unknown"]),
            ("revenue", vec![], vec!["from required", "to required"]),
            ("revenue", vec![("from", "2026-11-31"), ("to", "11/12/2026")], vec!["from malformed", "to malformed"]),
            ("revenue", vec![("from", "20261101"), ("to", "2026-12-01")], vec!["from malformed"]),
            ("revenue", vec![("from", "2026-12-01"), ("to", "2026-12-01")], vec!["to not_after_from"]),
            ("revenue", vec![("from", "0001-01-01"), ("to", "9999-01-01"), ("by", "day")], vec!["to too_many_periods"]),
            ("one-time", vec![NOVEMBER[0], NOVEMBER[1], ("by", "frequency")], vec!["by unknown"]),
            ("statement", vec![NOVEMBER[0], NOVEMBER[1], ("campaign", "spring")], vec!["campaign not_used"]),
            (
                "revenue",
                vec![
                    NOVEMBER[0],
                    NOVEMBER[1],
                    ("currency", "XXQ"),
                    ("frequency", "weekly"),
                    ("view", "net"),
                    ("x", "1"),
                ],
                vec!["x unknown_field", "currency unknown", "frequency unknown", "view unknown"],
            ),
            (
                "failed",
                vec![NOVEMBER[0], NOVEMBER[1], ("campaign", "A b"), ("source", "a b")],
                vec!["campaign unknown", "source malformed"],
            ),
        ] {
            let mistakes: Vec<String> = mistakes.into_iter().map(str::to_owned).collect();
            assert_eq!(asked(name, &pairs), Err(mistakes), "{name} {pairs:?}");
        }
    }
}
