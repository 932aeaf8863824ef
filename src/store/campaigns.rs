//! Campaigns and what they offer.

use super::{Store, StoreError};
use crate::domain::campaign::{Campaign, Offer};
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;

#[derive(sqlx::FromRow)]
struct CampaignRow {
    slug: String,
    name: String,
    default_currency: String,
    default_frequency: String,
}

#[derive(sqlx::FromRow)]
struct OfferRow {
    currency: String,
    frequency: String,
    suggested_minor: String,
    min_minor: i64,
    max_minor: i64,
}

const CORRUPT: StoreError = StoreError::Corrupt { what: "campaigns" };

impl OfferRow {
    fn read(self) -> Result<Offer, StoreError> {
        let amounts = self.suggested_minor.split_ascii_whitespace().map(str::parse);
        Ok(Offer {
            currency: Currency::parse(&self.currency).map_err(|_| CORRUPT)?,
            frequency: Frequency::parse(&self.frequency).ok_or(CORRUPT)?,
            suggested_minor: amounts.collect::<Result<_, _>>().map_err(|_| CORRUPT)?,
            min_minor: self.min_minor,
            max_minor: self.max_minor,
        })
    }
}

impl Store {
    /// The campaign under `slug`.
    pub async fn campaign(&self, slug: &str) -> Result<Option<Campaign>, StoreError> {
        let row: Option<CampaignRow> = self
            .db
            .read("SELECT slug, name, default_currency, default_frequency FROM campaigns WHERE slug = $1")
            .bind(slug)
            .maybe()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let offers: Vec<OfferRow> = self
            .db
            .read(
                "SELECT currency, frequency, suggested_minor, min_minor, max_minor FROM campaign_amounts \
                 WHERE campaign = $1 ORDER BY position, currency, frequency",
            )
            .bind(slug)
            .all()
            .await?;
        Ok(Some(Campaign {
            slug: row.slug,
            name: row.name,
            default_currency: Currency::parse(&row.default_currency).map_err(|_| CORRUPT)?,
            default_frequency: Frequency::parse(&row.default_frequency).ok_or(CORRUPT)?,
            offers: offers.into_iter().map(OfferRow::read).collect::<Result<_, _>>()?,
        }))
    }
}
