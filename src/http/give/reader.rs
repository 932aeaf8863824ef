//! Whoever reads a giving page, and what every page for them has.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::super::error::ApiError;
use super::super::extract::MAX_FIELDS;
use super::super::{campaigns, pages};
use crate::domain::campaign::{Accent, Campaign, DEFAULT, Look};
use crate::domain::language::Language;
use crate::text;

/// Who reads a page: in which language, of which campaign.
pub struct Reader<'a> {
    pub language: Language,
    pub campaign: Option<&'a Campaign>,
    /// The address of this page in another language, but for the language.
    pub here: String,
}

impl<'a> Reader<'a> {
    pub fn of(campaign: Option<&'a Campaign>, query: Option<&str>, headers: &HeaderMap, path: &str) -> Self {
        let default = campaign.map_or(Language::En, |campaign| campaign.default_language);
        let language = campaigns::language(campaigns::asked_language(query), headers, default);
        let mut kept = form_urlencoded::Serializer::new(String::new());
        let fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).take(MAX_FIELDS);
        kept.extend_pairs(fields.filter(|(name, _)| name != "lang"));
        Self { language, campaign, here: format!("{path}?{}", kept.finish()) }
    }

    pub fn say(&self, id: &str) -> String {
        text::say(self.language, id, &[])
    }

    /// Renders a page with what every page needs.
    pub fn page(&self, status: StatusCode, name: &str, title: &str, values: Value) -> Response {
        let languages = pages::languages(&self.here);
        let (slug, look) = match self.campaign {
            Some(campaign) => (campaign.slug.as_str(), campaign.look.clone()),
            None => (DEFAULT, Look::default()),
        };
        let accent = look.accent.map(Accent::digits);
        let values = context! { title, languages, campaign => slug, accent, logo => look.logo, ..values };
        pages::page(status, name, self.language, values)
    }

    /// A page that says one thing and leads back to the form.
    pub fn message(&self, status: StatusCode, title: &str, lead: &str, back_label: &str) -> Response {
        self.says(status, title, &self.say(lead), back_label)
    }

    /// The same in words that were put together.
    fn says(&self, status: StatusCode, title: &str, lead: &str, back_label: &str) -> Response {
        let slug = self.campaign.map_or(DEFAULT, |campaign| campaign.slug.as_str());
        let back = format!("/give?campaign={slug}&lang={}", self.language.as_str());
        let values = context! { lead, back, back_label => self.say(back_label) };
        self.page(status, "message", &self.say(title), values)
    }

    /// A page that says why there is no form. It leads to the campaign that is taken where none is named; from that one
    /// nowhere, for it would lead to itself.
    pub fn closed(&self, title: &str, lead: &str) -> Response {
        let elsewhere = self.campaign.is_some_and(|campaign| campaign.slug != DEFAULT);
        let back = elsewhere.then(|| format!("/give?lang={}", self.language.as_str()));
        let values = context! { lead => self.say(lead), back, back_label => self.say("to-giving-page") };
        self.page(StatusCode::OK, "message", &self.say(title), values)
    }

    fn wait(&self, seconds: u32) -> String {
        let minutes = seconds.div_ceil(60);
        text::say(self.language, "rate-limited", &[("count", minutes.into()), ("n", minutes.to_string().into())])
    }

    /// A page for people in place of problem+json.
    pub fn problem(&self, error: &ApiError) -> Response {
        let (title, lead) = match error.status() {
            StatusCode::NOT_FOUND => ("missing-title", self.say("missing-lead")),
            StatusCode::TOO_MANY_REQUESTS => ("limited-title", self.wait(error.retry_after().unwrap_or(60))),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
                ("unavailable-title", self.say("unavailable-lead"))
            }
            _ => ("failed-title", self.say("failed-lead")),
        };
        let mut response = self.says(error.status(), title, &lead, "to-giving-page");
        if let Some(seconds) = error.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
