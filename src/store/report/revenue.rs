//! What came in, from the coarsest sums that hold and that tell what is asked.

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{currency, day_of_span, divisor};
use crate::domain::calendar::{number_of, read_number};
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;
use crate::domain::report::By;
use crate::domain::report::query::{Query as Asked, View};
use crate::domain::report::revenue::{Revenue, Sums};
use crate::store::{Store, StoreError};

/// 1 January 1000. Days of all years behind it are eight digits, and so are never taken for months.
const FIRST_DAY: i64 = 10_000_101;

/// Totals of all campaigns and sources. `$1` is the view; months from `$2` and before `$3`; days from `$4` and before `$5`,
/// and from `$6` and before `$7`; then as [`Store::revenue`] binds them.
const OF_ALL: &str = "SELECT s.day / CAST($8 AS BIGINT) AS span, s.currency, \
     CASE WHEN CAST($9 AS BIGINT) = 1 THEN s.frequency ELSE '' END AS frequency, \
     CASE WHEN CAST($10 AS BIGINT) = 1 THEN s.campaign ELSE '' END AS campaign, \
     CASE WHEN CAST($11 AS BIGINT) = 1 THEN s.source ELSE '' END AS source, \
     CAST(SUM(s.payments) AS BIGINT) AS payments, CAST(SUM(s.gross_minor) AS BIGINT) AS gross_minor, \
     CAST(SUM(s.refunds_minor) AS BIGINT) AS refunds_minor, CAST(SUM(s.disputes_minor) AS BIGINT) AS disputes_minor, \
     CAST(SUM(s.fees_minor) AS BIGINT) AS fees_minor FROM (\
       SELECT period * 100 + 1 AS day, currency, frequency, '' AS campaign, '' AS source, payments, gross_minor, \
       refunds_minor, disputes_minor, fees_minor FROM revenue_totals WHERE view = $1 AND period >= $2 AND period < $3 \
       UNION ALL SELECT period, currency, frequency, '', '', payments, gross_minor, refunds_minor, disputes_minor, \
       fees_minor FROM revenue_totals WHERE view = $1 AND period >= $4 AND period < $5 \
       UNION ALL SELECT period, currency, frequency, '', '', payments, gross_minor, refunds_minor, disputes_minor, \
       fees_minor FROM revenue_totals WHERE view = $1 AND period >= $6 AND period < $7) AS s \
     WHERE (CAST($12 AS TEXT) IS NULL OR s.currency = $12) AND (CAST($13 AS TEXT) IS NULL OR s.campaign = $13) \
     AND (CAST($14 AS TEXT) IS NULL OR s.frequency = $14) AND (CAST($15 AS TEXT) IS NULL OR s.source = $15) \
     GROUP BY 1, 2, 3, 4, 5";

/// The same by campaign and source, of what donors gave: whole months, and days one by one.
const OF_CHARGES: &str = "SELECT s.day / CAST($8 AS BIGINT) AS span, s.currency, \
     CASE WHEN CAST($9 AS BIGINT) = 1 THEN s.frequency ELSE '' END AS frequency, \
     CASE WHEN CAST($10 AS BIGINT) = 1 THEN s.campaign ELSE '' END AS campaign, \
     CASE WHEN CAST($11 AS BIGINT) = 1 THEN s.source ELSE '' END AS source, \
     CAST(SUM(s.payments) AS BIGINT) AS payments, CAST(SUM(s.gross_minor) AS BIGINT) AS gross_minor, \
     CAST(SUM(s.refunds_minor) AS BIGINT) AS refunds_minor, CAST(SUM(s.disputes_minor) AS BIGINT) AS disputes_minor, \
     CAST(SUM(s.fees_minor) AS BIGINT) AS fees_minor FROM (\
       SELECT month * 100 + 1 AS day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
       disputes_minor, fees_minor FROM revenue_monthly WHERE view = $1 AND month >= $2 AND month < $3 \
       UNION ALL SELECT day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
       disputes_minor, 0 FROM revenue_daily WHERE day >= $4 AND day < $5 \
       UNION ALL SELECT day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
       disputes_minor, 0 FROM revenue_daily WHERE day >= $6 AND day < $7) AS s \
     WHERE (CAST($12 AS TEXT) IS NULL OR s.currency = $12) AND (CAST($13 AS TEXT) IS NULL OR s.campaign = $13) \
     AND (CAST($14 AS TEXT) IS NULL OR s.frequency = $14) AND (CAST($15 AS TEXT) IS NULL OR s.source = $15) \
     GROUP BY 1, 2, 3, 4, 5";

