//! How pages of the newsroom's side look: one layout, no script, nothing from elsewhere.

use std::convert::Infallible;
use std::sync::LazyLock;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Environment, Value, context};
use url::form_urlencoded;

use super::super::error::ApiError;
use super::super::{campaigns, pages, same_site};
use super::Newsroom;
use crate::domain::admin::Role;
use crate::domain::language::Language;
use crate::service::admin::access::Signed;
use crate::text;

/// No script at all; forms go to us alone; nobody may frame a page.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
                   frame-ancestors 'none'";
/// Keeps the language somebody picked.
const LANGUAGE_COOKIE: &str = "__Host-mainstay-language";

/// Each template by its name. A page extends `layout` and fills the block `main`.
const TEMPLATES: &[(&str, &str)] = &[
    ("layout", include_str!("../../../templates/pages/admin/layout.html")),
    ("message", include_str!("../../../templates/pages/admin/message.html")),
    ("home", include_str!("../../../templates/pages/admin/home.html")),
    ("pledges", include_str!("../../../templates/pages/admin/pledges.html")),
    ("pledge", include_str!("../../../templates/pages/admin/pledge.html")),
    ("end", include_str!("../../../templates/pages/admin/end.html")),
    ("mail_link", include_str!("../../../templates/pages/admin/mail_link.html")),
    ("donor", include_str!("../../../templates/pages/admin/donor.html")),
    ("payments", include_str!("../../../templates/pages/admin/payments.html")),
    ("refund", include_str!("../../../templates/pages/admin/refund.html")),
    ("reports", include_str!("../../../templates/pages/admin/reports.html")),
    ("report", include_str!("../../../templates/pages/admin/report.html")),
    ("campaigns", include_str!("../../../templates/pages/admin/campaigns.html")),
    ("campaign", include_str!("../../../templates/pages/admin/campaign.html")),
    ("campaign_form", include_str!("../../../templates/pages/admin/campaign_form.html")),
    ("campaign_end", include_str!("../../../templates/pages/admin/campaign_end.html")),
    ("campaign_wrong", include_str!("../../../templates/pages/admin/campaign_wrong.html")),
    ("fields", include_str!("../../../templates/pages/admin/fields.html")),
    ("events", include_str!("../../../templates/pages/admin/events.html")),
    ("event", include_str!("../../../templates/pages/admin/event.html")),
    ("parts", include_str!("../../../templates/pages/admin/parts.html")),
    ("sign_in", include_str!("../../../templates/pages/admin/sign_in.html")),
    ("link", include_str!("../../../templates/pages/admin/link.html")),
    ("me", include_str!("../../../templates/pages/admin/me.html")),
    ("totp", include_str!("../../../templates/pages/admin/totp.html")),
    ("recovery", include_str!("../../../templates/pages/admin/recovery.html")),
    ("people", include_str!("../../../templates/pages/admin/people.html")),
    ("audit_log", include_str!("../../../templates/pages/admin/audit_log.html")),
];

/// The pages that can be found from each other: path, text, and who may see them.
const NAVIGATION: &[(&str, &str, Role)] = &[
    ("/admin", "admin-dashboard", Role::Viewer),
    ("/admin/reports", "admin-reports", Role::Viewer),
    ("/admin/pledges", "admin-pledges", Role::Viewer),
    ("/admin/payments", "admin-payments", Role::Viewer),
    ("/admin/campaigns", "admin-campaigns", Role::Viewer),
    ("/admin/events", "admin-parked", Role::Viewer),
    ("/admin/people", "admin-people", Role::Admin),
    ("/admin/audit-log", "admin-audit-log", Role::Admin),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| pages::environment(TEMPLATES));

/// Who looks, in which language, at what.
#[derive(Clone)]
pub struct View {
    pub language: Language,
    /// None on the pages by which one comes in.
    pub signed: Option<Signed>,
    test_mode: bool,
    path: String,
    query: String,
    /// Whether the language was picked with this request.
    picked: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Every route has a guard, and every guard leaves one.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

impl View {
    pub(super) fn of(admin: &Newsroom, head: &Parts) -> Self {
        let (headers, query) = (&head.headers, head.uri.query().unwrap_or_default());
        let asked = campaigns::asked_language(Some(query));
        let kept = || same_site::cookie(headers, LANGUAGE_COOKIE).and_then(Language::parse);
        Self {
            language: campaigns::language(asked.or_else(kept), headers, Language::En),
            signed: None,
            test_mode: admin.test_mode,
            path: head.uri.path().to_owned(),
            query: query.to_owned(),
            picked: asked.is_some(),
        }
    }

