//! Sums of the daily sums: kept beside these in one transaction, read for reports, and held against them.
//!
//! Whoever changes daily sums has taken the turn ([`Tx::take_turn`]). A program that does not know these sums takes turns
//! that it does not count in `turns.summed`; they hold again once `turns.mended` says that they were made up for those.

use super::db::Query;
use super::{Store, StoreError, Tx};
use crate::domain::books::{Difference, RevenueKey};
use crate::domain::pledge::Frequency;
use crate::domain::report::query::View;
use crate::domain::report::totals::{Amounts, TotalKey, Totals};

#[derive(sqlx::FromRow)]
struct TotalRow {
    period: i64,
    currency: String,
    frequency: String,
    campaign: Option<String>,
    source: Option<String>,
    payments: i64,
    gross_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
    fees_minor: i64,
}

impl TotalRow {
    fn frequency(&self) -> Result<Frequency, StoreError> {
        Frequency::parse(&self.frequency).ok_or(StoreError::Corrupt { what: "the frequency of a sum" })
    }

    fn amounts(&self) -> Amounts {
        let Self { payments, gross_minor, refunds_minor, disputes_minor, fees_minor, .. } = *self;
        Amounts { payments, gross_minor, refunds_minor, disputes_minor, fees_minor }
    }

    fn total(self) -> Result<(TotalKey, Amounts), StoreError> {
        let (frequency, amounts) = (self.frequency()?, self.amounts());
        let Self { period, currency, campaign, source, .. } = self;
        Ok((TotalKey { period, currency, frequency, part: campaign.zip(source) }, amounts))
    }

    fn daily(self) -> Result<(RevenueKey, Amounts), StoreError> {
        let (frequency, amounts) = (self.frequency()?, self.amounts());
        let (campaign, source) = (self.campaign.unwrap_or_default(), self.source.unwrap_or_default());
        Ok((RevenueKey { day: self.period, currency: self.currency, frequency, campaign, source }, amounts))
    }
}

impl Store {
    /// How many turns were taken by programs that do not keep these sums, if any since they were last made up.
    pub async fn turns_unsummed(&self) -> Result<Option<i64>, StoreError> {
        let unsummed =
            "SELECT taken - summed AS turns FROM turns WHERE name = 'reconcile' AND taken - summed <> mended";
        Ok(self.db.read(unsummed).maybe::<(i64,)>().await?.map(|(turns,)| turns))
    }

    /// How many turns were ever taken, by whatever process: as long as that stays, the books do.
    pub async fn turns_taken(&self) -> Result<i64, StoreError> {
        let taken = "SELECT taken FROM turns WHERE name = 'reconcile'";
        Ok(self.db.read(taken).one::<(i64,)>().await?.0)
    }

    /// How many sums are not what the daily ones add up to, and the first period of which one is not (a month, or a day); none
    /// where all are. One statement, so that what is booked meanwhile is in both or in neither.
    pub async fn totals_amiss(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let amiss = "SELECT COUNT(*) AS sums, COALESCE(MIN(period), 0) AS first FROM (\
             SELECT view, period FROM (\
               SELECT 'charge' AS view, 0 AS parted, day AS period, currency, frequency, '' AS campaign, '' AS source, \
                 payments, gross_minor, refunds_minor, disputes_minor, 0 AS fees_minor FROM revenue_daily \
               UNION ALL SELECT 'charge', 0, day / 100, currency, frequency, '', '', payments, gross_minor, refunds_minor, \
                 disputes_minor, 0 FROM revenue_daily \
               UNION ALL SELECT 'charge', 1, day / 100, currency, frequency, campaign, source, payments, gross_minor, \
                 refunds_minor, disputes_minor, 0 FROM revenue_daily \
               UNION ALL SELECT 'settlement', 0, day, currency, frequency, '', '', payments, gross_minor, refunds_minor, \
                 disputes_minor, fees_minor FROM settlement_daily \
               UNION ALL SELECT 'settlement', 0, day / 100, currency, frequency, '', '', payments, gross_minor, \
                 refunds_minor, disputes_minor, fees_minor FROM settlement_daily \
               UNION ALL SELECT 'settlement', 1, day / 100, currency, frequency, campaign, source, payments, gross_minor, \
                 refunds_minor, disputes_minor, fees_minor FROM settlement_daily \
               UNION ALL SELECT view, 0, period, currency, frequency, '', '', -payments, -gross_minor, -refunds_minor, \
                 -disputes_minor, -fees_minor FROM revenue_totals \
               UNION ALL SELECT view, 1, month, currency, frequency, campaign, source, -payments, -gross_minor, \
                 -refunds_minor, -disputes_minor, -fees_minor FROM revenue_monthly) AS lines \
             GROUP BY view, parted, period, currency, frequency, campaign, source \
             HAVING SUM(payments) <> 0 OR SUM(gross_minor) <> 0 OR SUM(refunds_minor) <> 0 OR SUM(disputes_minor) <> 0 \
             OR SUM(fees_minor) <> 0) AS amiss";
        let (sums, first): (i64, i64) = self.db.read(amiss).one().await?;
        Ok((sums > 0).then_some((sums, first)))
    }

    /// The first month after this one in which there is any sum.
    pub async fn month_after(&self, month: i64) -> Result<Option<i64>, StoreError> {
        let next = "SELECT MIN(month) AS month FROM (\
               SELECT MIN(day) / 100 AS month FROM revenue_daily WHERE day >= $1 \
               UNION ALL SELECT MIN(day) / 100 FROM settlement_daily WHERE day >= $1 \
               UNION ALL SELECT MIN(month) FROM revenue_monthly WHERE view = 'charge' AND month > $2 \
               UNION ALL SELECT MIN(month) FROM revenue_monthly WHERE view = 'settlement' AND month > $2) AS months";
        let row: (Option<i64>,) = self.db.read(next).bind((month + 1) * 100).bind(month).one().await?;
        Ok(row.0)
    }

