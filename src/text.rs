//! What people read, in their language: texts from `templates/locales`, money and dates as they are written there.
//!
//! Every text exists in every language (a test holds that). Nothing here knows where a text is shown; who shows it
//! escapes it.

use std::collections::HashMap;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::domain::language::Language;
use crate::domain::money::Money;

/// A space that does not break a line.
const NBSP: char = '\u{a0}';

struct Locale {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

static LOCALES: LazyLock<Vec<Locale>> = LazyLock::new(|| Language::ALL.into_iter().map(Locale::read).collect());

fn source(language: Language) -> &'static str {
    match language {
        Language::En => include_str!("../templates/locales/en.ftl"),
        Language::Ru => include_str!("../templates/locales/ru.ftl"),
    }
}

impl Locale {
    fn read(language: Language) -> Self {
        let tags = language.as_str().parse().into_iter().collect();
        let mut bundle = FluentBundle::new_concurrent(tags);
        // Isolating marks would be copied with a sum and searched for in vain.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(source(language).to_owned()).unwrap_or_else(|(read, _)| read);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }
}

/// The text `id` in `language` with its placeholders filled. A text that is not there is its id, so that a page is never
/// lost over one.
pub fn say(language: Language, id: &str, values: &[(&str, FluentValue<'_>)]) -> String {
    find(language, id, values).unwrap_or_else(|| {
        tracing::error!(id, "there is no such text");
        id.to_owned()
    })
}

/// The text `id` in `language`, if there is one: for words that somebody else may add to.
pub fn find(language: Language, id: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
    let locale = LOCALES.iter().find(|locale| locale.language == language)?;
    let pattern = locale.bundle.get_message(id)?.value()?;
    let mut arguments = FluentArgs::new();
    for (name, value) in values {
        arguments.set(*name, value.clone());
    }
    let mut errors = Vec::new();
    let text = locale.bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned();
    if !errors.is_empty() {
        tracing::error!(id, "a text has a placeholder without a value");
    }
    Some(text)
}

/// Ids of what figures mean, by their English.
static MEANINGS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = source(Language::En).lines().filter(|line| line.starts_with("meaning-"));
    lines.filter_map(|line| line.split_once(" = ")).map(|(id, english)| (english, id)).collect()
});

/// What a figure means, in `language`. Reports define their columns in English, for files and programs; that is returned
/// where there is no other.
pub fn meaning(language: Language, english: &str) -> String {
    let id = MEANINGS.get(english).filter(|_| language != Language::En);
    id.map_or_else(|| english.to_owned(), |id| say(language, id, &[]))
}

/// A text as a program fills it in: placeholders as `{name}`; by plural category where it depends on a count.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Template {
    Plain(String),
    /// By the words of `Intl.PluralRules`.
    Counted(std::collections::BTreeMap<&'static str, String>),
}

/// Placeholders of texts that programs fill in.
const PLACEHOLDERS: [&str; 7] = ["amount", "cover", "total", "statement", "date", "n", "example"];

/// The text `id` for a program to fill in.
pub fn template(language: Language, id: &str) -> Template {
    let filled = |count: u32| {
        let braces = PLACEHOLDERS.map(|name| (name, FluentValue::from(format!("{{{name}}}"))));
        let values: Vec<_> = braces.into_iter().chain([("count", FluentValue::from(count))]).collect();
        say(language, id, &values)
    };
    // One number of each category (source: Unicode CLDR, plural rules).
    let samples: &[(&'static str, u32)] = match language {
        Language::En => &[("one", 1), ("other", 2)],
        Language::Ru => &[("one", 1), ("few", 2), ("many", 5), ("other", 5)],
    };
    let forms: std::collections::BTreeMap<_, _> = samples.iter().map(|(word, count)| (*word, filled(*count))).collect();
    let first = filled(1);
    if forms.values().all(|form| *form == first) { Template::Plain(first) } else { Template::Counted(forms) }
}

/// An amount as it is written in `language`, without decimals that say nothing: `$1,234.50`, `1 234,50 $`.
pub fn money(language: Language, money: Money) -> String {
    let english = money.to_string();
    let english = strip_zeros(&english).to_owned();
    match language {
        Language::En => english,
        Language::Ru => {
            let digits_at = english.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
            let (sign, digits) = english.split_at(digits_at);
            let minus = if sign.starts_with('-') { "-" } else { "" };
            let sign = sign.trim_start_matches('-').trim();
            let digits: String = digits
                .chars()
                .map(|c| match c {
                    ',' => NBSP,
                    '.' => ',',
                    digit => digit,
                })
                .collect();
            format!("{minus}{digits}{NBSP}{sign}")
        }
    }
}

const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// In the genitive, as after a day.
const MONTHS_RU: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];

const MONTHS_ALONE_RU: [&str; 12] = [
    "январь",
    "февраль",
    "март",
    "апрель",
    "май",
    "июнь",
    "июль",
    "август",
    "сентябрь",
    "октябрь",
    "ноябрь",
    "декабрь",
];

/// A day as it is written in `language`: `15 January 2027`, `15 января 2027 г.`
pub fn date(language: Language, date: jiff::civil::Date) -> String {
    let (day, month, year) = (date.day(), month(language, date), date.year());
    match language {
        Language::En => format!("{day} {month} {year}"),
        Language::Ru => format!("{day}{NBSP}{month} {year}{NBSP}г."),
    }
}

/// The month of a day by itself: `January`, `январь`.
pub fn month_alone(language: Language, date: jiff::civil::Date) -> &'static str {
    let months = match language {
        Language::En => MONTHS_EN,
        Language::Ru => MONTHS_ALONE_RU,
    };
    months[usize::try_from(date.month() - 1).unwrap_or(0) % 12]
}

