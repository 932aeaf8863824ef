//! The daily settlement: kept, read for reports, and held against the sum of its lines.

use std::collections::BTreeMap;

use crate::domain::books::RevenueKey;
use crate::domain::pledge::Frequency;
use crate::domain::report::query::View;
use crate::domain::report::totals::Totals;
use crate::domain::settlement::SettlementSums;
use crate::store::{Store, StoreError, Tx};

/// The daily settlement, line by line.
pub type SettlementLines = BTreeMap<RevenueKey, SettlementSums>;

/// A line or a payout with the time its day is made of.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DatedLine {
    pub id: String,
    pub created_at: i64,
    pub day: i64,
}

#[derive(sqlx::FromRow)]
struct SettlementRow {
    day: i64,
    currency: String,
    frequency: String,
    campaign: String,
    source: String,
    payments: i64,
    gross_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
    fees_minor: i64,
    net_minor: i64,
}

impl SettlementRow {
    fn read(self) -> Result<(RevenueKey, SettlementSums), StoreError> {
        let corrupt = StoreError::Corrupt { what: "settlement_daily.frequency" };
        let key = RevenueKey {
            day: self.day,
            currency: self.currency,
            frequency: Frequency::parse(&self.frequency).ok_or(corrupt)?,
            campaign: self.campaign,
            source: self.source,
        };
        let Self { payments, gross_minor, refunds_minor, disputes_minor, fees_minor, net_minor, .. } = self;
        Ok((key, SettlementSums { payments, gross_minor, refunds_minor, disputes_minor, fees_minor, net_minor }))
    }
}

impl Store {
    /// The next lines after this id, at most so many, with their days.
    pub async fn lines_after(&self, id: &str, most: i64) -> Result<Vec<DatedLine>, StoreError> {
        let next = "SELECT id, created_at, day FROM balance_transactions WHERE id > $1 ORDER BY id LIMIT $2";
        self.db.read(next).bind(id).bind(most).all().await
    }

    /// The next payouts after this id, at most so many, with their days.
    pub async fn payouts_after(&self, id: &str, most: i64) -> Result<Vec<DatedLine>, StoreError> {
        let next = "SELECT id, created_at, day FROM payouts WHERE id > $1 ORDER BY id LIMIT $2";
        self.db.read(next).bind(id).bind(most).all().await
    }
}

