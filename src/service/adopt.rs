//! Taking over what an account at Stripe held before Mainstay. It reads only; no card is touched and nothing is changed
//! at Stripe.
//!
//! Subscriptions and one-time payments become pledges, each always the same one; then the object itself goes through the
//! inbox, saying that it belongs to its pledge, and everything that names it follows. What it came to in the past is read
//! by a sweep of all objects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ingest::new_event;
use super::sweep::{SweepError, Sweeper};
use crate::domain::adoption::{Adopted, Candidate, Left, Mapping};
use crate::domain::event::Envelope;
use crate::gateway::adopt::{candidate, intent_of_invoice, with_pledge};
use crate::gateway::list::{List, Page};
use crate::store::BATCH;

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub candidate: Candidate,
    pub fate: Result<Adopted, Left>,
}

/// Takes over.
#[derive(Debug)]
pub struct Adopter<'a> {
    pub sweeper: &'a Sweeper,
    pub mapping: &'a Mapping,
}

impl Adopter<'_> {
    /// Reads every subscription and one-time payment, takes over those that are to be, unless it is a dry run, and tells of
    /// each what becomes of it. Returns how many were, or would be, taken over.
    ///
    /// # Errors
    /// As a sweep's. What was taken over before stays so, and the next run goes on with the rest.
    pub async fn run(&self, tell: &mut (dyn FnMut(&Fate) + Send)) -> Result<u64, SweepError> {
        let of_invoices = self.intents_of_invoices().await?;
        let mut adopted = 0;
        for list in [
            List { collection: "subscriptions", narrowed: vec![("status", "all".to_owned())], ..List::default() },
            List { collection: "payment_intents", ..List::default() },
        ] {
            let mut after = None;
            loop {
                let page = self.sweeper.gateway.page(&self.sweeper.pace, &list, after.as_deref()).await?;
                after = page.after.clone();
                adopted += self.page(page, &of_invoices, tell).await?;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(adopted)
    }

    /// The payment intents that pay invoices: their money is the subscription's.
    async fn intents_of_invoices(&self) -> Result<BTreeSet<String>, SweepError> {
        let list = List { collection: "invoice_payments", ..List::default() };
        let mut found = BTreeSet::new();
        let mut after = None;
        loop {
            let page = self.sweeper.gateway.page(&self.sweeper.pace, &list, after.as_deref()).await?;
            found.extend(page.objects.iter().filter_map(intent_of_invoice));
            after = page.after;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    async fn page(
        &self,
        page: Page,
        of_invoices: &BTreeSet<String>,
        tell: &mut (dyn FnMut(&Fate) + Send),
    ) -> Result<u64, SweepError> {
        let at = page.at.unwrap_or_else(|| self.sweeper.clock.now());
        let gifts: Vec<(Candidate, Value)> =
            page.objects.into_iter().filter_map(|object| Some((candidate(&object)?, object))).collect();
        let ids: Vec<String> = gifts.iter().map(|(gift, _)| gift.stripe_id.clone()).collect();
        let belonging = self.sweeper.store.belonging(&ids).await?;
        let mut adopted = Vec::new();
        for (gift, object) in gifts {
            if of_invoices.contains(&gift.stripe_id) || belonging.contains(&gift.stripe_id) {
                continue;
            }
            let fate = Fate { fate: self.mapping.adopt(&gift), candidate: gift };
            tell(&fate);
            if let Ok(pledge) = fate.fate {
                adopted.push((pledge, object));
            }
        }
        if !self.sweeper.dry_run {
            for chunk in adopted.chunks(BATCH) {
                self.take_over(chunk, at).await?;
            }
        }
        Ok(adopted.len() as u64)
    }

    async fn take_over(&self, adopted: &[(Adopted, Value)], at: i64) -> Result<(), SweepError> {
        let now = self.sweeper.clock.now();
        let key = self.sweeper.sealer.data_key()?;
        let mut rows = Vec::with_capacity(adopted.len());
        for (pledge, object) in adopted {
            let envelope = Envelope::of_adopted(&pledge.stripe_id, object["livemode"].as_bool(), at);
            let body = with_pledge(object.clone(), &pledge.id).to_string();
            rows.push(new_event(&key, envelope, body.as_bytes(), now)?);
        }
        let pledges: Vec<Adopted> = adopted.iter().map(|(pledge, _)| pledge.clone()).collect();
        self.sweeper.store.adopt_pledges(&pledges, now).await?;
        self.sweeper.store.put_events(&rows).await?;
        self.sweeper.arrived.notify_one();
        Ok(())
    }
}
