//! Signing in through the API: `/v1/admin/sessions`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::client::Client;
use super::super::error::{ApiError, Problem};
use super::super::extract::JsonFields;
use super::guard::LIMITED;
use super::{Admin, Who};
use crate::domain::field::{FieldError, Fields};
use crate::service::admin::access::By;
use crate::service::admin::jwt::LIFETIME;
use crate::service::admin::sign_in::{Refused, Tokens, Typed};

// The shapes of the requests, for their description only.
/// Somebody signs in.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    #[schema(example = "anna@paper.example")]
    pub email: String,
    pub password: String,
    /// Of an authenticator, or a recovery code.
    #[schema(example = "123456")]
    pub totp: Option<String>,
}

/// New tokens are wanted.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    pub refresh_token: String,
}

/// Tokens of a session.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionTokens {
    /// A JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// Seconds until it is taken no more.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// Good for one pair of new tokens. Used twice, it ends the session.
    pub refresh_token: String,
}

fn tokens(status: StatusCode, Tokens { access, refresh }: Tokens) -> Response {
    let body = SessionTokens { access_token: access, expires_in: LIFETIME, refresh_token: refresh };
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => {
                let detail = "the address, the password or the code is wrong, or the token is over";
                Self::with(StatusCode::UNAUTHORIZED, "wrong_credentials", detail)
            }
            Refused::Blocked(seconds) => Self::rate_limited(u32::try_from(seconds).unwrap_or(u32::MAX)),
            Refused::NeedsTotp => {
                Self::with(StatusCode::FORBIDDEN, "totp_needed", "set one-time codes up under /admin/me first")
            }
            Refused::Failed(error) => error.into(),
        }
    }
}

fn needed<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, FieldError> {
    fields.text(name)?.ok_or_else(|| FieldError::new(name, "required", "expected a text"))
}

/// Sign in
#[utoipa::path(post, path = "/v1/admin/sessions", tag = "newsroom", request_body = SessionRequest,
    responses((status = 201, body = SessionTokens),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "the address, the password or the code is wrong; which, nobody is told"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`totp_needed`: one-time codes have to be set up first"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`switched_off`: MAINSTAY_ADMIN_KEY is not set"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`rate_limited`; wait as `Retry-After` says"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(admin): State<Admin>,
    client: Client,
    JsonFields(fields): JsonFields,
) -> Result<Response, ApiError> {
    let mut mistakes = fields.strangers(&["email", "password", "totp"]);
    let mut read =
        |read: Result<String, FieldError>| read.map_err(|mistake| mistakes.push(mistake)).unwrap_or_default();
    let email = read(needed(&fields, "email").map(str::to_owned));
    let password = read(needed(&fields, "password").map(str::to_owned));
    let code = read(fields.text("totp").map(|code| code.unwrap_or_default().to_owned()));
    if !mistakes.is_empty() {
        return Err(ApiError::invalid(mistakes));
    }
    admin.limits.admit(&client, LIMITED, None)?;
    let sign_in = admin.sign_in()?;
    let person = sign_in.check(Typed { email: &email, password: &password, code: &code }).await?;
    Ok(tokens(StatusCode::CREATED, sign_in.begin_api(&person).await?))
}

/// New tokens for a refresh token
#[utoipa::path(post, path = "/v1/admin/sessions/refresh", tag = "newsroom", request_body = RefreshRequest,
    responses((status = 200, body = SessionTokens),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "it is over, or was used before: then the session is ended"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`totp_needed`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`switched_off`: MAINSTAY_ADMIN_KEY is not set"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn refresh(State(admin): State<Admin>, JsonFields(fields): JsonFields) -> Result<Response, ApiError> {
    let mut mistakes = fields.strangers(&["refresh_token"]);
    let token = needed(&fields, "refresh_token").map_err(|mistake| mistakes.push(mistake)).unwrap_or_default();
    if !mistakes.is_empty() {
        return Err(ApiError::invalid(mistakes));
    }
    Ok(tokens(StatusCode::OK, admin.sign_in()?.refresh(token).await?))
}

/// Sign out
#[utoipa::path(delete, path = "/v1/admin/sessions", tag = "newsroom", security(("admin_token" = [])),
    responses((status = 204, description = "neither token of the session is taken any more"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a program's token has no session"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`switched_off`: MAINSTAY_ADMIN_KEY is not set"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn end(State(admin): State<Admin>, Who(who): Who) -> Result<Response, ApiError> {
    if let By::Api(session) = &who.by {
        admin.store.end_session(session, admin.clock.now()).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