/// The month of a day, as it stands in a date.
pub fn month(language: Language, date: jiff::civil::Date) -> &'static str {
    let months = match language {
        Language::En => MONTHS_EN,
        Language::Ru => MONTHS_RU,
    };
    months[usize::try_from(date.month() - 1).unwrap_or(0) % 12]
}

fn strip_zeros(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, decimals)) if decimals.bytes().all(|digit| digit == b'0') => whole,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::money::Currency;

    fn ids(language: Language) -> BTreeSet<String> {
        let id = |line: &str| line.split_once(" = ").map(|(id, _)| id.to_owned());
        source(language)
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(id)
            .collect()
    }

    fn placeholders(language: Language, id: &str) -> BTreeSet<&'static str> {
        let text = format!("{:?}", template(language, id));
        PLACEHOLDERS.into_iter().filter(|name| text.contains(&format!("{{{name}}}"))).collect()
    }

    #[test]
    fn every_text_exists_in_every_language_with_the_same_placeholders() {
        assert!(ids(Language::En).len() > 80);
        assert_eq!(ids(Language::En), ids(Language::Ru));
        for language in Language::ALL {
            let resource = FluentResource::try_new(source(language).to_owned());
            assert!(resource.is_ok(), "{language:?} is well-formed");
        }
        for id in ids(Language::En) {
            assert_eq!(placeholders(Language::En, &id), placeholders(Language::Ru, &id), "{id}");
            assert_ne!(template(Language::En, &id), Template::Plain(id.clone()), "{id} can be formatted");
        }
    }

    #[test]
    fn every_column_of_a_report_has_a_name_and_a_meaning_in_every_language() {
        use crate::domain::report::By;
        use crate::domain::report::query::{Name, Only, Query, Split, View};
        let split = Split { period: Some(By::Month), frequency: true, campaign: true, source: true };
        let day = "2026-11-01".parse().unwrap();
        let mut meanings = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (name, view) in Name::ALL.iter().flat_map(|name| View::ALL.iter().map(move |view| (*name, *view))) {
            let query = Query { name, from: day, to: day, split, only: Only::default(), view };
            for column in crate::domain::report::columns::of(&query) {
                let id = format!("column-{}", column.name);
                assert!(ids(Language::En).contains(&id), "{id}, of {name}");
                assert!(MEANINGS.contains_key(column.definition), "of {name}: meaning-… = {}", column.definition);
                let russian = meaning(Language::Ru, column.definition);
                assert!(russian.chars().any(|c| ('а'..='я').contains(&c)), "{}: {russian}", column.definition);
                assert_eq!(meaning(Language::En, column.definition), column.definition);
                meanings.insert(column.definition);
                names.insert(id);
            }
        }
        // None is left over from a column that is no more.
        assert_eq!(MEANINGS.keys().copied().collect::<BTreeSet<_>>(), meanings);
        let left = ids(Language::En).into_iter().filter(|id| id.starts_with("column-")).collect::<BTreeSet<_>>();
        assert_eq!(left, names);
    }

    #[test]
    fn counts_are_told_by_plural_category() {
        let Template::Counted(forms) = template(Language::Ru, "rate-limited") else { panic!("it depends on a count") };
        let ends = |word: &str, end: &str| assert!(forms[word].ends_with(end), "{word}: {}", forms[word]);
        ends("one", "{n} минуту.");
        ends("few", "{n} минуты.");
        ends("many", "{n} минут.");
        let five = [("count", FluentValue::from(5)), ("n", FluentValue::from("5"))];
        assert!(say(Language::Ru, "rate-limited", &five).ends_with("через 5 минут."));
    }

    #[test]
    fn days_are_written_as_the_language_writes_them() {
        for (day, en, ru) in [
            (jiff::civil::date(2027, 1, 15), "15 January 2027", "15\u{a0}января 2027\u{a0}г."),
            (jiff::civil::date(2028, 2, 29), "29 February 2028", "29\u{a0}февраля 2028\u{a0}г."),
            (jiff::civil::date(2026, 12, 1), "1 December 2026", "1\u{a0}декабря 2026\u{a0}г."),
        ] {
            assert_eq!((date(Language::En, day), date(Language::Ru, day)), (en.to_owned(), ru.to_owned()));
        }
    }

    #[test]
    fn money_is_written_as_the_language_writes_it() {
        let usd = |minor| Money::new(minor, Currency::USD);
        let jpy = Money::new(15_000, Currency::parse("JPY").unwrap());
        for (amount, en, ru) in [
            (usd(200), "$2", "2\u{a0}$"),
            (usd(250), "$2.50", "2,50\u{a0}$"),
            (usd(123_400), "$1,234", "1\u{a0}234\u{a0}$"),
            (usd(1_234_550), "$12,345.50", "12\u{a0}345,50\u{a0}$"),
            (jpy, "¥15,000", "15\u{a0}000\u{a0}¥"),
            (Money::new(2500, Currency::parse("CHF").unwrap()), "CHF 25", "25\u{a0}CHF"),
        ] {
            assert_eq!((money(Language::En, amount), money(Language::Ru, amount)), (en.to_owned(), ru.to_owned()));
        }
    }
}
