//! What lists have in common: which of them is wanted, from where on, and how times and words are written.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::super::extract::MAX_FIELDS;
use super::{Newsroom, View};
use crate::domain::pledge::Frequency;
use crate::store::{Place, StoreError, Wanted};

/// Rows of a page.
pub const ROWS: usize = 50;
/// A longer value of a filter is none.
const MAX_VALUE: usize = 80;

/// The query of a list.
pub struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX_FIELDS).collect()))
    }
}

impl Asked {
    /// A value, empty when it was not said.
    pub fn text(&self, name: &str) -> &str {
        let value = self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim());
        if value.len() > MAX_VALUE { "" } else { value }
    }

    pub fn wanted(&self) -> Wanted {
        Wanted {
            status: self.text("status").to_owned(),
            frequency: self.text("frequency").to_owned(),
            currency: self.text("currency").to_uppercase(),
            campaign: self.text("campaign").to_owned(),
        }
    }

    /// From where on: `behind` holds a time and an id.
    pub fn place(&self) -> Place {
        let read = self.text("behind").split_once('_');
        let place = read.and_then(|(at, id)| Some(Place { at: at.parse().ok()?, id: id.to_owned() }));
        place.unwrap_or_else(Place::top)
    }
}

/// How many rows are asked of the store: one more than is shown, to know whether there are more.
pub fn most() -> i64 {
    i64::try_from(ROWS + 1).unwrap_or(i64::MAX)
}

/// The address of the next page, behind the last row that is shown, if there are more; cuts the rows to a page.
pub fn cut<T>(view: &View, rows: &mut Vec<T>, behind: impl Fn(&T) -> String) -> Option<String> {
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    rows.last().filter(|_| more).map(|last| view.with("behind", &behind(last)))
}

/// The choices of a filter: its value, its text, and whether it is taken.
pub fn choices(view: &View, words: &[&str], prefix: &str, taken: &str) -> Vec<Value> {
    let choice = |word: &&str| {
        let label = view.say(&format!("{prefix}{}", word.replace(',', "-")));
        context! { value => *word, label, taken => *word == taken }
    };
    words.iter().map(choice).collect()
}

/// The choices of a filter by how often is given.
pub fn frequencies(view: &View, taken: &str) -> Vec<Value> {
    let words: Vec<&str> = Frequency::ALL.iter().map(|frequency| frequency.as_str()).collect();
    choices(view, &words, "frequency-", taken)
}

/// The choices of a filter by campaign. What an address asks for is among them even where there is no such campaign.
pub async fn campaigns(admin: &Newsroom, taken: &str) -> Result<Vec<Value>, StoreError> {
    let mut slugs = admin.store.campaign_slugs().await?;
    if !taken.is_empty() && !slugs.iter().any(|slug| slug == taken) {
        slugs.push(taken.to_owned());
    }
    let choice = |slug: String| context! { taken => slug == taken, label => slug.clone(), value => slug };
    Ok(slugs.into_iter().map(choice).collect())
}

/// The filters that every list has.
pub async fn filters(admin: &Newsroom, view: &View, wanted: &Wanted) -> Result<Value, StoreError> {
    Ok(context! {
        frequencies => frequencies(view, &wanted.frequency),
        campaigns => campaigns(admin, &wanted.campaign).await?,
        currency => wanted.currency.clone(),
        narrowed => *wanted != Wanted::default(),
    })
}

/// A time of this day as people of the newsroom read it: `14:05`, and as machines do.
pub fn hour(admin: &Newsroom, at: i64) -> Value {
    let zoned = jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(admin.zone.clone());
    context! { text => zoned.strftime("%H:%M").to_string(), machine => zoned.timestamp().to_string() }
}

/// A time as people of the newsroom read it: `2026-11-26 14:05`, and as machines do.
pub fn time(admin: &Newsroom, at: i64) -> Value {
    let zoned = jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(admin.zone.clone());
    context! { text => zoned.strftime("%Y-%m-%d %H:%M").to_string(), machine => zoned.timestamp().to_string() }
}
