//! Pages: templates, their style and the one script, all embedded.
//!
//! Everything put into a page is escaped by the template engine; no page loads anything from elsewhere.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::error::ApiError;

/// Nothing from anywhere but here; a form may lead on to the checkout, whatever its host.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                   base-uri 'none'; frame-ancestors 'none'";

/// Marks an answer as a page for people: its error is not rendered as a problem.
#[derive(Debug, Clone, Copy)]
pub struct Page;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, text) in [
        ("base", include_str!("../../templates/pages/base.html")),
        ("give", include_str!("../../templates/pages/give.html")),
        ("thanks", include_str!("../../templates/pages/thanks.html")),
        ("cancelled", include_str!("../../templates/pages/cancelled.html")),
        ("problem", include_str!("../../templates/pages/problem.html")),
    ] {
        if let Err(error) = environment.add_template(name, text) {
            // Every template is rendered by a test.
            tracing::error!(name, %error, "a template cannot be read");
        }
    }
    environment
});

/// Renders a page.
pub fn page(status: StatusCode, name: &str, values: &Value) -> Response {
    let rendered = TEMPLATES.get_template(name).and_then(|template| template.render(values));
    match rendered {
        Ok(html) => {
            let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response.extensions_mut().insert(Page);
            response
        }
        Err(error) => {
            tracing::error!(name, %error, "a page cannot be rendered");
            ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }
}

/// The style of all pages.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../templates/pages/style.css"))
}

/// What the pages do better with a script; they work without.
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../templates/pages/give.js"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")], text).into_response()
}
