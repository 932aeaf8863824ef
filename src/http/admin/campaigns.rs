//! Campaigns: the list, one campaign, its form and its end, and how it would look. Everybody here may look; admins change.

mod draft;
mod facts;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::super::form::LongForm;
use super::super::give;
use super::list::{self, Asked, time};
use super::{Admin, Newsroom, View, Who};
use crate::domain::admin::Role;
use crate::domain::campaign::{Campaign, DEFAULT, Season, is_slug};
use crate::domain::campaign_file::{CampaignFile, Mistake};
use crate::domain::language::Language;
use crate::domain::pledge::Frequency;
use crate::service::campaigns::{CampaignError, Campaigns, Expected};
use draft::Draft;
use facts::{differing, facts};

impl Newsroom {
    fn campaigns(&self) -> Campaigns {
        Campaigns {
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            zone: self.zone.clone(),
        }
    }

    fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

fn state(view: &View, season: Season) -> String {
    view.say(&format!("campaign-state-{}", season.as_str()))
}

pub async fn list(State(admin): State<Admin>, view: View, asked: Asked) -> Result<Response, ApiError> {
    let now = admin.clock.now();
    let mut rows = admin.store.browse_campaigns(&asked.place(), list::most()).await?;
    let next = list::cut(&view, &mut rows, |last| format!("{}_{}", last.created_at, last.slug));
    let row = |row: crate::store::ListedCampaign| {
        context! {
            state => state(&view, Season::at(now, row.starts_at, row.ends_at)),
            starts => row.starts_at.map(|at| time(&admin, at)), ends => row.ends_at.map(|at| time(&admin, at)),
            name => row.name, slug => row.slug,
        }
    };
    let values = context! {
        title => view.say("admin-campaigns"), rows => rows.into_iter().map(row).collect::<Vec<_>>(), next,
        zone => admin.zone_name(), may => view.may(Role::Admin),
    };
    Ok(view.page("campaigns", values))
}

/// The campaign an address names.
async fn named(admin: &Newsroom, slug: &str) -> Result<Campaign, ApiError> {
    let found = if is_slug(slug) { admin.store.campaign(slug).await? } else { None };
    found.ok_or_else(|| ApiError::of_status(StatusCode::NOT_FOUND))
}

/// What the page of a campaign says beside its form.
#[derive(Default)]
struct Said<'a> {
    mistakes: &'a [Mistake],
    /// What is stored and not what was typed, where somebody changed it in the meantime.
    stored: Option<Vec<Value>>,
    saved: bool,
}

/// The page of a campaign, or of one that is yet to be made: `shown` is the one that is stored, with its version.
fn page(
    admin: &Newsroom,
    view: &View,
    status: StatusCode,
    shown: Option<(&Campaign, &str)>,
    draft: Option<&Draft>,
    said: &Said<'_>,
) -> Response {
    let (errors, mistakes) = draft::wrong(view, said.mistakes);
    let now = admin.clock.now();
    let campaign = shown.map(|(campaign, _)| {
        let season = campaign.season(now);
        context! {
            slug => &campaign.slug, state => state(view, season), running => season == Season::Running,
            starts => campaign.starts_at.map(|at| time(admin, at)), ends => campaign.ends_at.map(|at| time(admin, at)),
        }
    });
    let values = context! {
        title => shown.map_or_else(|| view.say("campaign-new"), |(campaign, _)| campaign.name.clone()),
        campaign, version => shown.map_or("", |(_, version)| version),
        form => draft.map(|draft| draft.values(view, said.mistakes)),
        facts => shown.filter(|_| draft.is_none()).map(|(campaign, _)| facts(admin, view, campaign)),
        stored => &said.stored,
        errors, mistakes, saved => said.saved, zone => admin.zone_name(),
    };
    view.answer(status, "campaign", values)
}

pub async fn show(
    State(admin): State<Admin>,
    view: View,
    Path(slug): Path<String>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let campaign = named(&admin, &slug).await?;
    let draft = view.may(Role::Admin).then(|| Draft::stored(CampaignFile::of(&campaign, &admin.zone)));
    let said = Said { saved: !asked.text("saved").is_empty(), ..Said::default() };
    let version = admin.campaigns().version(&campaign);
    Ok(page(&admin, &view, StatusCode::OK, Some((&campaign, &version)), draft.as_ref(), &said))
}

/// A form to be filled in.
pub async fn ask_new(State(admin): State<Admin>, view: View) -> Response {
    let file = CampaignFile {
        default_frequency: Frequency::Monthly.as_str().to_owned(),
        default_language: Some(view.language.as_str().to_owned()),
        methods: Some(vec!["card".to_owned()]),
        ..CampaignFile::default()
    };
    page(&admin, &view, StatusCode::OK, None, Some(&Draft::stored(file)), &Said::default())
}

