//! What somebody takes along: receipts, a statement for a tax year or any days, and their data.
//!
//! A statement counts what was settled less what went back of it until now, currency by currency.

use std::collections::BTreeMap;

use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::{Date, date};
use minijinja::{Value, context};
use serde_json::json;
use url::form_urlencoded;

use super::super::error::ApiError;
use super::super::extract::MAX_FIELDS;
use super::visit::{Signed, Visit};
use super::{DonorState, Donors, words};
use crate::domain::calendar::{date_of, number_of, read_number};
use crate::domain::money::{Currency, Money};
use crate::id::PaymentId;
use crate::service::later::Desk;
use crate::store::{ManagedPayment, ManagedPledge, ManagedReminder, ManagedSignup, StoreError};

/// All days there can be.
pub const ALL_DAYS: (i64, i64) = (0, 99_991_231);
/// Payments of a statement; somebody with more takes it year by year.
const MOST_PAYMENTS: i64 = 5_000;

/// Whether money came by a pledge.
pub fn gave_money(pledge: &ManagedPledge) -> bool {
    pledge.paid_at.is_some()
}

/// Payments as rows.
pub fn lines<'a>(donors: &Donors, visit: &Visit, payments: impl Iterator<Item = &'a ManagedPayment>) -> Vec<Value> {
    payments
        .map(|payment| {
            let currency = payment.money.currency;
            let refunded =
                (payment.refunded_minor > 0).then(|| visit.money(Money::new(payment.refunded_minor, currency)));
            context! {
                id => &payment.id, day => visit.day(donors, payment.succeeded_at), amount => visit.money(payment.money),
                refunded, net => visit.money(net(payment)),
            }
        })
        .collect()
}

/// What stays of a payment.
fn net(payment: &ManagedPayment) -> Money {
    Money::new(payment.money.amount_minor.saturating_sub(payment.refunded_minor), payment.money.currency)
}

async fn payments(donors: &Donors, signed: &Signed, days: (i64, i64)) -> Result<Vec<ManagedPayment>, ApiError> {
    let indexes = donors.desk()?.donor_indexes(&signed.visitor.address);
    Ok(donors.store.managed_payments(&indexes, days, MOST_PAYMENTS).await?)
}

async fn pledges(donors: &Donors, signed: &Signed) -> Result<Vec<ManagedPledge>, ApiError> {
    let indexes = donors.desk()?.donor_indexes(&signed.visitor.address);
    Ok(donors.store.managed_pledges(&indexes).await?)
}

/// One payment, to be printed.
pub async fn receipt(
    State(donors): State<DonorState>,
    visit: Visit,
    signed: Signed,
    Path(id): Path<String>,
) -> Response {
    let page = async {
        let missing = || ApiError::not_found("payment");
        PaymentId::parse(&id).map_err(|_| missing())?;
        let all = payments(&donors, &signed, ALL_DAYS).await?;
        let payment = all.iter().find(|payment| payment.id == id).ok_or_else(missing)?;
        let pledges = pledges(&donors, &signed).await?;
        let pledge = pledges.iter().find(|pledge| pledge.id.as_str() == payment.pledge_id).ok_or_else(missing)?;
        let values = context! {
            id => &payment.id, campaign => words::heading(&donors, &visit, pledge).await?,
            line => lines(&donors, &visit, std::iter::once(payment)).pop(),
            frequency => visit.say(pledge.frequency.as_str()),
            currency => payment.money.currency.code(), back => visit.at("/manage"),
        };
        Ok::<_, ApiError>(visit.page(StatusCode::OK, "manage_receipt", "support-receipt-title", values))
    };
    page.await.unwrap_or_else(|error| visit.problem(&error))
}

/// The days of a statement, both included, and whether it is to be a file.
struct Asked {
    from: Date,
    to: Date,
    csv: bool,
}

impl Asked {
    /// A year, or two days; this year where nothing is said. None where what is said is no day.
    fn read(query: &str, today: Date) -> Option<Self> {
        let fields: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).take(MAX_FIELDS).collect();
        let text = |name: &str| fields.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let year =
            text("year").map_or(Ok(today.year()), str::parse::<i16>).ok().filter(|y| (1970..=9998).contains(y))?;
        let day = |name, else_day| text(name).map_or(Ok(else_day), str::parse::<Date>).ok();
        let (from, to) = (day("from", date(year, 1, 1))?, day("to", date(year, 12, 31))?);
        Some(Self { from, to, csv: text("format") == Some("csv") }).filter(|asked| asked.from <= asked.to)
    }
}

