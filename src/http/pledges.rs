//! `POST /v1/pledges` and `GET /v1/pledges/{id}`.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::client::Client;
use super::error::{ApiError, Problem};
use super::extract::JsonFields;
use super::state::Giving;
use crate::clock::DAY;
use crate::domain::new_pledge::{Asked, NewPledge};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::id::PledgeId;
use crate::store::Pledge;

/// How long a settled pledge is still shown to whoever knows its id.
const SHOWN_SETTLED: i64 = DAY;

// The shape of the request, for its description only: `Asked` reads it.
/// What a donor chose.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PledgeRequest {
    /// Slug; `default` when absent.
    #[schema(example = "default")]
    pub campaign: Option<String>,
    /// `once`, `monthly` or `annual`.
    pub frequency: Frequency,
    /// In the currency's minor unit.
    #[schema(example = 2500)]
    pub amount_minor: i64,
    /// ISO 4217, in any case.
    #[schema(example = "USD")]
    pub currency: String,
    /// Whether the payment fee is added, where the campaign says what it is.
    pub cover_fee: Option<bool>,
    /// Language of the checkout page; Stripe decides when absent.
    #[schema(example = "en")]
    pub locale: Option<String>,
    /// Where on the site the gift came from: at most 64 letters, digits and `-_./:`, no personal data.
    #[schema(example = "article-footer")]
    pub source: Option<String>,
    /// A path of ours or an address of an allowed origin; `pledge=plg_…` is added to its query.
    pub return_url: Option<String>,
}

/// A pledge that was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PledgeCreated {
    #[schema(example = "plg_0123456789abcdef0123456789abcdef")]
    id: String,
    /// Always `open`.
    status: PledgeStatus,
    frequency: Frequency,
    /// What was chosen.
    amount_minor: i64,
    /// What is added to cover the payment fee.
    cover_minor: i64,
    /// What is charged each time.
    total_minor: i64,
    #[schema(example = "USD")]
    currency: String,
    /// Where the donor pays.
    checkout_url: String,
    /// Unix seconds; the checkout page is closed then.
    expires_at: i64,
}

/// A pledge as anybody may see it who knows its id.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PledgeBody {
    id: String,
    status: PledgeStatus,
    frequency: Frequency,
    /// What was chosen.
    amount_minor: i64,
    /// What is charged each time.
    total_minor: i64,
    #[schema(example = "USD")]
    currency: String,
}

/// Make a pledge and its checkout page
#[utoipa::path(post, path = "/v1/pledges", tag = "giving", request_body = PledgeRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "16 to 255 characters; the same key and body answer the same for 24 hours")),
    responses((status = 201, body = PledgeCreated),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "malformed JSON or Idempotency-Key"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`idempotency_mismatch`, `in_progress` or `checkout_over`"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`rate_limited`: too many pledges from one address, for one campaign or overall; wait as `Retry-After` says"),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "Stripe refused or failed; retry under the same key"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Stripe or the database is out of reach; retry under the same key")))]
pub async fn create(
    State(state): State<Giving>,
    client: Client,
    headers: HeaderMap,
    JsonFields(fields): JsonFields,
) -> Result<Response, ApiError> {
    let key = idempotency_key(&headers)?;
    let new = parse(&state, &Asked::json(fields)).await?;
    state.limits.admit(&client, &new.campaign, key)?;
    let started = state.pledges.start(new, key).await?;
    let body = PledgeCreated {
        id: started.pledge.id.to_string(),
        status: PledgeStatus::Open,
        frequency: started.pledge.frequency,
        amount_minor: started.pledge.money.amount_minor,
        cover_minor: started.pledge.cover_minor,
        total_minor: started.pledge.total().amount_minor,
        currency: started.pledge.money.currency.to_string(),
        checkout_url: started.checkout_url,
        expires_at: started.pledge.expires_at,
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response())
}

/// Holds a request against its campaign.
pub async fn parse(state: &Giving, asked: &Asked) -> Result<NewPledge, ApiError> {
    let campaign = match asked.campaign() {
        Some(slug) => state.pledges.store.campaign(slug).await?,
        None => None,
    };
    asked.parse(campaign.as_ref(), &state.sites, state.pledges.clock.now()).map_err(ApiError::invalid)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (16..=255).contains(&key.len()) && values.next().is_none());
    key.map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "malformed_idempotency_key",
            "expected one Idempotency-Key of 16 to 255 visible ASCII characters",
        )
    })
}

/// How a pledge stands
#[utoipa::path(get, path = "/v1/pledges/{id}", tag = "giving", params(("id" = String, Path, description = "plg_…")),
    responses((status = 200, body = PledgeBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "unknown, or settled more than 24 hours ago")))]
pub async fn show(State(state): State<Giving>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let pledge = find(&state, &id).await?;
    let body = PledgeBody {
        id: pledge.id.to_string(),
        status: pledge.status,
        frequency: pledge.frequency,
        amount_minor: pledge.money.amount_minor,
        total_minor: pledge.total().amount_minor,
        currency: pledge.money.currency.to_string(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response())
}

/// The pledge under an id somebody sent, as long as it is shown at all.
pub async fn find(state: &Giving, id: &str) -> Result<Pledge, ApiError> {
    let missing = || ApiError::not_found("pledge");
    let id = PledgeId::parse(id).map_err(|_| missing())?;
    let pledge = state.pledges.store.pledge(&id).await?.ok_or_else(missing)?;
    let over = pledge.settled_at.is_some_and(|at| state.pledges.clock.now() > at + SHOWN_SETTLED);
    if over { Err(missing()) } else { Ok(pledge) }
}
