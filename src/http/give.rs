//! The giving pages: a plain form that works without a script and from other sites' pages.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use minijinja::context;
use url::form_urlencoded;

use super::client::Client;
use super::error::ApiError;
use super::extract::media_type;
use super::state::Giving;
use super::{campaigns, pages, pledges};
use crate::domain::campaign::{Campaign, DEFAULT};
use crate::domain::field::{FieldError, Fields, Given};
use crate::domain::money::{Currency, Money};
use crate::domain::new_pledge::Asked;
use crate::domain::pledge::{Frequency, PledgeStatus};

/// Fields of a form or query that are read at most.
const MAX_FIELDS: usize = 32;

pub fn routes(state: Giving) -> Router {
    Router::new()
        .route("/give", get(show).post(submit))
        .route("/give/thanks", get(thanks))
        .route("/give/cancelled", get(cancelled))
        .route("/give/style.css", get(pages::style))
        .route("/give/give.js", get(pages::script))
        .with_state(state)
}

/// What somebody chose so far.
#[derive(Debug, Default)]
struct Choice {
    campaign: String,
    frequency: String,
    amount: String,
    currency: String,
    other: String,
    source: String,
}

impl Choice {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).ok().flatten().unwrap_or_default().to_owned();
        Self {
            campaign: text("campaign"),
            frequency: text("frequency"),
            amount: text("amount"),
            currency: text("currency"),
            other: text("other_amount"),
            source: text("source"),
        }
    }

    /// The amount that counts: what was typed, or what was picked.
    fn amount(&self) -> &str {
        if self.other.is_empty() { &self.amount } else { &self.other }
    }
}

async fn show(State(state): State<Giving>, RawQuery(query): RawQuery) -> Response {
    let fields = fields(query.unwrap_or_default().as_bytes());
    let mut choice = Choice::of(&fields);
    if fields.get("offer").is_some() {
        // Without a script, asked to show what goes with another frequency or currency.
        (choice.amount, choice.other) = Default::default();
    }
    match campaign(&state, &choice).await {
        Ok(campaign) => form(StatusCode::OK, &campaign, &choice, &[]),
        Err(error) => problem(&error),
    }
}

async fn submit(
    State(state): State<Giving>,
    client: Client,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if media_type(&headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return problem(&ApiError::unsupported_media("expected a form"));
    }
    let Ok(body) = body else { return problem(&ApiError::too_large("expected at most 64 KiB")) };
    let fields = fields(&body);
    let choice = Choice::of(&fields);
    let campaign = match campaign(&state, &choice).await {
        Ok(campaign) => campaign,
        Err(error) => return problem(&error),
    };
    let new = match Asked::form(fields).parse(Some(&campaign), &state.sites) {
        Ok(new) => new,
        Err(errors) => return form(StatusCode::UNPROCESSABLE_ENTITY, &campaign, &choice, &errors),
    };
    if let Err(error) = state.limits.admit(&client, &new.campaign, None) {
        return problem(&error);
    }
    let started = match state.pledges.start(new, None).await {
        Ok(started) => started,
        Err(error) => return problem(&error.into()),
    };
    match HeaderValue::from_str(&started.checkout_url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        Err(_) => problem(&ApiError::of_status(StatusCode::BAD_GATEWAY)),
    }
}

async fn campaign(state: &Giving, choice: &Choice) -> Result<Campaign, ApiError> {
    campaigns::find(state, if choice.campaign.is_empty() { DEFAULT } else { &choice.campaign }).await
}

