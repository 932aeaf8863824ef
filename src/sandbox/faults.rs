//! What goes wrong on purpose.
//!
//! It must not choose by chance: a fault happens when it was asked for, to whom it was asked for. Invariant: without
//! rules, the sandbox is a Stripe on its best day.

use std::collections::BTreeSet;

/// What happens to an API request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiFault {
    /// 429 with `Retry-After`, nothing done, nothing stored under the key.
    TooManyRequests { retry_after_seconds: u32 },
    /// 500, nothing done, nothing stored under the key.
    InternalError,
    /// The work is done; the answer is a 500, stored under the key.
    WorkThenStoredError,
    /// The work is done; the connection is cut before the first byte of the answer.
    WorkThenCut,
    /// Nothing is done; the connection is cut.
    Cut,
    /// Nothing is done until the stall is released; then all goes on as always.
    Stall,
    /// The work is done; the answer waits until the stall is released.
    WorkThenStall,
    /// The work is done; half of the answer comes, then the sandbox closes its side.
    HalfClose,
}

#[derive(Debug, Clone)]
struct Rule {
    method: Option<String>,
    path_prefix: String,
    fault: ApiFault,
    /// Requests it still applies to.
    times: u32,
}

/// How webhooks go wrong. Applies to events made from then on, reordering to each round of delivery.
#[derive(Debug, Clone, Default)]
pub struct WebhookFaults {
    /// How many more times each event is delivered.
    pub duplicates: u32,
    /// Whether a round of deliveries is shuffled (by the sandbox's seeded randomness).
    pub reorder: bool,
    /// Seconds until the first attempt.
    pub delay_seconds: i64,
    /// Whether every event is lost.
    pub drop_all: bool,
    /// Kinds of events that are lost.
    pub drop_kinds: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    pub webhooks: WebhookFaults,
}

impl Faults {
    pub fn add(&mut self, method: Option<&str>, path_prefix: &str, fault: ApiFault, times: u32) {
        let rule = Rule { method: method.map(str::to_owned), path_prefix: path_prefix.to_owned(), fault, times };
        self.rules.push(rule);
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault for this request, used up by asking.
    pub fn take(&mut self, method: &str, path: &str) -> Option<ApiFault> {
        let at = self.rules.iter().position(|rule| {
            rule.times > 0
                && path.starts_with(&rule.path_prefix)
                && rule.method.as_deref().is_none_or(|wanted| wanted == method)
        })?;
        let rule = self.rules.get_mut(at)?;
        rule.times -= 1;
        let fault = rule.fault;
        if rule.times == 0 {
            self.rules.remove(at);
        }
        Some(fault)
    }
}
