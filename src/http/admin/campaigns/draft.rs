//! The form of a campaign: what was typed as it would stand in a file, and what the form is filled with.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::super::View;
use crate::domain::campaign::Method;
use crate::domain::campaign_file::{Amount, AmountsFile, CampaignFile, FeeFile, Mistake, TextsFile, picture};
use crate::domain::language::Language;
use crate::domain::pledge::Frequency;
use crate::http::form::{Form, LongForm};
use crate::service::campaigns::said;

/// Empty rows behind those that say something.
const SPARE: usize = 3;

/// What was typed.
pub struct Draft {
    pub file: CampaignFile,
    /// The picture that is carried on where what was chosen is none: the one before.
    logo_before: Option<String>,
}

/// A field that says something.
fn typed(form: &Form, name: &str) -> Option<String> {
    Some(form.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Rows of the form, as far as there are any: `amounts[0]`, `amounts[1]`…
fn rows<'a>(form: &'a Form, list: &'a str) -> impl Iterator<Item = impl Fn(&str) -> String> {
    let row = move |n: usize| move |field: &str| form.text(&format!("{list}[{n}].{field}")).to_owned();
    (0..).take_while(move |n| form.has(&format!("{list}[{n}].currency"))).map(row)
}

impl Draft {
    /// Reads the form of the campaign `slug`; of a new one that is a field, too. Rows that say nothing are left out.
    pub fn of(sent: &LongForm, slug: Option<&str>) -> Self {
        let form = &sent.form;
        let logo_before = typed(form, "logo").filter(|_| !form.has("logo_off"));
        let logo = match &sent.file {
            // What is no picture is held against what is one, and found wrong.
            Some(file) => Some(picture(&file.name, &file.bytes).unwrap_or_else(|| file.name.clone())),
            None => logo_before.clone(),
        };
        let file = CampaignFile {
            slug: slug.map_or_else(|| form.text("slug").to_owned(), str::to_owned),
            name: form.text("name").to_owned(),
            default_currency: form.text("default_currency").to_uppercase(),
            default_frequency: form.text("default_frequency").to_owned(),
            default_language: typed(form, "default_language"),
            statement: typed(form, "statement"),
            methods: Some(form.all("methods")),
            accent: typed(form, "accent"),
            logo,
            policy_url: typed(form, "policy_url"),
            newsletter_preview_url: typed(form, "newsletter_preview_url"),
            return_origins: form.text("return_origins").split_whitespace().map(str::to_owned).collect(),
            starts_on: None,
            starts_at: typed(form, "starts_at"),
            ends_on: None,
            ends_at: typed(form, "ends_at"),
            amounts: amounts(form),
            fee_cover: fees(form),
            texts: texts(form),
        };
        Self { file, logo_before }
    }

    /// What the form shows of a campaign.
    pub fn stored(file: CampaignFile) -> Self {
        Self { file, logo_before: None }
    }

    /// What the form is filled with.
    pub fn values(&self, view: &View, mistakes: &[Mistake]) -> Value {
        let Self { file, logo_before } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let wrong_picture = mistakes.iter().any(|mistake| mistake.place == "logo");
        let logo = if wrong_picture { logo_before } else { &file.logo };
        let taken = file.methods.as_deref().unwrap_or_default();
        let methods = Method::ALL.map(|method| {
            let (value, taken) = (method.as_str(), taken.iter().any(|word| word == method.as_str()));
            context! { value, taken, label => view.say(&format!("method-{value}")) }
        });
        let languages = Language::ALL.map(|language| {
            let value = language.as_str();
            let taken = file.default_language.as_deref() == Some(value);
            context! { value, taken, label => view.say(&format!("campaign-language-{value}")) }
        });
        context! {
            slug => &file.slug, name => &file.name, default_currency => &file.default_currency,
            frequencies => frequencies(view, &file.default_frequency), languages, methods,
            statement => text(&file.statement), accent => text(&file.accent), logo => text(logo),
            policy_url => text(&file.policy_url), newsletter_preview_url => text(&file.newsletter_preview_url),
            return_origins => file.return_origins.join("\n"),
            starts_at => text(&file.starts_at), ends_at => text(&file.ends_at),
            amounts => amount_rows(view, &file.amounts), fees => fee_rows(&file.fee_cover), texts => text_rows(view, &file.texts),
        }
    }
}

fn amounts(form: &Form) -> Vec<AmountsFile> {
    let written = |text: String| Amount::Written(text);
    let read = rows(form, "amounts").map(|row| AmountsFile {
        currency: row("currency").to_uppercase(),
        frequency: row("frequency"),
        // Parted by blanks; a comma before one is no part of an amount.
        suggested: row("suggested")
            .split_whitespace()
            .map(|word| written(word.trim_end_matches([',', ';']).to_owned()))
            .collect(),
        min: written(row("min")),
        max: written(row("max")),
    });
    let says = |row: &AmountsFile| {
        !(row.currency.is_empty() && row.suggested.is_empty() && row.min.text().is_empty() && row.max.text().is_empty())
    };
    read.filter(says).collect()
}

fn fees(form: &Form) -> Vec<FeeFile> {
    let read = rows(form, "fee_cover").map(|row| FeeFile {
        currency: row("currency").to_uppercase(),
        percent: Amount::Written(row("percent")),
        fixed: Amount::Written(row("fixed")),
    });
    read.filter(|row| !(row.currency.is_empty() && row.percent.text().is_empty() && row.fixed.text().is_empty()))
        .collect()
}

fn texts(form: &Form) -> BTreeMap<String, TextsFile> {
    let read = Language::ALL.map(|language| {
        let tag = language.as_str();
        let text = |field: &str| typed(form, &format!("texts.{tag}.{field}"));
        let texts =
            TextsFile { name: text("name"), lead: text("lead"), warning: text("warning"), thanks: text("thanks") };
        (tag.to_owned(), texts)
    });
    read.into_iter().collect()
}

fn frequencies(view: &View, taken: &str) -> Vec<Value> {
    let choice = |frequency: &Frequency| {
        let value = frequency.as_str();
        context! { value, taken => value == taken, label => view.say(&format!("frequency-{value}")) }
    };
    Frequency::ALL.iter().map(choice).collect()
}

fn amount_rows(view: &View, amounts: &[AmountsFile]) -> Vec<Value> {
    let row = |row: &AmountsFile| {
        let suggested: Vec<String> = row.suggested.iter().map(Amount::text).collect();
        context! {
            currency => &row.currency, frequencies => frequencies(view, &row.frequency), suggested => suggested.join(" "),
            min => row.min.text(), max => row.max.text(),
        }
    };
    let spare =
        || context! { currency => "", frequencies => frequencies(view, ""), suggested => "", min => "", max => "" };
    amounts.iter().map(row).chain(std::iter::repeat_with(spare).take(SPARE)).collect()
}

/// A mistake in a fee is named by its currency, and so is its field.
fn fee_rows(fees: &[FeeFile]) -> Vec<Value> {
    let row = |row: &FeeFile| {
        context! {
            currency => &row.currency, percent => row.percent.text(), fixed => row.fixed.text(),
            place => format!("fee_cover.{}", row.currency),
        }
    };
    let spare = || context! { currency => "", percent => "", fixed => "", place => "" };
    fees.iter().map(row).chain(std::iter::repeat_with(spare).take(SPARE)).collect()
}

fn text_rows(view: &View, texts: &BTreeMap<String, TextsFile>) -> Vec<Value> {
    let row = |language: Language| {
        let tag = language.as_str();
        let TextsFile { name, lead, warning, thanks } = texts.get(tag).cloned().unwrap_or_default();
        context! {
            tag, language => view.say(&format!("campaign-language-{tag}")), name => name.unwrap_or_default(),
            lead => lead.unwrap_or_default(), warning => warning.unwrap_or_default(), thanks => thanks.unwrap_or_default(),
        }
    };
    Language::ALL.into_iter().map(row).collect()
}

/// What is wrong, in words: by place for the fields, and one by one with the field's name for the list above them.
pub fn wrong(view: &View, mistakes: &[Mistake]) -> (BTreeMap<String, String>, Vec<Value>) {
    let mut by_place: BTreeMap<String, String> = BTreeMap::new();
    for mistake in mistakes {
        let words = by_place.entry(mistake.place.clone()).or_default();
        let joint = if words.is_empty() { "" } else { "; " };
        words.push_str(joint);
        words.push_str(&said(view.language, mistake));
    }
    let line = |mistake: &Mistake| {
        let label = label(view, &mistake.place);
        context! { anchor => anchor(&mistake.place), label, text => said(view.language, mistake) }
    };
    (by_place, mistakes.iter().map(line).collect())
}

/// What leads to a field: its name as an id. Fees are led to row by row, for theirs is the currency's and not the number's.
fn anchor(place: &str) -> String {
    let row = place
        .strip_prefix("fee_cover.")
        .map_or(place.len(), |rest| "fee_cover.".len() + rest.split('.').next().unwrap_or_default().len());
    place[..row].replace('[', "-").replace(']', "").replace('.', "-")
}

/// What a field is called.
fn label(view: &View, place: &str) -> String {
    let say = |field: &str| view.say(&format!("campaign-{}", field.replace('_', "-")));
    if let Some((n, field)) = place.strip_prefix("amounts[").and_then(|rest| rest.split_once("].")) {
        let row = n.parse::<usize>().unwrap_or_default() + 1;
        return format!("{} {row}, {}", say("amounts"), say(&format!("amounts-{field}")));
    }
    match place.split('.').collect::<Vec<_>>()[..] {
        ["fee_cover", currency] => format!("{} {currency}", say("fee_cover")),
        ["fee_cover", currency, field] => format!("{} {currency}, {}", say("fee_cover"), say(&format!("fee-{field}"))),
        ["texts", tag, field] => format!("{}, {}", say(&format!("language-{tag}")), say(&format!("texts-{field}"))),
        _ => say(place),
    }
}
