//! Webhooks: signed, sent, and sent again until somebody answers 2xx or three days are over.
//!
//! It must not make events. Invariant: without faults every endpoint gets every event in the order they were made,
//! and what was answered 2xx is not sent again.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::faults::Faults;
use super::{SentEvent, State};
use crate::clock::{HOUR, MINUTE};
use crate::id::{Random, hex};

/// Seconds from each attempt to the next.
const RETRY_AFTER_SECONDS: [i64; 9] =
    [5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR];

#[derive(Debug, Clone)]
struct Endpoint {
    /// `we_…`; none for one that the API knows nothing of.
    id: Option<String>,
    url: String,
    secret: String,
    /// The types of events it is sent: `*` for all.
    kinds: Vec<String>,
}

impl Endpoint {
    fn wants(&self, kind: &str) -> bool {
        self.kinds.iter().any(|wanted| wanted == kind || wanted == "*")
    }
}

/// Where one delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// No attempt is left.
    GivenUp,
    /// Lost on purpose.
    Dropped,
}

#[derive(Debug, Clone)]
struct Outgoing {
    event: usize,
    endpoint: usize,
    due_at: i64,
    attempts: usize,
    state: DeliveryState,
}

/// One POST to make.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub delivery: usize,
    pub url: String,
    pub signature: String,
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Outbound {
    endpoints: Vec<Endpoint>,
    deliveries: Vec<Outgoing>,
    /// Deliveries still to be made, by position, so that a long history costs nothing.
    pending: BTreeSet<usize>,
}

impl Outbound {
    /// An endpoint that is sent everything.
    pub fn add(&mut self, url: &str, secret: &str, id: Option<&str>) {
        self.endpoints.push(Endpoint {
            id: id.map(str::to_owned),
            url: url.to_owned(),
            secret: secret.to_owned(),
            kinds: vec!["*".to_owned()],
        });
    }

    /// Changes where an endpoint is and what it is sent.
    pub fn set(&mut self, id: &str, url: &str, kinds: Vec<String>) {
        if let Some(endpoint) = self.endpoints.iter_mut().find(|endpoint| endpoint.id.as_deref() == Some(id)) {
            url.clone_into(&mut endpoint.url);
            endpoint.kinds = kinds;
        }
    }

    /// How many endpoints are sent events of this type.
    pub fn listening(&self, kind: &str) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.wants(kind)).count()
    }

    /// Those that are sent events of this type, by position.
    fn wanting(&self, kind: &str) -> Vec<usize> {
        (0..).zip(&self.endpoints).filter(|(_, endpoint)| endpoint.wants(kind)).map(|(at, _)| at).collect()
    }

    /// Queues one event for every endpoint that wants it.
    pub fn enqueue(&mut self, event: usize, at: i64, events: &[SentEvent], faults: &Faults) {
        let rules = &faults.webhooks;
        let kind = events.get(event).map_or("", |event| event.kind.as_str());
        let lost = rules.drop_all || rules.drop_kinds.contains(kind);
        let state = if lost { DeliveryState::Dropped } else { DeliveryState::Pending };
        for endpoint in self.wanting(kind) {
            for _ in 0..=rules.duplicates {
                let due_at = at + rules.delay_seconds;
                if state == DeliveryState::Pending {
                    self.pending.insert(self.deliveries.len());
                }
                self.deliveries.push(Outgoing { event, endpoint, due_at, attempts: 0, state });
            }
        }
    }

    /// Positions of what is due, in the order it is to be sent.
    fn due(&self, now: i64, reorder: Option<&Random>) -> Vec<usize> {
        let mut due: Vec<usize> = self
            .pending
            .iter()
            .copied()
            .filter(|at| self.deliveries.get(*at).is_some_and(|one| one.due_at <= now))
            .collect();
        if let Some(random) = reorder {
            for last in (1..due.len()).rev() {
                let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
                let other = usize::try_from(random.below(bound)).unwrap_or(0);
                due.swap(last, other);
            }
        }
        due
    }

    pub fn all_delivered(&self) -> bool {
        self.pending.is_empty()
    }

    /// The events that some endpoint has not taken, by position.
    pub fn undelivered(&self) -> BTreeSet<usize> {
        self.deliveries.iter().filter(|one| one.state != DeliveryState::Delivered).map(|one| one.event).collect()
    }

    /// Records how an attempt went.
    pub fn attempted(&mut self, delivery: usize, accepted: bool, now: i64) {
        let Some(one) = self.deliveries.get_mut(delivery) else { return };
        one.attempts += 1;
        match (accepted, RETRY_AFTER_SECONDS.get(one.attempts - 1)) {
            (true, _) => one.state = DeliveryState::Delivered,
            (false, Some(wait)) => one.due_at = now + wait,
            (false, None) => one.state = DeliveryState::GivenUp,
        }
        if one.state != DeliveryState::Pending {
            self.pending.remove(&delivery);
        }
    }

    /// Where an event's deliveries stand, with the number of attempts.
    pub fn of_event(&self, event: usize) -> Vec<(DeliveryState, usize)> {
        let its = self.deliveries.iter().filter(|one| one.event == event);
        its.map(|one| (one.state, one.attempts)).collect()
    }

    /// Queues an event of this type once more for every endpoint that wants it.
    pub fn resend(&mut self, event: usize, kind: &str, at: i64) {
        for endpoint in self.wanting(kind) {
            self.pending.insert(self.deliveries.len());
            self.deliveries.push(Outgoing { event, endpoint, due_at: at, attempts: 0, state: DeliveryState::Pending });
        }
    }
}

impl State {
    /// What is to be sent now, signed with the present time.
    pub fn due_posts(&self) -> Vec<Post> {
        let now = self.clock.now();
        let reorder = self.faults.webhooks.reorder.then_some(&self.random);
        let due = self.outbound.due(now, reorder);
        due.into_iter().filter_map(|delivery| self.post(delivery, now)).collect()
    }

    fn post(&self, delivery: usize, now: i64) -> Option<Post> {
        let one = self.outbound.deliveries.get(delivery)?;
        let endpoint = self.outbound.endpoints.get(one.endpoint)?;
        let body = self.events.get(one.event)?.body.clone();
        let signature = sign(&body, &endpoint.secret, now);
        Some(Post { delivery, url: endpoint.url.clone(), signature, body })
    }
}

/// The value of `Stripe-Signature` for a body sent at `at` (unix seconds).
#[must_use]
pub fn sign(body: &[u8], secret: &str, at: i64) -> String {
    // HMAC takes a key of any length, so this cannot fail; without a key nothing would verify.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={at},v1={}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn a_signature_covers_the_time_and_the_body() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(sign(br#"{"id":"evt_1"}"#, "whsec_test", 1_700_000_000), expected);
    }
}
