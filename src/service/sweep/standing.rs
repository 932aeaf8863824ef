//! Holding which subscriptions go on at Stripe against which pledges go on here.
//!
//! What ended there and was not heard of is fetched into the inbox, like anything that is missing. What ended here and goes
//! on there cannot be mended by any event: it is kept as a difference until it is over there too, and shown where the pledge
//! is, for somebody is charged who thinks that they are not.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{LEASE, SweepError, Sweeper};
use crate::domain::calendar::day_of;
use crate::domain::settlement::{Break, Fault};
use crate::gateway::list::List;
use crate::gateway::{CallError, decode};
use crate::id::PledgeId;
use crate::store::{Fixed, Mark, PledgeAtStripe, SweepRun};

/// After it is done, holding rests for so many times as long as it took: of a large account every subscription is listed.
const REST: i64 = 50;
/// Pledges whose subscriptions are compared at once.
const MOST: i64 = 1_000;

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standings {
    /// Subscriptions that Stripe says go on.
    pub listed: u64,
    /// Pledges that go on here and were not listed: each was looked up.
    pub unheard: u64,
    /// Pledges that ended here and go on there.
    pub run_on: u64,
}

impl Sweeper {
    /// Holds all subscriptions against the books, if it is time; the lease of the sweep is prolonged meanwhile.
    pub(super) async fn hold_standings(&self, token: &str, run: &SweepRun) -> Result<Option<Standings>, SweepError> {
        let began_at = self.clock.now();
        if self.dry_run || self.store.mark(Mark::StandingsDue).await?.is_some_and(|due| due > began_at) {
            return Ok(None);
        }
        let mut found = Standings::default();
        let (listed, ended_here) = self.going_on_there(token, run).await?;
        found.listed = listed.len() as u64;
        found.unheard = self.look_up_unlisted(&listed).await?;
        let mut breaks = Vec::new();
        for pledge in &ended_here {
            breaks.extend(self.runs_on(pledge).await?);
        }
        found.run_on = breaks.len() as u64;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        tx.keep_running_on(&breaks, now).await?;
        tx.commit().await?;
        self.store.set_mark(Mark::StandingsDue, now + REST * (now - began_at)).await?;
        for found in &breaks {
            tracing::error!(subscription = found.object_id, "a pledge that ended here goes on at Stripe: end it there");
        }
        Ok(Some(found))
    }

    /// The subscriptions that go on at Stripe, and the pledges of them that ended here. Those of ours that were never heard
    /// of are taken in.
    async fn going_on_there(
        &self,
        token: &str,
        run: &SweepRun,
    ) -> Result<(HashSet<String>, Vec<PledgeAtStripe>), SweepError> {
        // Stripe leaves canceled ones out of it.
        let list = List { collection: "subscriptions", ..List::default() };
        let (mut listed, mut ended_here, mut after) = (HashSet::new(), Vec::new(), None);
        loop {
            self.store.note_sweep(token, run, self.clock.now() + LEASE).await?;
            let page = self.gateway.page(&self.pace, &list, after.as_deref()).await?;
            let going_on = || page.objects.iter().filter(|subscription| goes_on(subscription));
            let ids: Vec<String> = going_on().filter_map(id_of).collect();
            let known = self.store.pledges_of_subscriptions(&ids).await?;
            let of = |id: &str| known.iter().find(|pledge| pledge.subscription_id == id);
            let unknown: Vec<Value> = going_on()
                .filter(|subscription| id_of(subscription).is_some_and(|id| of(&id).is_none()))
                .filter(|subscription| names_pledge(subscription))
                .cloned()
                .collect();
            self.take_in(false, &unknown, page.at.unwrap_or_else(|| self.clock.now())).await?;
            ended_here.extend(known.into_iter().filter(|pledge| pledge.status.is_over()));
            listed.extend(ids);
            after = page.after;
            if after.is_none() {
                return Ok((listed, ended_here));
            }
        }
    }

    /// Fetches what goes on here and was not listed.
    async fn look_up_unlisted(&self, listed: &HashSet<String>) -> Result<u64, SweepError> {
        let (mut looked_up, mut last) = (0, String::new());
        loop {
            let going_on = self.store.pledges_going_on(&last, MOST).await?;
            let Some((newest, _)) = going_on.last() else { return Ok(looked_up) };
            last.clone_from(newest);
            for (pledge, subscription) in going_on.iter().filter(|(_, subscription)| !listed.contains(subscription)) {
                let Some(path) = decode::path_of(subscription) else { continue };
                match self.look_at(&path).await {
                    Ok(_) => looked_up += 1,
                    Err(SweepError::Stripe(CallError::Refused { status, code })) => {
                        tracing::error!(pledge, status, code, "Stripe does not know the subscription of a pledge");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// The difference, if the subscription goes on now that its pledge is known to be over: it may have ended since it was
    /// listed.
    async fn runs_on(&self, pledge: &PledgeAtStripe) -> Result<Option<Break>, SweepError> {
        let Some(path) = decode::path_of(&pledge.subscription_id) else { return Ok(None) };
        let answer = self.gateway.fetch_patiently(&self.pace, &path).await?;
        let subscription = answer.json()?;
        if !goes_on(&subscription) {
            return Ok(None);
        }
        let zone = self.store.fixed(Fixed::TimeZone).await?.and_then(|name| TimeZone::get(&name).ok());
        Ok(Some(Break {
            what: Fault::SubscriptionRunsOn,
            object_id: pledge.subscription_id.clone(),
            day: day_of(self.clock.now(), &zone.unwrap_or(TimeZone::UTC)),
            currency: pledge.currency.clone(),
            expected_minor: None,
            found_minor: decode::subscription_amount(&subscription),
        }))
    }
}

/// Whether Stripe may charge it again.
fn goes_on(subscription: &Value) -> bool {
    let over = ["canceled", "incomplete_expired", "incomplete"];
    subscription["status"].as_str().is_some_and(|status| !over.contains(&status))
}

fn id_of(subscription: &Value) -> Option<String> {
    subscription["id"].as_str().map(str::to_owned)
}

fn names_pledge(subscription: &Value) -> bool {
    subscription["metadata"][decode::PLEDGE_KEY].as_str().is_some_and(|id| PledgeId::parse(id).is_ok())
}
