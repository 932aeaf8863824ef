//! What a recomputation found different, field by field, for people.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::rows::{Account, Changes, RevenueChange, RevenueKey};
use super::{Books, PledgeEntry};
use crate::domain::report::query::View;
use crate::domain::report::totals::{Amounts, TotalKey};
use crate::domain::settlement::SettlementSums;

/// A row that was not what its facts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which row: `payment in_1`.
    pub row: String,
    /// Each field that differed: its name, what it was and what it is by the facts.
    pub fields: Vec<(String, String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.row)?;
        let mut separator = "";
        for (field, was, is) in &self.fields {
            write!(f, "{separator} {field} was {was}, is {is}")?;
            separator = ";";
        }
        Ok(())
    }
}

impl Difference {
    /// The difference between a row as stored, if it was there, and as derived, if it should be.
    fn between<T: Serialize>(row: String, was: Option<&T>, is: Option<&T>) -> Option<Self> {
        let (was, is) = (fields(was), fields(is));
        let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
        names.sort();
        names.dedup();
        let of = |fields: &serde_json::Map<String, Value>, name: &str| match fields.get(name) {
            None | Some(Value::Null) => "nothing".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
        let fields: Vec<_> = differing.map(|name| (name.clone(), of(&was, name), of(&is, name))).collect();
        (!fields.is_empty()).then_some(Self { row, fields })
    }

    /// The difference between a line of the daily revenue and the sum of its payments, refunds and disputes.
    pub fn of_revenue(key: &RevenueKey, was: RevenueChange, is: RevenueChange) -> Option<Self> {
        let RevenueKey { day, currency, frequency, campaign, source } = key;
        let row = format!("revenue {day} {currency} {frequency} {campaign} {source:?}");
        Self::between(row, Some(&was), Some(&is))
    }

    /// The difference between a line of the daily settlement and the sum of its balance transactions.
    pub fn of_settlement(key: &RevenueKey, was: SettlementSums, is: SettlementSums) -> Option<Self> {
        let RevenueKey { day, currency, frequency, campaign, source } = key;
        let row = format!("settlement {day} {currency} {frequency} {campaign} {source:?}");
        Self::between(row, Some(&was), Some(&is))
    }

    /// The difference between a sum of daily sums and what it should be.
    pub fn of_total(view: View, key: &TotalKey, was: Amounts, is: Amounts) -> Option<Self> {
        let TotalKey { period, currency, frequency, part } = key;
        let part = part.as_ref().map(|(campaign, source)| format!(" {campaign} {source:?}")).unwrap_or_default();
        Self::between(format!("total {view} {period} {currency} {frequency}{part}"), Some(&was), Some(&is))
    }

    /// The difference between the day of something that Stripe booked and the day it falls on.
    pub fn of_day(row: String, was: i64, is: i64) -> Option<Self> {
        let fields = vec![("day".to_owned(), was.to_string(), is.to_string())];
        (was != is).then_some(Self { row, fields })
    }
}

fn fields<T: Serialize>(row: Option<&T>) -> serde_json::Map<String, Value> {
    match row.map(serde_json::to_value) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => serde_json::Map::new(),
    }
}

/// The derived rows as they were stored.
#[derive(Debug)]
pub struct Stored {
    pledges: Vec<PledgeEntry>,
    accounts: Vec<Account>,
}

impl Books {
    /// The derived rows as they were loaded.
    pub fn stored(&self) -> Stored {
        Stored {
            pledges: self.pledges.values().cloned().collect(),
            accounts: self.accounts.values().cloned().collect(),
        }
    }
}

impl Changes {
    /// What of the rows differed from `stored`.
    pub fn differences(&self, stored: &Stored) -> Vec<Difference> {
        let mut found = Vec::new();
        for is in &self.pledges {
            let was = stored.pledges.iter().find(|was| was.id == is.id);
            found.extend(Difference::between(format!("pledge {}", is.id), was, Some(is)));
        }
        let accounts = || stored.accounts.iter();
        for is in &self.payments {
            let was = accounts().filter_map(|account| account.payment.as_ref());
            let was = was.into_iter().find(|was: &&super::Payment| was.stripe_key == is.stripe_key);
            found.extend(Difference::between(format!("payment {}", is.stripe_key), was, Some(is)));
        }
        for is in &self.refunds {
            let was = accounts().find_map(|account| account.refunds.get(&is.stripe_refund_id));
            found.extend(Difference::between(format!("refund {}", is.stripe_refund_id), was, Some(is)));
        }
        for gone in &self.gone_refunds {
            let was = accounts().find_map(|account| account.refunds.get(gone));
            found.extend(Difference::between(format!("refund {gone}"), was, None));
        }
        for is in &self.disputes {
            let was = accounts().find_map(|account| account.disputes.get(&is.stripe_dispute_id));
            found.extend(Difference::between(format!("dispute {}", is.stripe_dispute_id), was, Some(is)));
        }
        found.extend(self.objects.iter().chain(&self.facts).map(|object| Difference {
            row: format!("{} {}", object.kind, object.id),
            fields: vec![("fact".to_owned(), "another".to_owned(), "by what was heard of it".to_owned())],
        }));
        found
    }
}
