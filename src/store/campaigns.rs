//! Campaigns and what they offer.

use std::collections::BTreeMap;

use super::{Db, Place, Query, Store, StoreError, Tx};
use crate::domain::campaign::{Accent, Campaign, DEFAULT, Fee, Look, Method, Offer, Texts};
use crate::domain::language::Language;
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;

#[derive(sqlx::FromRow)]
struct CampaignRow {
    slug: String,
    name: String,
    default_currency: String,
    default_frequency: String,
    default_language: String,
    statement: Option<String>,
    methods: String,
    accent: Option<String>,
    logo: Option<String>,
    policy_url: Option<String>,
    newsletter_preview_url: Option<String>,
    return_origins: String,
    starts_at: Option<i64>,
    ends_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct OfferRow {
    currency: String,
    frequency: String,
    suggested_minor: String,
    min_minor: i64,
    max_minor: i64,
}

#[derive(sqlx::FromRow)]
struct TextsRow {
    language: String,
    name: Option<String>,
    lead: Option<String>,
    warning: Option<String>,
    thanks: Option<String>,
}

#[derive(sqlx::FromRow)]
struct FeeRow {
    currency: String,
    percent_hundredths: i64,
    fixed_minor: i64,
}

const CORRUPT: StoreError = StoreError::Corrupt { what: "campaigns" };

fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::parse(code).map_err(|_| CORRUPT)
}

impl OfferRow {
    fn read(self) -> Result<Offer, StoreError> {
        let amounts = self.suggested_minor.split_ascii_whitespace().map(str::parse);
        Ok(Offer {
            currency: currency(&self.currency)?,
            frequency: Frequency::parse(&self.frequency).ok_or(CORRUPT)?,
            suggested_minor: amounts.collect::<Result<_, _>>().map_err(|_| CORRUPT)?,
            min_minor: self.min_minor,
            max_minor: self.max_minor,
        })
    }
}

impl TextsRow {
    fn read(self) -> Result<(Language, Texts), StoreError> {
        let texts = Texts { name: self.name, lead: self.lead, warning: self.warning, thanks: self.thanks };
        Ok((Language::parse(&self.language).ok_or(CORRUPT)?, texts))
    }
}

impl FeeRow {
    fn read(self) -> Result<Fee, StoreError> {
        let Self { percent_hundredths, fixed_minor, .. } = self;
        Ok(Fee { currency: currency(&self.currency)?, percent_hundredths, fixed_minor })
    }
}

impl CampaignRow {
    fn read(self, offers: Vec<OfferRow>, texts: Vec<TextsRow>, fees: Vec<FeeRow>) -> Result<Campaign, StoreError> {
        let words = |text: &str| -> Vec<String> { text.split_ascii_whitespace().map(str::to_owned).collect() };
        let methods =
            words(&self.methods).iter().map(|word| Method::parse(word).ok_or(CORRUPT)).collect::<Result<_, _>>();
        Ok(Campaign {
            default_currency: currency(&self.default_currency)?,
            default_frequency: Frequency::parse(&self.default_frequency).ok_or(CORRUPT)?,
            default_language: Language::parse(&self.default_language).ok_or(CORRUPT)?,
            offers: offers.into_iter().map(OfferRow::read).collect::<Result<_, _>>()?,
            texts: texts.into_iter().map(TextsRow::read).collect::<Result<BTreeMap<_, _>, _>>()?,
            fees: fees.into_iter().map(FeeRow::read).collect::<Result<_, _>>()?,
            methods: methods?,
            look: Look { accent: self.accent.as_deref().and_then(Accent::parse), logo: self.logo },
            return_origins: words(&self.return_origins),
            slug: self.slug,
            name: self.name,
            statement: self.statement,
            policy_url: self.policy_url,
            newsletter_preview_url: self.newsletter_preview_url,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        })
    }
}

/// A campaign in a list.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedCampaign {
    pub slug: String,
    pub name: String,
    pub created_at: i64,
    pub starts_at: Option<i64>,
    pub ends_at: Option<i64>,
}

/// Whence a campaign is read.
enum Source<'a> {
    Db(&'a Db),
    Tx(&'a mut Tx),
}

impl Source<'_> {
    fn query(&mut self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Db(db) => db.read(sql),
            Self::Tx(tx) => tx.query(sql),
        }
    }

    async fn campaign(mut self, slug: &str) -> Result<Option<Campaign>, StoreError> {
        let row: Option<CampaignRow> = self
            .query(
                "SELECT slug, name, default_currency, default_frequency, default_language, statement, methods, accent, logo, \
                 policy_url, newsletter_preview_url, return_origins, starts_at, ends_at FROM campaigns WHERE slug = $1",
            )
            .bind(slug)
            .maybe()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let offers: Vec<OfferRow> = self
            .query(
                "SELECT currency, frequency, suggested_minor, min_minor, max_minor FROM campaign_amounts \
                 WHERE campaign = $1 ORDER BY position, currency, frequency",
            )
            .bind(slug)
            .all()
            .await?;
        let texts: Vec<TextsRow> = self
            .query("SELECT language, name, lead, warning, thanks FROM campaign_texts WHERE campaign = $1")
            .bind(slug)
            .all()
            .await?;
        let fees: Vec<FeeRow> = self
            .query("SELECT currency, percent_hundredths, fixed_minor FROM campaign_fees WHERE campaign = $1 ORDER BY currency")
            .bind(slug)
            .all()
            .await?;
        row.read(offers, texts, fees).map(Some)
    }
}

impl Store {
    /// The campaign under `slug`.
    pub async fn campaign(&self, slug: &str) -> Result<Option<Campaign>, StoreError> {
        Source::Db(&self.db).campaign(slug).await
    }

