//! Lines of a report: by period, then currency, then whatever else figures are parted by.

use std::collections::{BTreeMap, BTreeSet};

use super::query::Query;
use super::table::{Cell, Row};
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub currency: Currency,
    /// Where figures are parted by it; so are the others.
    pub frequency: Option<Frequency>,
    pub campaign: Option<String>,
    pub source: Option<String>,
}

impl Group {
    /// Of what happened, as far as figures are parted by it.
    pub fn new(query: &Query, currency: Currency, frequency: Frequency, campaign: &str, source: &str) -> Self {
        let split = query.split;
        Self {
            currency,
            frequency: split.frequency.then_some(frequency),
            campaign: split.campaign.then(|| campaign.to_owned()),
            source: split.source.then(|| source.to_owned()),
        }
    }
}

/// Figures by the name of their period and what they are about.
pub type Lines<T> = BTreeMap<(String, Group), T>;

/// As many cells as most lines have at most: room is made once.
const CELLS: usize = 16;

/// The cells that say what a line is about.
pub fn begin(query: &Query, period: &str, group: &Group) -> Row {
    let mut row = Vec::with_capacity(CELLS);
    if query.split.period.is_some() {
        row.push(Cell::Text(period.to_owned()));
    }
    row.push(Cell::Text(group.currency.to_string()));
    row.extend(group.frequency.map(|frequency| Cell::Text(frequency.to_string())));
    row.extend([&group.campaign, &group.source].into_iter().flatten().map(|text| Cell::Text(text.clone())));
    row
}

/// All lines in their order: one for each period and each group in which anything happened between the first day and the
/// last, whether or not it did in that period. A currency that is asked for by name is there in any case.
pub fn filled<T: Default + Clone>(query: &Query, lines: &Lines<T>) -> Vec<(String, Group, T)> {
    let mut groups: BTreeSet<Group> = lines.keys().map(|(_, group)| group.clone()).collect();
    let parted = query.split.frequency || query.split.campaign || query.split.source;
    if let (true, false, Some(currency)) = (groups.is_empty(), parted, query.only.currency) {
        groups.insert(Group { currency, frequency: None, campaign: None, source: None });
    }
    let mut rows = Vec::new();
    for period in query.periods() {
        for group in &groups {
            let key = (period.name.clone(), group.clone());
            let figures = lines.get(&key).cloned().unwrap_or_default();
            rows.push((key.0, key.1, figures));
        }
    }
    rows
}
