//! One pledge on its donor's page: how it stands, and how it is changed, paused, gone on with or stopped.
//!
//! Each form is drawn with a token of its own, so that what is sent twice is done once. Nothing is called done before Stripe's
//! events show it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::super::form::Form;
use super::visit::{Signed, Visit};
use super::{DonorState, Donors, words};
use crate::clock::DAY;
use crate::domain::action::{ActionKind, DONOR, Standing};
use crate::domain::campaign::Misfit;
use crate::domain::money::Money;
use crate::domain::pledge::Frequency;
use crate::gateway::subscription::When;
use crate::id::{ActionId, PledgeId};
use crate::service::act::{ActError, Asking, Wish};
use crate::store::{ManagedPledge, Recurring};

/// Actions of a pledge that are looked through for the donor's newest.
const MOST_ACTIONS: i64 = 50;
/// For how long, in seconds, it is shown what became of the newest.
const SHOWN: i64 = DAY;

/// What was typed that cannot be done, and why.
struct Wrong {
    /// The form it was typed into.
    form: &'static str,
    typed: String,
    says: String,
}

/// A pledge of whoever is signed in; others are not there.
async fn own(donors: &Donors, signed: &Signed, id: &str) -> Result<ManagedPledge, ApiError> {
    let missing = || ApiError::not_found("pledge");
    let id = PledgeId::parse(id).map_err(|_| missing())?;
    let indexes = donors.desk()?.donor_indexes(&signed.visitor.address);
    let pledges = donors.store.managed_pledges(&indexes).await?;
    pledges.into_iter().find(|pledge| pledge.id == id).ok_or_else(missing)
}

pub async fn show(State(donors): State<DonorState>, visit: Visit, signed: Signed, Path(id): Path<String>) -> Response {
    let shown = async {
        let pledge = own(&donors, &signed, &id).await?;
        page(&donors, &visit, &pledge, None).await
    };
    shown.await.unwrap_or_else(|error| visit.problem(&error))
}

async fn page(
    donors: &Donors,
    visit: &Visit,
    pledge: &ManagedPledge,
    wrong: Option<Wrong>,
) -> Result<Response, ApiError> {
    let known = donors.store.recurring(&pledge.id).await?;
    let stands = words::stands(donors, visit, pledge, known.as_ref());
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let forms = match &known {
        Some(known) => forms(donors, visit, known).await?,
        None => Value::from(()),
    };
    let values = context! {
        heading => words::heading(donors, visit, pledge).await?, stands, forms, news => news(donors, visit, pledge, known.as_ref()).await?,
        path => format!("/manage/pledges/{}", pledge.id), here => visit.at(&format!("/manage/pledges/{}", pledge.id)),
        form => donors.random.hex(), back => visit.at("/manage"), lang => visit.language.as_str(),
        wrong => wrong.map(|wrong| context! { form => wrong.form, typed => wrong.typed, says => wrong.says }),
    };
    Ok(visit.page(status, "manage_pledge", "support-pledge-title", values))
}

/// What can be done to what goes on.
async fn forms(donors: &Donors, visit: &Visit, known: &Recurring) -> Result<Value, ApiError> {
    let Some(agreement) = &known.agreement else {
        let stop = context! {
            amount => (), others => (), paused => false, pauses => false, card => false, ends => true,
        };
        return Ok(if known.runs_on { stop } else { Value::from(()) });
    };
    let (amount_minor, frequency) = agreement.agreed();
    let campaign = donors.store.campaign(&known.campaign).await?;
    let offer = |frequency| campaign.as_ref().and_then(|campaign| campaign.offer(known.currency, frequency));
    let written = |minor| visit.money(Money::new(minor, known.currency));
    let limits = offer(frequency).map(|offer| {
        let (min, max) = (visit.money(offer.min()), visit.money(offer.max()));
        visit.say_with("support-amount-limits", &[("min", min), ("max", max)])
    });
    let others = [Frequency::Monthly, Frequency::Annual].into_iter().filter(|other| *other != frequency);
    let others = others.filter(|other| offer(*other).is_some_and(|offer| offer.misfit(amount_minor).is_none()));
    let given = |other: Frequency| {
        context! { value => other.as_str(), says => visit.say_with(&format!("given-{}", other.as_str()), &[("amount", written(amount_minor))]) }
    };
    let goes_on = agreement.ends_at.is_none();
    Ok(context! {
        amount => limits.map(|limits| context! { limits, now => Money::new(amount_minor, known.currency).decimal(), code => known.currency.code() }),
        others => others.filter(|_| goes_on).map(given).collect::<Vec<_>>(),
        pauses => goes_on, paused => agreement.paused, ends => !goes_on, card => known.customer_id.is_some(),
        tomorrow => words::day_after(donors), latest => words::latest_pause(donors),
    })
}

/// What became of what the donor asked for last.
async fn news(
    donors: &Donors,
    visit: &Visit,
    pledge: &ManagedPledge,
    known: Option<&Recurring>,
) -> Result<Value, ApiError> {
    let actions = donors.store.actions_of(&pledge.id, MOST_ACTIONS).await?;
    let newest = actions.into_iter().find(|action| action.kind != ActionKind::Refund);
    let Some(action) = newest.filter(|action| action.asked_at > donors.clock.now() - SHOWN) else {
        return Ok(Value::from(()));
    };
    let stands = known.map_or(Standing::Waiting, |known| known.standing(&action));
    let says = match stands {
        Standing::Unsure => "support-news-unsure",
        Standing::Waiting => "support-news-waiting",
        Standing::Refused | Standing::Failed => "support-news-refused",
        Standing::Done => "support-news-done",
    };
    Ok(context! { says => visit.say(says), word => stands.as_str(), action => action.id.as_str() })
}

