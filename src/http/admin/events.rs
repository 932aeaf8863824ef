//! What Stripe sent and could not be applied, one event, and letting it be tried again.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::context;

use super::super::error::ApiError;
use super::list::{self, Asked, time};
use super::{Admin, View, Who};
use crate::domain::admin::Role;
use crate::store::{NewAudit, ParkedEvent};

pub async fn list(State(admin): State<Admin>, view: View, asked: Asked) -> Result<Response, ApiError> {
    let mut rows = admin.store.browse_parked(&asked.place(), list::most()).await?;
    let next = list::cut(&view, &mut rows, |last| format!("{}_{}", last.settled_at, last.id));
    let row = |event: ParkedEvent| {
        context! {
            at => time(&admin, event.settled_at), received => time(&admin, event.received_at),
            id => event.id, kind => event.kind, object => event.object_id, attempts => event.attempts,
            error => event.error,
        }
    };
    let values = context! {
        title => view.say("admin-parked"), acts => view.may(Role::Finance),
        rows => rows.into_iter().map(row).collect::<Vec<_>>(), next,
    };
    Ok(view.page("events", values))
}

pub async fn show(State(admin): State<Admin>, view: View, Path(id): Path<String>) -> Result<Response, ApiError> {
    let found = admin.store.event(&id).await?;
    let event = found.ok_or_else(|| ApiError::of_status(StatusCode::NOT_FOUND))?;
    let values = context! {
        title => view.say("admin-event"), acts => view.may(Role::Finance),
        created => event.stripe_created_at.map(|at| time(&admin, at)), received => time(&admin, event.received_at),
        parked => event.state == "parked",
        state => view.say(&format!("event-{}", event.state)),
        id => event.id, kind => event.kind, object => event.object_id, attempts => event.attempts, error => event.error,
    };
    Ok(view.page("event", values))
}

pub async fn replay(State(admin): State<Admin>, Who(who): Who, Path(id): Path<String>) -> Result<Response, ApiError> {
    let entry = NewAudit { actor: who.id, action: "event.replayed", subject: id, ..NewAudit::default() };
    // What is parked no more needs nothing: the page that comes says how it stands.
    admin.store.replay_by_hand(entry, admin.clock.now(), &admin.random).await?;
    Ok(Redirect::to("/admin/events").into_response())
}
