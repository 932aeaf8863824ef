//! Who may sign in: for admins.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::me::role_text;
use super::{Admin, Form, View, Who};
use crate::domain::admin::Role;
use crate::domain::email_address::EmailAddress;
use crate::service::admin::people::{MAX_PEOPLE, PeopleError};

/// What is said above the list.
#[derive(Default)]
struct Said {
    wrong: Option<String>,
    /// A link, shown this once, and for whom.
    link: Option<(String, String)>,
}

/// Everybody.
pub async fn show(State(admin): State<Admin>, view: View) -> Result<Response, ApiError> {
    list(&admin, &view, StatusCode::OK, Said::default()).await
}

async fn list(admin: &Admin, view: &View, status: StatusCode, said: Said) -> Result<Response, ApiError> {
    let office = &admin.sign_in()?.office;
    let mut people = Vec::new();
    for person in admin.store.admins(MAX_PEOPLE).await? {
        let state = match (&person.disabled_at, &person.password_hash) {
            (Some(_), _) => "admin-state-disabled",
            (None, None) => "admin-state-invited",
            (None, Some(_)) => "admin-state-enabled",
        };
        people.push(context! {
            email => office.email(&person.id, &person.email_sealed)?, role => person.role.as_str(),
            state => view.say(state), disabled => person.disabled_at.is_some(),
            has_totp => person.totp_confirmed_at.is_some(), id => person.id.as_str(),
        });
    }
    let roles: Vec<Value> = Role::ALL
        .into_iter()
        .map(|role| context! { name => role.as_str(), label => view.say(role_text(role)) })
        .collect();
    let (link, link_for) = said.link.unzip();
    let values = context! { title => view.say("admin-people"), people, roles, wrong => said.wrong, link, link_for };
    Ok(view.answer(status, "people", values))
}

/// Makes somebody, and shows once the link that sets their password.
pub async fn create(State(admin): State<Admin>, view: View, Who(who): Who, form: Form) -> Result<Response, ApiError> {
    let (email, role) = (EmailAddress::parse(form.text("email")), Role::parse(form.text("role")));
    let (Ok(email), Some(role)) = (email, role) else {
        let said = Said { wrong: Some(view.say("admin-wrong-address")), link: None };
        return list(&admin, &view, StatusCode::UNPROCESSABLE_ENTITY, said).await;
    };
    let made = admin.sign_in()?.office.create(&who.id, &email, role).await;
    let link = made.map(|link| Some((link, email.as_str().to_owned())));
    told(&admin, &view, link).await
}

/// A new link for somebody whose password is lost.
pub async fn renew_link(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let office = &admin.sign_in()?.office;
    let person = admin.store.admin(&id).await?.ok_or_else(|| ApiError::not_found("person"))?;
    let email = office.email(&id, &person.email_sealed)?;
    let link = office.renew_link(&who.id, &id).await.map(|link| Some((link, email)));
    told(&admin, &view, link).await
}

pub async fn change_role(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let role = Role::parse(form.text("role")).ok_or_else(|| ApiError::not_found("role"))?;
    let done = admin.sign_in()?.office.change_role(&who.id, &id, role).await;
    told(&admin, &view, done.map(|()| None)).await
}

pub async fn disable(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let done = admin.sign_in()?.office.set_disabled(&who.id, &id, true).await;
    told(&admin, &view, done.map(|()| None)).await
}

pub async fn enable(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let done = admin.sign_in()?.office.set_disabled(&who.id, &id, false).await;
    told(&admin, &view, done.map(|()| None)).await
}

pub async fn reset_totp(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let done = admin.sign_in()?.office.reset_totp(&who.id, &id).await;
    told(&admin, &view, done.map(|()| None)).await
}

/// The list again: at its own address, or with what cannot be shown twice or was not done.
async fn told(
    admin: &Admin,
    view: &View,
    done: Result<Option<(String, String)>, PeopleError>,
) -> Result<Response, ApiError> {
    let wrong = match done {
        Ok(None) | Err(PeopleError::Unchanged) => return Ok(Redirect::to("/admin/people").into_response()),
        Ok(link) => return list(admin, view, StatusCode::OK, Said { wrong: None, link }).await,
        Err(PeopleError::Exists) => "admin-person-exists",
        Err(PeopleError::LastAdmin) => "admin-last-admin",
        Err(other) => return Err(other.into()),
    };
    list(admin, view, StatusCode::CONFLICT, Said { wrong: Some(view.say(wrong)), link: None }).await
}
