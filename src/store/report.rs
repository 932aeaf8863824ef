//! What reports read: sums that are kept day by day, and what is summed when it is asked for.

mod gifts;
mod recurring;
mod revenue;
mod statement;

use super::{Store, StoreError};
use crate::domain::calendar::{number_of, read_number};
use crate::domain::money::Currency;
use crate::domain::report::By;
use crate::domain::report::query::Query as Asked;
use crate::store::db::Row;

pub use gifts::{ExportedPayment, PaymentPlace};

/// All days come to 0 where they are not parted.
fn divisor(by: Option<By>) -> i64 {
    by.map_or(100_000_000, By::divisor)
}

/// One of the days that come to `span` (a day's number divided by [`divisor`]) in what is asked for.
fn day_of_span(asked: &Asked, span: i64) -> Result<jiff::civil::Date, StoreError> {
    let number = match asked.split.period {
        None => return Ok(asked.from),
        Some(By::Day | By::Week) => span,
        Some(By::Month) => span * 100 + 1,
        Some(By::Year) => span * 10_000 + 101,
    };
    read_number(number).ok_or(StoreError::Corrupt { what: "a day of a report" })
}

fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::recorded(code).map_err(|_| StoreError::Corrupt { what: "the currency of a sum" })
}

impl Store {
    /// All rows of a statement that takes `$1` from, `$2` to, `$3` the divisor of days, `$4` to `$6` whether figures are
    /// parted by frequency, campaign and source, `$7` to `$10` the currency, campaign, frequency and source that alone are
    /// asked for.
    async fn asked<T: Row>(&self, asked: &Asked, sql: &'static str) -> Result<Vec<T>, StoreError> {
        let Asked { from, to, split, only, .. } = asked;
        self.db
            .read(sql)
            .bind(number_of(*from))
            .bind(number_of(*to))
            .bind(divisor(split.period))
            .bind(i64::from(split.frequency))
            .bind(i64::from(split.campaign))
            .bind(i64::from(split.source))
            .bind(only.currency.map(|currency| currency.code().to_owned()))
            .bind(only.campaign.clone())
            .bind(only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(only.source.clone())
            .all()
            .await
    }
}
