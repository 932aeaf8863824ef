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
