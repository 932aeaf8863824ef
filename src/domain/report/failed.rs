//! Renewals that failed at first: which came in after all, and which were lost.

use jiff::tz::TimeZone;

use super::add;
use super::group::{Group, Lines, begin, filled};
use super::query::Query;
use super::table::{Cell, Row};
use crate::domain::calendar::date_of;
use crate::domain::money::{Currency, Money, MoneyError};
use crate::domain::pledge::Frequency;

/// A renewal whose money came within so many seconds of its first failure was recovered.
pub const RECOVERED_WITHIN: i64 = 30 * 86_400;

/// A renewal that failed at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub failed_at: i64,
    pub succeeded_at: Option<i64>,
    pub amount_minor: i64,
    pub currency: Currency,
    pub frequency: Frequency,
    pub campaign: String,
    pub source: String,
}

/// How many and how much, as far as each came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fates {
    pub failed: (i64, i64),
    pub recovered: (i64, i64),
    /// Stripe may still be trying.
    pub waiting: (i64, i64),
    pub lost: (i64, i64),
}

impl Fates {
    fn count(&mut self, failure: &Failure, now: i64) -> Result<(), MoneyError> {
        let until = failure.failed_at.saturating_add(RECOVERED_WITHIN);
        let fate = match failure.succeeded_at {
            Some(at) if at <= until => &mut self.recovered,
            _ if now <= until => &mut self.waiting,
            _ => &mut self.lost,
        };
        for (count, minor) in [fate, &mut self.failed] {
            add(count, 1)?;
            add(minor, failure.amount_minor)?;
        }
        Ok(())
    }
}

/// The rows of the report, as it stands at `now`.
pub fn rows(query: &Query, failures: &[Failure], zone: &TimeZone, now: i64) -> Result<Vec<Row>, MoneyError> {
    let mut lines: Lines<Fates> = Lines::new();
    for failure in failures {
        let period = query.split.period.map(|by| by.period(date_of(failure.failed_at, zone))).unwrap_or_default();
        let group = Group::new(query, failure.currency, failure.frequency, &failure.campaign, &failure.source);
        lines.entry((period, group)).or_default().count(failure, now)?;
    }
    let hide = query.hides_few();
    let row = |(period, group, fates): (String, Group, Fates)| {
        let mut row = begin(query, &period, &group);
        for (count, minor) in [fates.failed, fates.recovered, fates.waiting, fates.lost] {
            row.extend([Cell::people(count, hide), Cell::Money(Money::new(minor, group.currency))]);
        }
        row
    };
    Ok(filled(query, &lines).into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::query::{Name, Only, Split, View};

    #[test]
    fn a_failure_is_recovered_within_thirty_days_or_lost_and_until_then_it_waits() {
        let day = 86_400;
        let begin = 1_795_435_200; // 2026-11-23
        let failure = |succeeded_at, amount_minor| Failure {
            failed_at: begin,
            succeeded_at,
            amount_minor,
            currency: Currency::USD,
            frequency: Frequency::Monthly,
            campaign: "default".to_owned(),
            source: String::new(),
        };
        let failures =
            [failure(Some(begin + 30 * day), 500), failure(Some(begin + 30 * day + 1), 700), failure(None, 900)];
        let query = Query {
            name: Name::Failed,
            from: "2026-11-01".parse().unwrap(),
            to: "2026-12-01".parse().unwrap(),
            split: Split::default(),
            only: Only::default(),
            view: View::Charge,
        };
        let shown = |now| {
            let rows = rows(&query, &failures, &TimeZone::UTC, now).unwrap();
            let number = |cell: &Cell| match cell {
                Cell::Count(count) => *count,
                Cell::Money(money) => money.amount_minor,
                _ => -1,
            };
            rows[0][1..].iter().map(number).collect::<Vec<_>>()
        };
        assert_eq!(shown(begin + 30 * day), [3, 2100, 1, 500, 2, 1600, 0, 0]);
        assert_eq!(shown(begin + 30 * day + 1), [3, 2100, 1, 500, 0, 0, 2, 1600]);
    }
}
