//! The dashboard: what a director reads in ten seconds.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::Date;
use minijinja::{Value, context};

use super::super::error::ApiError;
use super::charts::{self, Line, Words};
use super::list::time;
use super::{Admin, Newsroom, View};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;
use crate::domain::report::DayRevenue;
use crate::service::balance::LINES;
use crate::store::{MonthRevenue, RecurringNow};
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

pub async fn show(State(admin): State<Admin>, view: View) -> Result<Response, ApiError> {
    let today = jiff::Timestamp::from_second(admin.clock.now()).unwrap_or_default().to_zoned(admin.zone.clone()).date();
    let mut currencies: BTreeMap<Currency, UpToToday> = BTreeMap::new();
    for (span, which) in [(0.months(), 0), (1.month(), 1), (12.months(), 2)] {
        let (from, to) = up_to(today.saturating_sub(span));
        for day in admin.store.revenue(from, to).await? {
            count(currencies.entry(day.currency).or_default(), which, &day);
        }
    }
    let this_year = today.first_of_year();
    let months =
        admin.store.revenue_by_month(this_year.saturating_sub(1.year()), today.saturating_add(1.day())).await?;
    let recurring = admin.store.recurring_now().await?;
    for currency in months.iter().map(|month| month.currency).chain(recurring.iter().map(|row| row.currency)) {
        currencies.entry(currency).or_default();
    }
    let shown = |(currency, sums): (&Currency, &UpToToday)| {
        let of = |row: &&RecurringNow| row.currency == *currency;
        let recurring: Vec<&RecurringNow> = recurring.iter().filter(of).collect();
        of_currency(&view, today, *currency, sums, &months, &recurring)
    };
    let mut by_size: Vec<(&Currency, &UpToToday)> = currencies.iter().collect();
    by_size.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.last_year.max(sums.last_month).max(sums.now)));
    let currencies: Vec<Value> = by_size.into_iter().map(shown).collect();
    let overdue: i64 = recurring.iter().map(|row| row.overdue).sum();
    let values = context! {
        title => view.say("admin-dashboard"),
        day => text::date(view.language, today),
        currencies, overdue,
        ..health(&admin).await?
    };
    Ok(view.page("home", values))
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

fn count(sums: &mut UpToToday, which: u8, day: &DayRevenue) {
    match which {
        0 => {
            sums.now = sums.now.saturating_add(day.gross_minor);
            if day.frequency == Frequency::Once {
                sums.once = sums.once.saturating_add(day.gross_minor);
                sums.once_count += day.count;
            }
        }
        1 => sums.last_month = sums.last_month.saturating_add(day.gross_minor),
        _ => sums.last_year = sums.last_year.saturating_add(day.gross_minor),
    }
}

fn of_currency(
    view: &View,
    today: Date,
    currency: Currency,
    sums: &UpToToday,
    months: &[MonthRevenue],
    recurring: &[&RecurringNow],
) -> Value {
    let written = |minor: i64| text::money(view.language, Money::new(minor, currency));
    let (svg, rows) = years(view, today, currency, months);
    let supporters: i64 = recurring.iter().map(|row| row.pledges).sum();
    let annualised = recurring.iter().fold(0_i64, |sum, row| {
        let times = if row.frequency == Frequency::Monthly { 12 } else { 1 };
        sum.saturating_add(row.minor.saturating_mul(times))
    });
    context! {
        code => currency.code(),
        now => written(sums.now),
        last_month => written(sums.last_month),
        last_year => written(sums.last_year),
        against_month => against(view, sums.now, sums.last_month),
        against_year => against(view, sums.now, sums.last_year),
        once => written(sums.once),
        once_count => sums.once_count,
        supporters,
        monthly => written(twelfth(annualised)),
        annually => written(annualised),
        chart => Value::from_safe_string(svg),
        rows,
        years => [today.year(), today.year() - 1],
    }
}

/// This year beside the last: drawn, and as the rows of a table.
fn years(view: &View, today: Date, currency: Currency, months: &[MonthRevenue]) -> (String, Vec<Value>) {
    let written = |minor: i64| text::money(view.language, Money::new(minor, currency));
    let of = |year: i16, month: i8| {
        let number = i64::from(year) * 100 + i64::from(month);
        let found = months.iter().find(|row| row.month == number && row.currency == currency);
        // A month without a gift is nothing; one that has not come is not known.
        (year < today.year() || month <= today.month()).then(|| found.map_or(0, |row| row.gross_minor))
    };
    let line = |year: i16| Line { name: year.to_string(), points: (1..=12).map(|month| of(year, month)).collect() };
    let (now, before) = (line(today.year()), line(today.year() - 1));
    let places: Vec<String> = (1..=12).map(|month: i32| month.to_string()).collect();
    let title = text::say(view.language, "dash-chart-title", &[("currency", currency.code().into())]);
    let description = text::say(
        view.language,
        "dash-chart-description",
        &[("year", now.name.as_str().into()), ("before", before.name.as_str().into())],
    );
    let id = format!("years-{}", currency.code());
    let words = Words { id: &id, title: &title, description: &description };
    let svg = charts::lines(&words, &places, [&now, &before], |minor| short(minor, currency));
    let rows = (0..12).zip(&now.points).zip(&before.points).map(|((at, now), before)| {
        let month = Date::new(today.year(), at + 1, 1).map(|day| text::month_alone(view.language, day));
        context! {
            month => month.unwrap_or_default(),
            now => now.map(written), before => before.map(written),
        }
    });
    (svg, rows.collect())
}

/// An amount of an axis: whole units, thousands as `k`.
fn short(minor: i64, currency: Currency) -> String {
    let units = minor / 10_i64.pow(currency.exponent());
    match units {
        units if units >= 10_000 && units % 1_000 == 0 => format!("{}k", units / 1_000),
        units => units.to_string(),
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

/// A twelfth, half a unit rounded to the even one.
fn twelfth(annualised: i64) -> i64 {
    let (whole, rest) = (annualised.div_euclid(12), annualised.rem_euclid(12));
    match rest {
        0..=5 => whole,
        6 => whole + whole.rem_euclid(2),
        _ => whole + 1,
    }
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

    #[test]
    fn a_twelfth_is_rounded_to_the_nearest_and_halves_to_the_even() {
        let rounded: Vec<i64> = [0, 5, 6, 7, 18, 30, 42, 12_000].into_iter().map(twelfth).collect();
        assert_eq!(rounded, [0, 0, 0, 1, 2, 2, 4, 1_000]);
    }
}
