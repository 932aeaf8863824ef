//! What a donor has agreed to give, again and again: how much, when next, and what is to become different.
//!
//! A pure function of what Stripe last said of the subscription and of its schedule. Invariant: what is called the next
//! charge is what Stripe charges, at that moment, if nothing is changed before it.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::action::ActionKind;
use super::facts::{Billing, Pending, State};
use super::pledge::Frequency;

/// What is given and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// For one interval, as it is now.
    pub amount_minor: i64,
    pub frequency: Frequency,
    /// The next charge; none where nothing more comes.
    pub next: Option<Next>,
    /// When it ends, where that is known.
    pub ends_at: Option<i64>,
    pub paused: bool,
    /// When the pause ends by itself.
    pub paused_until: Option<i64>,
    /// What is scheduled to become different.
    pub change: Option<Next>,
}

/// A charge to come, or from when on it is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Unix seconds.
    pub at: i64,
    pub amount_minor: i64,
    pub frequency: Frequency,
}

/// Periods counted from the anchor at most: more than a life of months.
const MOST_PERIODS: i64 = 2_400;

impl Agreement {
    /// What a subscription, and the schedule that holds it, come to; none where it brings nothing any more, or what Stripe
    /// said cannot be read.
    pub fn of(subscription: &State, schedule: Option<&State>) -> Option<Self> {
        let State::Subscription {
            status,
            paused,
            cancel_at_period_end,
            cancel_at,
            period_end,
            amount_minor,
            interval,
            billing,
            ..
        } = subscription
        else {
            return None;
        };
        if !matches!(status.as_str(), "active" | "trialing" | "past_due" | "unpaid" | "paused") {
            return None;
        }
        let (amount_minor, period_end) = ((*amount_minor)?, (*period_end)?);
        let frequency = Frequency::of_interval(interval.as_deref()?)?;
        let ends_at = if *cancel_at_period_end { cancel_at.or(Some(period_end)) } else { *cancel_at };
        let change = schedule.and_then(|schedule| pending(schedule, billing, period_end));
        let paused_until = billing.resumes_at.filter(|_| *paused);
        // A pause without an end, and Stripe's own words for it: nothing is charged until somebody does something.
        let halted = matches!(status.as_str(), "unpaid" | "paused") || (*paused && paused_until.is_none());
        let then = change.unwrap_or(Next { at: period_end, amount_minor, frequency });
        // Another interval is counted from the day on which it begins.
        let anchor = match change {
            Some(change) if change.frequency != frequency => change.at,
            _ => billing.anchor.unwrap_or(period_end),
        };
        let from = paused_until.unwrap_or(period_end).max(then.at);
        let next = first_on_or_after(anchor, then.frequency, from)
            .filter(|at| !halted && ends_at.is_none_or(|end| *at < end))
            .map(|at| Next { at, ..then });
        Some(Self {
            amount_minor,
            frequency,
            next,
            ends_at,
            paused: *paused || status == "paused",
            paused_until,
            change,
        })
    }

    /// The next moment Stripe really charges; pauses are skipped. None when it ends before.
    pub fn next_charge_at(&self) -> Option<i64> {
        self.next.map(|next| next.at)
    }

    /// What is given from the next charge on, paused or not.
    pub fn agreed(&self) -> (i64, Frequency) {
        self.change.map_or((self.amount_minor, self.frequency), |change| (change.amount_minor, change.frequency))
    }

    /// Whether a change that was asked for is what Stripe says now.
    pub fn shows(
        &self,
        kind: ActionKind,
        amount_minor: Option<i64>,
        frequency: Option<Frequency>,
        until: Option<i64>,
    ) -> bool {
        match kind {
            ActionKind::ChangeAmount => Some(self.agreed().0) == amount_minor,
            ActionKind::ChangeFrequency => Some(self.agreed().1) == frequency,
            ActionKind::Pause => self.paused && self.paused_until == until,
            ActionKind::Resume => !self.paused,
            ActionKind::Refund | ActionKind::Cancel | ActionKind::CancelAtPeriodEnd => false,
        }
    }
}