/// The same of what Stripe booked.
const OF_BOOKINGS: &str = "SELECT s.day / CAST($8 AS BIGINT) AS span, s.currency, \
     CASE WHEN CAST($9 AS BIGINT) = 1 THEN s.frequency ELSE '' END AS frequency, \
     CASE WHEN CAST($10 AS BIGINT) = 1 THEN s.campaign ELSE '' END AS campaign, \
     CASE WHEN CAST($11 AS BIGINT) = 1 THEN s.source ELSE '' END AS source, \
     CAST(SUM(s.payments) AS BIGINT) AS payments, CAST(SUM(s.gross_minor) AS BIGINT) AS gross_minor, \
     CAST(SUM(s.refunds_minor) AS BIGINT) AS refunds_minor, CAST(SUM(s.disputes_minor) AS BIGINT) AS disputes_minor, \
     CAST(SUM(s.fees_minor) AS BIGINT) AS fees_minor FROM (\
       SELECT month * 100 + 1 AS day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
       disputes_minor, fees_minor FROM revenue_monthly WHERE view = $1 AND month >= $2 AND month < $3 \
       UNION ALL SELECT day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
       disputes_minor, fees_minor FROM settlement_daily WHERE day >= $4 AND day < $5 \
       UNION ALL SELECT day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
       disputes_minor, fees_minor FROM settlement_daily WHERE day >= $6 AND day < $7) AS s \
     WHERE (CAST($12 AS TEXT) IS NULL OR s.currency = $12) AND (CAST($13 AS TEXT) IS NULL OR s.campaign = $13) \
     AND (CAST($14 AS TEXT) IS NULL OR s.frequency = $14) AND (CAST($15 AS TEXT) IS NULL OR s.source = $15) \
     GROUP BY 1, 2, 3, 4, 5";

/// Totals day by day, which nothing else parts: `$2` and before `$3`, of one currency and frequency or of all. They are read
/// in the order they are kept in; a year's thousands of lines, sorted for [`OF_ALL`], took twice as long. And they are told
/// by one row a month, as [`sums_of_days`] reads them: handing a thousand rows over took longer than adding them up.
const OF_DAYS: &str = "SELECT d.month, string_agg(d.sums, ' ') AS days FROM (\
       SELECT period / 100 AS month, CAST(period AS TEXT) || ' ' || currency || ' ' || CAST(SUM(payments) AS TEXT) || ' ' || \
       CAST(SUM(gross_minor) AS TEXT) || ' ' || CAST(SUM(refunds_minor) AS TEXT) || ' ' || \
       CAST(SUM(disputes_minor) AS TEXT) || ' ' || CAST(SUM(fees_minor) AS TEXT) AS sums \
       FROM revenue_totals WHERE view = $1 AND period >= $2 AND period < $3 \
       AND (CAST($4 AS TEXT) IS NULL OR currency = $4) AND (CAST($5 AS TEXT) IS NULL OR frequency = $5) \
       GROUP BY period, currency) AS d GROUP BY d.month";

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
    fees_minor: i64,
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
                fees_minor: (asked.view == View::Settlement).then_some(self.fees_minor),
            },
        })
    }
}

/// Days that are asked for, half-open: the whole months among them, where these may be read at once, and the days before
/// and behind these.
struct Days {
    months: (Date, Date),
    before: (Date, Date),
    behind: (Date, Date),
}

impl Days {
    fn one_by_one(from: Date, to: Date) -> Self {
        Self { months: (from, from), before: (from, to), behind: (to, to) }
    }

    fn by_month(from: Date, to: Date) -> Self {
        let begun = from.first_of_month();
        let first = if begun == from { from } else { begun.saturating_add(1.month()) };
        let end = to.first_of_month();
        if first >= end {
            return Self::one_by_one(from, to);
        }
        Self { months: (first, end), before: (from, first), behind: (end, to) }
    }
}

