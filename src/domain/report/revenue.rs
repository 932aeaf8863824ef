//! What came in, went back, and is left, by period.

use jiff::civil::Date;

use super::add;
use super::group::{Group, Lines, begin, filled};
use super::query::Query;
use super::table::{Cell, Row};
use crate::domain::money::{Currency, Money, MoneyError};
use crate::domain::pledge::Frequency;

/// What came in on some days of one period, about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revenue {
    /// One of the days.
    pub day: Date,
    pub currency: Currency,
    pub frequency: Frequency,
    pub campaign: String,
    pub source: String,
    pub sums: Sums,
}

/// Amounts in minor units of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many payments succeeded.
    pub count: i64,
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    /// What Stripe kept; known where its bookings are counted.
    pub fees_minor: Option<i64>,
}

impl Sums {
    fn add(&mut self, more: &Self) -> Result<(), MoneyError> {
        add(&mut self.count, more.count)?;
        add(&mut self.gross_minor, more.gross_minor)?;
        add(&mut self.refunds_minor, more.refunds_minor)?;
        add(&mut self.disputes_minor, more.disputes_minor)?;
        if let Some(fees_minor) = more.fees_minor {
            add(self.fees_minor.get_or_insert(0), fees_minor)?;
        }
        Ok(())
    }

    fn is_zero(&self) -> bool {
        let fees_minor = self.fees_minor.unwrap_or(0);
        [self.count, self.gross_minor, self.refunds_minor, self.disputes_minor, fees_minor] == [0; 5]
    }

    /// Gross less refunds and disputes, and less fees where they are known.
    pub fn net_minor(&self) -> Result<i64, MoneyError> {
        let mut net = self.gross_minor;
        for gone in [self.refunds_minor, self.disputes_minor, self.fees_minor.unwrap_or(0)] {
            net = net.checked_sub(gone).ok_or(MoneyError::Overflow)?;
        }
        Ok(net)
    }
}

/// The rows of the report. `fees` says whether fees are known at all, so that those of an empty period are zero.
pub fn rows(query: &Query, read: &[Revenue], fees: bool) -> Result<Vec<Row>, MoneyError> {
    let mut lines: Lines<Sums> = Lines::new();
    for some in read.iter().filter(|some| !some.sums.is_zero()) {
        let period = query.split.period.map(|by| by.period(some.day)).unwrap_or_default();
        let group = Group::new(query, some.currency, some.frequency, &some.campaign, &some.source);
        lines.entry((period, group)).or_default().add(&some.sums)?;
    }
    filled(query, &lines).into_iter().map(|(period, group, sums)| row(query, &period, &group, &sums, fees)).collect()
}

fn row(query: &Query, period: &str, group: &Group, sums: &Sums, fees: bool) -> Result<Row, MoneyError> {
    let money = |minor| Cell::Money(Money::new(minor, group.currency));
    let mut row = begin(query, period, group);
    row.extend([
        Cell::Count(sums.count),
        money(sums.gross_minor),
        money(sums.refunds_minor),
        money(sums.disputes_minor),
        if fees { money(sums.fees_minor.unwrap_or(0)) } else { Cell::Nothing },
        money(sums.net_minor()?),
    ]);
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::By;
    use crate::domain::report::query::{Name, Only, Split, View};

    fn on(day: &str, currency: &str, gross_minor: i64) -> Revenue {
        Revenue {
            day: day.parse().unwrap(),
            currency: Currency::parse(currency).unwrap(),
            frequency: Frequency::Once,
            campaign: "default".to_owned(),
            source: "widget".to_owned(),
            sums: Sums { count: 1, gross_minor, ..Sums::default() },
        }
    }

    fn query(period: Option<By>) -> Query {
        Query {
            name: Name::Revenue,
            from: "2026-12-01".parse().unwrap(),
            to: "2027-02-01".parse().unwrap(),
            split: Split { period, ..Split::default() },
            only: Only::default(),
            view: View::Charge,
        }
    }

    fn shown(rows: &[Row]) -> Vec<String> {
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Money(money) => money.amount_minor.to_string(),
            _ => "-".to_owned(),
        };
        rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn days_of_a_period_are_added_currencies_are_not_and_what_is_empty_is_zero() {
        let read = [on("2026-12-30", "USD", 2500), on("2026-12-31", "USD", 200), on("2027-01-01", "JPY", 5000)];
        assert_eq!(
            shown(&rows(&query(Some(By::Month)), &read, false).unwrap()),
            [
                "2026-12 JPY 0 0 0 0 - 0",
                "2026-12 USD 2 2700 0 0 - 2700",
                "2027-01 JPY 1 5000 0 0 - 5000",
                "2027-01 USD 0 0 0 0 - 0"
            ]
        );
        assert_eq!(
            shown(&rows(&query(None), &read, false).unwrap()),
            ["JPY 1 5000 0 0 - 5000", "USD 2 2700 0 0 - 2700"]
        );
        assert_eq!(rows(&query(Some(By::Day)), &read, false).unwrap().len(), 62 * 2);
        assert_eq!(rows(&query(Some(By::Week)), &[], false).unwrap().len(), 0, "nothing came in in any currency");
        let asked = Query { only: Only { currency: Some(Currency::USD), ..Only::default() }, ..query(Some(By::Month)) };
        assert_eq!(shown(&rows(&asked, &[], true).unwrap()), ["2026-12 USD 0 0 0 0 0 0", "2027-01 USD 0 0 0 0 0 0"]);
    }

    #[test]
    fn figures_are_parted_by_what_is_asked() {
        let asked = Query { split: Split { frequency: true, source: true, ..Split::default() }, ..query(None) };
        let other = Revenue { source: String::new(), ..on("2026-12-31", "USD", 1) };
        let got = shown(&rows(&asked, &[on("2026-12-31", "USD", 200), other], false).unwrap());
        assert_eq!(got, ["USD once  1 1 0 0 - 1", "USD once widget 1 200 0 0 - 200"]);
    }

    #[test]
    fn net_is_gross_less_refunds_disputes_and_fees_and_never_wraps() {
        let sums = Sums { count: 1, gross_minor: 2500, refunds_minor: 700, disputes_minor: 300, fees_minor: Some(103) };
        assert_eq!(sums.net_minor(), Ok(1397));
        let read = [on("2026-12-24", "USD", i64::MAX), on("2026-12-24", "USD", 1)];
        assert_eq!(rows(&query(None), &read, false), Err(MoneyError::Overflow));
    }
}
