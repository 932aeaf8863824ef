//! The dashboard: what a director reads in ten seconds.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use jiff::ToSpan as _;
use jiff::civil::Date;
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::charts::{self, Bar, Line, Words, short};
use super::list::{hour, time};
use super::{Admin, Newsroom, View};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;
use crate::domain::report::group::Lines;
use crate::domain::report::query::{Name, Only, Query, Split, View as Counted};
use crate::domain::report::recurring::{self, Many, Movement};
use crate::domain::report::revenue::Revenue;
use crate::domain::report::{By, half_even};
use crate::service::balance::LINES;
use crate::service::reports::at_hand::Recurring;
use crate::text;

/// What came in from the first of a month to the same day of it, in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct UpToToday {
    now: i64,
    last_month: i64,
    last_year: i64,
    /// Of `now`, what is given once; how often.
    once: i64,
    once_count: i64,
}

/// As some write the address.
pub async fn without_slash() -> Redirect {
    Redirect::permanent("/admin")
}

/// Whatever else somebody may look for: in words, and with the way on, for they are people.
pub async fn nowhere() -> ApiError {
    ApiError::of_status(StatusCode::NOT_FOUND)
}

pub async fn show(State(admin): State<Admin>, view: View) -> Result<Response, ApiError> {
    let today = jiff::Timestamp::from_second(admin.clock.now()).unwrap_or_default().to_zoned(admin.zone.clone()).date();
    let mut currencies: BTreeMap<Currency, UpToToday> = BTreeMap::new();
    for (span, which) in [(0.months(), 0), (1.month(), 1), (12.months(), 2)] {
        for sums in admin.store.revenue(&asked(up_to(today.saturating_sub(span)), None)).await? {
            count(currencies.entry(sums.currency).or_default(), which, &sums);
        }
    }
    let years = (today.first_of_year().saturating_sub(1.year()), today.saturating_add(1.day()));
    let months = admin.store.revenue(&asked(years, Some(By::Month))).await?;
    let Recurring { lines: recurring, as_of } = admin.at_hand.recurring().await?;
    for currency in months.iter().map(|month| month.currency).chain(recurring.keys().map(|(_, group)| group.currency)) {
        currencies.entry(currency).or_default();
    }
    let mut by_size: Vec<(&Currency, &UpToToday)> = currencies.iter().collect();
    by_size.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.last_year.max(sums.last_month).max(sums.now)));
    let shown = |(currency, sums): (&Currency, &UpToToday)| {
        let of = Of { view: &view, today, currency: *currency };
        context! { ..of.this_month(sums), ..context! { ..of.years(&months), ..of.recurring(&recurring) } }
    };
    let values = context! {
        title => view.say("admin-dashboard"),
        day => text::date(view.language, today),
        now => hour(&admin, admin.clock.now()),
        as_of => hour(&admin, as_of),
        currencies => by_size.into_iter().map(shown).collect::<Vec<_>>(),
        overdue => admin.store.count_overdue().await?,
        ..health(&admin).await?
    };
    Ok(view.page("home", values))
}

/// What is asked of the revenue: all of some days.
fn asked((from, to): (Date, Date), period: Option<By>) -> Query {
    let split = Split { period, frequency: period.is_none(), campaign: false, source: false };
    Query { name: Name::Revenue, from, to, split, only: Only::default(), view: Counted::Charge }
}

/// What is not about money: events that wait for somebody, and whether the books agree with Stripe's.
async fn health(admin: &Newsroom) -> Result<Value, ApiError> {
    let read_until = admin.store.cursor(LINES).await?.position;
    Ok(context! {
        parked => admin.store.count_parked().await?,
        breaks => admin.store.count_open_breaks().await?,
        read_until => (read_until > 0).then(|| time(admin, read_until)),
    })
}

/// From the first of this day's month to this day, the day after it exclusive.
fn up_to(day: Date) -> (Date, Date) {
    (day.first_of_month(), day.saturating_add(1.day()))
}

fn count(sums: &mut UpToToday, which: u8, read: &Revenue) {
    let gross = read.sums.gross_minor;
    match which {
        0 => {
            sums.now = sums.now.saturating_add(gross);
            if read.frequency == Frequency::Once {
                sums.once = sums.once.saturating_add(gross);
                sums.once_count += read.sums.count;
            }
        }
        1 => sums.last_month = sums.last_month.saturating_add(gross),
        _ => sums.last_year = sums.last_year.saturating_add(gross),
    }
}

/// What is shown of one currency.
struct Of<'a> {
    view: &'a View,
    today: Date,
    currency: Currency,
}

