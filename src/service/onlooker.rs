//! Bodies of events that say nothing to us are kept as they came, unopened. Where one of them names a forgotten pledge, or what
//! belongs to it, it must not be kept: so each is looked into once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::event_body;
use crate::clock::MINUTE;
use crate::domain::event::EventState;
use crate::gateway::decode;
use crate::id::PledgeId;
use crate::store::{Mark, Store, StoreError};
use crate::vault::Opener;

/// Bodies opened at once.
const PAGE: i64 = 64;
/// What was received so many seconds ago is committed.
const COMMITTED: i64 = MINUTE;

/// Looks into what says nothing to us.
#[derive(Clone, Debug)]
pub struct Onlooker {
    pub store: Store,
    pub opener: Arc<Opener>,
}

impl Onlooker {
    /// Looks into what came since the last time, and returns how many bodies were deleted.
    pub async fn run_once(&self, now: i64) -> Result<u64, StoreError> {
        let until = now - COMMITTED;
        let (mut at, mut id) = (self.store.mark(Mark::IgnoredBodiesSeen).await?.unwrap_or(0), String::new());
        let mut deleted = 0;
        loop {
            let events = self.store.events_settled(EventState::Ignored, (at, &id), until, PAGE).await?;
            let Some(last) = events.last() else { break };
            (at, id) = last.clone();
            deleted += self.look_into(events.into_iter().map(|(_, id)| id).collect()).await?;
        }
        self.store.set_mark(Mark::IgnoredBodiesSeen, until.max(at)).await?;
        Ok(deleted)
    }

    async fn look_into(&self, ids: Vec<String>) -> Result<u64, StoreError> {
        let bodies = self.store.bodies_of(&ids).await?;
        let opened = bodies.into_iter().filter_map(|(id, body)| {
            let body = event_body::open(&self.opener, &id, &body).ok()?;
            Some((id, names_in(&body)))
        });
        let opened: Vec<(String, BTreeSet<String>)> = opened.collect();
        let names: BTreeSet<String> = opened.iter().flat_map(|(_, names)| names).cloned().collect();
        if names.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.begin().await?;
        let forgotten = tx.forgotten_among(&names.into_iter().collect::<Vec<_>>()).await?;
        let theirs: Vec<String> = opened
            .into_iter()
            .filter(|(_, names)| forgotten.iter().any(|name| names.contains(name)))
            .map(|(id, _)| id)
            .collect();
        let deleted = tx.delete_bodies(&theirs).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

/// The ids of pledges and of objects that facts are kept of, as a raw body names them.
fn names_in(body: &[u8]) -> BTreeSet<String> {
    let words = body.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let words = words.filter_map(|word| std::str::from_utf8(word).ok());
    let is_name = |word: &&str| decode::path_of(word).is_some() || PledgeId::parse(word).is_ok();
    words.filter(is_name).map(str::to_owned).collect()
}
