//! Reports: what is asked, what each figure means, and how days are put together to periods.
//!
//! Currencies are never added together. Days are the newsroom's own, as [`super::calendar`] computed them, and periods are
//! half-open: `to` is the day after the last one. A period in which nothing happened is there, with zeros.

pub mod columns;
pub mod failed;
pub mod group;
pub mod once;
pub mod query;
pub mod recurring;
pub mod revenue;
pub mod standing;
pub mod statement;
pub mod table;
pub mod totals;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::calendar::number_of;
use super::money::MoneyError;
use super::pledge::words;

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
            Self::Week => monday(day).to_string(),
            Self::Month => format!("{:04}-{:02}", day.year(), day.month()),
            Self::Year => format!("{:04}", day.year()),
        }
    }

    /// By how much a day's number (20261123) is divided so that the days of a period come to the same. Weeks have no such
    /// number: their days are put together later.
    pub fn divisor(self) -> i64 {
        match self {
            Self::Day | Self::Week => 1,
            Self::Month => 100,
            Self::Year => 10_000,
        }
    }

    /// The first day of the period that `day` is in.
    fn first(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => monday(day),
            Self::Month => day.first_of_month(),
            Self::Year => day.first_of_year(),
        }
    }

    fn next(self, first: Date) -> Date {
        match self {
            Self::Day => first.saturating_add(1.day()),
            Self::Week => first.saturating_add(7.days()),
            Self::Month => first.saturating_add(1.month()),
            Self::Year => first.saturating_add(1.year()),
        }
    }
}

fn monday(day: Date) -> Date {
    day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
}

/// A part of the days that are asked for: a period, or what of it lies between `from` and `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// `2026-11-23`, `2026-11`, `2026`; empty where the days are not parted.
    pub name: String,
    pub from: Date,
    /// Exclusive.
    pub to: Date,
}

/// The periods from the day `from` to the day before `to`, at most `most` and one more.
pub fn periods(by: Option<By>, from: Date, to: Date, most: usize) -> Vec<Period> {
    let Some(by) = by else { return vec![Period { name: String::new(), from, to }] };
    let mut found = Vec::new();
    let mut begin = from;
    while begin < to && found.len() <= most {
        let next = by.next(by.first(begin));
        if next <= begin {
            break;
        }
        found.push(Period { name: by.period(begin), from: begin, to: next.min(to) });
        begin = next;
    }
    found
}

/// The days of a period by their numbers (20261123), half-open.
pub fn numbers(from: Date, to: Date) -> (i64, i64) {
    (number_of(from), number_of(to))
}

/// When a day begins in `zone`, in unix seconds.
pub fn begins_at(day: Date, zone: &TimeZone) -> i64 {
    // Out of range only at the ends of the calendar, where nothing ever happened.
    day.to_zoned(zone.clone()).map_or(i64::MAX, |begin| begin.timestamp().as_second())
}

/// Adds to a sum.
pub(super) fn add(sum: &mut i64, more: i64) -> Result<(), MoneyError> {
    *sum = sum.checked_add(more).ok_or(MoneyError::Overflow)?;
    Ok(())
}

/// `dividend` / `divisor`, rounded to the nearest whole and from the middle to the even one. The divisor is positive.
pub fn half_even(dividend: i64, divisor: i64) -> i64 {
    let (dividend, divisor) = (i128::from(dividend), i128::from(divisor.max(1)));
    let (whole, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    // A whole is no greater than its dividend, which fits.
    i64::try_from(whole + i128::from(up)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn periods_cover_the_days_without_a_gap_and_none_twice() {
        let (from, to) = ("2026-11-25".parse().unwrap(), "2027-01-02".parse().unwrap());
        let names = |by| periods(by, from, to, 100).into_iter().map(|period| period.name).collect::<Vec<_>>();
        assert_eq!(names(None), [""]);
        assert_eq!(names(Some(By::Year)), ["2026", "2027"]);
        assert_eq!(names(Some(By::Month)), ["2026-11", "2026-12", "2027-01"]);
        assert_eq!(names(Some(By::Week)).first().map(String::as_str), Some("2026-11-23"), "named by its Monday");
        assert_eq!(names(Some(By::Day)).len(), 38);
        for by in By::ALL {
            let found = periods(Some(*by), from, to, 100);
            assert_eq!((found[0].from, found.last().map(|period| period.to)), (from, Some(to)), "{by}");
            assert!(found.windows(2).all(|pair| pair[0].to == pair[1].from), "{by}");
        }
        assert_eq!(
            periods(Some(By::Day), from, to, 3).len(),
            4,
            "one more than was asked for tells that there are more"
        );
        assert_eq!(
            periods(Some(By::Year), Date::MIN, Date::MAX, 1_000_000).last().map(|last| last.to),
            Some(Date::MAX)
        );
    }

    #[test]
    fn a_day_begins_at_the_newsrooms_midnight_also_when_clocks_change() {
        let riga = TimeZone::get("Europe/Riga").unwrap();
        let hours = |day: &str| {
            let day: Date = day.parse().unwrap();
            (begins_at(day.saturating_add(1.day()), &riga) - begins_at(day, &riga)) / 3_600
        };
        assert_eq!((hours("2026-03-28"), hours("2026-03-29"), hours("2026-10-25")), (24, 23, 25));
        let day = "2026-03-29".parse().unwrap();
        let begin = begins_at(day, &riga);
        assert_eq!(crate::domain::calendar::date_of(begin, &riga), day);
        assert_eq!(crate::domain::calendar::date_of(begin - 1, &riga), day.saturating_sub(1.day()));
    }

    #[test]
    fn the_middle_is_rounded_to_the_even() {
        for (dividend, divisor, rounded) in [
            (6, 12, 0),
            (18, 12, 2),
            (7, 12, 1),
            (5, 12, 0),
            (-6, 12, 0),
            (-18, 12, -2),
            (24, 12, 2),
            (1, 0, 1),
            (30, 12, 2),
        ] {
            assert_eq!(half_even(dividend, divisor), rounded, "{dividend}/{divisor}");
        }
        assert_eq!(half_even(i64::MAX, 1), i64::MAX);
    }
}
