//! Gifts one by one: what is usual among one-time ones, renewals that failed, and the export of payments.

use super::{currency, day_of_span};
use crate::domain::calendar::number_of;
use crate::domain::pledge::Frequency;
use crate::domain::report::failed::Failure;
use crate::domain::report::once::Gifts;
use crate::domain::report::query::Query as Asked;
use crate::store::{Store, StoreError};

/// A payment that succeeded, as it is exported. Nothing in it is about who gave.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ExportedPayment {
    /// `pmt_…`
    pub id: String,
    /// `plg_…`
    pub pledge_id: String,
    pub day: i64,
    pub currency: String,
    pub amount_minor: i64,
    pub frequency: String,
    pub campaign: String,
    pub source: String,
    pub settled_currency: Option<String>,
    pub booked_minor: Option<i64>,
    pub fee_minor: Option<i64>,
    pub net_minor: Option<i64>,
    pub payout_id: Option<String>,
    /// The day the bank has it.
    pub arrives_on: Option<i64>,
}

/// Behind which payment an export goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentPlace {
    pub day: i64,
    pub id: String,
}

#[derive(sqlx::FromRow)]
struct GiftsRow {
    span: i64,
    currency: String,
    campaign: String,
    source: String,
    amount_minor: i64,
    gifts: i64,
}

#[derive(sqlx::FromRow)]
struct FailureRow {
    failed_at: i64,
    succeeded_at: Option<i64>,
    amount_minor: i64,
    currency: String,
    frequency: String,
    campaign: String,
    source: String,
}

impl Store {
    /// How often each amount was given once, in no order.
    pub async fn one_time_gifts(&self, asked: &Asked) -> Result<Vec<Gifts>, StoreError> {
        let rows: Vec<GiftsRow> = self
            .asked(
                asked,
                "SELECT p.day / CAST($3 AS BIGINT) AS span, p.currency, \
                 CASE WHEN CAST($5 AS BIGINT) = 1 THEN g.campaign ELSE '' END AS campaign, \
                 CASE WHEN CAST($6 AS BIGINT) = 1 THEN g.source ELSE '' END AS source, p.amount_minor, COUNT(*) AS gifts \
                 FROM payments p JOIN pledges g ON g.id = p.pledge_id \
                 WHERE p.day >= $1 AND p.day < $2 AND p.status = 'succeeded' AND g.frequency = 'once' \
                 AND CAST($4 AS BIGINT) = 0 AND (CAST($7 AS TEXT) IS NULL OR p.currency = $7) \
                 AND (CAST($8 AS TEXT) IS NULL OR g.campaign = $8) AND (CAST($9 AS TEXT) IS NULL OR g.frequency = $9) \
                 AND (CAST($10 AS TEXT) IS NULL OR g.source = $10) GROUP BY 1, 2, 3, 4, 5",
            )
            .await?;
        let read = |row: GiftsRow| {
            Ok(Gifts {
                day: day_of_span(asked, row.span)?,
                currency: currency(&row.currency)?,
                campaign: row.campaign,
                source: row.source,
                amount_minor: row.amount_minor,
                count: row.gifts,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The renewals whose first attempt failed from `from` on and before `to` (unix seconds), in no order.
    pub async fn failed_renewals(&self, asked: &Asked, from: i64, to: i64) -> Result<Vec<Failure>, StoreError> {
        let only = &asked.only;
        let rows: Vec<FailureRow> = self
            .db
            .read(
                "SELECT p.failed_at, p.succeeded_at, p.amount_minor, p.currency, g.frequency, g.campaign, g.source \
                 FROM payments p JOIN pledges g ON g.id = p.pledge_id WHERE p.failed_at >= $1 AND p.failed_at < $2 \
                 AND g.frequency <> 'once' AND g.paid_at < p.failed_at \
                 AND (CAST($3 AS TEXT) IS NULL OR p.currency = $3) AND (CAST($4 AS TEXT) IS NULL OR g.campaign = $4) \
                 AND (CAST($5 AS TEXT) IS NULL OR g.frequency = $5) AND (CAST($6 AS TEXT) IS NULL OR g.source = $6)",
            )
            .bind(from)
            .bind(to)
            .bind(only.currency.map(|currency| currency.code().to_owned()))
            .bind(only.campaign.clone())
            .bind(only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(only.source.clone())
            .all()
            .await?;
        let read = |row: FailureRow| {
            let corrupt = StoreError::Corrupt { what: "pledges.frequency" };
            Ok(Failure {
                failed_at: row.failed_at,
                succeeded_at: row.succeeded_at,
                amount_minor: row.amount_minor,
                currency: currency(&row.currency)?,
                frequency: Frequency::parse(&row.frequency).ok_or(corrupt)?,
                campaign: row.campaign,
                source: row.source,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The next payments that succeeded, behind `place`, at most so many, in the order of their days and ids.
    pub async fn exported_payments(
        &self,
        asked: &Asked,
        place: &PaymentPlace,
        most: i64,
    ) -> Result<Vec<ExportedPayment>, StoreError> {
        let only = &asked.only;
        self.db
            .read(
                "SELECT p.id, p.pledge_id, p.day, p.currency, p.amount_minor, p.frequency, p.campaign, p.source, \
                 b.currency AS settled_currency, b.amount_minor AS booked_minor, b.fee_minor, b.net_minor, b.payout_id, \
                 o.arrives_on FROM (\
                   SELECT p.id, p.stripe_key, p.pledge_id, p.day, p.currency, p.amount_minor, g.frequency, g.campaign, \
                   g.source FROM payments p JOIN pledges g ON g.id = p.pledge_id \
                   WHERE p.day >= $1 AND p.day < $2 AND (p.day, p.id) > ($3, $4) AND p.status = 'succeeded' \
                   AND (CAST($5 AS TEXT) IS NULL OR p.currency = $5) AND (CAST($6 AS TEXT) IS NULL OR g.campaign = $6) \
                   AND (CAST($7 AS TEXT) IS NULL OR g.frequency = $7) AND (CAST($8 AS TEXT) IS NULL OR g.source = $8) \
                   ORDER BY p.day, p.id LIMIT $9) AS p \
                 LEFT JOIN balance_transactions b ON b.stripe_key = p.stripe_key AND b.category = 'charge' \
                 LEFT JOIN payouts o ON o.id = b.payout_id ORDER BY p.day, p.id",
            )
            .bind(number_of(asked.from).max(place.day))
            .bind(number_of(asked.to))
            .bind(place.day)
            .bind(place.id.clone())
            .bind(only.currency.map(|currency| currency.code().to_owned()))
            .bind(only.campaign.clone())
            .bind(only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(only.source.clone())
            .bind(most)
            .all()
            .await
    }
}