fn form(status: StatusCode, campaign: &Campaign, choice: &Choice, errors: &[FieldError]) -> Response {
    let frequency = Frequency::parse(&choice.frequency).unwrap_or(campaign.default_frequency);
    let currency = Currency::parse(&choice.currency).ok().filter(|c| campaign.currencies().contains(c));
    let currency = currency.unwrap_or(campaign.default_currency);
    let offer = campaign.offer(currency, frequency);
    let suggested: Vec<minijinja::Value> = offer
        .map(|offer| offer.suggested_minor.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|minor| {
            let money = Money::new(*minor, currency);
            context! { value => money.decimal(), label => short(money) }
        })
        .collect();
    let frequencies: Vec<minijinja::Value> = Frequency::ALL
        .iter()
        .filter(|frequency| campaign.offer(currency, **frequency).is_some())
        .map(|frequency| context! { value => frequency.as_str(), label => label(*frequency) })
        .collect();
    let currencies: Vec<String> = campaign.currencies().iter().map(Currency::to_string).collect();
    let picked =
        suggested.iter().any(|amount| amount.get_attr("value").is_ok_and(|value| value.to_string() == choice.amount()));
    let middle = offer.and_then(|offer| offer.suggested_minor.get(offer.suggested_minor.len() / 2));
    let amount = match (choice.amount(), middle) {
        ("", Some(middle)) => Money::new(*middle, currency).decimal(),
        (chosen, _) => chosen.to_owned(),
    };
    let other = if picked || choice.amount().is_empty() { "" } else { choice.amount() };
    let minimum = offer.map(|offer| short(offer.min())).unwrap_or_default();
    let values = context! {
        campaign => context! { slug => &campaign.slug, name => &campaign.name },
        frequency => frequency.as_str(), frequencies, currency => currency.to_string(), currencies,
        suggested, amount, other, minimum, source => &choice.source,
        every => every(frequency), errors => errors.iter().map(|error| context! { message => &error.message }).collect::<Vec<_>>(),
    };
    pages::page(status, "give", &values)
}

async fn thanks(State(state): State<Giving>, RawQuery(query): RawQuery) -> Response {
    let Some(id) = pledge_in(query.as_deref()) else {
        return pages::page(
            StatusCode::OK,
            "thanks",
            &context! { state => "unknown", pledge => (), amount => (), every => () },
        );
    };
    match pledges::find(&state, &id).await {
        Ok(pledge) => {
            let state = match pledge.status {
                PledgeStatus::Open => "open",
                PledgeStatus::Processing => "processing",
                PledgeStatus::Paid | PledgeStatus::Active => "received",
                _ => "not_received",
            };
            let values = context! { state, pledge => pledge.id.to_string(), amount => short(pledge.money), every => every(pledge.frequency) };
            pages::page(StatusCode::OK, "thanks", &values)
        }
        Err(error) => problem(&error),
    }
}

async fn cancelled(RawQuery(query): RawQuery) -> Response {
    let campaign = Choice::of(&fields(query.unwrap_or_default().as_bytes())).campaign;
    pages::page(StatusCode::OK, "cancelled", &context! { campaign })
}

/// A page for people in place of problem+json.
fn problem(error: &ApiError) -> Response {
    let kind = match error.status() {
        StatusCode::NOT_FOUND => "missing",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "unavailable",
        _ => "failed",
    };
    let mut page = pages::page(error.status(), "problem", &context! { kind });
    if let Some(seconds) = error.retry_after() {
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    page
}

/// The fields of a form or a query.
fn fields(text: &[u8]) -> Fields {
    let fields = form_urlencoded::parse(text).take(MAX_FIELDS);
    fields.map(|(name, value)| (name.into_owned(), Given::Text(value.trim().to_owned()))).collect()
}

fn pledge_in(query: Option<&str>) -> Option<String> {
    let mut fields = form_urlencoded::parse(query?.as_bytes()).take(MAX_FIELDS);
    fields.find(|(name, _)| name == "pledge").map(|(_, id)| id.into_owned())
}

/// An amount without decimals that say nothing: `$5`, `$2.50`.
fn short(money: Money) -> String {
    let text = money.to_string();
    text.strip_suffix(".00").map(str::to_owned).unwrap_or(text)
}

fn label(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Once => "Once",
        Frequency::Monthly => "Monthly",
        Frequency::Annual => "Annual",
    }
}

/// How an amount goes on: `$5 monthly`.
fn every(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Once => "once",
        Frequency::Monthly => "monthly",
        Frequency::Annual => "every year",
    }
}
