//! Coming in and going out: the form, the links that set a password, and signing out.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::context;
use url::form_urlencoded;

use super::super::client::Client;
use super::super::error::ApiError;
use super::super::extract::MAX_FIELDS;
use super::super::same_site::set_cookie;
use super::guard::{COOKIE, LIMITED};
use super::{Admin, Form, View, Who};
use crate::domain::admin::WeakPassword;
use crate::domain::email_address::EmailAddress;
use crate::service::admin::access::By;
use crate::service::admin::hash;
use crate::service::admin::people::PeopleError;
use crate::service::admin::sign_in::{Refused, Typed};

/// A link's token that is longer is none of ours, in bytes.
const MAX_TOKEN: usize = 128;

/// The form.
pub async fn show(view: View, RawQuery(query): RawQuery) -> Response {
    let mut fields = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()).take(MAX_FIELDS);
    let next = fields.find(|(name, _)| name == "next").map_or(String::new(), |(_, next)| next.into_owned());
    form(&view, StatusCode::OK, None, "", &next)
}

fn form(view: &View, status: StatusCode, wrong: Option<String>, email: &str, next: &str) -> Response {
    let title = view.say("admin-sign-in");
    view.answer(status, "sign_in", context! { title, wrong, email, next => inside(next) })
}

/// Where to go on: a page of ours, and nowhere else.
fn inside(next: &str) -> &str {
    let ours = (next == "/admin" || next.starts_with("/admin/") || next.starts_with("/admin?"))
        && next.len() < 1000
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours { next } else { "/admin" }
}

/// Somebody signs in.
pub async fn submit(
    State(admin): State<Admin>,
    view: View,
    client: Client,
    form_sent: Form,
) -> Result<Response, ApiError> {
    admin.limits.admit(&client, LIMITED, None)?;
    let sign_in = admin.sign_in()?;
    let email = form_sent.text("email");
    let typed = Typed { email, password: form_sent.as_typed("password"), code: form_sent.text("code") };
    let next = form_sent.text("next");
    match sign_in.check(typed).await {
        Ok(person) => {
            let cookie = sign_in.begin(&person).await?;
            let mut response = Redirect::to(inside(next)).into_response();
            set_cookie(response.headers_mut(), COOKIE, Some(&cookie));
            Ok(response)
        }
        Err(Refused::Failed(error)) => Err(error.into()),
        Err(Refused::Blocked(seconds)) => Err(ApiError::rate_limited(u32::try_from(seconds).unwrap_or(u32::MAX))),
        Err(Refused::Wrong | Refused::NeedsTotp) => {
            let wrong = view.say("admin-sign-in-wrong");
            Ok(form(&view, StatusCode::UNPROCESSABLE_ENTITY, Some(wrong), email, next))
        }
    }
}

/// Ends the session of this browser.
pub async fn sign_out(State(admin): State<Admin>, Who(who): Who) -> Result<Response, ApiError> {
    if let By::Page(session) = &who.by {
        admin.store.end_session(session, admin.clock.now()).await?;
    }
    Ok(out())
}

/// Ends every session of whoever asks, here and elsewhere.
pub async fn sign_out_everywhere(State(admin): State<Admin>, Who(who): Who) -> Result<Response, ApiError> {
    admin.sign_in()?.office.sign_out_everywhere(&who.id).await?;
    Ok(out())
}

fn out() -> Response {
    let mut response = Redirect::to("/admin/sign-in").into_response();
    set_cookie(response.headers_mut(), COOKIE, None);
    response
}

/// What a link leads to. Looking changes nothing: mail scanners follow links too.
pub async fn link(State(admin): State<Admin>, view: View, Path(token): Path<String>) -> Result<Response, ApiError> {
    match whose(&admin, &token).await? {
        Some(first) => Ok(link_form(&view, StatusCode::OK, first, None, "")),
        None => Ok(over(&view)),
    }
}

/// Whether a link makes the first admin; none where it is over.
async fn whose(admin: &Admin, token: &str) -> Result<Option<bool>, ApiError> {
    if token.len() > MAX_TOKEN {
        return Ok(None);
    }
    let whose = admin.store.admin_link(&hash(token), admin.clock.now()).await?;
    Ok(whose.map(|id| id.is_none()))
}

fn link_form(view: &View, status: StatusCode, first: bool, wrong: Option<String>, email: &str) -> Response {
    let title = view.say(if first { "admin-first-title" } else { "admin-link-title" });
    view.answer(status, "link", context! { title, first, wrong, email })
}

fn over(view: &View) -> Response {
    view.message(StatusCode::NOT_FOUND, "admin-link-over-title", "admin-link-over-lead")
}

/// Sets the password a link is for.
pub async fn follow(
    State(admin): State<Admin>,
    view: View,
    client: Client,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    admin.limits.admit(&client, LIMITED, None)?;
    let Some(first) = whose(&admin, &token).await? else { return Ok(over(&view)) };
    let email = form.text("email");
    let wrong = |id: &str| {
        let wrong = Some(view.say(id));
        Ok(link_form(&view, StatusCode::UNPROCESSABLE_ENTITY, first, wrong, email))
    };
    let address = EmailAddress::parse(email).ok();
    if first && address.is_none() {
        return wrong("admin-wrong-address");
    }
    let password = form.as_typed("password");
    if password != form.as_typed("again") {
        return wrong("admin-password-differs");
    }
    let sign_in = admin.sign_in()?;
    let passwords = Arc::clone(&sign_in.passwords);
    match sign_in.office.follow_link(&passwords, &token, address.as_ref(), password).await {
        Ok(()) => Ok(Redirect::to("/admin/sign-in").into_response()),
        Err(PeopleError::Weak(weak)) => wrong(match weak {
            WeakPassword::Short => "admin-password-short",
            WeakPassword::Long => "admin-password-long",
            WeakPassword::Obvious => "admin-password-obvious",
        }),
        Err(PeopleError::LinkOver) => Ok(over(&view)),
        Err(other) => Err(other.into()),
    }
}

impl From<PeopleError> for ApiError {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Failed(error) => error.into(),
            PeopleError::Unknown => Self::not_found("person"),
            other => Self::conflict("not_done", &other.to_string(), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn one_goes_on_to_our_own_pages_only() {
        for ours in ["/admin", "/admin/people", "/admin/audit-log?after=1-aud_2", "/admin?lang=ru"] {
            assert_eq!(inside(ours), ours);
        }
        for elsewhere in [
            "",
            "//evil.example/admin",
            "https://evil.example/admin",
            "/administrator",
            "/admin/\\evil",
            "/give",
            "/admin/\r\nx: y",
            "javascript:alert(1)",
            "/admin/я",
        ] {
            assert_eq!(inside(elsewhere), "/admin", "{elsewhere}");
        }
    }
}
