//! How long who somebody is may be known, as a function of the gifts.
//!
//! A pledge has a clock that begins when nothing more is expected of it. A donor is known as long as the longest clock of
//! their pledges says; while one of them is under way, as long as it is.

use super::pledge::{Frequency, PledgeStatus};

/// For how long things are kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Who made a pledge that ended without money, from its end.
    pub abandoned: i64,
    /// The address of whoever gave once, from the gift.
    pub once: i64,
    /// The address of whoever gave regularly, from the end of the pledge.
    pub recurring: i64,
    /// That two gifts are of one donor, from the same time as the address.
    pub index: i64,
    /// The body of an event that is applied, ignored or foreign, from then.
    pub bodies: i64,
    /// The body of an event that is parked, from then.
    pub parked: i64,
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

impl Periods {
    /// What holds where the newsroom does not say otherwise.
    pub const DEFAULT: Self = Self {
        abandoned: 24 * HOUR,
        once: 30 * DAY,
        recurring: 30 * DAY,
        index: 400 * DAY,
        bodies: 14 * DAY,
        parked: 90 * DAY,
    };
}

/// What decides how long the donor of a pledge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    pub frequency: Frequency,
    pub status: PledgeStatus,
    /// When it left open and processing, unix seconds.
    pub settled_at: Option<i64>,
    /// When its first money came.
    pub paid_at: Option<i64>,
    /// When it was canceled.
    pub ended_at: Option<i64>,
}

/// Until when something of a donor is known, unix seconds; none while that has no end yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    pub address: Option<i64>,
    pub index: Option<i64>,
}

impl Given {
    /// When its clock began, and whether it ended without money. None while it is under way.
    fn began(&self) -> Option<(i64, bool)> {
        use PledgeStatus::{Active, Canceled, Expired, Failed, Open, PastDue, Paused, Processing};
        let settled_at = self.settled_at?;
        match (self.status, self.paid_at) {
            (Open | Processing | Active | PastDue | Paused, _) => None,
            (Canceled | Expired | Failed, None) => Some((settled_at, true)),
            (Canceled | Expired | Failed, Some(_)) if self.frequency.recurs() => {
                Some((self.ended_at.unwrap_or(settled_at), false))
            }
            (_, paid_at) => Some((paid_at.unwrap_or(settled_at), false)),
        }
    }

    /// Until when its donor is known by this pledge alone.
    pub fn until(&self, periods: &Periods) -> Until {
        let Some((began, abandoned)) = self.began() else { return Until { address: None, index: None } };
        let (address, index) = match self.frequency {
            _ if abandoned => (periods.abandoned, periods.abandoned),
            Frequency::Once => (periods.once, periods.index),
            Frequency::Monthly | Frequency::Annual => (periods.recurring, periods.index),
        };
        // A donor cannot be written to and not be found.
        Until { address: Some(began + address), index: Some(began + index.max(address)) }
    }
}

/// Until when a donor is known who made these pledges; one who made none is known like one who made one that ended without
/// money when the donor was first heard of.
pub fn until(gifts: &[Given], created_at: i64, periods: &Periods) -> Until {
    let alone = Some(created_at + periods.abandoned);
    let mut until = Until { address: alone, index: alone };
    for (at, gift) in gifts.iter().enumerate() {
        let own = gift.until(periods);
        until = if at == 0 { own } else { until.later(own) };
    }
    until
}

impl Until {
    fn later(self, other: Self) -> Self {
        let later = |one: Option<i64>, two: Option<i64>| Some(one?.max(two?));
        Self { address: later(self.address, other.address), index: later(self.index, other.index) }
    }

    pub fn address_is_over(&self, now: i64) -> bool {
        self.address.is_some_and(|until| until <= now)
    }

    pub fn index_is_over(&self, now: i64) -> bool {
        self.index.is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIODS: Periods = Periods { abandoned: 1, once: 30, recurring: 40, index: 400, bodies: 14, parked: 90 };

    fn gift(frequency: Frequency, status: PledgeStatus, paid_at: Option<i64>, ended_at: Option<i64>) -> Given {
        Given { frequency, status, settled_at: Some(100), paid_at, ended_at }
    }

    #[test]
    fn the_clock_begins_with_a_gift_and_with_the_end_of_what_recurs() {
        let at = |gift: Given| {
            let until = gift.until(&PERIODS);
            until.address.zip(until.index)
        };
        assert_eq!(at(gift(Frequency::Once, PledgeStatus::Paid, Some(90), None)), Some((120, 490)));
        assert_eq!(at(gift(Frequency::Monthly, PledgeStatus::Canceled, Some(90), Some(200))), Some((240, 600)));
        assert_eq!(at(gift(Frequency::Once, PledgeStatus::Expired, None, None)), Some((101, 101)));
        assert_eq!(at(gift(Frequency::Annual, PledgeStatus::Failed, None, None)), Some((101, 101)));
        for status in [PledgeStatus::Active, PledgeStatus::PastDue, PledgeStatus::Paused] {
            assert_eq!(at(gift(Frequency::Monthly, status, Some(90), None)), None, "{status}");
            assert_eq!(at(gift(Frequency::Monthly, status, None, None)), None, "{status}");
        }
        let open = Given { settled_at: None, ..gift(Frequency::Once, PledgeStatus::Open, None, None) };
        assert_eq!(at(open), None);
    }

    #[test]
    fn a_donor_is_known_as_long_as_the_longest_clock_says() {
        let once = gift(Frequency::Once, PledgeStatus::Paid, Some(90), None);
        let later = gift(Frequency::Once, PledgeStatus::Paid, Some(1_000), None);
        let active = gift(Frequency::Monthly, PledgeStatus::Active, Some(90), None);
        let abandoned = gift(Frequency::Once, PledgeStatus::Expired, None, None);
        assert_eq!(until(&[once, later, abandoned], 0, &PERIODS), Until { address: Some(1_030), index: Some(1_400) });
        assert_eq!(until(&[once, active], 0, &PERIODS), Until { address: None, index: None });
        assert_eq!(until(&[], 7, &PERIODS), Until { address: Some(8), index: Some(8) });
        assert_eq!(until(&[abandoned], 7, &PERIODS), Until { address: Some(101), index: Some(101) });
    }
}
