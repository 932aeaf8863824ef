//! Payments: the list, and giving one back.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;

use super::super::error::ApiError;
use super::list::{self, Asked, time};
use super::pledges::to_pledge;
use super::{Admin, Form, Newsroom, View, Who};
use crate::domain::action::reason;
use crate::domain::admin::Role;
use crate::domain::money::Money;
use crate::id::PaymentId;
use crate::service::act::{ActError, Asking, Wish};
use crate::store::ListedPayment;
use crate::text;

/// How payments are told apart in the list: by whether they brought money.
const STATUSES: [&str; 2] = ["succeeded", "failed"];

pub async fn list(State(admin): State<Admin>, view: View, asked: Asked) -> Result<Response, ApiError> {
    let mut wanted = asked.wanted();
    let failed = wanted.status == "failed";
    let (mut rows, next);
    if failed {
        rows = admin.store.browse_failed(&wanted, asked.text("behind"), list::most()).await?;
        next = list::cut(&view, &mut rows, |last| last.stripe_key.clone());
    } else {
        wanted.status.clear();
        rows = admin.store.browse_payments(&wanted, &asked.place(), list::most()).await?;
        next = list::cut(&view, &mut rows, |last| format!("{}_{}", last.at, last.id));
    }
    let acts = view.may(Role::Finance);
    let row = |payment: ListedPayment| {
        let left = payment.money.amount_minor - payment.refunded_minor;
        let refunded = Money::new(payment.refunded_minor, payment.money.currency);
        context! {
            at => time(&admin, payment.at),
            amount => text::money(view.language, payment.money),
            frequency => view.say(&format!("frequency-{}", payment.frequency)),
            status => view.say(&format!("payment-{}", payment.status)),
            refunded => (payment.refunded_minor > 0).then(|| text::money(view.language, refunded)),
            refundable => acts && payment.status == "succeeded" && left > 0,
            id => payment.id, pledge => payment.pledge_id, campaign => payment.campaign,
        }
    };
    let taken = if failed { "failed" } else { "succeeded" };
    let values = context! {
        title => view.say("admin-payments"), failed, acts,
        statuses => list::choices(&view, &STATUSES, "payment-", taken),
        filters => list::filters(&admin, &view, &wanted).await?,
        rows => rows.into_iter().map(row).collect::<Vec<_>>(), next,
    };
    Ok(view.page("payments", values))
}

async fn named(admin: &Newsroom, id: &str) -> Result<(PaymentId, ListedPayment), ApiError> {
    let missing = || ApiError::of_status(StatusCode::NOT_FOUND);
    let id = PaymentId::parse(id).map_err(|_| missing())?;
    let payment = admin.store.listed_payment(&id).await?.ok_or_else(missing)?;
    Ok((id, payment))
}

pub async fn ask_refund(State(admin): State<Admin>, view: View, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (_, payment) = named(&admin, &id).await?;
    let form = admin.random.hex();
    let amount = left(&payment).decimal();
    Ok(refund_form(&admin, &view, &payment, &Typed { form: &form, amount: &amount, reason: "" }, None))
}

struct Typed<'a> {
    form: &'a str,
    amount: &'a str,
    reason: &'a str,
}

fn left(payment: &ListedPayment) -> Money {
    Money::new(payment.money.amount_minor - payment.refunded_minor, payment.money.currency)
}

fn refund_form(admin: &Newsroom, view: &View, payment: &ListedPayment, typed: &Typed, wrong: Option<&str>) -> Response {
    let left = left(payment);
    let values = context! {
        title => view.say("admin-refund"), id => payment.id.clone(), pledge => payment.pledge_id.clone(),
        form => typed.form, typed_amount => typed.amount, reason => typed.reason,
        amount => text::money(view.language, payment.money), at => time(admin, payment.at),
        left => text::money(view.language, left), currency => payment.money.currency.code(),
        refundable => payment.status == "succeeded" && left.amount_minor > 0,
        wrong => wrong.map(|id| view.say(id)),
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    view.answer(status, "refund", values)
}

pub async fn refund(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let (id, payment) = named(&admin, &id).await?;
    let typed = Typed { form: form.text("form"), amount: form.text("amount"), reason: form.text("reason") };
    let again = |wrong| refund_form(&admin, &view, &payment, &typed, Some(wrong));
    let Ok(amount) = Money::parse_major(typed.amount, payment.money.currency) else {
        return Ok(again("act-amount-wrong"));
    };
    let Some(reason) = reason(typed.reason) else { return Ok(again("act-reason-wrong")) };
    let asking = Asking { actor: who.id, reason: reason.to_owned(), form: typed.form.to_owned() };
    match admin.acting().act(Wish::Refund { payment: id, amount_minor: amount.amount_minor }, asking).await {
        Ok(action) => Ok(to_pledge(action.pledge_id.as_str())),
        Err(ActError::TooMuch { .. }) => Ok(again("act-amount-wrong")),
        Err(ActError::TooLate) => Ok(again("act-too-late")),
        Err(ActError::Mismatch) => Ok(again("act-mismatch")),
        Err(error) => Err(error.into()),
    }
}
