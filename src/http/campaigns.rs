//! `GET /v1/campaigns/{slug}`: all that a giving form needs, in the reader's language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Serialize;
use url::form_urlencoded;

use super::error::{ApiError, Problem};
use super::extract::MAX_FIELDS;
use super::state::Giving;
use crate::domain::campaign::{Campaign, Season, is_slug};
use crate::domain::language::Language;
use crate::domain::money::Currency;
use crate::domain::new_reminder;
use crate::domain::pledge::Frequency;
use crate::text::{self, Template};

/// How long a campaign may be kept by caches, in seconds.
const MAX_AGE: i64 = 60;

/// The texts of the form. What it says when it cannot reach us is in itself.
const TEXTS: [&str; 74] = [
    "how-often",
    "once",
    "monthly",
    "annual",
    "how-much",
    "other-amount",
    "currency",
    "minimum-once",
    "minimum-monthly",
    "minimum-annual",
    "continue",
    "continue-once",
    "continue-monthly",
    "continue-annual",
    "given-once",
    "given-monthly",
    "given-annual",
    "cover-fee",
    "statement",
    "methods",
    "provider",
    "policy",
    "lead",
    "loading",
    "submitting",
    "redirecting",
    "check-gift",
    "error-required",
    "error-malformed",
    "error-too-small",
    "error-too-large",
    "error-too-fine",
    "error-not-offered",
    "error-other",
    "try-again",
    "rate-limited",
    "thanks-title",
    "thanks-lead",
    "processing-title",
    "processing-lead",
    "waiting-title",
    "waiting-lead",
    "refused-title",
    "refused-lead",
    "cancelled-title",
    "cancelled-lead",
    "give-again",
    "ended-title",
    "ended-lead",
    "upcoming-title",
    "upcoming-lead",
    "reminder-open",
    "reminder-when",
    "reminder-next-month",
    "reminder-on",
    "reminder-payday",
    "reminder-date",
    "reminder-day",
    "email",
    "email-wrong",
    "date-wrong",
    "day-wrong",
    "reminder-promise",
    "reminder-ask",
    "reminder-asked-title",
    "reminder-asked-lead",
    "newsletter-title",
    "newsletter-agree",
    "newsletter-agree-wrong",
    "newsletter-preview",
    "newsletter-ask",
    "newsletter-asked-title",
    "newsletter-asked-lead",
    "to-giving-page",
];

/// A campaign as a giving form needs it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CampaignBody {
    #[schema(example = "default")]
    slug: String,
    /// Its heading.
    name: String,
    /// Of all texts: `en` or `ru`.
    #[schema(example = "en")]
    language: &'static str,
    /// Whether it takes gifts.
    season: Season,
    /// ISO 4217, upper case.
    #[schema(example = "USD")]
    default_currency: String,
    default_frequency: Frequency,
    /// In the order of the form.
    currencies: Vec<CurrencyBody>,
    /// The newsroom's or our sentence under the heading.
    lead: String,
    /// The newsroom's own text above the form.
    warning: Option<String>,
    /// The newsroom's or our sentence once the gift has come.
    thanks: String,
    /// What the donor's bank statement will show.
    statement: Option<String>,
    /// Names of the ways to pay.
    methods: Vec<String>,
    policy_url: Option<String>,
    newsletter_preview_url: Option<String>,
    /// Colour of the button, `#rrggbb`.
    accent: Option<String>,
    /// Colour of what stands on it.
    accent_ink: Option<&'static str>,
    /// How reminders are offered; null: they are not.
    reminder: Option<ReminderBody>,
    /// How the newsletter is offered; null: it is not.
    newsletter: Option<NewsletterBody>,
    /// By name, with `{amount}` and the like to fill in; by plural category where a text depends on a count.
    texts: &'static BTreeMap<&'static str, Template>,
}

/// How reminders are offered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReminderBody {
    /// The newsroom's day, as YYYY-MM-DD.
    today: String,
    /// Mails in all, at most.
    mails: u32,
    /// Sent back with the consent.
    text_version: String,
}

/// How the newsletter is offered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewsletterBody {
    list: String,
    /// Sent back with the consent.
    text_version: String,
}

/// What is offered in one currency.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CurrencyBody {
    #[schema(example = "USD")]
    currency: String,
    /// How many decimals the minor unit has.
    #[schema(example = 2)]
    exponent: u32,
    /// Amounts are multiples of this.
    #[schema(example = 1)]
    step_minor: i64,
    /// What a payment costs, where donors may cover it; see `cover_fee`.
    fee: Option<FeeBody>,
    /// By frequency: `once`, `monthly`, `annual`, as far as offered.
    frequencies: BTreeMap<&'static str, OfferBody>,
}

/// What a payment costs the newsroom: a part of the charge, rounded up, and a fixed sum.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FeeBody {
    /// In 1/100 %.
    #[schema(example = 290)]
    percent_hundredths: i64,
    #[schema(example = 30)]
    fixed_minor: i64,
}

