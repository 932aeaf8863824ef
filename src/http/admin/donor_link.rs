//! Having the donor of a pledge mailed a link to their own page. To whom it goes is known to the worker alone: nobody here
//! sees the address or the link.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;

use super::super::error::ApiError;
use super::donor::named;
use super::{Admin, Form, View, Who};
use crate::domain::action::reason;
use crate::id::PledgeId;
use crate::service::later::MANAGE_PLEDGE;
use crate::service::manage::NewManageOfPledge;
use crate::store::NewAudit;

/// What the page says above the form, or in its place.
#[derive(Default)]
struct Said<'a> {
    reason: &'a str,
    wrong: bool,
    sent: bool,
}

fn page(view: &View, status: StatusCode, id: &PledgeId, known: bool, said: &Said<'_>) -> Response {
    let values = context! {
        title => view.say("mail-link-title"), id => id.as_str(), known,
        reason => said.reason, wrong => said.wrong, sent => said.sent,
    };
    view.answer(status, "mail_link", values)
}

pub async fn ask(State(admin): State<Admin>, view: View, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (id, known) = named(&admin, &id).await?;
    Ok(page(&view, StatusCode::OK, &id, known, &Said::default()))
}

pub async fn send(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let (id, known) = named(&admin, &id).await?;
    let again = |status, said| Ok(page(&view, status, &id, known, &said));
    let Some(reason) = reason(form.text("reason")) else {
        let said = Said { reason: form.text("reason"), wrong: true, sent: false };
        return again(StatusCode::UNPROCESSABLE_ENTITY, said);
    };
    if !known {
        return again(StatusCode::CONFLICT, Said::default());
    }
    let entry = NewAudit {
        actor: who.id,
        action: "donor.link_asked",
        subject: id.to_string(),
        reason: reason.to_owned(),
        ..NewAudit::default()
    };
    admin.asking.ask_audited(MANAGE_PLEDGE, &NewManageOfPledge { pledge: id.to_string() }, entry).await?;
    again(StatusCode::ACCEPTED, Said { sent: true, ..Said::default() })
}
