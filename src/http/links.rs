//! What the links in mails have in common: a token, a language, a page that says how things stand, and buttons.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::civil::Date;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::error::ApiError;
use super::extract::MAX_FIELDS;
use super::pages;
use crate::domain::campaign::{Campaign, DEFAULT};
use crate::domain::language::Language;
use crate::text;

/// Hex digits of a token: 128 bits.
pub const MAX_TOKEN: usize = 32;

/// A link somebody followed.
pub struct Link {
    pub token: Option<String>,
    pub hash: String,
    pub language: Language,
}

impl Link {
    /// A page with what every page needs. It is nobody else's: no cache keeps it.
    pub fn page(&self, campaign: Option<&Campaign>, values: Value) -> Response {
        let slug = campaign.map_or(DEFAULT, |campaign| campaign.slug.as_str());
        let logo = campaign.and_then(|campaign| campaign.look.logo.as_deref());
        let values = context! { languages => Vec::<Value>::new(), campaign => slug, logo, ..values };
        let mut response = pages::page(StatusCode::OK, "later", self.language, values);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// A page for people in place of problem+json.
    pub fn problem(&self, error: &ApiError) -> Response {
        let say = |id: &str| text::say(self.language, id, &[]);
        let (title, lead) = match error.status() {
            StatusCode::NOT_FOUND => ("missing-title", "link-missing-lead"),
            StatusCode::SERVICE_UNAVAILABLE => ("failed-title", "link-unavailable-lead"),
            _ => ("failed-title", "link-failed-lead"),
        };
        let values = context! {
            languages => Vec::<Value>::new(), campaign => DEFAULT, logo => Value::from(()), title => say(title),
            lead => say(lead), given => Value::from(()), actions => Vec::<Value>::new(),
        };
        pages::page(error.status(), "later", self.language, values)
    }
}

/// A button that posts.
pub fn action(link: &Link, kind: &str, verb: &str, label: &str, within: Option<&str>) -> Value {
    let token = link.token.as_deref().unwrap_or_default();
    let path = format!("/{kind}/{token}/{verb}?lang={}", link.language.as_str());
    context! { path, label, verb, within => within.unwrap_or_default() }
}

/// A text with one placeholder.
pub fn say_with(language: Language, id: &str, name: &str, value: &str) -> String {
    text::say(language, id, &[(name, value.to_owned().into())])
}

/// A field of a submitted form.
pub fn field(body: &[u8], name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(body).take(MAX_FIELDS);
    fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
}

/// A day as it is written in `language`.
pub fn date(language: Language, day: Date) -> String {
    let month = text::month(language, day);
    match language {
        Language::En => format!("{month} {}, {}", day.day(), day.year()),
        Language::Ru => format!("{} {month} {} г.", day.day(), day.year()),
    }
}
