//! `GET /v1/campaigns/{slug}`: all that a giving form needs.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::error::{ApiError, Problem};
use super::state::Giving;
use crate::domain::campaign::{Campaign, is_slug};
use crate::domain::pledge::Frequency;

/// A campaign as a giving form needs it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CampaignBody {
    #[schema(example = "default")]
    slug: String,
    name: String,
    /// ISO 4217, upper case.
    #[schema(example = "USD")]
    default_currency: String,
    default_frequency: Frequency,
    /// In the order of the form.
    currencies: Vec<CurrencyBody>,
}

/// What is offered in one currency.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CurrencyBody {
    #[schema(example = "USD")]
    currency: String,
    /// How many decimals the minor unit has.
    #[schema(example = 2)]
    exponent: u32,
    /// By frequency: `once`, `monthly`, `annual`, as far as offered.
    frequencies: BTreeMap<&'static str, OfferBody>,
}

/// Amounts in minor units.
#[expect(clippy::struct_field_names, reason = "units come last, in every name")]
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OfferBody {
    suggested_minor: Vec<i64>,
    min_minor: i64,
    max_minor: i64,
}

impl From<Campaign> for CampaignBody {
    fn from(campaign: Campaign) -> Self {
        let offers = |currency| {
            let of_currency = campaign.offers.iter().filter(move |offer| offer.currency == currency);
            of_currency.map(|offer| {
                let body = OfferBody {
                    suggested_minor: offer.suggested_minor.clone(),
                    min_minor: offer.min_minor,
                    max_minor: offer.max_minor,
                };
                (offer.frequency.as_str(), body)
            })
        };
        let currencies = campaign.currencies();
        Self {
            currencies: currencies
                .into_iter()
                .map(|currency| CurrencyBody {
                    currency: currency.to_string(),
                    exponent: currency.exponent(),
                    frequencies: offers(currency).collect(),
                })
                .collect(),
            default_currency: campaign.default_currency.to_string(),
            default_frequency: campaign.default_frequency,
            slug: campaign.slug,
            name: campaign.name,
        }
    }
}

/// A campaign
#[utoipa::path(get, path = "/v1/campaigns/{slug}", tag = "giving", params(("slug" = String, Path, example = "default")),
    responses((status = 200, body = CampaignBody), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(state): State<Giving>, Path(slug): Path<String>) -> Result<Json<CampaignBody>, ApiError> {
    Ok(Json(find(&state, &slug).await?.into()))
}

/// The campaign under a slug somebody sent.
pub async fn find(state: &Giving, slug: &str) -> Result<Campaign, ApiError> {
    let found = if is_slug(slug) { state.pledges.store.campaign(slug).await? } else { None };
    found.ok_or_else(|| ApiError::not_found("campaign"))
}
