//! Recurring gifts: how many run, what they bring in a year, and why that changed.
//!
//! Invariant, held by a test over random histories: opening and movements together are the closing, in supporters and in
//! money, and the closing of a period is the opening of the next.

use std::collections::{BTreeMap, HashMap};

use jiff::tz::TimeZone;

use super::group::{Group, Lines, begin, filled};
use super::query::Query;
use super::standing::{History, Point, Standing};
use super::table::{Cell, Row};
use super::{Period, add, begins_at, half_even};
use crate::domain::money::{Money, MoneyError};

/// A gift that ends within so many seconds after a dispute took a payment of it back ended because of that.
pub const DISPUTED_WITHIN: i64 = 90 * 86_400;

/// Why what runs changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Movement {
    /// It began, of a donor who had none before, or who has another running beside it.
    New,
    /// It began, of a donor who had one before and none since.
    Reactivated,
    /// A pause ended.
    Resumed,
    /// More is given than before.
    Expansion,
    /// Less is given than before.
    Contraction,
    /// A pause began.
    Paused,
    /// It ended, as was asked for.
    Asked,
    /// It ended, or Stripe stopped trying, after a payment had failed.
    FailedPayment,
    /// It ended after a dispute had taken a payment back.
    Disputed,
    /// It ended at once, with none of these before: somebody of the newsroom did that.
    Newsroom,
}

impl Movement {
    /// Every movement, in the order of the columns.
    pub const ALL: [Self; 10] = [
        Self::New,
        Self::Reactivated,
        Self::Resumed,
        Self::Expansion,
        Self::Contraction,
        Self::Paused,
        Self::Asked,
        Self::FailedPayment,
        Self::Disputed,
        Self::Newsroom,
    ];

    /// By what a supporter's coming or going changes their number.
    pub fn sign(self) -> i64 {
        match self {
            Self::New | Self::Reactivated | Self::Resumed => 1,
            Self::Expansion | Self::Contraction => 0,
            _ => -1,
        }
    }

    /// Whether what it moves is taken from the year's sum.
    pub fn takes(self) -> bool {
        self == Self::Contraction || self.sign() < 0
    }

    fn is_churn(self) -> bool {
        matches!(self, Self::Asked | Self::FailedPayment | Self::Disputed | Self::Newsroom)
    }
}

/// How many, and what they bring in a year, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Many {
    pub count: i64,
    pub arr_minor: i64,
}

impl Many {
    fn add(&mut self, count: i64, arr_minor: i64) -> Result<(), MoneyError> {
        add(&mut self.count, count)?;
        add(&mut self.arr_minor, arr_minor)
    }
}

/// What stands at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    pub running: Many,
    /// Of those that run.
    pub leaving: Many,
    /// Apart from those that run.
    pub paused: Many,
}

impl Stock {
    fn count(&mut self, standing: Standing, sign: i64) -> Result<(), MoneyError> {
        let signed = |arr_minor: i64| arr_minor.checked_mul(sign).ok_or(MoneyError::Overflow);
        match standing {
            Standing::Gone => Ok(()),
            Standing::Paused { arr_minor } => self.paused.add(sign, signed(arr_minor)?),
            Standing::Running { arr_minor, leaving, .. } => {
                if leaving {
                    self.leaving.add(sign, signed(arr_minor)?)?;
                }
                self.running.add(sign, signed(arr_minor)?)
            }
        }
    }
}

/// One period of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub opening: Stock,
    /// What each movement moved, never negative.
    pub movements: BTreeMap<Movement, Many>,
    pub closing: Stock,
}

impl Line {
    fn moved(&mut self, movement: Movement, arr_minor: i64) -> Result<(), MoneyError> {
        self.movements.entry(movement).or_default().add(1, arr_minor)
    }

    fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// How many ended, for whatever reason.
    pub fn churned(&self) -> i64 {
        self.movements.iter().filter(|(movement, _)| movement.is_churn()).map(|(_, some)| some.count).sum()
    }
}

/// What a donor's gifts come to while histories are gone through.
#[derive(Debug, Default)]
struct Donor {
    /// Whether one ever ran.
    gave: bool,
    running: i64,
}

/// Goes through all histories, and tells for each period and group what stood and what moved. Groups of which nothing stood
/// or moved on these days are left out.
pub fn lines(query: &Query, histories: &[History], zone: &TimeZone) -> Result<Lines<Line>, MoneyError> {
    let mut changes: Vec<(i64, usize, usize)> = Vec::new();
    for (history, of) in histories.iter().enumerate() {
        changes.extend(of.points.iter().enumerate().map(|(point, at)| (at.at, history, point)));
    }
    changes.sort_unstable();
    let mut walk = Walk { query, stocks: BTreeMap::new(), donors: HashMap::new() };
    let mut lines = Lines::new();
    let mut next = changes.into_iter().peekable();
    for (place, period) in query.periods().iter().enumerate() {
        let (from, to) = (begins_at(period.from, zone), begins_at(period.to, zone));
        let mut apart = BTreeMap::new();
        // What came before the first day only makes up what stood when it began.
        while place == 0 && next.peek().is_some_and(|change| change.0 < from) {
            if let Some((_, history, point)) = next.next() {
                walk.step(histories, history, point, &mut apart)?;
            }
        }
        let mut moved: BTreeMap<Group, Line> = BTreeMap::new();
        for (group, stock) in &walk.stocks {
            moved.entry(group.clone()).or_default().opening = *stock;
        }
        while next.peek().is_some_and(|change| change.0 < to) {
            if let Some((_, history, point)) = next.next() {
                walk.step(histories, history, point, &mut moved)?;
            }
        }
        close(period, &walk.stocks, moved, &mut lines);
    }
    Ok(lines)
}

