//! The giving pages: a plain form that works without a script and from other sites' pages, upgraded by the widget; and
//! what a donor sees on coming back.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::client::Client;
use super::error::ApiError;
use super::extract::{MAX_FIELDS, media_type};
use super::state::Giving;
use super::widget::WIDGET;
use super::{campaigns, pages, pledges};
use crate::domain::campaign::{Campaign, DEFAULT, Season};
use crate::domain::field::{FieldError, Fields, Given};
use crate::domain::language::Language;
use crate::domain::money::{Currency, Money};
use crate::domain::new_pledge::{Asked, is_source};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::store::Pledge;
use crate::text;

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

/// What somebody chose so far.
#[derive(Debug, Default)]
struct Choice {
    campaign: String,
    frequency: String,
    amount: String,
    currency: String,
    other: String,
    source: String,
    cover_fee: bool,
}

impl Choice {
    /// Of a form, or of a link: those are written as the widget reads them, `d_freq=monthly&d_amount=5`.
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).ok().flatten();
        let either = |name, link| text(name).or_else(|| text(link)).unwrap_or_default().to_owned();
        let source = either("source", "d_ref");
        Self {
            campaign: either("campaign", "d_campaign"),
            frequency: either("frequency", "d_freq"),
            amount: either("amount", "d_amount"),
            currency: text("currency").unwrap_or_default().to_owned(),
            other: text("other_amount").unwrap_or_default().to_owned(),
            source: if is_source(&source) { source } else { String::new() },
            cover_fee: fields.flag("cover_fee").unwrap_or(false),
        }
    }

    /// The amount that counts: what was typed, or what was picked.
    fn amount(&self) -> &str {
        if self.other.is_empty() { &self.amount } else { &self.other }
    }
}

/// Who reads a page: in which language, of which campaign.
struct Reader<'a> {
    language: Language,
    campaign: Option<&'a Campaign>,
    /// The address of this page in another language, but for the language.
    here: String,
}

impl<'a> Reader<'a> {
    fn of(campaign: Option<&'a Campaign>, query: Option<&str>, headers: &HeaderMap, path: &str) -> Self {
        let default = campaign.map_or(Language::En, |campaign| campaign.default_language);
        let language = campaigns::language(campaigns::asked_language(query), headers, default);
        let mut kept = form_urlencoded::Serializer::new(String::new());
        let fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).take(MAX_FIELDS);
        kept.extend_pairs(fields.filter(|(name, _)| name != "lang"));
        Self { language, campaign, here: format!("{path}?{}", kept.finish()) }
    }

    fn say(&self, id: &str) -> String {
        text::say(self.language, id, &[])
    }

    /// Renders a page with what every page needs.
    fn page(&self, status: StatusCode, name: &str, title: &str, values: Value) -> Response {
        let languages = pages::languages(&self.here);
        let (slug, logo) = match self.campaign {
            Some(campaign) => (campaign.slug.as_str(), campaign.look.logo.as_deref()),
            None => (DEFAULT, None),
        };
        let values = context! { title, languages, campaign => slug, logo, ..values };
        pages::page(status, name, self.language, values)
    }

    /// A page that says one thing and leads back to the form.
    fn message(&self, status: StatusCode, title: &str, lead: &str, back_label: &str) -> Response {
        self.says(status, title, &self.say(lead), back_label)
    }

    /// The same in words that were put together.
    fn says(&self, status: StatusCode, title: &str, lead: &str, back_label: &str) -> Response {
        let slug = self.campaign.map_or(DEFAULT, |campaign| campaign.slug.as_str());
        let back = format!("/give?campaign={slug}&lang={}", self.language.as_str());
        let values = context! { lead, back, back_label => self.say(back_label) };
        self.page(status, "message", &self.say(title), values)
    }

    fn wait(&self, seconds: u32) -> String {
        let minutes = seconds.div_ceil(60);
        text::say(self.language, "rate-limited", &[("count", minutes.into()), ("n", minutes.to_string().into())])
    }

    /// A page for people in place of problem+json.
    fn problem(&self, error: &ApiError) -> Response {
        let (title, lead) = match error.status() {
            StatusCode::NOT_FOUND => ("missing-title", self.say("missing-lead")),
            StatusCode::TOO_MANY_REQUESTS => ("limited-title", self.wait(error.retry_after().unwrap_or(60))),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
                ("unavailable-title", self.say("unavailable-lead"))
            }
            _ => ("failed-title", self.say("failed-lead")),
        };
        let mut response = self.says(error.status(), title, &lead, "to-giving-page");
        if let Some(seconds) = error.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
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