/// Reads what is wished for.
fn wish(donors: &Donors, known: &Recurring, id: PledgeId, what: &str, form: &Form) -> Option<Wish> {
    Some(match what {
        "amount" => {
            let amount = Money::parse_major(form.text("amount"), known.currency).ok()?;
            Wish::ChangeAmount { pledge: id, amount_minor: amount.amount_minor }
        }
        "frequency" => Wish::ChangeFrequency { pledge: id, frequency: Frequency::parse(form.text("frequency"))? },
        "pause" => {
            let day: Date = form.text("until").parse().ok()?;
            let until = day.to_zoned(donors.zone.clone()).ok()?.timestamp().as_second();
            Wish::Pause { pledge: id, until }
        }
        "resume" => Wish::Resume { pledge: id },
        "stop" => {
            let when = match form.text("when") {
                "now" => When::Now,
                "period_end" => When::AtPeriodEnd,
                _ => return None,
            };
            Wish::End { pledge: id, when }
        }
        _ => return None,
    })
}

/// The forms there are, and what is said where one cannot be read.
const FORMS: [(&str, &str); 5] = [
    ("amount", "support-amount-wrong"),
    ("frequency", "support-not-offered"),
    ("pause", "support-date-wrong"),
    ("resume", "support-unchanged"),
    ("stop", "support-when-wrong"),
];

/// Whoever picks another language on the page that a form led to has the pledge before them again.
pub async fn back(visit: Visit, Path((id, _)): Path<(String, String)>) -> Response {
    visit.to(&format!("/manage/pledges/{id}"))
}

pub async fn change(
    State(donors): State<DonorState>,
    visit: Visit,
    signed: Signed,
    Path((id, what)): Path<(String, String)>,
    form: Result<Form, ApiError>,
) -> Response {
    let done = async {
        let form = form?;
        let pledge = own(&donors, &signed, &id).await?;
        match what.as_str() {
            "again" => again(&donors, &visit, &pledge, &form).await,
            "card" => card(&donors, &visit, &pledge).await,
            what => act(&donors, &visit, &pledge, what, &form).await,
        }
    };
    done.await.unwrap_or_else(|error| visit.problem(&error))
}

async fn act(
    donors: &Donors,
    visit: &Visit,
    pledge: &ManagedPledge,
    what: &str,
    form: &Form,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("form");
    let (name, unreadable) = FORMS.into_iter().find(|(name, _)| *name == what).ok_or_else(missing)?;
    let here = format!("/manage/pledges/{}", pledge.id);
    let Some(known) = donors.store.recurring(&pledge.id).await? else { return Ok(visit.to(&here)) };
    let typed = form.text(if name == "pause" { "until" } else { name }).to_owned();
    let wrong = |says: String| Some(Wrong { form: name, typed, says });
    let Some(wish) = wish(donors, &known, pledge.id.clone(), what, form) else {
        return page(donors, visit, pledge, wrong(visit.say(unreadable))).await;
    };
    let asking = Asking { actor: DONOR.to_owned(), reason: String::new(), form: form.text("form").to_owned() };
    let says = match donors.acting.act(wish, asking).await {
        // How it stands, the page says.
        Ok(_) | Err(ActError::TooLate) => return Ok(visit.to(&here)),
        Err(ActError::Amount { misfit: Misfit::TooFine, .. }) => visit.say("support-amount-wrong"),
        Err(ActError::Amount { min, max, .. }) => {
            visit.say_with("support-amount-limits", &[("min", visit.money(min)), ("max", visit.money(max))])
        }
        Err(ActError::NotOffered) => visit.say("support-not-offered"),
        Err(ActError::Date) => visit.say("support-date-wrong"),
        Err(ActError::Unchanged) => visit.say("support-unchanged"),
        Err(ActError::Mismatch) => visit.say("support-form-used"),
        Err(error) => return Err(error.into()),
    };
    page(donors, visit, pledge, wrong(says)).await
}

/// Sends what nobody knows of whether Stripe has it once more.
async fn again(donors: &Donors, visit: &Visit, pledge: &ManagedPledge, form: &Form) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("action");
    let id = ActionId::parse(form.text("action")).map_err(|_| missing())?;
    let action = donors.store.action(&id).await?.filter(|action| action.pledge_id == pledge.id).ok_or_else(missing)?;
    donors.acting.again(&action.id).await?;
    Ok(visit.to(&format!("/manage/pledges/{}", pledge.id)))
}

/// Leads to Stripe's page for the card. By a link and not at once: the policy of our pages lets a form go to us alone.
async fn card(donors: &Donors, visit: &Visit, pledge: &ManagedPledge) -> Result<Response, ApiError> {
    let customer = pledge.customer_id.as_ref().ok_or_else(|| ApiError::not_found("customer"))?;
    let here = visit.at(&format!("/manage/pledges/{}", pledge.id));
    let back = format!("{}{here}", donors.desk()?.public_url);
    let url = donors.acting.gateway.portal_session(customer, &back, visit.language).await?;
    let values = context! {
        lead => visit.say("support-card-lead"), given => Value::from(()), press => Value::from(()), form => "",
        onward => context! { href => url, label => visit.say("support-card-onward") }, back => here,
    };
    Ok(visit.page(StatusCode::OK, "manage_press", "support-card-title", values))
}
