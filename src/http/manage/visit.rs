//! A visit to the donor's pages: in which language, to which address, and by whom.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::super::{campaigns, links, pages, same_site};
use super::{DonorState, Donors};
use crate::domain::calendar;
use crate::domain::campaign::DEFAULT;
use crate::domain::language::Language;
use crate::domain::money::Money;
use crate::service::manage::Visitor;
use crate::text;

/// The session's cookie.
pub const COOKIE: &str = "__Host-mainstay-donor";
/// The longest token of ours.
const MAX_TOKEN: usize = 32;

/// Where somebody is, and what they read.
#[derive(Debug, Clone)]
pub struct Visit {
    pub language: Language,
    /// The path of this page.
    here: String,
}

impl Visit {
    pub fn say(&self, id: &str) -> String {
        text::say(self.language, id, &[])
    }

    pub fn say_with(&self, id: &str, values: &[(&str, String)]) -> String {
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.clone().into())).collect();
        text::say(self.language, id, &values)
    }

    /// An amount as it is written.
    pub fn money(&self, money: Money) -> String {
        text::money(self.language, money)
    }

    /// A day as it is written.
    pub fn date(&self, day: Date) -> String {
        links::date(self.language, day)
    }

    /// The newsroom's day of a moment, as it is written.
    pub fn day(&self, donors: &Donors, at: i64) -> String {
        self.date(calendar::date_of(at, &donors.zone))
    }

    /// An address of ours in this language.
    pub fn at(&self, path: &str) -> String {
        format!("{path}?lang={}", self.language.as_str())
    }

    /// Leads on to a page.
    pub fn to(&self, path: &str) -> Response {
        let Ok(location) = HeaderValue::from_str(&self.at(path)) else {
            return self.problem(&ApiError::of_status(StatusCode::NOT_FOUND));
        };
        (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
    }

    /// Renders a page.
    pub fn page(&self, status: StatusCode, name: &str, title: &str, values: Value) -> Response {
        let values = context! {
            title => self.say(title), languages => pages::languages(&self.here), campaign => DEFAULT,
            logo => Value::from(()), lang => self.language.as_str(), ..values
        };
        pages::page(status, name, self.language, values)
    }

    /// A page with one thing to say and perhaps one button to press: where it posts to, and what it says.
    pub fn press(&self, status: StatusCode, title: &str, lead: String, press: Option<(String, &str)>) -> Response {
        let press = press.map(|(path, label)| context! { path => self.at(&path), label => self.say(label) });
        let values = context! { lead, press, given => Value::from(()), form => "", back => self.at("/manage") };
        self.page(status, "manage_press", title, values)
    }

    /// A page for people in place of problem+json.
    pub fn problem(&self, error: &ApiError) -> Response {
        let (title, lead) = match error.status() {
            StatusCode::NOT_FOUND => ("missing-title", "support-missing-lead"),
            StatusCode::TOO_MANY_REQUESTS => ("limited-title", "support-limited-lead"),
            StatusCode::NOT_IMPLEMENTED => ("failed-title", "support-elsewhere-lead"),
            StatusCode::FORBIDDEN => ("failed-title", "support-cross-site-lead"),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => ("failed-title", "link-unavailable-lead"),
            _ => ("failed-title", "link-failed-lead"),
        };
        let mut response = self.press(error.status(), title, self.say(lead), None);
        if let Some(seconds) = error.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = campaigns::asked_language(parts.uri.query());
        let language = campaigns::language(asked, &parts.headers, Language::En);
        Ok(Self { language, here: parts.uri.path().to_owned() })
    }
}

/// The token of a link or a cookie, if it can be one.
pub fn token(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.len() == MAX_TOKEN && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Somebody whose session lasts. Whoever has none is led to where a link is asked for.
pub struct Signed {
    pub visitor: Visitor,
    /// The token of their session.
    pub session: String,
}

impl Signed {
    /// Whose browser this is, if anybody's.
    pub async fn of(donors: &Donors, parts: &Parts) -> Result<Option<Self>, ApiError> {
        let Some(session) = same_site::cookie(&parts.headers, COOKIE).and_then(token) else { return Ok(None) };
        let visitor = donors.desk()?.visitor(session).await?;
        Ok(visitor.map(|visitor| Self { visitor, session: session.to_owned() }))
    }
}

impl FromRequestParts<DonorState> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, donors: &DonorState) -> Result<Self, Response> {
        let Ok(visit) = Visit::from_request_parts(parts, donors).await;
        match Self::of(&Arc::clone(donors), parts).await {
            Ok(Some(signed)) => Ok(signed),
            Ok(None) => Err(visit.to("/manage")),
            Err(error) => Err(visit.problem(&error)),
        }
    }
}
