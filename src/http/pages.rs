//! Pages: templates, their style and the one script, all embedded.
//!
//! Everything put into a page is escaped by the template engine; no page loads anything from elsewhere.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fluent_bundle::FluentValue;
use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value, context};

use super::error::ApiError;
use crate::domain::language::Language;
use crate::text;

/// Nothing from anywhere but here; a form may lead on to the checkout, whatever its host.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                   base-uri 'none'; frame-ancestors 'none'";
/// A page that is only looked at: neither a script nor a form does anything.
const LOOK_ONLY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; \
                         frame-ancestors 'none'";

/// Marks an answer as a page for people: its error is not rendered as a problem.
#[derive(Debug, Clone, Copy)]
pub struct Page;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    environment(&[
        ("base", include_str!("../../templates/pages/base.html")),
        ("give", include_str!("../../templates/pages/give.html")),
        ("status", include_str!("../../templates/pages/status.html")),
        ("later", include_str!("../../templates/pages/later.html")),
        ("message", include_str!("../../templates/pages/message.html")),
        ("manage_ask", include_str!("../../templates/pages/manage/ask.html")),
        ("manage_press", include_str!("../../templates/pages/manage/press.html")),
        ("manage", include_str!("../../templates/pages/manage/overview.html")),
        ("manage_pledge", include_str!("../../templates/pages/manage/pledge.html")),
        ("manage_receipt", include_str!("../../templates/pages/manage/receipt.html")),
        ("manage_statement", include_str!("../../templates/pages/manage/statement.html")),
        ("manage_erase", include_str!("../../templates/pages/manage/erase.html")),
    ])
});

/// What renders these templates, each by its name.
pub fn environment(templates: &[(&'static str, &'static str)]) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_function("t", say);
    for (name, text) in templates {
        if let Err(error) = environment.add_template(name, text) {
            // Every template is rendered by a test.
            tracing::error!(name, %error, "a template cannot be read");
        }
    }
    environment
}

/// `t("id", amount=…)` in a template: a text in the page's language.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands functions their values so")]
fn say(state: &State<'_, '_>, id: &str, values: Kwargs) -> Result<String, Error> {
    let tag = state.lookup("language").map(|tag| tag.to_string()).unwrap_or_default();
    let language = Language::parse(&tag).unwrap_or(Language::En);
    let mut filled = Vec::new();
    for name in values.args() {
        filled.push((name, FluentValue::from(values.get::<String>(name)?)));
    }
    Ok(text::say(language, id, &filled))
}

/// The address `here` in each language, for the foot of a page.
pub fn languages(here: &str) -> Vec<Value> {
    let joint = match here.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let other = |language: Language| {
        let (tag, name) = (language.as_str(), if language == Language::En { "English" } else { "Русский" });
        context! { tag, name, href => format!("{here}{joint}lang={tag}") }
    };
    Language::ALL.into_iter().map(other).collect()
}

/// Renders a page in `language`.
pub fn page(status: StatusCode, name: &str, language: Language, values: Value) -> Response {
    render(&TEMPLATES, CSP, status, name, language, context! { language => language.as_str(), ..values })
}

/// The same for somebody who is only to see how it looks.
pub fn preview(name: &str, language: Language, values: Value) -> Response {
    let values = context! { language => language.as_str(), ..values };
    render(&TEMPLATES, LOOK_ONLY, StatusCode::OK, name, language, values)
}

/// Renders a page of these templates, under this policy.
pub fn render(
    templates: &Environment<'_>,
    csp: &'static str,
    status: StatusCode,
    name: &str,
    language: Language,
    values: Value,
) -> Response {
    let rendered = templates.get_template(name).and_then(|template| template.render(values));
    match rendered {
        Ok(html) => {
            let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
            response.extensions_mut().insert(Page);
            response
        }
        Err(error) => {
            tracing::error!(name, %error, "a page cannot be rendered");
            ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }
}

/// The style of all pages: theirs, and the form's, which is the widget's. `more` comes last and wins.
pub fn style(more: &str) -> Response {
    let text =
        [include_str!("../../templates/pages/style.css"), include_str!("../../widget/donate.css"), more].concat();
    asset("text/css; charset=utf-8", text)
}

/// Turns the page of a pledge once its payment was reconciled; without it the page reloads.
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../templates/pages/status.js").to_owned())
}

fn asset(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")], text).into_response()
}