/// Amounts in minor units.
#[expect(clippy::struct_field_names, reason = "units come last, in every name")]
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OfferBody {
    suggested_minor: Vec<i64>,
    min_minor: i64,
    max_minor: i64,
}

impl CampaignBody {
    fn of(campaign: &Campaign, language: Language, now: i64, today: Date) -> Self {
        let words = campaign.words(language);
        let ours = |id: &str| text::say(language, id, &[]);
        Self {
            slug: campaign.slug.clone(),
            name: campaign.heading(language).to_owned(),
            language: language.as_str(),
            season: campaign.season(now),
            default_currency: campaign.default_currency.to_string(),
            default_frequency: campaign.default_frequency,
            currencies: campaign.currencies().into_iter().map(|currency| currency_body(campaign, currency)).collect(),
            lead: words.lead.unwrap_or_else(|| ours("lead")),
            warning: words.warning,
            thanks: words.thanks.unwrap_or_else(|| ours("thanks-lead")),
            statement: campaign.statement.clone(),
            methods: campaign.methods.iter().map(|method| ours(&format!("method-{}", method.as_str()))).collect(),
            policy_url: campaign.policy_url.clone(),
            newsletter_preview_url: campaign.newsletter_preview_url.clone(),
            accent: campaign.look.accent.map(crate::domain::campaign::Accent::css),
            accent_ink: campaign.look.accent.map(crate::domain::campaign::Accent::ink),
            reminder: Some(ReminderBody {
                today: today.to_string(),
                mails: new_reminder::MAILS,
                text_version: new_reminder::REMINDER_TEXT.to_owned(),
            }),
            newsletter: Some(NewsletterBody {
                list: new_reminder::LIST.to_owned(),
                text_version: new_reminder::NEWSLETTER_TEXT.to_owned(),
            }),
            texts: texts(language),
        }
    }
}

/// The texts of a language, put together once: each article that somebody opens asks for them.
fn texts(language: Language) -> &'static BTreeMap<&'static str, Template> {
    static ALL: LazyLock<BTreeMap<Language, BTreeMap<&'static str, Template>>> = LazyLock::new(|| {
        let of = |language| TEXTS.iter().map(|id| (*id, text::template(language, id))).collect();
        Language::ALL.into_iter().map(|language| (language, of(language))).collect()
    });
    static NONE: BTreeMap<&'static str, Template> = BTreeMap::new();
    ALL.get(&language).unwrap_or(&NONE)
}

fn currency_body(campaign: &Campaign, currency: Currency) -> CurrencyBody {
    let offers = campaign.offers.iter().filter(|offer| offer.currency == currency);
    CurrencyBody {
        currency: currency.to_string(),
        exponent: currency.exponent(),
        step_minor: currency.step_minor(),
        fee: campaign
            .fee(currency)
            .map(|fee| FeeBody { percent_hundredths: fee.percent_hundredths, fixed_minor: fee.fixed_minor }),
        frequencies: offers
            .map(|offer| {
                let body = OfferBody {
                    suggested_minor: offer.suggested_minor.clone(),
                    min_minor: offer.min_minor,
                    max_minor: offer.max_minor,
                };
                (offer.frequency.as_str(), body)
            })
            .collect(),
    }
}

/// A campaign, with the texts of the form
#[utoipa::path(get, path = "/v1/campaigns/{slug}", tag = "giving",
    params(("slug" = String, Path, example = "default"),
        ("lang" = Option<String>, Query, example = "ru", description = "`en` or `ru`; else what Accept-Language wishes, else the campaign's own")),
    responses((status = 200, body = CampaignBody), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn show(
    State(state): State<Giving>,
    Path(slug): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let campaign = find(&state, &slug).await?;
    let asked = asked_language(query.as_deref());
    let language = language(asked, &headers, campaign.default_language);
    let now = state.pledges.clock.now();
    let body = CampaignBody::of(&campaign, language, now, state.later.asking.today());
    // No cache tells of it as it was before it began or ended.
    let age = campaign.turns_at(now).map_or(MAX_AGE, |turn| MAX_AGE.min(turn - now));
    let cached =
        [(header::CACHE_CONTROL, format!("public, max-age={age}")), (header::VARY, "accept-language".to_owned())];
    Ok((cached, axum::Json(body)).into_response())
}

/// The language of an answer: the one asked for, else the one the browser wishes, else the campaign's.
pub fn language(asked: Option<Language>, headers: &HeaderMap, default: Language) -> Language {
    let wished = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| Language::wished(value.to_str().ok()?));
    asked.or_else(wished).unwrap_or(default)
}

/// `lang` of a query.
pub fn asked_language(query: Option<&str>) -> Option<Language> {
    let mut fields = form_urlencoded::parse(query?.as_bytes()).take(MAX_FIELDS);
    fields.find(|(name, _)| name == "lang").and_then(|(_, tag)| Language::parse(&tag))
}

/// The campaign under a slug somebody sent.
pub async fn find(state: &Giving, slug: &str) -> Result<Campaign, ApiError> {
    let found = if is_slug(slug) { state.pledges.store.campaign(slug).await? } else { None };
    found.ok_or_else(|| ApiError::not_found("campaign"))
}
