//! The link in every mail about a pledge that stops it: GET shows, POST stops. Its token says which pledge, and nothing here
//! says whose; so it works in any process.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;

use super::super::error::ApiError;
use super::super::form::Form;
use super::visit::{Visit, token};
use super::{DonorState, Donors};
use crate::domain::action::{ActionKind, ActionState, DONOR};
use crate::domain::pledge::Frequency;
use crate::gateway::subscription::When;
use crate::service::act::{ActError, Asking, Wish};
use crate::service::later::token_hash;
use crate::store::{Action, ManagedPledge, StoreError};

/// Actions of a pledge that are looked through for the newest ending.
const MOST_ACTIONS: i64 = 50;

async fn find(donors: &Donors, link: &str) -> Result<ManagedPledge, ApiError> {
    let link = token(link).ok_or_else(|| ApiError::not_found("link"))?;
    let id = donors.store.stop_link(&token_hash(link)).await?.ok_or_else(|| ApiError::not_found("link"))?;
    donors.store.managed_pledge(&id).await?.ok_or_else(|| ApiError::not_found("link"))
}

pub async fn show(State(donors): State<DonorState>, visit: Visit, Path(link): Path<String>) -> Response {
    match find(&donors, &link).await {
        Ok(pledge) => match stands(&donors, &visit, &link, &pledge).await {
            Ok(page) => page,
            Err(error) => visit.problem(&error.into()),
        },
        Err(error) => visit.problem(&error),
    }
}

pub async fn stop(
    State(donors): State<DonorState>,
    visit: Visit,
    Path(link): Path<String>,
    form: Result<Form, ApiError>,
) -> Response {
    let (pledge, form) = match (find(&donors, &link).await, form) {
        (Ok(pledge), Ok(form)) => (pledge, form),
        (Err(error), _) | (_, Err(error)) => return visit.problem(&error),
    };
    let done = match newest_ending(&donors, &pledge).await {
        Ok(Some(action)) if action.state == ActionState::Asked => donors.acting.again(&action.id).await,
        Ok(_) => {
            let wish = Wish::End { pledge: pledge.id, when: When::Now };
            let asking = Asking { actor: DONOR.to_owned(), reason: String::new(), form: form.text("form").to_owned() };
            donors.acting.act(wish, asking).await
        }
        Err(error) => Err(error.into()),
    };
    match done {
        // How it stands, the page says.
        Ok(_) | Err(ActError::TooLate | ActError::Missing) => visit.to(&format!("/s/{link}")),
        Err(error) => visit.problem(&error.into()),
    }
}

/// The newest wish that it end at once, whoever had it.
async fn newest_ending(donors: &Donors, pledge: &ManagedPledge) -> Result<Option<Action>, StoreError> {
    let actions = donors.store.actions_of(&pledge.id, MOST_ACTIONS).await?;
    Ok(actions.into_iter().find(|action| action.kind == ActionKind::Cancel))
}

/// How the pledge stands, and the button where there is something to stop.
async fn stands(donors: &Donors, visit: &Visit, link: &str, pledge: &ManagedPledge) -> Result<Response, StoreError> {
    let asked = newest_ending(donors, pledge).await?.map(|action| action.state);
    let over = pledge.status.is_over() && !pledge.runs_on;
    let (title, lead, button) = match (over, asked) {
        (true, _) => {
            let on = pledge.ended_at.map(|at| visit.day(donors, at));
            let lead = match on {
                Some(on) => visit.say_with("support-stopped-lead", &[("date", on)]),
                None => visit.say("support-stopped-plain-lead"),
            };
            ("support-stopped-title", lead, None)
        }
        (false, Some(ActionState::Sent)) if !pledge.runs_on => {
            ("support-stopping-title", visit.say("support-stopping-lead"), None)
        }
        (false, Some(ActionState::Asked)) => {
            ("support-unsure-title", visit.say("support-unsure-lead"), Some("support-stop-again"))
        }
        (false, refused) if pledge.subscription_id.is_some() => {
            let lead = if refused.is_some() { "support-refused-lead" } else { "support-stop-lead" };
            ("support-stop-title", visit.say(lead), Some("support-stop"))
        }
        (false, _) if pledge.frequency == Frequency::Once => {
            ("support-once-title", visit.say("support-once-lead"), None)
        }
        (false, _) => ("support-unbegun-title", visit.say("support-unbegun-lead"), None),
    };
    let form = donors.random.hex();
    let press = button.map(|label| context! { path => visit.at(&format!("/s/{link}")), label => visit.say(label) });
    let reload = matches!((over, asked), (false, Some(ActionState::Sent))) && !pledge.runs_on;
    let given = format!("given-{}", pledge.frequency.as_str());
    let values = context! {
        lead, press, form, given => visit.say_with(&given, &[("amount", visit.money(pledge.money))]),
        onward => reload.then(|| context! { href => visit.at(&format!("/s/{link}")), label => visit.say("support-look-again") }),
        back => visit.at("/manage"),
    };
    Ok(visit.page(StatusCode::OK, "manage_press", title, values))
}
