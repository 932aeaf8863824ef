//! Asking to be erased. It is sealed and worked off like any request, since Stripe has its part in it and raw bodies are
//! searched; what stays, and where, is said before and after.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;

use super::super::error::ApiError;
use super::super::form::Form;
use super::super::same_site::set_cookie;
use super::DonorState;
use super::visit::{COOKIE, Signed, Visit};
use crate::service::later::{self, token_hash};
use crate::service::manage::NewErase;

pub async fn show(visit: Visit, _: Signed) -> Response {
    page(&visit, StatusCode::OK, false)
}

fn page(visit: &Visit, status: StatusCode, wrong: bool) -> Response {
    let values = context! { action => visit.at("/manage/erase"), back => visit.at("/manage"), wrong };
    visit.page(status, "manage_erase", "support-erase-title", values)
}

pub async fn ask(
    State(donors): State<DonorState>,
    visit: Visit,
    signed: Signed,
    form: Result<Form, ApiError>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(error) => return visit.problem(&error),
    };
    if form.text("sure") != "yes" {
        return page(&visit, StatusCode::UNPROCESSABLE_ENTITY, true);
    }
    let done = async {
        let asked = NewErase { email: signed.visitor.address.as_str().to_owned() };
        donors.later.asking.ask(later::ERASE, &asked).await?;
        donors.store.end_manage_session(&token_hash(&signed.session)).await?;
        Ok::<_, ApiError>(())
    };
    match done.await {
        Ok(()) => {
            let lead = visit.say("support-erasing-lead");
            let mut response = visit.press(StatusCode::ACCEPTED, "support-erasing-title", lead, None);
            set_cookie(response.headers_mut(), COOKIE, None);
            response
        }
        Err(error) => visit.problem(&error),
    }
}