/// The form, or why there is none.
fn form(reader: &Reader<'_>, campaign: &Campaign, choice: &Choice, errors: &[FieldError], now: i64) -> Response {
    match campaign.season(now) {
        Season::Open => {}
        Season::Ended => return reader.message(StatusCode::OK, "ended-title", "ended-lead", "to-giving-page"),
        Season::Upcoming => return reader.message(StatusCode::OK, "upcoming-title", "upcoming-lead", "to-giving-page"),
    }
    let frequency = Frequency::parse(&choice.frequency).unwrap_or(campaign.default_frequency);
    let currency = Currency::parse(&choice.currency).ok().filter(|c| campaign.currencies().contains(c));
    let currency = currency.unwrap_or(campaign.default_currency);
    let offered = |frequency: &Frequency| campaign.offer(currency, *frequency).is_some();
    let frequency = [frequency].into_iter().chain(Frequency::ALL.iter().copied()).find(offered).unwrap_or(frequency);
    let offer = campaign.offer(currency, frequency);
    let suggested: Vec<Money> = offer
        .map(|offer| offer.suggested_minor.iter().map(|minor| Money::new(*minor, currency)).collect())
        .unwrap_or_default();
    let chosen = Money::parse_major(choice.amount(), currency).ok();
    let picked = chosen.filter(|money| suggested.contains(money));
    let amount = match (choice.amount(), picked, suggested.get(suggested.len() / 2)) {
        (_, Some(money), _) | ("", None, Some(&money)) => money.decimal(),
        (typed, ..) => typed.to_owned(),
    };
    let say = |money: Money| text::money(reader.language, money);
    let minimum = format!("minimum-{}", frequency.as_str());
    let least = offer.map(|offer| say(offer.min())).unwrap_or_default();
    let wrong: Vec<Value> = errors.iter().map(|error| wrong(reader.language, error, offer, currency)).collect();
    let words = campaign.words(reader.language);
    let values = context! {
        lead => words.lead.unwrap_or_else(|| reader.say("lead")), warning => words.warning,
        widget => WIDGET.path(), integrity => &WIDGET.integrity,
        return_url => format!("/give/thanks?lang={}", reader.language.as_str()),
        frequency => frequency.as_str(), currency => currency.to_string(), amount, source => &choice.source,
        frequencies => Frequency::ALL.iter().filter(|f| offered(f)).map(|f| f.as_str()).collect::<Vec<_>>(),
        currencies => campaign.currencies().iter().map(Currency::to_string).collect::<Vec<_>>(),
        suggested => suggested.iter().map(|m| context! { value => m.decimal(), label => say(*m) }).collect::<Vec<_>>(),
        other => if picked.is_some() { "" } else { choice.amount() },
        minimum => text::say(reader.language, &minimum, &[("amount", least.into())]),
        fee => campaign.fee(currency).is_some(), cover_fee => choice.cover_fee, errors => wrong,
        statement => &campaign.statement, policy_url => &campaign.policy_url,
        methods => campaign.methods.iter().map(|method| method.as_str()).collect::<Vec<_>>(),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    reader.page(status, "give", campaign.heading(reader.language), values)
}

/// A mistake in the reader's language, and the field it is in.
fn wrong(
    language: Language,
    error: &FieldError,
    offer: Option<&crate::domain::campaign::Offer>,
    currency: Currency,
) -> Value {
    let (id, money) = match (error.field.as_str(), error.code.as_str()) {
        ("amount", "required") => ("error-required", None),
        ("amount", "malformed") => {
            ("error-malformed", Some(Money::new(25 * 10_i64.pow(currency.exponent()), currency)))
        }
        ("amount", "too_small") => ("error-too-small", offer.map(crate::domain::campaign::Offer::min)),
        ("amount", "too_large") => ("error-too-large", offer.map(crate::domain::campaign::Offer::max)),
        ("amount", "too_fine") => ("error-too-fine", Some(Money::new(currency.step_minor(), currency))),
        (_, "not_offered") => ("error-not-offered", None),
        _ => ("error-other", None),
    };
    let amount = money.map(|money| text::money(language, money)).unwrap_or_default();
    let at = match error.field.as_str() {
        "amount" => Some("other_amount"),
        "currency" => Some("currency"),
        _ => None,
    };
    context! { message => text::say(language, id, &[("amount", amount.into())]), at }
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
    let choice = Choice::of(&fields(query.unwrap_or_default().as_bytes()));
    let accent = campaign(&state, &choice).await.ok().and_then(|campaign| campaign.look.accent);
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
