//! Who made a pledge: an admin sees the address with a typed reason, which is in the audit log before the address is opened.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;

use super::super::error::ApiError;
use super::{Admin, Form, View, Who};
use crate::domain::action::reason;
use crate::id::PledgeId;
use crate::service::opening::note;
use crate::store::NewAudit;

/// What the page says above the form, or in its place.
#[derive(Default)]
struct Said<'a> {
    reason: &'a str,
    wrong: bool,
    address: Option<String>,
}

/// The pledge an address names, and whether it is known who made it: whether somebody can be written to about it.
pub(super) async fn named(admin: &Admin, id: &str) -> Result<(PledgeId, bool), ApiError> {
    let missing = || ApiError::of_status(StatusCode::NOT_FOUND);
    let id = PledgeId::parse(id).map_err(|_| missing())?;
    admin.store.pledge(&id).await?.ok_or_else(missing)?;
    let known = admin.store.has_address(&id).await?;
    Ok((id, known))
}

fn page(admin: &Admin, view: &View, status: StatusCode, (id, known): (&PledgeId, bool), said: &Said<'_>) -> Response {
    let values = context! {
        title => view.say("donor-title"), id => id.as_str(), known, here => admin.desk.is_some(),
        reason => said.reason, wrong => said.wrong, address => said.address.as_deref(),
    };
    view.answer(status, "donor", values)
}

pub async fn ask(State(admin): State<Admin>, view: View, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (id, known) = named(&admin, &id).await?;
    Ok(page(&admin, &view, StatusCode::OK, (&id, known), &Said::default()))
}

pub async fn show(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let (id, known) = named(&admin, &id).await?;
    let answer = |status, said: Said<'_>| Ok(page(&admin, &view, status, (&id, known), &said));
    let Some(reason) = reason(form.text("reason")) else {
        let said = Said { reason: form.text("reason"), wrong: true, address: None };
        return answer(StatusCode::UNPROCESSABLE_ENTITY, said);
    };
    let Some(desk) = admin.desk.as_ref().filter(|_| known) else {
        return answer(StatusCode::CONFLICT, Said::default());
    };
    let entry = NewAudit {
        actor: who.id,
        action: "donor.opened",
        subject: id.to_string(),
        reason: reason.to_owned(),
        ..NewAudit::default()
    };
    let noted = note(desk, entry).await?;
    let address = desk.address_of(&id, &noted).await?.map(|address| address.as_str().to_owned());
    answer(StatusCode::OK, Said { address, ..Said::default() })
}
