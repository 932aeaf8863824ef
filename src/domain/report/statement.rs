//! The statement of the account: what the balance was, what came and went, and what it is then.
//!
//! Invariant: opening and lines together are the closing, and the closing of a period is the opening of the next.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::add;
use super::query::Query;
use super::table::{Cell, Row};
use crate::domain::money::{Currency, Money, MoneyError};

/// What Stripe booked on some days of one period, in one settlement currency. What is taken is positive where its name says
/// that it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// One of the days.
    pub day: Date,
    pub currency: Currency,
    pub lines: Lines,
}

/// The lines of a statement, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    pub fees_minor: i64,
    /// What other products on the account brought, net.
    pub foreign_minor: i64,
    /// Fees and corrections of the account itself, net.
    pub account_minor: i64,
    pub payouts_minor: i64,
}

impl Lines {
    fn each(&mut self) -> [&mut i64; 7] {
        let Self {
            gross_minor,
            refunds_minor,
            disputes_minor,
            fees_minor,
            foreign_minor,
            account_minor,
            payouts_minor,
        } = self;
        [gross_minor, refunds_minor, disputes_minor, fees_minor, foreign_minor, account_minor, payouts_minor]
    }

    /// By how much they change the balance.
    fn net(&self) -> Result<i64, MoneyError> {
        let Self {
            gross_minor,
            refunds_minor,
            disputes_minor,
            fees_minor,
            foreign_minor,
            account_minor,
            payouts_minor,
        } = *self;
        let mut net = 0;
        for came in [gross_minor, foreign_minor, account_minor] {
            add(&mut net, came)?;
        }
        for went in [refunds_minor, disputes_minor, fees_minor, payouts_minor] {
            net = net.checked_sub(went).ok_or(MoneyError::Overflow)?;
        }
        Ok(net)
    }
}

/// The rows of the report: `opening` is what the balance was before the first day, by currency.
pub fn rows(query: &Query, opening: &BTreeMap<Currency, i64>, booked: &[Booked]) -> Result<Vec<Row>, MoneyError> {
    let mut balances = opening.clone();
    let mut lines: BTreeMap<(String, Currency), Lines> = BTreeMap::new();
    for some in booked {
        let period = query.split.period.map(|by| by.period(some.day)).unwrap_or_default();
        let sums = lines.entry((period, some.currency)).or_default();
        let mut more = some.lines;
        for (sum, more) in sums.each().into_iter().zip(more.each()) {
            add(sum, *more)?;
        }
        balances.entry(some.currency).or_default();
    }
    if let (true, Some(currency)) = (balances.is_empty(), query.only.currency) {
        balances.insert(currency, 0);
    }
    let mut rows = Vec::new();
    for period in query.periods() {
        for (currency, balance) in &mut balances {
            let mut sums = lines.get(&(period.name.clone(), *currency)).copied().unwrap_or_default();
            let money = |minor| Cell::Money(Money::new(minor, *currency));
            let mut row: Row = query.split.period.iter().map(|_| Cell::Text(period.name.clone())).collect();
            row.extend([Cell::Text(currency.to_string()), money(*balance)]);
            row.extend(sums.each().into_iter().map(|sum| money(*sum)));
            add(balance, sums.net()?)?;
            row.push(money(*balance));
            rows.push(row);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::By;
    use crate::domain::report::query::{Name, Only, Split, View};

    #[test]
    fn opening_and_lines_are_the_closing_and_that_is_the_next_opening() {
        let query = Query {
            name: Name::Statement,
            from: "2026-11-01".parse().unwrap(),
            to: "2027-01-01".parse().unwrap(),
            split: Split { period: Some(By::Month), ..Split::default() },
            only: Only::default(),
            view: View::Charge,
        };
        let lines = Lines {
            gross_minor: 2500,
            refunds_minor: 500,
            disputes_minor: 100,
            fees_minor: 103,
            foreign_minor: 4048,
            account_minor: -200,
            payouts_minor: 3000,
        };
        let booked = [Booked { day: "2026-11-23".parse().unwrap(), currency: Currency::USD, lines }];
        let opening = BTreeMap::from([(Currency::USD, 1000)]);
        let minor = |row: &Row| {
            let amounts = row.iter().filter_map(|cell| match cell {
                Cell::Money(money) => Some(money.amount_minor),
                _ => None,
            });
            amounts.collect::<Vec<_>>()
        };
        let rows = rows(&query, &opening, &booked).unwrap();
        let got: Vec<Vec<i64>> = rows.iter().map(minor).collect();
        assert_eq!(
            got,
            [vec![1000, 2500, 500, 100, 103, 4048, -200, 3000, 3645], vec![3645, 0, 0, 0, 0, 0, 0, 0, 3645]]
        );
    }
}