    /// A text in the language of whoever looks.
    pub fn say(&self, id: &str) -> String {
        text::say(self.language, id, &[])
    }

    /// A moment as the newsroom's clock shows it: `2026-11-23 14:00:05`.
    pub fn time(&self, at: i64, zone: &TimeZone) -> String {
        let moment = Timestamp::from_second(at).unwrap_or_default().to_zoned(zone.clone());
        moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Whether whoever looks has this role or a higher one.
    pub fn may(&self, role: Role) -> bool {
        self.signed.as_ref().is_some_and(|signed| signed.may(role))
    }

    /// The page `name` (a template of `templates/pages/admin`), filled with `values`; `title` is among them.
    pub fn page(&self, name: &str, values: Value) -> Response {
        self.answer(StatusCode::OK, name, values)
    }

    /// The same with another status: a form that was filled in wrongly is 422.
    pub fn answer(&self, status: StatusCode, name: &str, values: Value) -> Response {
        let navigation: Vec<Value> = NAVIGATION
            .iter()
            .filter(|(.., role)| self.may(*role))
            .map(|(path, id, _)| {
                let inside =
                    *path != "/admin" && self.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
                context! { path => *path, label => self.say(id), here => self.path == *path, inside }
            })
            .collect();
        let languages: Vec<Value> = Language::ALL
            .into_iter()
            .map(|language| {
                let (tag, name) = (language.as_str(), if language == Language::En { "English" } else { "Русский" });
                context! { tag, name, href => self.with("lang", tag) }
            })
            .collect();
        let values = context! {
            language => self.language.as_str(), test_mode => self.test_mode, navigation, languages,
            who => self.signed.as_ref().map(|signed| signed.email.clone()),
            ..values
        };
        pages::render(&ENVIRONMENT, CSP, status, name, self.language, values)
    }

    /// The address of this page with one field of its query set; what pages by cursor begins anew.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(form_urlencoded::parse(self.query.as_bytes()).filter(|(field, _)| field != name));
        query.append_pair(name, value);
        format!("{}?{}", self.path, query.finish())
    }

    /// One thing to say, and where to go on.
    pub fn message(&self, status: StatusCode, title: &str, lead: &str) -> Response {
        let values = context! { title => self.say(title), lead => self.say(lead), settings => Value::from(()) };
        self.answer(status, "message", values)
    }

    /// A page for people in place of problem+json.
    pub(super) fn problem(&self, error: &ApiError) -> Response {
        let (title, lead) = match error.status() {
            StatusCode::NOT_FOUND => ("admin-missing-title", "admin-missing-lead"),
            StatusCode::FORBIDDEN => ("admin-forbidden-title", "admin-forbidden-lead"),
            StatusCode::PAYLOAD_TOO_LARGE => ("admin-large-title", "admin-large-lead"),
            StatusCode::TOO_MANY_REQUESTS => ("admin-slow-title", "admin-slow-lead"),
            status if status.is_server_error() => ("admin-failed-title", "admin-failed-lead"),
            _ => ("admin-wrong-title", "admin-wrong-lead"),
        };
        let mut response = self.message(error.status(), title, lead);
        if let Some(seconds) = error.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Nobody can sign in here, and what to set.
    pub(super) fn without_key(&self) -> Response {
        let settings = "MAINSTAY_ADMIN_KEY=admin_key_…";
        let (title, lead) = (self.say("admin-no-key-title"), self.say("admin-no-key-lead"));
        self.answer(StatusCode::SERVICE_UNAVAILABLE, "message", context! { title, lead, settings })
    }

    /// Keeps the language where one was picked.
    pub(super) fn remember_language(&self, headers: &mut HeaderMap) {
        let tag = self.language.as_str();
        let line = format!("{LANGUAGE_COOKIE}={tag}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000");
        if let Some(line) = self.picked.then(|| HeaderValue::from_str(&line).ok()).flatten() {
            headers.append(header::SET_COOKIE, line);
        }
    }
}

/// The style of these pages.
pub(super) async fn style() -> Result<Response, Infallible> {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    Ok((kind, include_str!("../../../templates/pages/admin/style.css")).into_response())
}

/// Nothing to show.
pub fn nothing() -> Value {
    Value::from(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_read() {
        for (name, _) in TEMPLATES {
            assert!(ENVIRONMENT.get_template(name).is_ok(), "{name}");
        }
    }
}
