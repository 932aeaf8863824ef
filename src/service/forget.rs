//! Forgetting what has had its time, by our own clock: donors, bodies of events, callers' keys.
//!
//! What is due is looked for by reading, page by page; it is looked at again and forgotten in transactions of a few rows, so
//! that whoever applies events or takes gifts hardly waits. A run that dies is taken up by the next. Past its clock a donor
//! is as erased: the pledges then learn nothing any more, whatever comes late.

use std::collections::HashMap;

use super::start_pledge::KEY_LIFE;
use crate::domain::event::EventState;
use crate::domain::retention::{Given, Periods, Until, until};
use crate::store::{RememberedDonor, Store, StoreError};

/// Rows looked at by one statement.
const PAGE: i64 = 256;
/// Donors forgotten in one transaction: one who gave for years is named by hundreds of facts.
const DONORS_AT_ONCE: usize = 4;
/// Pledges of nobody in one transaction.
const PLEDGES_AT_ONCE: usize = 64;
/// Bodies in one transaction.
const BODIES_AT_ONCE: usize = 64;
/// The states events end in, whose bodies are forgotten.
const ENDED: [EventState; 3] = [EventState::Applied, EventState::Ignored, EventState::Parked];

/// Forgets what has had its time.
#[derive(Clone, Debug)]
pub struct Forgetter {
    pub store: Store,
    pub periods: Periods,
}

/// What of a donor is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Address,
    All,
}

fn over(donor: &RememberedDonor, until: Until, now: i64) -> Option<Over> {
    if until.index_is_over(now) {
        Some(Over::All)
    } else if until.address_is_over(now) && donor.address_gone_at.is_none() {
        Some(Over::Address)
    } else {
        None
    }
}

impl Forgetter {
    /// Forgets all that is due at `now`, and returns how many rows that were.
    pub async fn run_once(&self, now: i64) -> Result<u64, StoreError> {
        let mut forgotten = self.store.forget_keys(now - KEY_LIFE).await? + self.store.forget_manage_links(now).await?;
        for (ids, what) in self.donors_due(now).await? {
            for ids in ids.chunks(DONORS_AT_ONCE) {
                forgotten += self.forget_donors(ids, what, now).await?;
            }
        }
        for ids in self.pledges_due(now).await?.chunks(PLEDGES_AT_ONCE) {
            let mut tx = self.store.begin().await?;
            tx.forget_pledges(ids, now).await?;
            tx.commit().await?;
            forgotten += ids.len() as u64;
        }
        for state in ENDED {
            forgotten += self.forget_bodies(state, now).await?;
        }
        Ok(forgotten)
    }

    /// How many donors, pledges and bodies should have been forgotten by `now`.
    pub async fn overdue(&self, now: i64) -> Result<i64, StoreError> {
        let donors: usize = self.donors_due(now).await?.iter().map(|(ids, _)| ids.len()).sum();
        let rows = donors + self.pledges_due(now).await?.len();
        let mut overdue = i64::try_from(rows).unwrap_or(i64::MAX);
        for state in ENDED {
            let since = self.store.bodies_forgotten_until(state).await?;
            overdue = overdue.saturating_add(self.store.count_bodies(state, since, now - self.kept(state)).await?);
        }
        Ok(overdue)
    }

    /// How long the body of an event in this state is kept, in seconds.
    fn kept(&self, state: EventState) -> i64 {
        if state == EventState::Parked { self.periods.parked } else { self.periods.bodies }
    }

    /// The donors of whom something is over, by what that is.
    async fn donors_due(&self, now: i64) -> Result<[(Vec<String>, Over); 2], StoreError> {
        let (mut addresses, mut all) = (Vec::new(), Vec::new());
        let mut after = String::new();
        loop {
            let donors = self.store.donors_remembered(&after, PAGE).await?;
            let Some(last) = donors.last() else { return Ok([(addresses, Over::Address), (all, Over::All)]) };
            after.clone_from(&last.id);
            let ids: Vec<String> = donors.iter().map(|donor| donor.id.clone()).collect();
            let gifts = by_donor(self.store.gifts_of(&ids).await?);
            for donor in donors {
                let given = gifts.get(&donor.id).map_or(&[][..], Vec::as_slice);
                match over(&donor, until(given, donor.created_at, &self.periods), now) {
                    Some(Over::Address) => addresses.push(donor.id),
                    Some(Over::All) => all.push(donor.id),
                    None => {}
                }
            }
        }
    }

    async fn forget_donors(&self, ids: &[String], what: Over, now: i64) -> Result<u64, StoreError> {
        let mut tx = self.store.begin().await?;
        // Nobody gives meanwhile: a gift that comes now would be forgotten with the old ones.
        tx.take_turn().await?;
        let donors = tx.still_remembered(ids).await?;
        let gifts = by_donor(tx.gifts_of(ids).await?);
        let due: Vec<String> = donors
            .into_iter()
            .filter(|donor| {
                let given = gifts.get(&donor.id).map_or(&[][..], Vec::as_slice);
                over(donor, until(given, donor.created_at, &self.periods), now) == Some(what)
            })
            .map(|donor| donor.id)
            .collect();
        match what {
            Over::Address => tx.forget_addresses(&due, now).await?,
            Over::All => tx.forget_donors(&due, now).await?,
        }
        tx.commit().await?;
        Ok(due.len() as u64)
    }

    /// Pledges of which nobody knows who made them and whose time is over: they learn it no more.
    async fn pledges_due(&self, now: i64) -> Result<Vec<String>, StoreError> {
        let (mut due, mut after) = (Vec::new(), String::new());
        loop {
            let pledges = self.store.pledges_of_nobody(&after, PAGE).await?;
            let Some((last, _)) = pledges.last() else { return Ok(due) };
            after.clone_from(last);
            let is_over = |given: &Given| given.until(&self.periods).address_is_over(now);
            due.extend(pledges.into_iter().filter(|(_, given)| is_over(given)).map(|(id, _)| id));
        }
    }

    async fn forget_bodies(&self, state: EventState, now: i64) -> Result<u64, StoreError> {
        let until = now - self.kept(state);
        let (mut at, mut id) = (self.store.bodies_forgotten_until(state).await?, String::new());
        if at >= until {
            return Ok(0);
        }
        let mut forgotten = 0;
        loop {
            let events = self.store.events_settled(state, (at, &id), until, PAGE).await?;
            let Some(last) = events.last() else { break };
            (at, id) = last.clone();
            let ids: Vec<&str> = events.iter().map(|(_, id)| id.as_str()).collect();
            for ids in ids.chunks(BODIES_AT_ONCE) {
                let mut tx = self.store.begin().await?;
                forgotten += tx.delete_bodies(ids).await?;
                tx.commit().await?;
            }
        }
        self.store.note_bodies_forgotten(state, until).await?;
        Ok(forgotten)
    }
}

fn by_donor(gifts: Vec<(String, Given)>) -> HashMap<String, Vec<Given>> {
    let mut by_donor: HashMap<String, Vec<Given>> = HashMap::new();
    for (donor, gift) in gifts {
        by_donor.entry(donor).or_default().push(gift);
    }
    by_donor
}