pub async fn statement(
    State(donors): State<DonorState>,
    visit: Visit,
    signed: Signed,
    RawQuery(query): RawQuery,
) -> Response {
    let today = date_of(donors.clock.now(), &donors.zone);
    let asked = Asked::read(query.as_deref().unwrap_or_default(), today);
    let page = async {
        let (asked, wrong) = match asked {
            Some(asked) => (asked, false),
            None => (Asked { from: date(today.year(), 1, 1), to: date(today.year(), 12, 31), csv: false }, true),
        };
        let mut paid = payments(&donors, &signed, (number_of(asked.from), number_of(asked.to))).await?;
        paid.reverse();
        if i64::try_from(paid.len()).unwrap_or(i64::MAX) >= MOST_PAYMENTS {
            return Ok(visit.press(
                StatusCode::UNPROCESSABLE_ENTITY,
                "failed-title",
                visit.say("support-too-many"),
                None,
            ));
        }
        if asked.csv {
            return csv(&donors, &signed, &asked, &paid).await;
        }
        let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
        for payment in &paid {
            let sum = sums.entry(payment.money.currency).or_default();
            *sum = sum.saturating_add(net(payment).amount_minor);
        }
        let sums: Vec<String> = sums.into_iter().map(|(code, minor)| visit.money(Money::new(minor, code))).collect();
        let values = context! {
            from => asked.from.to_string(), to => asked.to.to_string(), said_from => visit.date(asked.from),
            said_to => visit.date(asked.to), lines => lines(&donors, &visit, paid.iter()), sums, wrong,
            address => signed.visitor.address.as_str(), made => visit.date(today), back => visit.at("/manage"),
        };
        let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok::<_, ApiError>(visit.page(status, "manage_statement", "support-statement-title", values))
    };
    page.await.unwrap_or_else(|error| visit.problem(&error))
}

/// The statement as a file. Nothing in it begins as a formula does: days, ids, slugs and numbers.
async fn csv(donors: &Donors, signed: &Signed, asked: &Asked, paid: &[ManagedPayment]) -> Result<Response, ApiError> {
    let failed = |error: csv::Error| {
        tracing::error!(%error, "a statement could not be written");
        ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let pledges = pledges(donors, signed).await?;
    let campaigns: BTreeMap<&str, &str> =
        pledges.iter().map(|pledge| (pledge.id.as_str(), pledge.campaign.as_str())).collect();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["day", "payment", "campaign", "currency", "amount", "refunded", "net"]).map_err(failed)?;
    for payment in paid {
        let currency = payment.money.currency;
        out.write_record([
            date_of(payment.succeeded_at, &donors.zone).to_string().as_str(),
            &payment.id,
            campaigns.get(payment.pledge_id.as_str()).copied().unwrap_or_default(),
            currency.code(),
            &payment.money.decimal(),
            &Money::new(payment.refunded_minor, currency).decimal(),
            &net(payment).decimal(),
        ])
        .map_err(failed)?;
    }
    let text = out.into_inner().map_err(|error| failed(error.into_error().into()))?;
    let name = format!("attachment; filename=\"statement-{}-{}.csv\"", asked.from, asked.to);
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)], text)
        .into_response())
}

/// All that is known of somebody, as one file.
pub async fn data(State(donors): State<DonorState>, visit: Visit, signed: Signed) -> Response {
    let file = async {
        let desk = donors.desk()?;
        let day = |number: i64| read_number(number).map(|day| day.to_string());
        let (pledges, paid) = (pledges(&donors, &signed).await?, payments(&donors, &signed, ALL_DAYS).await?);
        let (reminders, signups) = wishes(&donors, desk, &signed).await?;
        let time = |at: i64| words::machine_time(at);
        let pledges: Vec<_> = pledges
            .iter()
            .map(|pledge| {
                json!({
                    "id": pledge.id, "campaign": pledge.campaign, "frequency": pledge.frequency.as_str(),
                    "amount_minor": pledge.money.amount_minor, "currency": pledge.money.currency.code(),
                    "status": pledge.status.as_str(), "created_at": time(pledge.created_at),
                    "paid_at": pledge.paid_at.map(time), "ended_at": pledge.ended_at.map(time),
                    "stripe_customer_id": pledge.customer_id, "stripe_subscription_id": pledge.subscription_id,
                })
            })
            .collect();
        let paid: Vec<_> = paid
            .iter()
            .map(|payment| {
                json!({
                    "id": payment.id, "pledge": payment.pledge_id, "amount_minor": payment.money.amount_minor,
                    "refunded_minor": payment.refunded_minor, "currency": payment.money.currency.code(),
                    "succeeded_at": time(payment.succeeded_at),
                })
            })
            .collect();
        let reminders: Vec<_> = reminders
            .iter()
            .map(|reminder| {
                json!({
                    "id": reminder.id, "due_on": day(reminder.due_on), "recurring_months": reminder.recurring_months,
                    "frequency": reminder.frequency, "amount_minor": reminder.amount_minor, "currency": reminder.currency,
                    "asked_at": time(reminder.created_at), "consent": reminder.consent_version,
                })
            })
            .collect();
        let signups: Vec<_> = signups
            .iter()
            .map(|signup| {
                json!({
                    "id": signup.id, "list": signup.list, "confirmed_at": signup.confirmed_at.map(time),
                    "consent": signup.consent_version,
                })
            })
            .collect();
        let all = json!({
            "made_at": time(donors.clock.now()), "email": signed.visitor.address.as_str(), "pledges": pledges,
            "payments": paid, "reminders": reminders, "newsletter": signups,
        });
        let text =
            serde_json::to_vec_pretty(&all).map_err(|_| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
        ];
        Ok::<_, ApiError>((headers, text).into_response())
    };
    file.await.unwrap_or_else(|error| visit.problem(&error))
}

/// What somebody asked for besides giving.
pub async fn wishes(
    donors: &Donors,
    desk: &Desk,
    signed: &Signed,
) -> Result<(Vec<ManagedReminder>, Vec<ManagedSignup>), StoreError> {
    let (reminder, newsletter) = desk.list_indexes(&signed.visitor.address);
    Ok((donors.store.managed_reminders(&reminder).await?, donors.store.managed_signups(&newsletter).await?))
}