impl Store {
    /// What came in by the view that is asked for, in no order.
    pub async fn revenue(&self, asked: &Asked) -> Result<Vec<Revenue>, StoreError> {
        let Asked { from, to, split, only, view, .. } = asked;
        // While they do not hold, daily sums are read, which do.
        let hold = self.turns_unsummed().await?.is_none();
        let days = match split.period {
            Some(By::Day | By::Week) => Days::one_by_one(*from, *to),
            _ if hold => Days::by_month(*from, *to),
            _ => Days::one_by_one(*from, *to),
        };
        let parted = split.campaign || split.source || only.campaign.is_some() || only.source.is_some();
        if hold && !parted && !split.frequency && split.period == Some(By::Day) {
            return self.revenue_of_days(asked).await;
        }
        let text = match view {
            _ if hold && !parted => OF_ALL,
            View::Charge => OF_CHARGES,
            View::Settlement => OF_BOOKINGS,
        };
        let rows: Vec<SumRow> = self
            .db
            .read(text)
            .bind(view.as_str())
            .bind(day(days.months.0) / 100)
            .bind(day(days.months.1) / 100)
            .bind(day(days.before.0))
            .bind(day(days.before.1))
            .bind(day(days.behind.0))
            .bind(day(days.behind.1))
            .bind(divisor(split.period))
            .bind(i64::from(split.frequency))
            .bind(i64::from(split.campaign))
            .bind(i64::from(split.source))
            .bind(only.currency.map(|currency| currency.code().to_owned()))
            .bind(only.campaign.clone())
            .bind(only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(only.source.clone())
            .all()
            .await?;
        rows.into_iter().map(|row| row.read(asked)).collect()
    }

    async fn revenue_of_days(&self, asked: &Asked) -> Result<Vec<Revenue>, StoreError> {
        let months: Vec<(i64, String)> = self
            .db
            .read(OF_DAYS)
            .bind(asked.view.as_str())
            .bind(day(asked.from))
            .bind(day(asked.to))
            .bind(asked.only.currency.map(|currency| currency.code().to_owned()))
            .bind(asked.only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .all()
            .await?;
        let mut all = Vec::new();
        for (_, days) in &months {
            let wrong = StoreError::Corrupt { what: "the sums of a day" };
            all.extend(sums_of_days(days, asked).ok_or(wrong)?);
        }
        Ok(all)
    }
}

/// Reads `20261123 USD 2 2700 0 0 103`, one day of one currency after the other.
fn sums_of_days(text: &str, asked: &Asked) -> Option<Vec<Revenue>> {
    let mut words = text.split(' ');
    let mut all = Vec::new();
    while let Some(day) = words.next() {
        let (day, currency) = (read_number(day.parse().ok()?)?, Currency::recorded(words.next()?).ok()?);
        let mut number = || words.next()?.parse::<i64>().ok();
        let sums = Sums {
            count: number()?,
            gross_minor: number()?,
            refunds_minor: number()?,
            disputes_minor: number()?,
            fees_minor: number().map(|fees| (asked.view == View::Settlement).then_some(fees))?,
        };
        let (campaign, source) = (String::new(), String::new());
        all.push(Revenue { day, currency, frequency: Frequency::Once, campaign, source, sums });
    }
    Some(all)
}

/// A day's number, which is never taken for a month's.
fn day(day: Date) -> i64 {
    number_of(day).max(FIRST_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::Given;

    #[test]
    fn the_days_of_a_month_are_read_from_one_text_and_what_is_none_is_refused() {
        let fields = [("from", "2026-11-01"), ("to", "2026-12-01"), ("view", "settlement")];
        let fields = fields.map(|(name, value)| (name.to_owned(), Given::Text(value.to_owned())));
        let asked = Asked::parse("revenue", &fields.into_iter().collect()).unwrap();
        let read = sums_of_days("20261123 USD 2 2700 700 -300 103 20261124 EUR 1 500 0 0 0", &asked).unwrap();
        let told = |some: &Revenue| (some.day.to_string(), some.currency.code().to_owned(), some.sums);
        let sums = |count, gross_minor, refunds_minor, disputes_minor, fees| Sums {
            count,
            gross_minor,
            refunds_minor,
            disputes_minor,
            fees_minor: Some(fees),
        };
        assert_eq!(
            read.iter().map(told).collect::<Vec<_>>(),
            [
                ("2026-11-23".to_owned(), "USD".to_owned(), sums(2, 2700, 700, -300, 103)),
                ("2026-11-24".to_owned(), "EUR".to_owned(), sums(1, 500, 0, 0, 0))
            ]
        );
        for wrong in
            ["", "20261123", "20261123 USD 2 2700 700 -300", "20261131 USD 1 1 0 0 0", "20261123 usd 1 1 0 0 0", "x"]
        {
            assert!(sums_of_days(wrong, &asked).is_none(), "{wrong}");
        }
    }

    #[test]
    fn whole_months_are_read_at_once_and_the_days_around_them_one_by_one() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        for (from, to, first, end) in [
            ("2026-01-01", "2027-01-01", "2026-01-01", "2027-01-01"),
            ("2026-01-02", "2026-03-31", "2026-02-01", "2026-03-01"),
            ("2026-12-31", "2027-02-01", "2027-01-01", "2027-02-01"),
        ] {
            let days = Days::by_month(day(from), day(to));
            assert_eq!(days.months, (day(first), day(end)), "{from} to {to}");
            assert_eq!((days.before, days.behind), ((day(from), day(first)), (day(end), day(to))), "{from} to {to}");
        }
        for (from, to) in [("2026-01-02", "2026-02-28"), ("2026-01-01", "2026-01-31"), ("9999-12-02", "9999-12-31")] {
            let days = Days::by_month(day(from), day(to));
            assert!(days.months.0 == days.months.1 && days.before == (day(from), day(to)), "{from} to {to}");
        }
    }
}
