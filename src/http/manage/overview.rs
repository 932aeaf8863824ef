//! All that somebody gives, and asked for, on one page.

use axum::extract::{Path, State};
use axum::http::{StatusCode, request::Parts};
use axum::response::Response;
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::links::ask_page;
use super::papers::{ALL_DAYS, gave_money, lines, wishes};
use super::visit::{Signed, Visit};
use super::{DonorState, Donors, words};
use crate::domain::calendar;
use crate::domain::money::{Currency, Money};
use crate::id::{ReminderId, SignupId};
use crate::store::ManagedReminder;

/// Payments of a pledge that are shown; the statement has all.
const SHOWN: usize = 12;
/// Payments that are read for it.
const MOST_PAYMENTS: i64 = 600;

/// What somebody gives; or, for whoever has no session, where a link is asked for.
pub async fn show(State(donors): State<DonorState>, visit: Visit, parts: Parts) -> Response {
    match Signed::of(&donors, &parts).await {
        Ok(Some(signed)) => match page(&donors, &visit, &signed).await {
            Ok(response) => response,
            Err(error) => visit.problem(&error),
        },
        Ok(None) => ask_page(&visit, StatusCode::OK, "", false),
        Err(error) => visit.problem(&error),
    }
}

async fn page(donors: &Donors, visit: &Visit, signed: &Signed) -> Result<Response, ApiError> {
    let desk = donors.desk()?;
    let address = &signed.visitor.address;
    let indexes = desk.donor_indexes(address);
    let pledges = donors.store.managed_pledges(&indexes).await?;
    let payments = donors.store.managed_payments(&indexes, ALL_DAYS, MOST_PAYMENTS).await?;
    let (reminders, signups) = wishes(donors, desk, signed).await?;
    let mut shown = Vec::new();
    for pledge in pledges.iter().filter(|pledge| gave_money(pledge) || words::goes_on(pledge)) {
        let own: Vec<_> = payments.iter().filter(|payment| payment.pledge_id == pledge.id.as_str()).collect();
        let known = donors.store.recurring(&pledge.id).await?;
        shown.push(context! {
            id => pledge.id.as_str(), campaign => words::heading(donors, visit, pledge).await?,
            stands => words::stands(donors, visit, pledge, known.as_ref()), goes_on => words::goes_on(pledge),
            payments => lines(donors, visit, own.into_iter().take(SHOWN)),
        });
    }
    let reminders: Vec<Value> = reminders.iter().map(|reminder| shown_reminder(visit, reminder)).collect();
    let signups: Vec<Value> =
        signups.iter().map(|signup| context! { id => &signup.id, list => &signup.list }).collect();
    let year = calendar::date_of(donors.clock.now(), &donors.zone).year();
    let values = context! {
        pledges => shown, reminders, signups, years => [year, year - 1],
        until => words::time(donors, signed.visitor.expires_at),
    };
    Ok(visit.page(StatusCode::OK, "manage", "support-title", values))
}

fn shown_reminder(visit: &Visit, reminder: &ManagedReminder) -> Value {
    let day = calendar::read_number(reminder.due_on).map(|day| visit.date(day)).unwrap_or_default();
    let given = || {
        let currency = Currency::parse(reminder.currency.as_deref()?).ok()?;
        let money = Money::new(reminder.amount_minor?, currency);
        Some(visit.say_with(&format!("given-{}", reminder.frequency.as_deref()?), &[("amount", visit.money(money))]))
    };
    context! { id => &reminder.id, day, given => given() }
}

pub async fn cancel_reminder(
    State(donors): State<DonorState>,
    visit: Visit,
    signed: Signed,
    Path(id): Path<String>,
) -> Response {
    let done = async {
        let (index, _) = donors.desk()?.list_indexes(&signed.visitor.address);
        let id = ReminderId::parse(&id).map_err(|_| ApiError::not_found("reminder"))?;
        Ok::<_, ApiError>(donors.store.cancel_own_reminder(id.as_str(), &index, donors.clock.now()).await?)
    };
    match done.await {
        Ok(()) => visit.to("/manage"),
        Err(error) => visit.problem(&error),
    }
}

pub async fn unsubscribe(
    State(donors): State<DonorState>,
    visit: Visit,
    signed: Signed,
    Path(id): Path<String>,
) -> Response {
    let done = async {
        let (_, index) = donors.desk()?.list_indexes(&signed.visitor.address);
        let id = SignupId::parse(&id).map_err(|_| ApiError::not_found("signup"))?;
        Ok::<_, ApiError>(donors.store.end_own_signup(id.as_str(), &index, donors.clock.now()).await?)
    };
    match done.await {
        Ok(()) => visit.to("/manage"),
        Err(error) => visit.problem(&error),
    }
}
