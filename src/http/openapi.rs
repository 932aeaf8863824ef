//! The description of the API, from the handlers themselves. `openapi.yaml` at the top is this text.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::admin::{reports, sessions};
use super::{bounces, campaigns, export, health, manage, newsletter, pledges, reminders, webhooks};

#[derive(OpenApi)]
#[openapi(
    info(title = "Mainstay", description = "The donation back end of a newsroom that lives on its readers. Amounts are minor units, \
        times are unix seconds. Every error is problem+json (RFC 9457) with a stable `code` and a `request_id`.",
        license(name = "MIT OR Apache-2.0")),
    paths(campaigns::show, pledges::create, pledges::show, reminders::create, newsletter::create, manage::create, bounces::create, export::show, reports::show, webhooks::receive, sessions::create, sessions::refresh, sessions::end, health::healthz, health::readyz, health::metrics),
    modifiers(&Secrets),
    tags((name = "giving"), (name = "stripe"), (name = "newsroom"), (name = "operations"))
)]
struct Api;

/// What programs of the newsroom say.
struct Secrets;

impl Modify for Secrets {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for name in ["mail_bounce_secret", "newsletter_export_token", "admin_token"] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        }
    }
}

/// The description as YAML.
pub fn openapi_yaml() -> String {
    Api::openapi().to_yaml().unwrap_or_default()
}

/// `GET /openapi.yaml`.
pub async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/yaml")], openapi_yaml()).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_description_is_what_the_handlers_say() {
        let committed = include_str!("../../openapi.yaml");
        assert_eq!(committed, super::openapi_yaml(), "run `cargo run -- openapi > openapi.yaml`");
    }
}
