//! Pledges: the list, one pledge's story, and ending one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::list::{self, Asked, time};
use super::{Admin, Form, Newsroom, View, Who};
use crate::domain::action::{ActionKind, Ending, Standing, reason, standing};
use crate::domain::admin::Role;
use crate::domain::money::Money;
use crate::domain::pledge::PledgeStatus;
use crate::domain::story;
use crate::gateway::subscription::When;
use crate::id::{ActionId, PledgeId};
use crate::service::act::{ActError, Acting, Asking, Wish};
use crate::store::{Action, Pledge, PledgeStory, StoreError};
use crate::text;

/// Actions of a pledge that are shown.
const ACTIONS: i64 = 50;

impl Newsroom {
    pub fn acting(&self) -> Acting {
        Acting {
            store: self.store.clone(),
            gateway: self.gateway.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }
    }
}

pub async fn list(State(admin): State<Admin>, view: View, asked: Asked) -> Result<Response, ApiError> {
    let wanted = asked.wanted();
    let mut rows = admin.store.browse_pledges(&wanted, &asked.place(), list::most()).await?;
    let next = list::cut(&view, &mut rows, |last| format!("{}_{}", last.created_at, last.id));
    let row = |pledge: crate::store::ListedPledge| {
        context! {
            made => time(&admin, pledge.created_at),
            amount => text::money(view.language, pledge.money),
            frequency => view.say(&format!("frequency-{}", pledge.frequency)),
            status => view.say(&format!("pledge-{}", pledge.status)),
            id => pledge.id, campaign => pledge.campaign, source => pledge.source,
        }
    };
    let statuses: Vec<&str> = PledgeStatus::ALL.iter().map(|status| status.as_str()).collect();
    let values = context! {
        title => view.say("admin-pledges"),
        statuses => list::choices(&view, &statuses, "pledge-", &wanted.status),
        filters => list::filters(&admin, &view, &wanted).await?,
        rows => rows.into_iter().map(row).collect::<Vec<_>>(), next,
    };
    Ok(view.page("pledges", values))
}

/// The pledge an address names, with its story.
async fn named(admin: &Newsroom, id: &str) -> Result<(PledgeId, Pledge, PledgeStory), ApiError> {
    let missing = || ApiError::of_status(StatusCode::NOT_FOUND);
    let id = PledgeId::parse(id).map_err(|_| missing())?;
    let pledge = admin.store.pledge(&id).await?.ok_or_else(missing)?;
    let story = admin.store.story(&id).await?.ok_or_else(missing)?;
    Ok((id, pledge, story))
}

pub async fn show(State(admin): State<Admin>, view: View, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (id, pledge, story) = named(&admin, &id).await?;
    let written = |minor| text::money(view.language, Money::new(minor, pledge.money.currency));
    let acts = view.may(Role::Finance);
    let payments: Vec<Value> = story
        .payments
        .iter()
        .map(|payment| {
            let left = payment.amount_minor - payment.refunded_minor;
            context! {
                at => payment.succeeded_at.map(|at| time(&admin, at)),
                amount => written(payment.amount_minor),
                status => view.say(&format!("payment-{}", payment.status)),
                refunded => (payment.refunded_minor > 0).then(|| written(payment.refunded_minor)),
                refundable => acts && payment.status == "succeeded" && left > 0,
                id => payment.id.clone(),
            }
        })
        .collect();
    let mut steps = story::steps(&story.told);
    steps.reverse();
    let steps: Vec<Value> = steps
        .into_iter()
        .map(|step| {
            context! {
                at => time(&admin, step.at), what => view.say(step.what.text()),
                amount => step.amount_minor.map(written), event => step.event,
            }
        })
        .collect();
    let actions = shown_actions(&admin, &view, &pledge, &story).await?;
    let known = admin.store.has_address(&id).await?;
    let values = context! {
        title => format!("{} {}", view.say("admin-pledge"), written(pledge.total().amount_minor)),
        id => id.as_str(),
        status => view.say(&format!("pledge-{}", story.status)),
        frequency => view.say(&format!("frequency-{}", pledge.frequency)),
        campaign => pledge.campaign_name, source => pledge.source,
        made => time(&admin, pledge.created_at),
        to_end => story.to_end && story.status != PledgeStatus::Canceled,
        runs_on => story.runs_on, endable => acts && story.endable(),
        mailable => acts && known,
        openable => known && view.may(Role::Admin),
        payments, steps, actions, acts,
    };
    Ok(view.page("pledge", values))
}