    /// The slugs of all campaigns.
    pub async fn campaign_slugs(&self) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.db.read("SELECT slug FROM campaigns").all().await?;
        let mut slugs: Vec<String> = rows.into_iter().map(|(slug,)| slug).collect();
        slugs.sort();
        Ok(slugs)
    }

    /// Up to `most` campaigns from behind a place, the newest first.
    pub async fn browse_campaigns(&self, behind: &Place, most: i64) -> Result<Vec<ListedCampaign>, StoreError> {
        self.db
            .read(
                "SELECT slug, name, created_at, starts_at, ends_at FROM campaigns \
                 WHERE created_at <= $1 AND (created_at < $1 OR slug < $2) ORDER BY created_at DESC, slug DESC LIMIT $3",
            )
            .bind(behind.at)
            .bind(behind.id.as_str())
            .bind(most)
            .all()
            .await
    }

    /// Makes a campaign what is given here, whole, whether it was there or not.
    pub async fn put_campaign(&self, campaign: &Campaign, now: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.put_campaign(campaign, now).await?;
        tx.commit().await
    }
}

impl Tx {
    /// Waits until nobody else changes campaigns, and lets nobody else until this transaction ends. There is one row that is
    /// always there; so those who make the same campaign come one after the other, too.
    pub async fn hold_campaigns(&mut self) -> Result<(), StoreError> {
        self.query("UPDATE campaigns SET name = name WHERE slug = $1").bind(DEFAULT).run().await?;
        Ok(())
    }

    /// The campaign under `slug`, as this transaction sees it.
    pub async fn campaign(&mut self, slug: &str) -> Result<Option<Campaign>, StoreError> {
        Source::Tx(self).campaign(slug).await
    }

    /// Makes a campaign what is given here, whole, whether it was there or not.
    pub async fn put_campaign(&mut self, campaign: &Campaign, now: i64) -> Result<(), StoreError> {
        let methods: Vec<&str> = campaign.methods.iter().map(|method| method.as_str()).collect();
        self.query(
            "INSERT INTO campaigns (slug, name, default_currency, default_frequency, created_at, default_language, statement, \
             methods, accent, logo, policy_url, newsletter_preview_url, return_origins, starts_at, ends_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
             ON CONFLICT (slug) DO UPDATE SET name = excluded.name, default_currency = excluded.default_currency, \
             default_frequency = excluded.default_frequency, default_language = excluded.default_language, \
             statement = excluded.statement, methods = excluded.methods, accent = excluded.accent, logo = excluded.logo, \
             policy_url = excluded.policy_url, newsletter_preview_url = excluded.newsletter_preview_url, \
             return_origins = excluded.return_origins, starts_at = excluded.starts_at, ends_at = excluded.ends_at",
        )
        .bind(campaign.slug.as_str())
        .bind(campaign.name.as_str())
        .bind(campaign.default_currency.code().to_owned())
        .bind(campaign.default_frequency.as_str())
        .bind(now)
        .bind(campaign.default_language.as_str())
        .bind(campaign.statement.clone())
        .bind(methods.join(" "))
        .bind(campaign.look.accent.map(Accent::css))
        .bind(campaign.look.logo.clone())
        .bind(campaign.policy_url.clone())
        .bind(campaign.newsletter_preview_url.clone())
        .bind(campaign.return_origins.join(" "))
        .bind(campaign.starts_at)
        .bind(campaign.ends_at)
        .run()
        .await?;
        for old in [
            "DELETE FROM campaign_amounts WHERE campaign = $1",
            "DELETE FROM campaign_texts WHERE campaign = $1",
            "DELETE FROM campaign_fees WHERE campaign = $1",
        ] {
            self.query(old).bind(campaign.slug.as_str()).run().await?;
        }
        let offers: Vec<(i64, &Offer)> = (0..).zip(&campaign.offers).collect();
        self.batch(
            "INSERT INTO campaign_amounts (campaign, currency, frequency, position, suggested_minor, min_minor, max_minor) \
             VALUES {(?, ?, ?, ?, ?, ?, ?)}",
            &offers,
            |query, (position, offer)| {
                let suggested: Vec<String> = offer.suggested_minor.iter().map(i64::to_string).collect();
                query
                    .bind(campaign.slug.clone())
                    .bind(offer.currency.code().to_owned())
                    .bind(offer.frequency.as_str())
                    .bind(*position)
                    .bind(suggested.join(" "))
                    .bind(offer.min_minor)
                    .bind(offer.max_minor)
            },
        )
        .await?;
        let texts: Vec<(&Language, &Texts)> = campaign.texts.iter().collect();
        self.batch(
            "INSERT INTO campaign_texts (campaign, language, name, lead, warning, thanks) VALUES {(?, ?, ?, ?, ?, ?)}",
            &texts,
            |query, (language, texts)| {
                query
                    .bind(campaign.slug.clone())
                    .bind(language.as_str())
                    .bind(texts.name.clone())
                    .bind(texts.lead.clone())
                    .bind(texts.warning.clone())
                    .bind(texts.thanks.clone())
            },
        )
        .await?;
        self.batch(
            "INSERT INTO campaign_fees (campaign, currency, percent_hundredths, fixed_minor) VALUES {(?, ?, ?, ?)}",
            &campaign.fees,
            |query, fee| {
                query
                    .bind(campaign.slug.clone())
                    .bind(fee.currency.code().to_owned())
                    .bind(fee.percent_hundredths)
                    .bind(fee.fixed_minor)
            },
        )
        .await?;
        Ok(())
    }
}
