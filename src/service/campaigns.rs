//! Campaigns as they are put in place, by the newsroom's pages and by `mainstay campaign apply` alike: checked as a whole, and
//! held against what is there in the transaction that writes and notes who did it. What changes nothing writes nothing.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::domain::campaign::{Campaign, Season};
use crate::domain::campaign_file::{CampaignFile, Mistake};
use crate::domain::language::Language;
use crate::id::{Random, hex};
use crate::store::{NewAudit, Store, StoreError};
use crate::text;

/// What changing campaigns needs.
pub struct Campaigns {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    /// The newsroom's.
    pub zone: TimeZone,
}

/// What has to be there for a campaign to be put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Whatever is: a file is put in place as it is written.
    Anything,
    /// None of this slug.
    Nothing,
    /// The very one somebody was shown, by its [`Campaigns::version`].
    Version(&'a str),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Made,
    Changed,
    /// It was so already; nothing was written.
    Unchanged,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    #[error("the campaign is not right as it is written")]
    Wrong(Vec<Mistake>),
    /// What is stored, and what was to take its place.
    #[error("the campaign was changed since it was shown")]
    Stale(Box<[Campaign; 2]>),
    #[error("there is no such campaign")]
    Missing,
    #[error("the campaign does not take gifts now")]
    NotRunning,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What would be right, in words.
pub fn said(language: Language, mistake: &Mistake) -> String {
    text::say(language, mistake.wanted, &[("n", mistake.number.to_string().into())])
}

impl Campaigns {
    /// Puts a campaign in place, whole.
    pub async fn put(
        &self,
        actor: &str,
        file: &CampaignFile,
        expected: Expected<'_>,
    ) -> Result<(Put, Campaign), CampaignError> {
        let campaign = file.read(&self.zone).map_err(CampaignError::Wrong)?;
        let mut tx = self.store.begin().await?;
        tx.hold_campaigns().await?;
        let before = tx.campaign(&campaign.slug).await?;
        let (action, put) = match (&before, expected) {
            // A form that was sent twice, too.
            (Some(before), _) if *before == campaign => return Ok((Put::Unchanged, campaign)),
            (Some(_), Expected::Nothing) => {
                return Err(CampaignError::Wrong(vec![Mistake::new("slug", "wanted-free-slug")]));
            }
            (Some(before), Expected::Version(version)) if self.version(before) != version => {
                return Err(CampaignError::Stale(Box::new([before.clone(), campaign])));
            }
            (None, Expected::Version(_)) => return Err(CampaignError::Missing),
            (Some(_), _) => ("campaign.changed", Put::Changed),
            (None, _) => ("campaign.created", Put::Made),
        };
        let now = self.clock.now();
        tx.put_campaign(&campaign, now).await?;
        tx.audit(self.entry(actor, action, before.as_ref(), &campaign), now, &self.random).await?;
        tx.commit().await?;
        Ok((put, campaign))
    }

    /// Ends a campaign that takes gifts: from this second on it takes none.
    pub async fn end(&self, actor: &str, slug: &str) -> Result<(), CampaignError> {
        let mut tx = self.store.begin().await?;
        tx.hold_campaigns().await?;
        let before = tx.campaign(slug).await?.ok_or(CampaignError::Missing)?;
        let now = self.clock.now();
        // One that has begun in this very second cannot end in it.
        if before.season(now) != Season::Running || before.starts_at == Some(now) {
            return Err(CampaignError::NotRunning);
        }
        let after = Campaign { ends_at: Some(now), ..before.clone() };
        tx.put_campaign(&after, now).await?;
        tx.audit(self.entry(actor, "campaign.ended", Some(&before), &after), now, &self.random).await?;
        Ok(tx.commit().await?)
    }

    /// Names what a campaign holds: another one has another name.
    pub fn version(&self, campaign: &Campaign) -> String {
        let whole = json!([CampaignFile::of(campaign, &self.zone), campaign.starts_at, campaign.ends_at]);
        hex(&Sha256::digest(whole.to_string()))
    }

    /// Of a new campaign all is noted, of another one what differs.
    fn entry(&self, actor: &str, action: &'static str, before: Option<&Campaign>, after: &Campaign) -> NewAudit {
        let (subject, mut after) = (after.slug.clone(), self.record(after));
        let before = before.map(|before| {
            let mut before = self.record(before);
            let (old, new) = (before.clone(), after.clone());
            before.retain(|name, value| new.get(name) != Some(value));
            after.retain(|name, value| old.get(name) != Some(value));
            before
        });
        let text = |fields: Map<String, Value>| Value::Object(fields).to_string();
        let (actor, before, after) = (actor.to_owned(), before.map(text).unwrap_or_default(), text(after));
        NewAudit { actor, action, subject, before, after, ..NewAudit::default() }
    }

    /// What is said of a campaign, as it is written down. A picture would fill the log; its hash tells it from others.
    fn record(&self, campaign: &Campaign) -> Map<String, Value> {
        let mut file = CampaignFile::of(campaign, &self.zone);
        let hash = |logo: String| format!("sha256:{}", hex(&Sha256::digest(logo)));
        file.logo = file.logo.map(hash);
        let Value::Object(mut fields) = json!(file) else { return Map::new() };
        fields.retain(|_, value| !value.is_null());
        fields
    }
}
