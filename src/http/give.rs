//! The giving pages: a plain form that works without a script and from other sites' pages, upgraded by the widget; and
//! what a donor sees on coming back.

mod form;
mod reader;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use minijinja::context;
use url::form_urlencoded;

use super::client::Client;
use super::error::ApiError;
use super::extract::{MAX_FIELDS, media_type};
use super::state::Giving;
use super::{campaigns, pages, pledges};
use crate::domain::campaign::{Accent, Campaign, DEFAULT};
use crate::domain::field::{Fields, Given};
use crate::domain::new_pledge::Asked;
use crate::domain::pledge::PledgeStatus;
use crate::store::Pledge;
use crate::text;
use form::{Choice, form};
use reader::Reader;

pub use form::preview;

pub fn routes(state: Giving) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/give") }))
        .route("/give", get(show).post(submit))
        .route("/give/thanks", get(thanks))
        .route("/give/cancelled", get(cancelled))
        .route("/give/pledges/{id}", get(pledge))
        .route("/give/style.css", get(style))
        .route("/give/status.js", get(pages::script))
        .route("/give/{*nothing}", get(missing))
        .with_state(state)
}

async fn show(State(state): State<Giving>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let fields = fields(query.as_deref().unwrap_or_default().as_bytes());
    let mut choice = Choice::of(&fields);
    if fields.get("offer").is_some() {
        // Without a script, asked to show what goes with another frequency or currency.
        (choice.amount, choice.other) = Default::default();
    }
    match campaign(&state, &choice).await {
        Ok(campaign) => {
            let reader = Reader::of(Some(&campaign), query.as_deref(), &headers, "/give");
            form(&reader, &campaign, &choice, &[], state.pledges.clock.now())
        }
        Err(error) => Reader::of(None, query.as_deref(), &headers, "/give").problem(&error),
    }
}

async fn submit(
    State(state): State<Giving>,
    client: Client,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let nobody = |query: Option<&str>| Reader::of(None, query, &headers, "/give");
    if media_type(&headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return nobody(None).problem(&ApiError::unsupported_media("expected a form"));
    }
    let Ok(body) = body else { return nobody(None).problem(&ApiError::too_large("expected at most 64 KiB")) };
    // A form says its language as a link does.
    let said = std::str::from_utf8(&body).ok();
    let fields = fields(&body);
    let choice = Choice::of(&fields);
    let campaign = match campaign(&state, &choice).await {
        Ok(campaign) => campaign,
        Err(error) => return nobody(said).problem(&error),
    };
    let reader = Reader { here: "/give?".to_owned(), ..Reader::of(Some(&campaign), said, &headers, "/give") };
    let now = state.pledges.clock.now();
    let new = match Asked::form(fields).parse(Some(&campaign), &state.sites, now) {
        Ok(new) => new,
        Err(errors) => return form(&reader, &campaign, &choice, &errors, now),
    };
    if let Err(error) = state.limits.admit(&client, &new.campaign, None) {
        return reader.problem(&error);
    }
    let started = match state.pledges.start(new, None).await {
        Ok(started) => started,
        Err(error) => return reader.problem(&error.into()),
    };
    match HeaderValue::from_str(&started.checkout_url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        Err(_) => reader.problem(&ApiError::of_status(StatusCode::BAD_GATEWAY)),
    }
}

async fn campaign(state: &Giving, choice: &Choice) -> Result<Campaign, ApiError> {
    campaigns::find(state, if choice.campaign.is_empty() { DEFAULT } else { &choice.campaign }).await
}

async fn thanks(State(state): State<Giving>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    if let Some(id) = pledge_in(query.as_deref()) {
        return status(&state, &id, query.as_deref(), &headers, "/give/thanks").await;
    }
    let reader = Reader::of(None, query.as_deref(), &headers, "/give/thanks");
    reader.message(StatusCode::OK, "returned-title", "returned-lead", "to-giving-page")
}

async fn pledge(
    State(state): State<Giving>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    // Only an id is put into an address of ours.
    let path = match crate::id::PledgeId::parse(&id) {
        Ok(id) => format!("/give/pledges/{}", id.as_str()),
        Err(_) => "/give/thanks".to_owned(),
    };
    status(&state, &id, query.as_deref(), &headers, &path).await
}

/// How a pledge stands, as a page.
async fn status(state: &Giving, id: &str, query: Option<&str>, headers: &HeaderMap, path: &str) -> Response {
    let found = async {
        let pledge = pledges::find(state, id).await?;
        let campaign = state.pledges.store.campaign(&pledge.campaign).await?;
        Ok::<_, ApiError>((pledge, campaign))
    };
    match found.await {
        Ok((pledge, campaign)) => stands(&Reader::of(campaign.as_ref(), query, headers, path), &pledge),
        Err(error) => Reader::of(None, query, headers, path).problem(&error),
    }
}

fn stands(reader: &Reader<'_>, pledge: &Pledge) -> Response {
    let (word, turns) = match pledge.status {
        PledgeStatus::Open => ("waiting", true),
        PledgeStatus::Processing => ("processing", true),
        PledgeStatus::Paid | PledgeStatus::Active => ("thanks", false),
        _ => ("refused", false),
    };
    let thanks =
        reader.campaign.and_then(|campaign| campaign.words(reader.language).thanks).filter(|_| word == "thanks");
    let total = text::money(reader.language, pledge.total());
    let given =
        text::say(reader.language, &format!("given-{}", pledge.frequency.as_str()), &[("amount", total.into())]);
    let values = context! {
        lead => thanks.unwrap_or_else(|| reader.say(&format!("{word}-lead"))),
        given => (word != "refused").then_some(given), turns, again => word == "refused",
        pledge => pledge.id.to_string(), status => pledge.status.as_str(),
    };
    reader.page(StatusCode::OK, "status", &reader.say(&format!("{word}-title")), values)
}

async fn cancelled(State(state): State<Giving>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    // The campaign is that of the pledge which was left, where it can still be told.
    let campaign = match pledge_in(query.as_deref()) {
        Some(id) => match pledges::find(&state, &id).await {
            Ok(pledge) => state.pledges.store.campaign(&pledge.campaign).await.ok().flatten(),
            Err(_) => None,
        },
        None => None,
    };
    let reader = Reader::of(campaign.as_ref(), query.as_deref(), &headers, "/give/cancelled");
    reader.message(StatusCode::OK, "cancelled-title", "cancelled-lead", "give-again")
}

/// People who mistyped an address get a page, too.
async fn missing(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let reader = Reader::of(None, query.as_deref(), &headers, "/give/thanks");
    reader.problem(&ApiError::of_status(StatusCode::NOT_FOUND))
}

/// The style, in the campaign's colour.
async fn style(State(state): State<Giving>, RawQuery(query): RawQuery) -> Response {
    let fields = fields(query.unwrap_or_default().as_bytes());
    // A page names its colour, so that another colour is another address and no cache shows the one before.
    let accent = match fields.get("accent") {
        Some(Given::Text(digits)) => Accent::parse(&format!("#{digits}")),
        _ => campaign(&state, &Choice::of(&fields)).await.ok().and_then(|campaign| campaign.look.accent),
    };
    let more = accent.map(|accent| {
        format!(":root {{ --donate-accent: {}; --donate-on-accent: {}; }}\n", accent.css(), accent.ink())
    });
    pages::style(more.as_deref().unwrap_or_default())
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
