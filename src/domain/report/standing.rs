//! How a recurring gift stood from when on: what the versions of its subscription come to.

use crate::domain::facts::State;
use crate::domain::money::{Currency, MoneyError};
use crate::domain::pledge::Frequency;

/// How a recurring gift stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not begun, or over.
    Gone,
    /// It runs.
    Running {
        /// What it brings in a year, in minor units.
        arr_minor: i64,
        /// It will end: its donor, or somebody for them, has asked for that.
        leaving: bool,
        /// A payment has failed and Stripe is still trying.
        overdue: bool,
    },
    /// Nothing is taken until it is resumed.
    Paused { arr_minor: i64 },
}

/// From when on it stood so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Stripe's time, unix seconds.
    pub at: i64,
    pub standing: Standing,
    /// Whether the version says that its end was asked for, or that Stripe has stopped trying to be paid.
    pub told: Told,
}

/// What the version that ended a gift says about why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    pub asked: bool,
    pub unpaid: bool,
}

/// A recurring gift over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub currency: Currency,
    pub frequency: Frequency,
    pub campaign: String,
    pub source: String,
    /// Who gives, where that is known; a subscription's own id where it is not.
    pub donor: String,
    /// Oldest first, each different from the one before.
    pub points: Vec<Point>,
    /// When disputes took a payment of it back, unix seconds.
    pub disputed_at: Vec<i64>,
}

impl History {
    /// Takes in how it stood from `at` on, unless it stood so before.
    pub fn stand(&mut self, point: Point) {
        match self.points.last_mut() {
            Some(last) if last.at == point.at => *last = point,
            Some(last) if last.standing == point.standing => {}
            None if point.standing == Standing::Gone => {}
            _ => self.points.push(point),
        }
        // What was put in place of the last may be as the one before it.
        if let [.., before, last] = self.points.as_slice()
            && before.standing == last.standing
        {
            self.points.pop();
        }
    }
}

/// How a version of a subscription stands; `frequency` is its pledge's. `None` of what is no subscription.
///
/// # Errors
/// When a year's sum is more than can be counted.
pub fn point(at: i64, state: &State, frequency: Frequency) -> Result<Option<Point>, MoneyError> {
    let State::Subscription { status, paused, cancel_at_period_end, cancel_at, amount_minor, interval, .. } = state
    else {
        return Ok(None);
    };
    let a_year: i64 = match (interval.as_deref(), frequency) {
        (Some("day"), _) => 365,
        (Some("week"), _) => 52,
        (Some("month"), _) | (None, Frequency::Monthly) => 12,
        // A word we do not know counts as little as it can.
        _ => 1,
    };
    let arr_minor = amount_minor.unwrap_or(0).checked_mul(a_year).ok_or(MoneyError::Overflow)?;
    let leaving = *cancel_at_period_end || cancel_at.is_some();
    let standing = match status.as_str() {
        "active" | "trialing" | "past_due" if *paused => Standing::Paused { arr_minor },
        "paused" => Standing::Paused { arr_minor },
        "active" | "trialing" => Standing::Running { arr_minor, leaving, overdue: false },
        "past_due" => Standing::Running { arr_minor, leaving, overdue: true },
        // `unpaid`: Stripe has stopped trying. `incomplete`: its first money has not come.
        _ => Standing::Gone,
    };
    Ok(Some(Point { at, standing, told: Told { asked: leaving, unpaid: status == "unpaid" } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(status: &str, paused: bool, cancel_at: Option<i64>, amount_minor: i64, interval: Option<&str>) -> State {
        State::Subscription {
            status: status.to_owned(),
            paused,
            cancel_at_period_end: false,
            cancel_at,
            period_end: None,
            amount_minor: Some(amount_minor),
            currency: "USD".to_owned(),
            interval: interval.map(str::to_owned),
            billing: crate::domain::facts::Billing::default(),
        }
    }

    fn standing(state: &State, frequency: Frequency) -> Standing {
        point(0, state, frequency).unwrap().unwrap().standing
    }

    #[test]
    fn a_monthly_gift_counts_twelve_times_an_annual_one_once_with_all_that_is_charged() {
        let running = |arr_minor, leaving, overdue| Standing::Running { arr_minor, leaving, overdue };
        let monthly = |status| standing(&version(status, false, None, 529, Some("month")), Frequency::Monthly);
        assert_eq!(monthly("active"), running(6348, false, false));
        assert_eq!(monthly("trialing"), running(6348, false, false));
        assert_eq!(monthly("past_due"), running(6348, false, true));
        for gone in ["canceled", "unpaid", "incomplete", "incomplete_expired", "a word of tomorrow"] {
            assert_eq!(monthly(gone), Standing::Gone, "{gone}");
        }
        assert_eq!(
            standing(&version("active", true, None, 529, Some("month")), Frequency::Monthly),
            Standing::Paused { arr_minor: 6348 }
        );
        assert_eq!(
            standing(&version("active", false, Some(9), 5000, Some("year")), Frequency::Annual),
            running(5000, true, false)
        );
        assert_eq!(
            standing(&version("active", false, None, 5000, None), Frequency::Annual),
            running(5000, false, false)
        );
        assert_eq!(
            standing(&version("active", false, None, 500, None), Frequency::Monthly),
            running(6000, false, false)
        );
        assert!(point(0, &version("active", false, None, i64::MAX, Some("month")), Frequency::Monthly).is_err());
        assert_eq!(point(0, &State::Customer { deleted: false }, Frequency::Monthly), Ok(None));
    }

    #[test]
    fn only_what_changed_is_kept() {
        let mut history = History {
            currency: Currency::USD,
            frequency: Frequency::Monthly,
            campaign: String::new(),
            source: String::new(),
            donor: String::new(),
            points: Vec::new(),
            disputed_at: Vec::new(),
        };
        let running = Standing::Running { arr_minor: 1, leaving: false, overdue: false };
        for (at, standing) in
            [(1, Standing::Gone), (2, running), (3, running), (4, Standing::Gone), (4, running), (5, Standing::Gone)]
        {
            history.stand(Point { at, standing, told: Told::default() });
        }
        let points: Vec<i64> = history.points.iter().map(|point| point.at).collect();
        assert_eq!(points, [2, 5], "of one second the last word counts, and what is as before is no news");
    }
}
