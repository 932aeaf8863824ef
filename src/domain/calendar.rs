//! Days of the newsroom: which one a moment falls on.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The day `at` (unix seconds) falls on in `zone`, as the number 20261123.
pub fn day_of(at: i64, zone: &TimeZone) -> i64 {
    number_of(date_of(at, zone))
}

/// The day `at` (unix seconds) falls on in `zone`.
pub fn date_of(at: i64, zone: &TimeZone) -> Date {
    // Out of the calendar's range only for times no payment has; the nearest end keeps the sum right.
    let clamped = at.clamp(Timestamp::MIN.as_second() + 86_400, Timestamp::MAX.as_second() - 86_400);
    Timestamp::from_second(clamped).unwrap_or_default().to_zoned(zone.clone()).date()
}

/// A day as the number 20261123.
pub fn number_of(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

/// The day of a number such as 20261123.
pub fn read_number(number: i64) -> Option<Date> {
    let part = |number: i64| i8::try_from(number).ok();
    Date::new(i16::try_from(number / 10_000).ok()?, part(number / 100 % 100)?, part(number % 100)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_falls_on_the_newsrooms_day_not_on_the_machines() {
        let at = 1_795_474_800; // 2026-11-23 23:00 UTC
        for (zone, day) in [("UTC", 20_261_123), ("Europe/Riga", 20_261_124), ("America/New_York", 20_261_123)] {
            assert_eq!(day_of(at, &TimeZone::get(zone).unwrap()), day, "{zone}");
        }
        assert_eq!(read_number(20_261_123).map(number_of), Some(20_261_123));
        assert_eq!(read_number(20_260_230), None);
        assert!(day_of(i64::MAX, &TimeZone::UTC) > day_of(i64::MIN, &TimeZone::UTC));
    }
}
