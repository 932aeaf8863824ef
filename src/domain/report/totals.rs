//! Sums of the daily sums: of a day and of a month over all campaigns and sources, and of a month by campaign and source.
//!
//! Invariant: each is the sum of its daily lines, after every change of these.

use std::collections::BTreeMap;

use serde::Serialize;

use super::query::View;
use crate::domain::books::{Difference, RevenueChange, RevenueKey};
use crate::domain::pledge::Frequency;
use crate::domain::settlement::SettlementSums;

/// What a sum comes to, in minor units of its currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    pub payments: i64,
    pub gross_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    pub fees_minor: i64,
}

impl Amounts {
    fn each(self, other: Self, of: fn(i64, i64) -> i64) -> Self {
        Self {
            payments: of(self.payments, other.payments),
            gross_minor: of(self.gross_minor, other.gross_minor),
            refunds_minor: of(self.refunds_minor, other.refunds_minor),
            disputes_minor: of(self.disputes_minor, other.disputes_minor),
            fees_minor: of(self.fees_minor, other.fees_minor),
        }
    }
}

impl From<RevenueChange> for Amounts {
    fn from(change: RevenueChange) -> Self {
        let RevenueChange { payments, gross_minor, refunds_minor, disputes_minor } = change;
        Self { payments, gross_minor, refunds_minor, disputes_minor, fees_minor: 0 }
    }
}

impl From<SettlementSums> for Amounts {
    fn from(sums: SettlementSums) -> Self {
        let SettlementSums { payments, gross_minor, refunds_minor, disputes_minor, fees_minor, net_minor: _ } = sums;
        Self { payments, gross_minor, refunds_minor, disputes_minor, fees_minor }
    }
}

/// Which sum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotalKey {
    /// A day, 20261123, or a month, 202611.
    pub period: i64,
    pub currency: String,
    pub frequency: Frequency,
    /// The campaign and the source; of all together where there are none.
    pub part: Option<(String, String)>,
}

/// Sums of one view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<TotalKey, Amounts>);

impl Totals {
    /// By how much sums change when daily lines change by these.
    pub fn of_daily<'a, A: Into<Amounts> + Copy + 'a>(changes: impl IntoIterator<Item = &'a (RevenueKey, A)>) -> Self {
        let mut totals = Self::default();
        for (key, change) in changes {
            let RevenueKey { day, currency, frequency, campaign, source } = key;
            let part = Some((campaign.clone(), source.clone()));
            for (period, part) in [(*day, None), (*day / 100, None), (*day / 100, part)] {
                let key = TotalKey { period, currency: currency.clone(), frequency: *frequency, part };
                let sum = totals.0.entry(key).or_default();
                *sum = sum.each((*change).into(), i64::saturating_add);
            }
        }
        totals.0.retain(|_, sum| *sum != Amounts::default());
        totals
    }

    /// What has to be added to `kept` to come to this, and in which lines they differ.
    pub fn against(&self, view: View, kept: &Self) -> (Self, Vec<Difference>) {
        let (mut missing, mut differences) = (Self::default(), Vec::new());
        for key in self.0.keys().chain(kept.0.keys().filter(|key| !self.0.contains_key(*key))) {
            let was = kept.0.get(key).copied().unwrap_or_default();
            let is = self.0.get(key).copied().unwrap_or_default();
            if let Some(difference) = Difference::of_total(view, key, was, is) {
                differences.push(difference);
                missing.0.insert(key.clone(), is.each(was, i64::saturating_sub));
            }
        }
        (missing, differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(day: i64, source: &str, gross_minor: i64) -> (RevenueKey, RevenueChange) {
        let (currency, campaign) = ("USD".to_owned(), "default".to_owned());
        let key = RevenueKey { day, currency, frequency: Frequency::Once, campaign, source: source.to_owned() };
        (key, RevenueChange { payments: 1, gross_minor, ..RevenueChange::default() })
    }

    fn shown(totals: &Totals) -> Vec<String> {
        let part =
            |part: &Option<(String, String)>| part.as_ref().map_or("all".to_owned(), |(_, source)| source.clone());
        let lines = totals.0.iter().map(|(key, sum)| format!("{} {} {}", key.period, part(&key.part), sum.gross_minor));
        lines.collect()
    }

    #[test]
    fn a_day_counts_in_its_own_sum_in_its_months_and_in_its_months_by_source() {
        let lines = [line(20_261_130, "a", 5), line(20_261_130, "b", 7), line(20_261_201, "a", 1)];
        assert_eq!(
            shown(&Totals::of_daily(&lines)),
            [
                "202611 all 12",
                "202611 a 5",
                "202611 b 7",
                "202612 all 1",
                "202612 a 1",
                "20261130 all 12",
                "20261201 all 1"
            ]
        );
    }

    #[test]
    fn what_moves_from_one_source_to_another_leaves_the_sums_of_all_alone() {
        let (key, change) = line(20_261_130, "b", 5);
        let moved = [line(20_261_130, "a", 5), (key, RevenueChange::default().less(change))];
        assert_eq!(shown(&Totals::of_daily(&moved)), ["202611 a 5", "202611 b -5"]);
    }

    #[test]
    fn sums_that_are_not_what_they_should_be_are_told_and_put_right() {
        let should = Totals::of_daily(&[line(20_261_130, "a", 5)]);
        let kept = Totals::of_daily(&[line(20_261_130, "a", 4), line(20_261_129, "a", 1)]);
        let (missing, told) = should.against(View::Charge, &kept);
        assert_eq!(shown(&missing), ["202611 all 0", "202611 a 0", "20261129 all -1", "20261130 all 1"]);
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told[2], "total charge 20261130 USD once: gross_minor was 4, is 5", "{told:#?}");
        assert_eq!(should.against(View::Charge, &should), (Totals::default(), Vec::new()));
    }
}