async fn shown_actions(
    admin: &Newsroom,
    view: &View,
    pledge: &Pledge,
    story: &PledgeStory,
) -> Result<Vec<Value>, StoreError> {
    let ending = match (story.status, story.to_end) {
        (PledgeStatus::Canceled, _) => Ending::Over,
        (_, true) => Ending::Intended,
        _ => Ending::None,
    };
    let recurring = admin.store.recurring(&pledge.id).await?;
    let row = |action: Action| {
        let refund = story.refunds.iter().find(|(id, _)| Some(id) == action.stripe_id.as_ref());
        let stands = match (action.kind, &recurring) {
            (ActionKind::Refund, _) | (_, None) => {
                standing(action.kind, action.state, refund.map(|(_, status)| status.as_str()), ending)
            }
            (_, Some(recurring)) => recurring.standing(&action),
        };
        let amount = action.amount_minor.map(|minor| Money::new(minor, pledge.money.currency));
        context! {
            at => time(admin, action.asked_at),
            what => view.say(match action.kind {
                ActionKind::Refund => "action-refund",
                ActionKind::Cancel => "action-cancel",
                ActionKind::CancelAtPeriodEnd => "action-cancel-later",
                ActionKind::ChangeAmount => "action-change-amount",
                ActionKind::ChangeFrequency => "action-change-frequency",
                ActionKind::Pause => "action-pause",
                ActionKind::Resume => "action-resume",
            }),
            amount => amount.map(|money| text::money(view.language, money)),
            stands => view.say(&format!("action-{stands}")),
            word => stands.as_str(),
            unsure => stands == Standing::Unsure,
            reason => action.reason, error => action.error, id => action.id.as_str(),
        }
    };
    let actions = admin.store.actions_of(&pledge.id, ACTIONS).await?;
    Ok(actions.into_iter().map(row).collect())
}

pub async fn ask_end(State(admin): State<Admin>, view: View, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (id, pledge, story) = named(&admin, &id).await?;
    let form = admin.random.hex();
    Ok(end_form(&view, &id, &pledge, &story, &form, "", None))
}

fn end_form(
    view: &View,
    id: &PledgeId,
    pledge: &Pledge,
    story: &PledgeStory,
    form: &str,
    reason: &str,
    wrong: Option<&str>,
) -> Response {
    let values = context! {
        title => view.say("admin-end"), id => id.as_str(), form, reason,
        amount => text::money(view.language, pledge.total()),
        frequency => view.say(&format!("frequency-{}", pledge.frequency)),
        endable => story.endable(), to_end => story.to_end,
        wrong => wrong.map(|id| view.say(id)),
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    view.answer(status, "end", values)
}

pub async fn end(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let (id, pledge, story) = named(&admin, &id).await?;
    let again = |wrong| end_form(&view, &id, &pledge, &story, form.text("form"), form.text("reason"), Some(wrong));
    let when = match form.text("when") {
        "now" => When::Now,
        "period_end" => When::AtPeriodEnd,
        _ => return Ok(again("act-when")),
    };
    let Some(reason) = reason(form.text("reason")) else { return Ok(again("act-reason-wrong")) };
    let asking = Asking { actor: who.id, reason: reason.to_owned(), form: form.text("form").to_owned() };
    match admin.acting().act(Wish::End { pledge: id.clone(), when }, asking).await {
        Ok(_) => Ok(to_pledge(id.as_str())),
        Err(ActError::TooLate) => Ok(again("act-too-late")),
        Err(ActError::Mismatch) => Ok(again("act-mismatch")),
        Err(error) => Err(error.into()),
    }
}

/// Sends an action again of which nobody knows whether Stripe has it.
pub async fn again(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id = ActionId::parse(&id).map_err(|_| ApiError::of_status(StatusCode::NOT_FOUND))?;
    let action = admin.acting().again(&id).await?;
    Ok(to_pledge(action.pledge_id.as_str()))
}

pub(super) fn to_pledge(id: &str) -> Response {
    Redirect::to(&format!("/admin/pledges/{id}")).into_response()
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Store(error) => error.into(),
            ActError::Missing => Self::of_status(StatusCode::NOT_FOUND),
            ActError::TooLate
            | ActError::TooMuch { .. }
            | ActError::Mismatch
            | ActError::Amount { .. }
            | ActError::NotOffered
            | ActError::Date
            | ActError::Unchanged => Self::of_status(StatusCode::CONFLICT),
        }
    }
}
