//! One-time gifts: how many, what they come to, and what is usual.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::group::{Group, Lines, begin, filled};
use super::half_even;
use super::query::Query;
use super::table::{Cell, Row};
use crate::domain::money::{Currency, Money, MoneyError};
use crate::domain::pledge::Frequency;

/// So many gifts of the same amount in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gifts {
    /// One of the days.
    pub day: Date,
    pub currency: Currency,
    pub campaign: String,
    pub source: String,
    pub amount_minor: i64,
    pub count: i64,
}

/// How often each amount was given.
pub type Amounts = BTreeMap<i64, i64>;

/// The rows of the report.
pub fn rows(query: &Query, gifts: &[Gifts]) -> Result<Vec<Row>, MoneyError> {
    let mut lines: Lines<Amounts> = Lines::new();
    for some in gifts {
        let period = query.split.period.map(|by| by.period(some.day)).unwrap_or_default();
        let group = Group::new(query, some.currency, Frequency::Once, &some.campaign, &some.source);
        let amounts = lines.entry((period, group)).or_default();
        super::add(amounts.entry(some.amount_minor).or_default(), some.count)?;
    }
    filled(query, &lines).into_iter().map(|(period, group, amounts)| row(query, &period, &group, &amounts)).collect()
}

fn row(query: &Query, period: &str, group: &Group, amounts: &Amounts) -> Result<Row, MoneyError> {
    let money = |minor| Cell::Money(Money::new(minor, group.currency));
    let (mut count, mut sum) = (0_i64, 0_i64);
    for (amount, gifts) in amounts {
        super::add(&mut count, *gifts)?;
        super::add(&mut sum, amount.checked_mul(*gifts).ok_or(MoneyError::Overflow)?)?;
    }
    let mut row = begin(query, period, group);
    let told = Cell::people(count, query.hides_few());
    let usual = |minor: Option<i64>| match (&told, minor) {
        // What few gave on average tells how many they are, and of one what that one gave.
        (Cell::Few, _) => Cell::Few,
        (_, minor) => minor.map_or(Cell::Nothing, money),
    };
    let (median, mean) = (usual(median(amounts, count)), usual((count > 0).then(|| half_even(sum, count))));
    row.extend([told.clone(), money(sum), median, mean]);
    Ok(row)
}

/// The amount in the middle; of two the mean, rounded half-even.
fn median(amounts: &Amounts, count: i64) -> Option<i64> {
    let nth = |place: i64| {
        let mut passed = 0_i64;
        amounts.iter().find(|(_, gifts)| {
            passed = passed.saturating_add(**gifts);
            passed > place
        })
    };
    let (low, high) = (nth((count - 1) / 2)?.0, nth(count / 2)?.0);
    Some(half_even(low.saturating_add(*high), 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::query::{Name, Only, Split, View};

    fn gifts(source: &str, amounts: &[(i64, i64)]) -> Vec<Gifts> {
        let one = |(amount_minor, count): &(i64, i64)| Gifts {
            day: "2026-11-23".parse().unwrap(),
            currency: Currency::USD,
            campaign: "default".to_owned(),
            source: source.to_owned(),
            amount_minor: *amount_minor,
            count: *count,
        };
        amounts.iter().map(one).collect()
    }

    fn query(source: bool) -> Query {
        Query {
            name: Name::OneTime,
            from: "2026-11-01".parse().unwrap(),
            to: "2026-12-01".parse().unwrap(),
            split: Split { source, ..Split::default() },
            only: Only::default(),
            view: View::Charge,
        }
    }

    #[test]
    fn the_median_is_the_middle_and_the_mean_is_rounded_half_even() {
        let money = |minor| Cell::Money(Money::new(minor, Currency::USD));
        for (amounts, count, sum, median, mean) in [
            (vec![(500, 1)], 1, 500, 500, 500),
            (vec![(500, 2), (2500, 1)], 3, 3500, 500, 1167),
            (vec![(500, 1), (505, 1)], 2, 1005, 502, 502),
            (vec![(500, 1), (507, 1)], 2, 1007, 504, 504),
            (vec![(100, 1), (200, 2), (10_000, 1)], 4, 10_500, 200, 2625),
        ] {
            let rows = rows(&query(false), &gifts("widget", &amounts)).unwrap();
            let expected =
                vec![Cell::Text("USD".to_owned()), Cell::Count(count), money(sum), money(median), money(mean)];
            assert_eq!(rows, [expected], "{amounts:?}");
        }
    }

    #[test]
    fn by_source_what_few_gave_is_told_as_a_sum_alone() {
        let mut read = gifts("letter", &[(500, 4)]);
        read.extend(gifts("widget", &[(500, 5)]));
        let rows = rows(&query(true), &read).unwrap();
        let money = |minor| Cell::Money(Money::new(minor, Currency::USD));
        assert_eq!(rows[0][2..], [Cell::Few, money(2000), Cell::Few, Cell::Few]);
        assert_eq!(rows[1][2..], [Cell::Count(5), money(2500), money(500), money(500)]);
    }
}