fn close(period: &Period, stocks: &BTreeMap<Group, Stock>, moved: BTreeMap<Group, Line>, lines: &mut Lines<Line>) {
    for (group, mut line) in moved {
        line.closing = stocks.get(&group).copied().unwrap_or_default();
        if !line.is_zero() {
            lines.insert((period.name.clone(), group), line);
        }
    }
}

struct Walk<'a> {
    query: &'a Query,
    stocks: BTreeMap<Group, Stock>,
    donors: HashMap<&'a str, Donor>,
}

impl<'a> Walk<'a> {
    fn step(
        &mut self,
        histories: &'a [History],
        history: usize,
        point: usize,
        lines: &mut BTreeMap<Group, Line>,
    ) -> Result<(), MoneyError> {
        let Some(history) = histories.get(history) else { return Ok(()) };
        let Some(now) = history.points.get(point) else { return Ok(()) };
        let before = point.checked_sub(1).and_then(|before| history.points.get(before));
        let was = before.map_or(Standing::Gone, |before| before.standing);
        let group = Group::new(self.query, history.currency, history.frequency, &history.campaign, &history.source);
        let donor = self.donors.entry(history.donor.as_str()).or_default();
        let moved = movement(history, was, now, donor);
        donor.running += runs(now.standing) - runs(was);
        donor.gave |= runs(now.standing) > 0;
        let stock = self.stocks.entry(group.clone()).or_default();
        stock.count(was, -1)?;
        stock.count(now.standing, 1)?;
        let line = lines.entry(group).or_default();
        moved.map_or(Ok(()), |(movement, arr_minor)| line.moved(movement, arr_minor))
    }
}

fn runs(standing: Standing) -> i64 {
    i64::from(matches!(standing, Standing::Running { .. }))
}

/// What moved when it went from how it was to how it is, and how much.
fn movement(history: &History, was: Standing, now: &Point, donor: &Donor) -> Option<(Movement, i64)> {
    use Standing::{Gone, Paused, Running};
    match (was, now.standing) {
        (Running { arr_minor: before, .. }, Running { arr_minor: after, .. }) if after > before => {
            Some((Movement::Expansion, after - before))
        }
        (Running { arr_minor: before, .. }, Running { arr_minor: after, .. }) if after < before => {
            Some((Movement::Contraction, before - after))
        }
        (Gone, Running { arr_minor, .. }) if donor.gave && donor.running == 0 => {
            Some((Movement::Reactivated, arr_minor))
        }
        (Gone, Running { arr_minor, .. }) => Some((Movement::New, arr_minor)),
        (Paused { .. }, Running { arr_minor, .. }) => Some((Movement::Resumed, arr_minor)),
        (Running { arr_minor, .. }, Paused { .. }) => Some((Movement::Paused, arr_minor)),
        (Running { arr_minor, leaving, overdue }, Gone) => Some((reason(history, now, leaving, overdue), arr_minor)),
        _ => None,
    }
}

fn reason(history: &History, now: &Point, leaving: bool, overdue: bool) -> Movement {
    let disputed = |at: &i64| *at <= now.at && now.at - at <= DISPUTED_WITHIN;
    if history.disputed_at.iter().any(disputed) {
        Movement::Disputed
    } else if overdue || now.told.unpaid {
        Movement::FailedPayment
    } else if leaving || now.told.asked {
        Movement::Asked
    } else {
        Movement::Newsroom
    }
}

/// The rows of the report.
pub fn rows(query: &Query, lines: &Lines<Line>) -> Vec<Row> {
    filled(query, lines).into_iter().map(|(period, group, line)| row(query, &period, &group, &line)).collect()
}

fn row(query: &Query, period: &str, group: &Group, line: &Line) -> Row {
    let hide = query.hides_few();
    let money = |minor| Cell::Money(Money::new(minor, group.currency));
    let both = |some: Many| [Cell::people(some.count, hide), money(some.arr_minor)];
    let mut row = begin(query, period, group);
    row.extend(both(line.opening.running));
    for movement in Movement::ALL {
        row.extend(both(line.movements.get(&movement).copied().unwrap_or_default()));
    }
    row.extend(both(line.closing.running));
    row.push(money(half_even(line.closing.running.arr_minor, 12)));
    row.extend(both(line.closing.leaving));
    row.extend(both(line.closing.paused));
    let (part, of) = (line.churned(), line.opening.running.count);
    let told = [part, of].into_iter().all(|people| Cell::people(people, hide) != Cell::Few);
    row.push(if told { Cell::Rate { part, of } } else { Cell::Few });
    row
}

#[cfg(test)]
mod tests;
