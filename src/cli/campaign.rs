//! `mainstay campaign`: what is offered, to whom, in which words. A campaign is written down in a file and put in place
//! whole; doing so again changes nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, Basics};
use crate::domain::campaign::Campaign;
use crate::domain::campaign_file::{CampaignFile, Mistake, picture};
use crate::domain::language::Language;
use crate::domain::money::Money;
use crate::id::Random;
use crate::service::admin::COMMAND_LINE;
use crate::service::campaigns::{CampaignError, Campaigns, Expected, Put, said};
use crate::store::{Fixed, Store};

/// The longest file that is read, and the longest picture.
const MAX_FILE: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all campaigns.
    List(Settings),
    /// Show one campaign.
    Show(Show),
    /// Put the campaign of a file in place, new or instead of what is there.
    #[command(after_help = EXAMPLE)]
    Apply(Apply),
}

const EXAMPLE: &str = "\
Example:
  mainstay campaign apply docs/campaign.toml
The file is checked as a whole; nothing is changed while anything in it is wrong. docs/campaign.toml is a sample that
says what everything means.";

#[derive(Debug, Args)]
pub(super) struct Settings {
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    slug: String,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    file: PathBuf,
    #[command(flatten)]
    settings: BasicFlags,
}

impl Command {
    pub async fn run(self) -> Result<(), CliError> {
        match self {
            Self::List(asked) => list(asked).await,
            Self::Show(asked) => show(asked).await,
            Self::Apply(asked) => apply(asked).await,
        }
    }
}

/// The database, and the zone its days are counted in.
async fn open(settings: BasicFlags) -> Result<(Store, TimeZone), CliError> {
    let basics = Basics::load(sources(settings.into())?)?;
    crate::telemetry::start(&basics.log)?;
    let store = open_existing(&basics.database_url).await?;
    let zone = store.fixed(Fixed::TimeZone).await?.and_then(|name| TimeZone::get(&name).ok());
    Ok((store, zone.unwrap_or_else(|| basics.time_zone.zone().clone())))
}

async fn list(asked: Settings) -> Result<(), CliError> {
    let (store, _) = open(asked.settings).await?;
    let now = Clock::system().now();
    let mut text = String::new();
    for slug in store.campaign_slugs().await? {
        if let Some(campaign) = store.campaign(&slug).await? {
            let _ = writeln!(text, "{slug:<24} {:<9} {}", campaign.season(now).as_str(), campaign.name);
        }
    }
    store.close().await;
    print(&text)
}

async fn show(asked: Show) -> Result<(), CliError> {
    let (store, zone) = open(asked.settings).await?;
    let found = store.campaign(&asked.slug).await?;
    store.close().await;
    let campaign = found.ok_or_else(|| {
        CliError::Failed(format!("there is no campaign `{}`; `mainstay campaign list` names all", shown(&asked.slug)))
    })?;
    print(&described(&campaign, &zone, Clock::system().now()))
}

async fn apply(asked: Apply) -> Result<(), CliError> {
    let file = read(&asked.file)?;
    let (store, zone) = open(asked.settings).await?;
    let campaigns = Campaigns { store: store.clone(), clock: Clock::system(), random: Random::system(), zone };
    let put = campaigns.put(COMMAND_LINE, &file, Expected::Anything).await;
    store.close().await;
    let (put, campaign) = put.map_err(|error| match error {
        CampaignError::Wrong(mistakes) => refused(&asked.file, &mistakes),
        CampaignError::Store(error) => error.into(),
        other => CliError::Failed(other.to_string()),
    })?;
    let done = match put {
        Put::Made => "made",
        Put::Changed => "changed",
        Put::Unchanged => "unchanged",
    };
    print(&format!("{done}: campaign {}\n", campaign.slug))
}

/// Reads the file and the picture it names.
fn read(path: &Path) -> Result<CampaignFile, CliError> {
    let text = String::from_utf8(bytes(path)?).map_err(|_| failed(path, "it is not UTF-8"))?;
    let mut file: CampaignFile = toml::from_str(&text).map_err(|error| failed(path, error.to_string().trim_end()))?;
    if let Some(logo) = &file.logo {
        let path = path.parent().unwrap_or(Path::new("")).join(logo);
        let name = path.display().to_string();
        let data = picture(&name, &bytes(&path)?);
        file.logo = Some(data.ok_or_else(|| failed(&path, "expected a .png, .svg, .webp or .jpg file"))?);
    }
    Ok(file)
}

fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let length = std::fs::metadata(path).map_err(|error| failed(path, &error.to_string()))?.len();
    if length > MAX_FILE {
        return Err(failed(path, "it is longer than 64 KiB"));
    }
    std::fs::read(path).map_err(|error| failed(path, &error.to_string()))
}

fn failed(path: &Path, why: &str) -> CliError {
    CliError::Failed(format!("{}: {why}", path.display()))
}

fn refused(path: &Path, mistakes: &[Mistake]) -> CliError {
    let count = mistakes.len();
    let mut text = format!("{} has {count} problem{}:", path.display(), if count == 1 { "" } else { "s" });
    for mistake in mistakes {
        let _ = write!(text, "\n  {}: {}", mistake.place, said(Language::En, mistake));
    }
    text.push_str("\nNothing was changed.");
    CliError::Failed(text)
}

/// What somebody typed, without what would turn a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn described(campaign: &Campaign, zone: &TimeZone, now: i64) -> String {
    let mut text = format!("{} ({})\n{}\n\n", campaign.slug, campaign.season(now).as_str(), campaign.name);
    for offer in &campaign.offers {
        let amounts: Vec<String> =
            offer.suggested_minor.iter().map(|minor| Money::new(*minor, offer.currency).to_string()).collect();
        let (currency, frequency) = (offer.currency.code(), offer.frequency.as_str());
        let (min, max) = (offer.min(), offer.max());
        let _ = writeln!(text, "{currency} {frequency:<8} {}  from {min} to {max}", amounts.join(", "));
    }
    for fee in &campaign.fees {
        let percent = Money::new(fee.percent_hundredths, fee.currency).amount_minor;
        let fixed = Money::new(fee.fixed_minor, fee.currency);
        let _ = writeln!(text, "fee {} {}.{:02} % + {fixed}", fee.currency, percent / 100, percent % 100);
    }
    let written = CampaignFile::of(campaign, zone);
    for (name, value) in [
        ("starts", &written.starts_at),
        ("ends", &written.ends_at),
        ("statement", &campaign.statement),
        ("policy", &campaign.policy_url),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name} {value}");
        }
    }
    let languages: Vec<&str> = campaign.texts.keys().map(|language| language.as_str()).collect();
    let _ = writeln!(
        text,
        "language {}; own texts in {}",
        campaign.default_language.as_str(),
        match languages.join(", ") {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        }
    );
    text
}