pub async fn create(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    sent: LongForm,
) -> Result<Response, ApiError> {
    let draft = Draft::of(&sent, None);
    let again = |status, mistakes: &[Mistake]| {
        page(&admin, &view, status, None, Some(&draft), &Said { mistakes, ..Said::default() })
    };
    if sent.form.has("more") {
        return Ok(again(StatusCode::OK, &[]));
    }
    match admin.campaigns().put(&who.id, &draft.file, Expected::Nothing).await {
        Ok((_, campaign)) => Ok(to_saved(&campaign.slug)),
        Err(CampaignError::Wrong(mistakes)) => Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &mistakes)),
        Err(error) => Err(error.into()),
    }
}

pub async fn change(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(slug): Path<String>,
    sent: LongForm,
) -> Result<Response, ApiError> {
    let campaign = named(&admin, &slug).await?;
    let draft = Draft::of(&sent, Some(&slug));
    let version = sent.form.text("version");
    let again = |status, mistakes: &[Mistake]| {
        let said = Said { mistakes, ..Said::default() };
        page(&admin, &view, status, Some((&campaign, version)), Some(&draft), &said)
    };
    if sent.form.has("more") {
        return Ok(again(StatusCode::OK, &[]));
    }
    let campaigns = admin.campaigns();
    match campaigns.put(&who.id, &draft.file, Expected::Version(version)).await {
        Ok(_) => Ok(to_saved(&slug)),
        Err(CampaignError::Wrong(mistakes)) => Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &mistakes)),
        Err(CampaignError::Stale(stored)) => {
            let [stored, typed] = *stored;
            let said = Said { stored: Some(differing(&admin, &view, &stored, &typed)), ..Said::default() };
            // Sent once more, it takes the place of what is shown now.
            let version = campaigns.version(&stored);
            Ok(page(&admin, &view, StatusCode::CONFLICT, Some((&stored, &version)), Some(&draft), &said))
        }
        Err(error) => Err(error.into()),
    }
}

fn to_saved(slug: &str) -> Response {
    Redirect::to(&format!("/admin/campaigns/{slug}?saved=1")).into_response()
}

/// The form for donors, made of what is typed and not saved.
pub async fn preview(State(admin): State<Admin>, view: View, sent: LongForm) -> Response {
    let draft = Draft::of(&sent, None);
    let language = Language::parse(sent.form.text("in")).unwrap_or(view.language);
    match draft.file.read(&admin.zone) {
        Ok(campaign) => give::preview(&campaign, language, admin.test_mode),
        Err(mistakes) => {
            let (_, mistakes) = draft::wrong(&view, &mistakes);
            let values = context! { title => view.say("campaign-preview-wrong"), mistakes };
            view.answer(StatusCode::UNPROCESSABLE_ENTITY, "campaign_wrong", values)
        }
    }
}

/// What was previewed is kept nowhere.
pub async fn to_list() -> Redirect {
    Redirect::to("/admin/campaigns")
}

pub async fn ask_end(State(admin): State<Admin>, view: View, Path(slug): Path<String>) -> Result<Response, ApiError> {
    let campaign = named(&admin, &slug).await?;
    Ok(end_page(&admin, &view, StatusCode::OK, &campaign))
}

fn end_page(admin: &Newsroom, view: &View, status: StatusCode, campaign: &Campaign) -> Response {
    let season = campaign.season(admin.clock.now());
    let values = context! {
        title => view.say("campaign-end"), name => &campaign.name, slug => &campaign.slug, state => state(view, season),
        running => season == Season::Running, is_default => campaign.slug == DEFAULT,
    };
    view.answer(status, "campaign_end", values)
}

pub async fn end(
    State(admin): State<Admin>,
    view: View,
    Who(who): Who,
    Path(slug): Path<String>,
) -> Result<Response, ApiError> {
    match admin.campaigns().end(&who.id, &slug).await {
        Ok(()) => Ok(to_saved(&slug)),
        Err(CampaignError::NotRunning) => {
            Ok(end_page(&admin, &view, StatusCode::CONFLICT, &named(&admin, &slug).await?))
        }
        Err(error) => Err(error.into()),
    }
}

impl From<CampaignError> for ApiError {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Store(error) => error.into(),
            CampaignError::Missing => Self::of_status(StatusCode::NOT_FOUND),
            CampaignError::NotRunning | CampaignError::Stale(_) => Self::of_status(StatusCode::CONFLICT),
            CampaignError::Wrong(_) => Self::of_status(StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
}
