//! When somebody is reminded, and whether.
//!
//! Days are the newsroom's. A schedule counts whole months from its anchor, never from the reminder before: 31 January
//! and one month is the last of February, and two are 31 March. Invariant: a due day is a day after the one it was asked
//! on, and every schedule has a last one.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

/// The longest a reminder may recur, and the furthest day that can be asked for, in months.
pub const MAX_MONTHS: i16 = 24;
/// The local hour of sending, where the newsroom has not set another.
pub const DEFAULT_HOUR: i8 = 9;
/// A reminder staler than so many days is not sent, where the newsroom has not set another number.
pub const DEFAULT_STALE_DAYS: i64 = 7;

/// What the source of a pledge begins with that was made from a reminder's link; the reminder's id follows.
pub const REMINDER_SOURCE: &str = "reminder:";

/// What somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    On(Date),
    /// So many months from today.
    InMonths(i16),
    /// The next such day of a month after today; in a shorter month its last day.
    NextPayday(i8),
}

/// The days of a reminder, counted in months from an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    pub anchor: Date,
    /// From the anchor to the day that is next.
    pub months: i16,
    /// Between two reminders; none: there is one only.
    pub every: Option<i16>,
    /// From the anchor to the last day there may be.
    pub until: i16,
}

impl Schedule {
    /// The schedule of a choice made on `today`; none where its day is not after today or too far ahead.
    pub fn new(due: Due, every: Option<i16>, today: Date) -> Option<Self> {
        let (anchor, months) = match due {
            Due::On(day) => (day, 0),
            Due::InMonths(months) => (today, months),
            Due::NextPayday(payday) => next_payday(payday, today)?,
        };
        let schedule = Self { anchor, months, every, until: months + every.map_or(0, |_| MAX_MONTHS) };
        let day = schedule.due_on();
        (day > today && day <= month_on(today, MAX_MONTHS)).then_some(schedule)
    }

    /// The day of the next reminder.
    pub fn due_on(&self) -> Date {
        month_on(self.anchor, self.months)
    }

    /// What is left after the reminder that is due, as far as it lies after `day`: what an outage swallowed is not made
    /// up for.
    pub fn after(&self, day: Date) -> Option<Self> {
        let every = self.every.filter(|every| *every > 0)?;
        let mut next = *self;
        loop {
            next.months += every;
            if next.months > next.until {
                return None;
            }
            if next.due_on() > day {
                return Some(next);
            }
        }
    }

    /// How many reminders there are at most.
    pub fn reminders(&self) -> i64 {
        self.every.filter(|every| *every > 0).map_or(1, |every| 1 + i64::from((self.until - self.months) / every))
    }
}

/// The same day so many months on, or the last one of a shorter month. Beyond the calendar's end it stays where it is.
fn month_on(day: Date, months: i16) -> Date {
    day.checked_add(Span::new().months(months)).unwrap_or(day)
}

/// The last December has room for every payday, so its months are counted from there.
fn next_payday(payday: i8, today: Date) -> Option<(Date, i16)> {
    let anchor = Date::new(today.year() - 1, 12, payday).ok()?;
    let month = i16::from(today.month());
    Some((anchor, if month_on(anchor, month) > today { month } else { month + 1 }))
}

/// When a reminder of this day is sent, in unix seconds: at the local hour. Where the clocks skip that hour it is sent
/// right after the gap, and where they repeat it at the first of the two.
pub fn send_at(day: Date, hour: i8, zone: &TimeZone) -> i64 {
    let local = day.at(hour.clamp(0, 23), 0, 0, 0);
    // Only days at the calendar's very end have no instant.
    local.to_zoned(zone.clone()).map_or(i64::MAX, |zoned| zoned.timestamp().as_second())
}

/// A pledge of the person to be reminded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gift {
    pub status: String,
    pub paid_at: Option<i64>,
    /// The newest payment of it that came through.
    pub last_payment_at: Option<i64>,
}

/// What is known about a reminder that is due.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub asked_at: i64,
    /// In days since it was due.
    pub late_days: i64,
    pub stale_days: i64,
    /// Asked never to be written to.
    pub never: bool,
    /// Why its address gets no mail.
    pub suppressed: Option<String>,
    pub gifts: Vec<Gift>,
}