impl Of<'_> {
    fn written(&self, minor: i64) -> String {
        text::money(self.view.language, Money::new(minor, self.currency))
    }

    /// What a sum of a year is a month.
    fn monthly(&self, arr_minor: i64) -> String {
        self.written(half_even(arr_minor, 12))
    }

    fn say(&self, id: &str) -> String {
        text::say(self.view.language, id, &[("currency", self.currency.code().into())])
    }

    fn this_month(&self, sums: &UpToToday) -> Value {
        context! {
            code => self.currency.code(),
            now => self.written(sums.now),
            last_month => self.written(sums.last_month),
            last_year => self.written(sums.last_year),
            against_month => against(self.view, sums.now, sums.last_month),
            against_year => against(self.view, sums.now, sums.last_year),
            once => self.written(sums.once),
            once_count => sums.once_count,
        }
    }

    /// This year beside the last: drawn, and as the rows of a table.
    fn years(&self, months: &[Revenue]) -> Value {
        let today = self.today;
        let of = |year: i16, month: i8| {
            let is =
                |row: &&Revenue| row.currency == self.currency && (row.day.year(), row.day.month()) == (year, month);
            let sum = months.iter().filter(is).fold(0_i64, |sum, row| sum.saturating_add(row.sums.gross_minor));
            // A month without a gift is nothing; one that has not come is not known.
            (year < today.year() || month <= today.month()).then_some(sum)
        };
        let line = |year: i16| Line { name: year.to_string(), points: (1..=12).map(|month| of(year, month)).collect() };
        let (now, before) = (line(today.year()), line(today.year() - 1));
        let places: Vec<String> = (1..=12).map(|month: i32| month.to_string()).collect();
        let years = [("year", now.name.as_str().into()), ("before", before.name.as_str().into())];
        let description = text::say(self.view.language, "dash-chart-description", &years);
        let (id, title) = (format!("years-{}", self.currency.code()), self.say("dash-chart-title"));
        let words = Words { id: &id, title: &title, description: &description };
        let svg = charts::lines(&words, &places, [&now, &before], |minor| short(minor, self.currency));
        let rows = (1..).zip(&now.points).zip(&before.points).map(|((month, now), before)| {
            let month = Date::new(today.year(), month, 1).map(|day| text::month_alone(self.view.language, day));
            let written = |point: &Option<i64>| point.map(|minor| self.written(minor));
            context! { month => month.unwrap_or_default(), now => written(now), before => written(before) }
        });
        context! {
            chart => Value::from_safe_string(svg), rows => rows.collect::<Vec<_>>(),
            years => [today.year(), today.year() - 1],
        }
    }

    /// What recurs, and how it moved this month: drawn, and as the rows of a table.
    fn recurring(&self, lines: &Lines<recurring::Line>) -> Value {
        let line = lines.iter().find(|((_, group), _)| group.currency == self.currency).map(|(_, line)| line.clone());
        let line = line.unwrap_or_default();
        let moved = |which: &[Movement]| {
            let some = which.iter().filter_map(|movement| line.movements.get(movement));
            some.fold((0, 0_i64), |(count, arr), many| (count + many.count, arr.saturating_add(many.arr_minor)))
        };
        let sum = |id: &str, many: Many| (self.say(id), many.count, many.arr_minor, true);
        let movement = |id: &str, sign: i64, which: &[Movement]| {
            let (count, arr) = moved(which);
            (self.say(id), count, sign * arr, false)
        };
        let told = [
            sum("dash-opening", line.opening.running),
            movement("dash-new", 1, &[Movement::New, Movement::Reactivated, Movement::Resumed]),
            movement("dash-raised", 1, &[Movement::Expansion]),
            movement("dash-lowered", -1, &[Movement::Contraction]),
            movement("dash-paused", -1, &[Movement::Paused]),
            movement(
                "dash-ended",
                -1,
                &[Movement::Asked, Movement::FailedPayment, Movement::Disputed, Movement::Newsroom],
            ),
            sum("dash-closing", line.closing.running),
        ];
        // Drawn as they are shown: what rounding takes is less than a line is wide.
        let bar = |name: &String, arr: i64, stands| Bar { name: name.clone(), amount: half_even(arr, 12), stands };
        let bars: Vec<Bar> = told.iter().map(|(name, _, arr, stands)| bar(name, *arr, *stands)).collect();
        let (id, title) = (format!("moves-{}", self.currency.code()), self.say("dash-moves-title"));
        let words = Words { id: &id, title: &title, description: &self.say("dash-moves-description") };
        let svg = charts::bars(&words, &bars, |minor| short(minor, self.currency));
        let rows = told.iter().map(|(name, count, arr, _)| {
            context! { name, count, monthly => self.monthly(*arr), annually => self.written(*arr) }
        });
        let running = line.closing.running;
        context! {
            supporters => running.count,
            monthly => self.monthly(running.arr_minor),
            annually => self.written(running.arr_minor),
            leaving => line.closing.leaving.count,
            moves => Value::from_safe_string(svg), moved => rows.collect::<Vec<_>>(),
        }
    }
}

/// How one sum stands against another, in words; nothing against nothing.
fn against(view: &View, now: i64, then: i64) -> Option<String> {
    if then <= 0 {
        return None;
    }
    let percent = (i128::from(now) - i128::from(then)) * 100 / i128::from(then);
    let id = match percent {
        0 => "dash-same",
        percent if percent > 0 => "dash-more",
        _ => "dash-less",
    };
    Some(text::say(view.language, id, &[("percent", percent.abs().to_string().into())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_held_against_the_same_days_of_others() {
        let day = |year, month, day| jiff::civil::date(year, month, day);
        assert_eq!(up_to(day(2026, 11, 26)), (day(2026, 11, 1), day(2026, 11, 27)));
        // The last of a longer month is held against the whole of a shorter one.
        assert_eq!(up_to(day(2026, 3, 31).saturating_sub(1.month())), (day(2026, 2, 1), day(2026, 3, 1)));
    }
}