impl Tx {
    /// Adds these lines to the daily settlement (`sign` 1) or takes them out (-1). Of those that are linked.
    pub(super) async fn count_lines(&mut self, ids: &[String], sign: i64) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let count = "SELECT b.day, b.currency, g.frequency, g.campaign, g.source, \
             CAST(SUM(CASE WHEN b.category = 'charge' THEN s.sign ELSE 0 END) AS BIGINT) AS payments, \
             CAST(SUM(CASE WHEN b.part = 'charge' THEN s.sign * b.amount_minor ELSE 0 END) AS BIGINT) AS gross_minor, \
             CAST(SUM(CASE WHEN b.part = 'refund' THEN -s.sign * b.amount_minor ELSE 0 END) AS BIGINT) AS refunds_minor, \
             CAST(SUM(CASE WHEN b.part = 'dispute' THEN -s.sign * b.amount_minor ELSE 0 END) AS BIGINT) AS disputes_minor, \
             CAST(SUM(s.sign * b.fee_minor) AS BIGINT) AS fees_minor, \
             CAST(SUM(s.sign * b.net_minor) AS BIGINT) AS net_minor \
             FROM (SELECT CAST(? AS BIGINT) AS sign) AS s CROSS JOIN balance_transactions b \
             JOIN payments p ON p.stripe_key = b.stripe_key JOIN pledges g ON g.id = p.pledge_id \
             WHERE b.id IN {?} GROUP BY b.day, b.currency, g.frequency, g.campaign, g.source";
        let rows: Vec<SettlementRow> = self.keyed(count).bind(sign).keys(ids).all().await?;
        let changes: Vec<_> = rows.into_iter().map(SettlementRow::read).collect::<Result<_, _>>()?;
        self.add_settlement(&changes).await
    }

    /// The daily settlement as it is kept.
    pub async fn settlement_kept(&mut self) -> Result<SettlementLines, StoreError> {
        let kept = "SELECT day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
                    disputes_minor, fees_minor, net_minor FROM settlement_daily";
        let rows: Vec<SettlementRow> = self.query(kept).all().await?;
        rows.into_iter().map(SettlementRow::read).collect()
    }

    /// The daily settlement as the sum of all linked lines.
    pub async fn settlement_summed(&mut self) -> Result<SettlementLines, StoreError> {
        let summed = "SELECT b.day, b.currency, g.frequency, g.campaign, g.source, \
             CAST(SUM(CASE WHEN b.category = 'charge' THEN s.sign ELSE 0 END) AS BIGINT) AS payments, \
             CAST(SUM(CASE WHEN b.part = 'charge' THEN s.sign * b.amount_minor ELSE 0 END) AS BIGINT) AS gross_minor, \
             CAST(SUM(CASE WHEN b.part = 'refund' THEN -s.sign * b.amount_minor ELSE 0 END) AS BIGINT) AS refunds_minor, \
             CAST(SUM(CASE WHEN b.part = 'dispute' THEN -s.sign * b.amount_minor ELSE 0 END) AS BIGINT) AS disputes_minor, \
             CAST(SUM(s.sign * b.fee_minor) AS BIGINT) AS fees_minor, \
             CAST(SUM(s.sign * b.net_minor) AS BIGINT) AS net_minor \
             FROM (SELECT CAST(1 AS BIGINT) AS sign) AS s CROSS JOIN balance_transactions b \
             JOIN payments p ON p.stripe_key = b.stripe_key JOIN pledges g ON g.id = p.pledge_id \
             GROUP BY b.day, b.currency, g.frequency, g.campaign, g.source";
        let rows: Vec<SettlementRow> = self.query(summed).all().await?;
        rows.into_iter().map(SettlementRow::read).collect()
    }

    /// Adds to lines of the daily settlement, and to the sums of them.
    pub async fn add_settlement(&mut self, changes: &[(RevenueKey, SettlementSums)]) -> Result<(), StoreError> {
        self.batch(
            "INSERT INTO settlement_daily (day, currency, frequency, campaign, source, payments, gross_minor, \
             refunds_minor, disputes_minor, fees_minor, net_minor) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (day, currency, frequency, campaign, source) DO UPDATE SET \
             payments = settlement_daily.payments + excluded.payments, \
             gross_minor = settlement_daily.gross_minor + excluded.gross_minor, \
             refunds_minor = settlement_daily.refunds_minor + excluded.refunds_minor, \
             disputes_minor = settlement_daily.disputes_minor + excluded.disputes_minor, \
             fees_minor = settlement_daily.fees_minor + excluded.fees_minor, \
             net_minor = settlement_daily.net_minor + excluded.net_minor",
            changes,
            |query, (key, sums)| {
                query
                    .bind(key.day)
                    .bind(key.currency.clone())
                    .bind(key.frequency.as_str())
                    .bind(key.campaign.clone())
                    .bind(key.source.clone())
                    .bind(sums.payments)
                    .bind(sums.gross_minor)
                    .bind(sums.refunds_minor)
                    .bind(sums.disputes_minor)
                    .bind(sums.fees_minor)
                    .bind(sums.net_minor)
            },
        )
        .await?;
        self.add_totals(View::Settlement, &Totals::of_daily(changes)).await
    }

    /// Gives lines other days. The daily settlement is summed up anew by whoever does so.
    pub async fn date_lines(&mut self, lines: &[DatedLine]) -> Result<(), StoreError> {
        let date = "UPDATE balance_transactions SET day = said.column2 FROM (VALUES {(CAST(? AS TEXT), CAST(? AS BIGINT))}) \
                    AS said WHERE balance_transactions.id = said.column1";
        self.batch(date, lines, |query, line| query.bind(line.id.clone()).bind(line.day)).await.map(|_| ())
    }

    /// Gives payouts other days.
    pub async fn date_payouts(&mut self, payouts: &[DatedLine]) -> Result<(), StoreError> {
        let date = "UPDATE payouts SET day = said.column2 FROM (VALUES {(CAST(? AS TEXT), CAST(? AS BIGINT))}) AS said \
                    WHERE payouts.id = said.column1";
        self.batch(date, payouts, |query, payout| query.bind(payout.id.clone()).bind(payout.day)).await.map(|_| ())
    }
}