    /// Notes that the sums were made up for so many turns of other programs. Never for fewer than was noted before.
    pub async fn note_mended(&self, turns: i64) -> Result<(), StoreError> {
        let note = "UPDATE turns SET mended = $1 WHERE name = 'reconcile' AND mended < $1";
        self.db.write(note).bind(turns).run().await.map(|_| ())
    }
}

impl Tx {
    /// Adds to sums.
    pub(super) async fn add_totals(&mut self, view: View, changes: &Totals) -> Result<(), StoreError> {
        let (parted, whole): (Vec<_>, Vec<_>) = changes.0.iter().partition(|(key, _)| key.part.is_some());
        self.batch(
            "INSERT INTO revenue_totals (view, period, currency, frequency, payments, gross_minor, refunds_minor, \
             disputes_minor, fees_minor) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (view, period, currency, frequency) DO UPDATE SET \
             payments = revenue_totals.payments + excluded.payments, \
             gross_minor = revenue_totals.gross_minor + excluded.gross_minor, \
             refunds_minor = revenue_totals.refunds_minor + excluded.refunds_minor, \
             disputes_minor = revenue_totals.disputes_minor + excluded.disputes_minor, \
             fees_minor = revenue_totals.fees_minor + excluded.fees_minor",
            &whole,
            |query, (key, sums)| {
                let query = query.bind(view.as_str()).bind(key.period).bind(key.currency.clone());
                bind_amounts(query.bind(key.frequency.as_str()), sums)
            },
        )
        .await?;
        self.batch(
            "INSERT INTO revenue_monthly (view, month, currency, frequency, campaign, source, payments, gross_minor, \
             refunds_minor, disputes_minor, fees_minor) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (view, month, currency, frequency, campaign, source) DO UPDATE SET \
             payments = revenue_monthly.payments + excluded.payments, \
             gross_minor = revenue_monthly.gross_minor + excluded.gross_minor, \
             refunds_minor = revenue_monthly.refunds_minor + excluded.refunds_minor, \
             disputes_minor = revenue_monthly.disputes_minor + excluded.disputes_minor, \
             fees_minor = revenue_monthly.fees_minor + excluded.fees_minor",
            &parted,
            |query, (key, sums)| {
                let (campaign, source) = key.part.clone().unwrap_or_default();
                let query = query.bind(view.as_str()).bind(key.period).bind(key.currency.clone());
                bind_amounts(query.bind(key.frequency.as_str()).bind(campaign).bind(source), sums)
            },
        )
        .await
        .map(|_| ())
    }

    /// Puts the sums of a month right as the daily sums have them, and returns what differed.
    pub async fn mend_totals(&mut self, view: View, month: i64) -> Result<Vec<Difference>, StoreError> {
        let (kept, summed) = (self.totals_kept(view, month).await?, self.totals_summed(view, month).await?);
        let (missing, differences) = summed.against(view, &kept);
        self.add_totals(view, &missing).await?;
        Ok(differences)
    }

    /// The sums of a month and of its days as they are kept.
    async fn totals_kept(&mut self, view: View, month: i64) -> Result<Totals, StoreError> {
        let kept = "SELECT period, currency, frequency, CAST(NULL AS TEXT) AS campaign, CAST(NULL AS TEXT) AS source, \
               payments, gross_minor, refunds_minor, disputes_minor, fees_minor FROM revenue_totals \
               WHERE view = $1 AND period = $2 \
             UNION ALL SELECT period, currency, frequency, NULL, NULL, payments, gross_minor, refunds_minor, \
               disputes_minor, fees_minor FROM revenue_totals WHERE view = $1 AND period >= $3 AND period < $4 \
             UNION ALL SELECT month, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
               disputes_minor, fees_minor FROM revenue_monthly WHERE view = $1 AND month = $2";
        let query = self.query(kept).bind(view.as_str()).bind(month).bind(month * 100).bind((month + 1) * 100);
        let rows: Vec<TotalRow> = query.all().await?;
        rows.into_iter().map(TotalRow::total).collect::<Result<_, _>>().map(Totals)
    }

    /// The same as the sums of the daily ones.
    async fn totals_summed(&mut self, view: View, month: i64) -> Result<Totals, StoreError> {
        let summed = match view {
            View::Charge => {
                "SELECT day AS period, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
                 disputes_minor, CAST(0 AS BIGINT) AS fees_minor FROM revenue_daily WHERE day >= $1 AND day < $2"
            }
            View::Settlement => {
                "SELECT day AS period, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
                 disputes_minor, fees_minor FROM settlement_daily WHERE day >= $1 AND day < $2"
            }
        };
        let rows: Vec<TotalRow> = self.query(summed).bind(month * 100).bind((month + 1) * 100).all().await?;
        let lines: Vec<_> = rows.into_iter().map(TotalRow::daily).collect::<Result<_, _>>()?;
        Ok(Totals::of_daily(&lines))
    }
}

fn bind_amounts<'c>(query: Query<'c>, sums: &Amounts) -> Query<'c> {
    let query = query.bind(sums.payments).bind(sums.gross_minor).bind(sums.refunds_minor);
    query.bind(sums.disputes_minor).bind(sums.fees_minor)
}