/// What a schedule changes at the end of the present period.
fn pending(schedule: &State, billing: &Billing, period_end: i64) -> Option<Next> {
    let State::Schedule { status, next: Some(Pending { at, amount_minor, interval }) } = schedule else { return None };
    let holds = billing.schedule.is_some() && status == "active" && *at >= period_end;
    let frequency = Frequency::of_interval(interval)?;
    holds.then_some(Next { at: *at, amount_minor: *amount_minor, frequency })
}

/// The first day of charging, counted from the anchor in UTC as Stripe counts: a day that a month lacks becomes its last,
/// and comes back in the next.
fn first_on_or_after(anchor: i64, frequency: Frequency, from: i64) -> Option<i64> {
    let start = Timestamp::from_second(anchor).ok()?.to_zoned(TimeZone::UTC);
    let days = (0..MOST_PERIODS).filter_map(|number| {
        let span = match frequency {
            Frequency::Annual => Span::new().try_years(number).ok()?,
            Frequency::Monthly | Frequency::Once => Span::new().try_months(number).ok()?,
        };
        Some(start.checked_add(span).ok()?.timestamp().as_second())
    });
    days.into_iter().find(|at| *at >= from)
}

/// The end of a pause may be so many months away.
pub const MAX_PAUSE_MONTHS: i64 = 12;

/// Whether a pause may end then.
pub fn may_pause_until(until: i64, now: i64) -> bool {
    let latest = Timestamp::from_second(now)
        .ok()
        .and_then(|at| at.to_zoned(TimeZone::UTC).checked_add(Span::new().months(MAX_PAUSE_MONTHS)).ok());
    until > now && latest.is_some_and(|latest| until <= latest.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn monthly(period_end: &str, paused_until: Option<i64>) -> State {
        State::Subscription {
            status: "active".to_owned(),
            paused: paused_until.is_some(),
            cancel_at_period_end: false,
            cancel_at: None,
            period_end: Some(at(period_end)),
            amount_minor: Some(500),
            currency: "USD".to_owned(),
            interval: Some("month".to_owned()),
            billing: Billing {
                anchor: Some(at("2026-01-31T10:00:00Z")),
                resumes_at: paused_until,
                schedule: Some("sub_sched_1".to_owned()),
            },
        }
    }

    #[test]
    fn after_a_pause_the_first_day_counted_from_the_anchor_is_charged() {
        let next = |until: &str| {
            let state = monthly("2026-02-28T10:00:00Z", Some(at(until)));
            Agreement::of(&state, None).unwrap().next_charge_at()
        };
        assert_eq!(next("2026-02-01T00:00:00Z"), Some(at("2026-02-28T10:00:00Z")));
        assert_eq!(next("2026-03-31T10:00:00Z"), Some(at("2026-03-31T10:00:00Z")));
        assert_eq!(next("2026-03-31T10:00:01Z"), Some(at("2026-04-30T10:00:00Z")));
    }

    #[test]
    fn a_scheduled_change_is_the_next_charge_and_a_pause_beyond_it_skips_a_year() {
        let pending = Pending { at: at("2026-02-28T10:00:00Z"), amount_minor: 6_000, interval: "year".to_owned() };
        let schedule = State::Schedule { status: "active".to_owned(), next: Some(pending) };
        let agreement = Agreement::of(&monthly("2026-02-28T10:00:00Z", None), Some(&schedule)).unwrap();
        let next = agreement.next.unwrap();
        assert_eq!(
            (next.at, next.amount_minor, next.frequency),
            (at("2026-02-28T10:00:00Z"), 6_000, Frequency::Annual)
        );
        assert_eq!((agreement.amount_minor, agreement.frequency), (500, Frequency::Monthly));
        let paused = Agreement::of(&monthly("2026-02-28T10:00:00Z", Some(at("2026-03-15T00:00:00Z"))), Some(&schedule));
        assert_eq!(paused.unwrap().next_charge_at(), Some(at("2027-02-28T10:00:00Z")));
    }

    #[test]
    fn a_pause_ends_in_the_future_and_within_a_year() {
        let now = at("2026-02-28T10:00:00Z");
        assert!(!may_pause_until(now, now) && may_pause_until(now + 1, now));
        assert!(may_pause_until(at("2027-02-28T10:00:00Z"), now) && !may_pause_until(at("2027-02-28T10:00:01Z"), now));
    }
}
