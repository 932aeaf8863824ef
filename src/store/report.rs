//! What reports read: sums that are kept day by day, and what is summed when it is asked for.

mod gifts;
mod recurring;
mod statement;

use super::{Store, StoreError};
use crate::domain::calendar::{number_of, read_number};
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;
use crate::domain::report::By;
use crate::domain::report::query::Query as Asked;
use crate::domain::report::revenue::{Revenue, Sums};
use crate::store::db::Row;

pub use gifts::{ExportedPayment, PaymentPlace};

/// All days come to 0 where they are not parted.
fn divisor(by: Option<By>) -> i64 {
    by.map_or(100_000_000, By::divisor)
}

/// One of the days that come to `span` (a day's number divided by [`divisor`]) in what is asked for.
fn day_of_span(asked: &Asked, span: i64) -> Result<jiff::civil::Date, StoreError> {
    let number = match asked.split.period {
        None => return Ok(asked.from),
        Some(By::Day | By::Week) => span,
        Some(By::Month) => span * 100 + 1,
        Some(By::Year) => span * 10_000 + 101,
    };
    read_number(number).ok_or(StoreError::Corrupt { what: "a day of a report" })
}

fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::recorded(code).map_err(|_| StoreError::Corrupt { what: "the currency of a sum" })
}

#[derive(sqlx::FromRow)]
struct SumRow {
    span: i64,
    currency: String,
    frequency: String,
    campaign: String,
    source: String,
    payments: i64,
    gross_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
    fees_minor: Option<i64>,
}

impl SumRow {
    fn read(self, asked: &Asked) -> Result<Revenue, StoreError> {
        // Where figures are not parted by it, any will do.
        let frequency = Frequency::parse(&self.frequency).filter(|_| asked.split.frequency).unwrap_or(Frequency::Once);
        Ok(Revenue {
            day: day_of_span(asked, self.span)?,
            currency: currency(&self.currency)?,
            frequency,
            campaign: self.campaign,
            source: self.source,
            sums: Sums {
                count: self.payments,
                gross_minor: self.gross_minor,
                refunds_minor: self.refunds_minor,
                disputes_minor: self.disputes_minor,
                fees_minor: self.fees_minor,
            },
        })
    }
}

impl Store {
    /// What came in, as the daily revenue has it, in no order.
    pub async fn revenue(&self, asked: &Asked) -> Result<Vec<Revenue>, StoreError> {
        self.sums(
            asked,
            "SELECT day / CAST($3 AS BIGINT) AS span, currency, \
             CASE WHEN CAST($4 AS BIGINT) = 1 THEN frequency ELSE '' END AS frequency, \
             CASE WHEN CAST($5 AS BIGINT) = 1 THEN campaign ELSE '' END AS campaign, \
             CASE WHEN CAST($6 AS BIGINT) = 1 THEN source ELSE '' END AS source, \
             CAST(SUM(payments) AS BIGINT) AS payments, CAST(SUM(gross_minor) AS BIGINT) AS gross_minor, \
             CAST(SUM(refunds_minor) AS BIGINT) AS refunds_minor, CAST(SUM(disputes_minor) AS BIGINT) AS disputes_minor, \
             CAST(NULL AS BIGINT) AS fees_minor FROM revenue_daily WHERE day >= $1 AND day < $2 \
             AND (CAST($7 AS TEXT) IS NULL OR currency = $7) AND (CAST($8 AS TEXT) IS NULL OR campaign = $8) \
             AND (CAST($9 AS TEXT) IS NULL OR frequency = $9) AND (CAST($10 AS TEXT) IS NULL OR source = $10) \
             GROUP BY 1, 2, 3, 4, 5",
        )
        .await
    }

    /// What Stripe booked, as the daily settlement has it, in no order.
    pub async fn settlement(&self, asked: &Asked) -> Result<Vec<Revenue>, StoreError> {
        self.sums(
            asked,
            "SELECT day / CAST($3 AS BIGINT) AS span, currency, \
             CASE WHEN CAST($4 AS BIGINT) = 1 THEN frequency ELSE '' END AS frequency, \
             CASE WHEN CAST($5 AS BIGINT) = 1 THEN campaign ELSE '' END AS campaign, \
             CASE WHEN CAST($6 AS BIGINT) = 1 THEN source ELSE '' END AS source, \
             CAST(SUM(payments) AS BIGINT) AS payments, CAST(SUM(gross_minor) AS BIGINT) AS gross_minor, \
             CAST(SUM(refunds_minor) AS BIGINT) AS refunds_minor, CAST(SUM(disputes_minor) AS BIGINT) AS disputes_minor, \
             CAST(SUM(fees_minor) AS BIGINT) AS fees_minor FROM settlement_daily WHERE day >= $1 AND day < $2 \
             AND (CAST($7 AS TEXT) IS NULL OR currency = $7) AND (CAST($8 AS TEXT) IS NULL OR campaign = $8) \
             AND (CAST($9 AS TEXT) IS NULL OR frequency = $9) AND (CAST($10 AS TEXT) IS NULL OR source = $10) \
             GROUP BY 1, 2, 3, 4, 5",
        )
        .await
    }

    async fn sums(&self, asked: &Asked, sql: &'static str) -> Result<Vec<Revenue>, StoreError> {
        let rows: Vec<SumRow> = self.asked(asked, sql).await?;
        rows.into_iter().map(|row| row.read(asked)).collect()
    }

    /// All rows of a statement that takes `$1` from, `$2` to, `$3` the divisor of days, `$4` to `$6` whether figures are
    /// parted by frequency, campaign and source, `$7` to `$10` the currency, campaign, frequency and source that alone are
    /// asked for.
    async fn asked<T: Row>(&self, asked: &Asked, sql: &'static str) -> Result<Vec<T>, StoreError> {
        let Asked { from, to, split, only, .. } = asked;
        self.db
            .read(sql)
            .bind(number_of(*from))
            .bind(number_of(*to))
            .bind(divisor(split.period))
            .bind(i64::from(split.frequency))
            .bind(i64::from(split.campaign))
            .bind(i64::from(split.source))
            .bind(only.currency.map(|currency| currency.code().to_owned()))
            .bind(only.campaign.clone())
            .bind(only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(only.source.clone())
            .all()
            .await
    }
}