/// Whether somebody is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Send,
    /// It is asked again a day later.
    Wait(&'static str),
    /// Never again.
    End(&'static str),
}

impl Standing {
    pub fn verdict(&self) -> Verdict {
        let gave = |gift: &Gift| gift.paid_at.max(gift.last_payment_at).is_some_and(|at| at >= self.asked_at);
        let active = |gift: &Gift| matches!(gift.status.as_str(), "active" | "past_due" | "paused");
        if self.never {
            Verdict::End("never")
        } else if let Some(reason) = &self.suppressed {
            Verdict::End(match reason.as_str() {
                "bounced" => "bounced",
                "complained" => "complained",
                _ => "suppressed",
            })
        } else if self.gifts.iter().any(gave) {
            Verdict::End("gave")
        } else if self.gifts.iter().any(active) {
            Verdict::End("active")
        } else if self.late_days > self.stale_days {
            Verdict::End("stale")
        } else if self.gifts.iter().any(|gift| gift.status == "processing") {
            Verdict::Wait("in_flight")
        } else {
            Verdict::Send
        }
    }
}

/// How many days lie between two.
pub fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// The day after.
pub fn tomorrow(day: Date) -> Date {
    day.checked_add(1.day()).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::*;

    /// Every day of four years, a leap year among them.
    fn days() -> impl Iterator<Item = Date> {
        date(2026, 1, 1).series(1.day()).take_while(|day| *day < date(2030, 1, 1))
    }

    /// The length of a month by the rule, not by the library.
    fn length(year: i16, month: i8) -> i8 {
        match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// `month` of widget/later.js, said again.
    fn widget_month(day: Date, months: i16) -> Date {
        let count = day.year() * 12 + i16::from(day.month()) - 1 + months;
        let (year, month) = (count.div_euclid(12), i8::try_from(count.rem_euclid(12) + 1).unwrap());
        date(year, month, day.day().min(length(year, month)))
    }

    /// `next` of widget/later.js, said again.
    fn widget_payday(today: Date, payday: i8) -> Date {
        let here = date(today.year(), today.month(), payday.min(length(today.year(), today.month())));
        if here > today {
            return here;
        }
        let then = widget_month(date(today.year(), today.month(), 1), 1);
        date(then.year(), then.month(), payday.min(length(then.year(), then.month())))
    }

    #[test]
    fn every_day_of_four_years_and_every_offset_lands_on_the_day_the_widget_shows() {
        for today in days() {
            for months in 1..=MAX_MONTHS {
                let schedule = Schedule::new(Due::InMonths(months), None, today).unwrap();
                assert_eq!(schedule.due_on(), widget_month(today, months), "{today} and {months}");
            }
            for payday in 1..=31 {
                let schedule = Schedule::new(Due::NextPayday(payday), None, today).unwrap();
                assert_eq!(schedule.due_on(), widget_payday(today, payday), "{today}, payday {payday}");
            }
        }
    }

    #[test]
    fn months_are_counted_from_the_anchor() {
        let days = |schedule: Schedule| {
            let mut days = vec![schedule.due_on().to_string()];
            let mut next = schedule.after(schedule.due_on());
            while let Some(schedule) = next {
                days.push(schedule.due_on().to_string());
                next = schedule.after(schedule.due_on());
            }
            assert_eq!(i64::try_from(days.len()).unwrap(), schedule.reminders());
            days
        };
        let monthly = days(Schedule::new(Due::InMonths(1), Some(1), date(2027, 1, 31)).unwrap());
        assert_eq!(monthly[..3], ["2027-02-28", "2027-03-31", "2027-04-30"]);
        assert_eq!(monthly.len(), 25);
        let payday = days(Schedule::new(Due::NextPayday(31), Some(1), date(2028, 1, 31)).unwrap());
        assert_eq!(payday[..3], ["2028-02-29", "2028-03-31", "2028-04-30"]);
        let yearly = days(Schedule::new(Due::On(date(2028, 2, 29)), Some(12), date(2027, 12, 1)).unwrap());
        assert_eq!(yearly, ["2028-02-29", "2029-02-28", "2030-02-28"]);
        assert_eq!(days(Schedule::new(Due::On(date(2027, 2, 1)), None, date(2027, 1, 1)).unwrap()), ["2027-02-01"]);
        assert_eq!(Schedule::new(Due::InMonths(1), None, date(2026, 12, 29)).unwrap().due_on(), date(2027, 1, 29));
    }

    #[test]
    fn what_an_outage_swallowed_is_not_made_up_for() {
        let schedule = Schedule::new(Due::InMonths(1), Some(1), date(2027, 1, 31)).unwrap();
        assert_eq!(schedule.after(date(2027, 6, 1)).unwrap().due_on(), date(2027, 6, 30));
        assert_eq!(schedule.after(date(2035, 1, 1)), None);
    }

    #[test]
    fn today_the_past_and_what_is_too_far_ahead_are_refused() {
        let today = date(2026, 11, 23);
        for (day, right) in
            [(today, false), (date(2020, 1, 1), false), (date(2026, 11, 24), true), (date(2028, 11, 24), false)]
        {
            assert_eq!(Schedule::new(Due::On(day), None, today).is_some(), right, "{day}");
        }
        assert_eq!(Schedule::new(Due::NextPayday(32), None, today), None);
    }

    #[test]
    fn every_day_has_one_instant_whatever_the_clocks_do() {
        for name in ["UTC", "Europe/Riga", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
        {
            let zone = TimeZone::get(name).unwrap();
            for hour in [0, 2, 3, 9, 23] {
                let instants: BTreeSet<i64> = days().map(|day| send_at(day, hour, &zone)).collect();
                assert_eq!(instants.len(), days().count(), "{name} at {hour}");
            }
            for day in days() {
                let sent = jiff::Timestamp::from_second(send_at(day, 9, &zone)).unwrap().to_zoned(zone.clone());
                assert_eq!((sent.date(), sent.hour()), (day, 9), "{name}");
            }
        }
    }

    #[test]
    fn an_hour_that_is_skipped_or_repeated_is_sent_at_once() {
        let zone = TimeZone::get("Europe/Riga").unwrap();
        let local = |day, hour| {
            let at = jiff::Timestamp::from_second(send_at(day, hour, &zone)).unwrap();
            at.to_zoned(zone.clone()).strftime("%d %H:%M %z").to_string()
        };
        assert_eq!(local(date(2027, 3, 28), 3), "28 04:00 +0300", "there is no 03:00");
        assert_eq!(local(date(2027, 10, 31), 3), "31 03:00 +0300", "the first of two");
    }

    #[test]
    fn only_who_has_not_given_and_has_not_said_no_is_reminded() {
        let gift = |status: &str, paid_at, last| Gift { status: status.to_owned(), paid_at, last_payment_at: last };
        let due = || Standing { asked_at: 100, stale_days: 7, ..Standing::default() };
        let with = |gifts: Vec<Gift>| Standing { gifts, ..due() }.verdict();
        assert_eq!(due().verdict(), Verdict::Send);
        for (gift, verdict) in [
            (gift("paid", Some(100), Some(100)), Verdict::End("gave")),
            (gift("paid", Some(99), Some(99)), Verdict::Send),
            (gift("canceled", Some(50), Some(150)), Verdict::End("gave")),
            (gift("canceled", Some(50), Some(60)), Verdict::Send),
            (gift("active", Some(50), Some(60)), Verdict::End("active")),
            (gift("past_due", Some(50), None), Verdict::End("active")),
            (gift("processing", None, None), Verdict::Wait("in_flight")),
            (gift("failed", None, None), Verdict::Send),
            (gift("expired", None, None), Verdict::Send),
        ] {
            assert_eq!(with(vec![gift.clone()]), verdict, "{gift:?}");
        }
        assert_eq!(Standing { never: true, ..due() }.verdict(), Verdict::End("never"));
        let bounced = Standing { suppressed: Some("bounced".to_owned()), ..due() };
        assert_eq!(bounced.verdict(), Verdict::End("bounced"));
        assert_eq!(Standing { late_days: 7, ..due() }.verdict(), Verdict::Send);
        assert_eq!(Standing { late_days: 8, ..due() }.verdict(), Verdict::End("stale"));
    }
}
