//! Reports: days of revenue put together to weeks, months and years.
//!
//! Currencies are never added together. Days are the newsroom's own, as [`super::calendar`] computed them.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::money::{Currency, Money, MoneyError};
use super::pledge::{Frequency, words};

words! {
    /// How long a period of a report is.
    By {
        Day = "day",
        /// Monday to Sunday, named by its Monday.
        Week = "week",
        Month = "month",
        Year = "year",
    }
}

impl By {
    /// The name of the period that `day` is in: `2026-11-23`, `2026-11` or `2026`.
    pub fn period(self, day: Date) -> String {
        match self {
            Self::Day => day.to_string(),
            Self::Week => {
                let since_monday = i64::from(day.weekday().to_monday_zero_offset());
                day.saturating_sub(since_monday.days()).to_string()
            }
            Self::Month => format!("{:04}-{:02}", day.year(), day.month()),
            Self::Year => format!("{:04}", day.year()),
        }
    }
}

/// What came in on one day, in one currency and frequency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRevenue {
    pub day: Date,
    pub currency: Currency,
    pub frequency: Frequency,
    pub count: i64,
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    /// What Stripe kept; known where its bookings are counted.
    pub fees_minor: Option<i64>,
}

/// What came in in one period, in one currency and frequency. In the order of the JSON and CSV columns.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RevenueRow {
    pub period: String,
    pub currency: Currency,
    pub frequency: Frequency,
    /// How many payments succeeded.
    pub count: i64,
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    /// What Stripe kept; unknown until it is booked.
    pub fees_minor: Option<i64>,
    /// Gross less refunds and disputes, and less fees where they are known.
    pub net_minor: i64,
}

impl RevenueRow {
    /// `amount_minor` of this row as money.
    pub fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.currency)
    }

    fn is_zero(&self) -> bool {
        let fees_minor = self.fees_minor.unwrap_or(0);
        [self.count, self.gross_minor, self.refunds_minor, self.disputes_minor, fees_minor] == [0; 5]
    }

    fn add(&mut self, day: &DayRevenue) -> Result<(), MoneyError> {
        let sum = |one: i64, other: i64| one.checked_add(other).ok_or(MoneyError::Overflow);
        self.count = sum(self.count, day.count)?;
        self.gross_minor = sum(self.gross_minor, day.gross_minor)?;
        self.refunds_minor = sum(self.refunds_minor, day.refunds_minor)?;
        self.disputes_minor = sum(self.disputes_minor, day.disputes_minor)?;
        let given_back = sum(self.refunds_minor, self.disputes_minor)?;
        if let Some(fees_minor) = day.fees_minor {
            self.fees_minor = Some(sum(self.fees_minor.unwrap_or(0), fees_minor)?);
        }
        let gone = sum(given_back, self.fees_minor.unwrap_or(0))?;
        self.net_minor = self.gross_minor.checked_sub(gone).ok_or(MoneyError::Overflow)?;
        Ok(())
    }
}

/// Puts days together, by period, then currency, then frequency. Rows in which nothing happened are left out.
pub fn group(days: &[DayRevenue], by: By) -> Result<Vec<RevenueRow>, MoneyError> {
    let mut rows: BTreeMap<(String, Currency, Frequency), RevenueRow> = BTreeMap::new();
    for day in days {
        let period = by.period(day.day);
        let (currency, frequency) = (day.currency, day.frequency);
        let empty = || RevenueRow {
            period: period.clone(),
            currency,
            frequency,
            count: 0,
            gross_minor: 0,
            refunds_minor: 0,
            disputes_minor: 0,
            fees_minor: None,
            net_minor: 0,
        };
        rows.entry((period.clone(), currency, frequency)).or_insert_with(empty).add(day)?;
    }
    Ok(rows.into_values().filter(|row| !row.is_zero()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(day: &str, currency: &str, gross_minor: i64) -> DayRevenue {
        DayRevenue {
            day: day.parse().unwrap(),
            currency: Currency::parse(currency).unwrap(),
            frequency: Frequency::Once,
            count: 1,
            gross_minor,
            refunds_minor: 0,
            disputes_minor: 0,
            fees_minor: None,
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_years_on_the_first_of_january() {
        for (day, week, month, year) in [
            ("2026-11-22", "2026-11-16", "2026-11", "2026"),
            ("2026-11-23", "2026-11-23", "2026-11", "2026"),
            ("2026-12-31", "2026-12-28", "2026-12", "2026"),
            ("2027-01-01", "2026-12-28", "2027-01", "2027"),
            ("2027-01-03", "2026-12-28", "2027-01", "2027"),
            ("2027-01-04", "2027-01-04", "2027-01", "2027"),
            ("2028-02-29", "2028-02-28", "2028-02", "2028"),
        ] {
            let date: Date = day.parse().unwrap();
            let periods = By::ALL.iter().map(|by| by.period(date)).collect::<Vec<_>>();
            assert_eq!(periods, [day, week, month, year]);
        }
    }

    #[test]
    fn days_of_a_period_are_added_and_currencies_are_not() {
        let days = [on("2026-12-31", "USD", 2500), on("2027-01-01", "USD", 200), on("2027-01-01", "JPY", 5000)];
        let sums = |by| {
            let rows = group(&days, by).unwrap();
            rows.iter().map(|row| (row.period.clone(), row.currency.to_string(), row.gross_minor)).collect::<Vec<_>>()
        };
        let line = |period: &str, currency: &str, gross| (period.to_owned(), currency.to_owned(), gross);
        assert_eq!(sums(By::Week), [line("2026-12-28", "JPY", 5000), line("2026-12-28", "USD", 2700)]);
        assert_eq!(sums(By::Year), [line("2026", "USD", 2500), line("2027", "JPY", 5000), line("2027", "USD", 200)]);
    }

    #[test]
    fn net_is_gross_less_refunds_and_disputes_and_empty_rows_are_left_out() {
        let refunded = DayRevenue { count: 0, refunds_minor: 700, disputes_minor: 300, ..on("2026-11-24", "USD", 0) };
        let nothing = DayRevenue { count: 0, ..on("2026-11-25", "USD", 0) };
        let rows = group(&[refunded, nothing], By::Day).unwrap();
        assert_eq!((rows.len(), rows[0].net_minor, rows[0].fees_minor), (1, -1000, None));
        let booked = |fees_minor| DayRevenue { fees_minor: Some(fees_minor), ..on("2026-11-24", "USD", 2500) };
        let rows = group(&[booked(103), booked(97)], By::Day).unwrap();
        assert_eq!((rows[0].fees_minor, rows[0].net_minor), (Some(200), 4800));
        assert_eq!(
            group(&[on("2026-11-24", "USD", i64::MAX), on("2026-11-24", "USD", 1)], By::Day),
            Err(MoneyError::Overflow)
        );
    }
}
