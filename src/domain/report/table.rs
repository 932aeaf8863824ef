//! A report as a table: its columns, each with what it means, and cells that know what they are.

use jiff::civil::Date;

use super::half_even;
use crate::domain::money::Money;
use crate::domain::pledge::words;

words! {
    /// What the cells of a column are.
    Kind {
        Text = "text",
        /// A day of the newsroom's, 2026-11-23.
        Date = "date",
        Count = "count",
        /// A count of people: below [`FEW`] it is not told where people are parted by source.
        People = "people",
        /// An amount in the currency that the cell names.
        Money = "money",
        /// A part of a whole, as a decimal of four digits.
        Rate = "rate",
    }
}

/// Fewer people than this could be known one by one.
pub const FEW: i64 = 5;

/// A column and what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in every form. Amounts in minor units have `_minor` behind it.
    pub name: &'static str,
    pub kind: Kind,
    /// What a figure means, for people.
    pub definition: &'static str,
}

/// What stands in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Not known, or there is none.
    Nothing,
    Text(String),
    /// How many there are of each word.
    Words(Vec<(String, i64)>),
    Date(Date),
    Count(i64),
    /// One to four people: how many is not told.
    Few,
    Money(Money),
    /// How many of how many. Of none there is no rate.
    Rate {
        part: i64,
        of: i64,
    },
}

/// What is shown instead of few people.
pub const FEW_SHOWN: &str = "<5";

impl Cell {
    /// A count of people, told if there are none or enough, or if nothing is to be hidden.
    pub fn people(count: i64, hide: bool) -> Self {
        if hide && (1..FEW).contains(&count) { Self::Few } else { Self::Count(count) }
    }

    /// A rate as a decimal of four digits, rounded half-even.
    pub fn rate(part: i64, of: i64) -> Option<String> {
        if of <= 0 {
            return None;
        }
        let scaled = half_even(part.saturating_mul(10_000), of);
        Some(format!("{}.{:04}", scaled / 10_000, scaled % 10_000))
    }
}

/// One line of a report, a cell for each column.
pub type Row = Vec<Cell>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_four_people_are_not_told_apart() {
        let shown: Vec<Cell> = [0, 1, 4, 5].into_iter().map(|count| Cell::people(count, true)).collect();
        assert_eq!(shown, [Cell::Count(0), Cell::Few, Cell::Few, Cell::Count(5)]);
        assert_eq!(Cell::people(1, false), Cell::Count(1));
    }

    #[test]
    fn rates_have_four_digits_and_of_none_there_is_none() {
        assert_eq!(Cell::rate(1, 12).as_deref(), Some("0.0833"));
        assert_eq!(Cell::rate(3, 3).as_deref(), Some("1.0000"));
        assert_eq!((Cell::rate(0, 7).as_deref(), Cell::rate(1, 0)), (Some("0.0000"), None));
    }
}
