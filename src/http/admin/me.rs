//! One's own access: one-time codes, and signing out everywhere.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::{Value, context};
use qrcodegen::{QrCode, QrCodeEcc};

use super::super::error::ApiError;
use super::view::nothing;
use super::{Admin, Form, View, Who};
use crate::service::admin::access::Signed;
use crate::service::admin::people::PeopleError;

/// How somebody signs in.
pub async fn show(State(admin): State<Admin>, view: View, Who(who): Who) -> Result<Response, ApiError> {
    let required = admin.sign_in()?.totp_required;
    let (title, role) = (view.say("admin-me"), view.say(role_text(who.role)));
    Ok(view.page("me", context! { title, email => who.email, role, has_totp => who.has_totp, required }))
}

/// The text that says what a role may do.
pub fn role_text(role: crate::domain::admin::Role) -> &'static str {
    use crate::domain::admin::Role;
    match role {
        Role::Viewer => "admin-role-viewer",
        Role::Finance => "admin-role-finance",
        Role::Admin => "admin-role-admin",
    }
}

/// Makes a secret for whoever has none in use, and leads to where it is shown.
pub async fn offer_totp(State(admin): State<Admin>, Who(who): Who) -> Result<Response, ApiError> {
    let office = &admin.sign_in()?.office;
    let fresh = office.new_totp(&who.id, &who.email)?;
    office.offer_totp(&who.id, fresh.sealed).await?;
    Ok(Redirect::to("/admin/me/totp").into_response())
}

/// Shows the secret that is being set up.
pub async fn show_totp(State(admin): State<Admin>, view: View, Who(who): Who) -> Result<Response, ApiError> {
    totp(&admin, &view, &who, StatusCode::OK, None).await
}

async fn totp(
    admin: &Admin,
    view: &View,
    who: &Signed,
    status: StatusCode,
    wrong: Option<String>,
) -> Result<Response, ApiError> {
    let person = admin.store.admin(&who.id).await?;
    let sealed = person.filter(|person| person.totp_confirmed_at.is_none()).and_then(|person| person.totp_sealed);
    let Some(sealed) = sealed else { return Ok(Redirect::to("/admin/me").into_response()) };
    let shown = admin.sign_in()?.office.show_totp(&who.id, &who.email, sealed)?;
    let title = view.say("admin-totp-title");
    let (size, path) = qr(&shown.url);
    let values = context! { title, secret => in_fours(&shown.secret), url => shown.url, size, path, wrong };
    Ok(view.answer(status, "totp", values))
}

/// Begins to ask for codes, since one was typed; shows the recovery codes once.
pub async fn confirm_totp(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    form: Form,
) -> Result<Response, ApiError> {
    match admin.sign_in()?.office.confirm_totp(&who.id, form.text("code")).await {
        Ok(codes) => {
            let title = view.say("admin-recovery-title");
            Ok(view.page("recovery", context! { title, codes, wrong => nothing() }))
        }
        Err(PeopleError::WrongCode) => {
            let wrong = Some(view.say("admin-totp-wrong"));
            totp(&admin, &view, &who, StatusCode::UNPROCESSABLE_ENTITY, wrong).await
        }
        Err(other) => Err(other.into()),
    }
}

/// A secret as people read it out.
fn in_fours(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().filter(|letter| *letter != '=').collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// The modules of a QR code as a path, and the width of the square they lie in, with its quiet border.
fn qr(text: &str) -> (Value, Value) {
    use std::fmt::Write as _;
    /// Source: ISO/IEC 18004, 9.1.
    const BORDER: i32 = 4;
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return (nothing(), nothing()) };
    let mut path = String::new();
    for (y, x) in (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (y, x))) {
        if code.get_module(x, y) {
            let _ = write!(path, "M{} {}h1v1h-1z", x + BORDER, y + BORDER);
        }
    }
    (Value::from(code.size() + 2 * BORDER), Value::from(path))
}
