//! What reports read: the daily revenue, kept by whoever writes a payment.

use jiff::civil::Date;

use super::{Store, StoreError};
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;
use crate::domain::report::DayRevenue;

#[derive(sqlx::FromRow)]
struct DayRow {
    day: i64,
    currency: String,
    frequency: String,
    payments: i64,
    gross_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
}

impl DayRow {
    fn read(self) -> Result<DayRevenue, StoreError> {
        let corrupt = |what| StoreError::Corrupt { what };
        Ok(DayRevenue {
            day: date(self.day).ok_or(corrupt("revenue_daily.day"))?,
            currency: Currency::recorded(&self.currency).map_err(|_| corrupt("revenue_daily.currency"))?,
            frequency: Frequency::parse(&self.frequency).ok_or(corrupt("revenue_daily.frequency"))?,
            count: self.payments,
            gross_minor: self.gross_minor,
            refunds_minor: self.refunds_minor,
            disputes_minor: self.disputes_minor,
            fees_minor: None,
        })
    }
}

impl Store {
    /// What came in from the day `from` to the day before `to`, over all campaigns and sources, in no order.
    pub async fn revenue(&self, from: Date, to: Date) -> Result<Vec<DayRevenue>, StoreError> {
        let rows: Vec<DayRow> = self
            .db
            .read(
                "SELECT day, currency, frequency, CAST(SUM(payments) AS BIGINT) AS payments, \
                 CAST(SUM(gross_minor) AS BIGINT) AS gross_minor, CAST(SUM(refunds_minor) AS BIGINT) AS refunds_minor, \
                 CAST(SUM(disputes_minor) AS BIGINT) AS disputes_minor FROM revenue_daily \
                 WHERE day >= $1 AND day < $2 GROUP BY day, currency, frequency",
            )
            .bind(number(from))
            .bind(number(to))
            .all()
            .await?;
        rows.into_iter().map(DayRow::read).collect()
    }

    /// The same by month (202611) and currency alone: for pictures of years.
    pub async fn revenue_by_month(&self, from: Date, to: Date) -> Result<Vec<MonthRevenue>, StoreError> {
        let rows: Vec<(i64, String, i64, i64)> = self
            .db
            .read(
                "SELECT day / 100 AS month, currency, CAST(SUM(gross_minor) AS BIGINT) AS gross_minor, \
                 CAST(SUM(gross_minor - refunds_minor - disputes_minor) AS BIGINT) AS kept_minor FROM revenue_daily \
                 WHERE day >= $1 AND day < $2 GROUP BY day / 100, currency",
            )
            .bind(number(from))
            .bind(number(to))
            .all()
            .await?;
        let read = |(month, currency, gross_minor, kept_minor): (i64, String, i64, i64)| {
            let currency = Currency::recorded(&currency);
            let currency = currency.map_err(|_| StoreError::Corrupt { what: "revenue_daily.currency" })?;
            Ok(MonthRevenue { month, currency, gross_minor, kept_minor })
        };
        rows.into_iter().map(read).collect()
    }

    /// What recurs and brings money: how many pledges and what they charge each time, by currency and frequency.
    pub async fn recurring_now(&self) -> Result<Vec<RecurringNow>, StoreError> {
        let rows: Vec<(String, String, i64, i64, i64)> = self
            .db
            .read(
                "SELECT currency, frequency, COUNT(*) AS pledges, \
                 CAST(SUM(CASE WHEN status = 'past_due' THEN 1 ELSE 0 END) AS BIGINT) AS overdue, \
                 CAST(SUM(total_minor) AS BIGINT) AS minor FROM pledges \
                 WHERE status IN ('active', 'past_due') GROUP BY currency, frequency",
            )
            .all()
            .await?;
        let read = |(currency, frequency, pledges, overdue, minor): (String, String, i64, i64, i64)| {
            let corrupt = || StoreError::Corrupt { what: "pledges" };
            Ok(RecurringNow {
                currency: Currency::recorded(&currency).map_err(|_| corrupt())?,
                frequency: Frequency::parse(&frequency).ok_or_else(corrupt)?,
                pledges,
                overdue,
                minor,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

/// What came in in one month in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthRevenue {
    /// 202611
    pub month: i64,
    pub currency: Currency,
    pub gross_minor: i64,
    /// Less refunds and disputes of the month.
    pub kept_minor: i64,
}

/// What recurs in one currency and frequency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecurringNow {
    pub currency: Currency,
    pub frequency: Frequency,
    pub pledges: i64,
    /// How many of them wait for a payment that failed.
    pub overdue: i64,
    /// Each time.
    pub minor: i64,
}

/// A date as the database writes it: 20261123.
fn number(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

fn date(number: i64) -> Option<Date> {
    let part = |number: i64| i8::try_from(number).ok();
    Date::new(i16::try_from(number / 10_000).ok()?, part(number / 100 % 100)?, part(number % 100)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_reads_back_as_it_was_written_and_nonsense_does_not() {
        let day = jiff::civil::date(2028, 2, 29);
        assert_eq!((number(day), date(20_280_229)), (20_280_229, Some(day)));
        assert_eq!((date(20_270_229), date(0), date(-20_280_229), date(i64::MAX)), (None, None, None, None));
    }
}
