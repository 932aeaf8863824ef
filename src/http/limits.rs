//! How often pledges may be made: per address, per campaign and overall, before anything is stored or Stripe is asked.
//!
//! All of it is in memory, and of each process by itself. No address is kept: a counter's key is a keyed hash of the
//! address under a random salt that nobody else knows and that is replaced every hour, with all counters under it.
//! Invariants: who is refused for their own address takes nothing from others; memory is bounded; whoever was let in under
//! an Idempotency-Key may come again under it, since their first try may have failed at Stripe.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::client::Client;
use super::error::ApiError;
use crate::clock::{Clock, HOUR, MINUTE};
use crate::id::Random;

/// One address: five at once, for a family or an office behind one address, or somebody who starts again; then one every
/// two minutes. Whoever tries stolen cards needs hundreds.
const PER_ADDRESS: Quota = Quota::per_hour(number(30)).allow_burst(number(5));
/// One campaign: what a newsletter or a broadcast brings at its height (Stripe takes no more than some dozens of calls a
/// second). Above what 50 addresses may do at once, so that they cannot shut a campaign.
const PER_CAMPAIGN: Quota = Quota::per_second(number(5)).allow_burst(number(300));
/// All campaigns together: twice that, so that one in the rush leaves room for the others.
const OVERALL: Quota = Quota::per_second(number(10)).allow_burst(number(600));
/// How often somebody let in may come again under the same Idempotency-Key before it counts as another try.
const RETRIES: u8 = 5;
/// How long a salt, and with it every counter of an address, lives.
const GENERATION: i64 = HOUR;
/// Addresses counted apart, at about 50 bytes each. If there are more, they share [`COARSE`] counters.
const MAX_ADDRESSES: usize = 100_000;
/// Bytes of the hash that tell addresses apart when there are too many: 65,536 counters.
const COARSE: usize = 2;
/// Idempotency keys remembered; far above what [`OVERALL`] lets in during a generation.
const MAX_KEYS: usize = 100_000;
/// Counters that are as good as new are dropped at most so often, since that looks at each.
const TIDY_EVERY: i64 = MINUTE;

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// A keyed hash.
type Digest = [u8; 16];

/// Our clock, as the limiters read it.
#[derive(Clone)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.now()).unwrap_or(0))
    }
}

/// Counters of one quota, one for each key.
struct Counters<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, Ticks, NoOpMiddleware<Duration>>,
    ticks: Ticks,
}

impl<K: Hash + Eq + Clone> Counters<K> {
    fn new(quota: Quota, clock: &Clock) -> Self {
        let ticks = Ticks(clock.clone());
        Self { limiter: RateLimiter::hashmap_with_clock(quota, ticks.clone()), ticks }
    }

    /// Counts one; if that is one too many, after how many seconds it would not be.
    fn count(&self, key: &K) -> Result<(), u32> {
        self.limiter.check_key(key).map_err(|refused| {
            let wait = refused.wait_time_from(self.ticks.now());
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
        })
    }

    /// Drops counters that are as good as new.
    fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// Everything that was counted under one salt.
struct Generation {
    salt: Zeroizing<[u8; 32]>,
    since: i64,
    addresses: Counters<Digest>,
    tidied_at: i64,
    /// What addresses get back: they were counted, and then refused for no fault of theirs.
    owed: HashMap<Digest, u8>,
    /// How often each Idempotency-Key that was let in may still come again.
    retries: HashMap<Digest, u8>,
}

impl Generation {
    fn new(clock: &Clock, random: &Random) -> Self {
        Self {
            salt: Zeroizing::new(random.bytes()),
            since: clock.now(),
            addresses: Counters::new(PER_ADDRESS, clock),
            tidied_at: clock.now(),
            owed: HashMap::new(),
            retries: HashMap::new(),
        }
    }

    fn digest(&self, kind: &[u8], bytes: &[u8]) -> Digest {
        let mut digest = Digest::default();
        // A MAC takes a key of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.salt.as_slice()) {
            mac.update(kind);
            mac.update(bytes);
            digest.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        }
        digest
    }

    /// Counts one try of an address; the key it is counted under.
    fn count_address(&mut self, address: IpAddr, now: i64) -> Result<Digest, u32> {
        let mut key = self.digest(b"address\0", &block(address));
        if self.addresses.limiter.len() >= MAX_ADDRESSES && now >= self.tidied_at + TIDY_EVERY {
            self.tidied_at = now;
            self.addresses.tidy();
        }
        if self.addresses.limiter.len() >= MAX_ADDRESSES {
            key[COARSE..].fill(0);
        }
        if take(&mut self.owed, &key) {
            return Ok(key);
        }
        self.addresses.count(&key).map(|()| key)
    }

    /// Gives an address back what it was counted: somebody who comes when the whole campaign is full, and does as
    /// `Retry-After` says, shall not be refused for that afterwards. What is owed is spent first, so that no address ever
    /// comes to more than twice its burst.
    fn give_back(&mut self, key: Digest) {
        if self.owed.len() < MAX_ADDRESSES {
            let owed = self.owed.entry(key).or_default();
            *owed = owed.saturating_add(1);
        }
    }

    fn let_in(&mut self, key: Digest) {
        if self.retries.len() < MAX_KEYS {
            self.retries.entry(key).or_insert(RETRIES);
        }
    }
}

/// Takes one from what is left under `key`, if there is any.
fn take(left: &mut HashMap<Digest, u8>, key: &Digest) -> bool {
    let left = left.get_mut(key).filter(|left| **left > 0);
    left.map(|left| *left -= 1).is_some()
}

/// What belongs to one subscriber of a network: an IPv4 address, or the /64 that everyone with IPv6 has to themselves.
fn block(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

/// How often pledges may be made, or whatever else it is handed to.
pub struct Limits {
    /// The figure that counts whom it refused.
    counter: &'static str,
    clock: Clock,
    random: Random,
    trusted_proxies: usize,
    generation: Mutex<Generation>,
    /// By slug: as many as there are campaigns, since no other gets this far.
    campaigns: Counters<String>,
    overall: Counters<()>,
    /// Whether it was said already that the proxies may be set wrongly.
    warned: AtomicBool,
}

impl Limits {
    pub fn new(counter: &'static str, clock: Clock, random: Random, trusted_proxies: usize) -> Self {
        Self {
            counter,
            generation: Mutex::new(Generation::new(&clock, &random)),
            campaigns: Counters::new(PER_CAMPAIGN, &clock),
            overall: Counters::new(OVERALL, &clock),
            warned: AtomicBool::new(false),
            clock,
            random,
            trusted_proxies,
        }
    }

    /// How many proxies of ours stand in front.
    pub fn trusted_proxies(&self) -> usize {
        self.trusted_proxies
    }

    /// Lets a well-formed request in, or says when to come again. The address is counted first: a flood from a few leaves
    /// the campaign's and the overall allowance to everybody else.
    pub fn admit(&self, client: &Client, campaign: &str, key: Option<&str>) -> Result<(), ApiError> {
        let mut generation = self.generation();
        let key = key.map(|key| generation.digest(b"key\0", key.as_bytes()));
        if key.is_some_and(|key| take(&mut generation.retries, &key)) {
            return Ok(());
        }
        let counted = client.address.map(|address| generation.count_address(address, self.clock.now())).transpose();
        if client.address.is_none() || counted.is_err() {
            self.warn(client.suspicious);
        }
        let address = counted.map_err(|wait| self.refused("address", wait))?;
        let campaign = self.campaigns.count(&campaign.to_owned()).map_err(|wait| self.refused("campaign", wait));
        let wider = campaign.and_then(|()| self.overall.count(&()).map_err(|wait| self.refused("overall", wait)));
        if let Err(refused) = wider {
            if let Some(address) = address {
                generation.give_back(address);
            }
            return Err(refused);
        }
        if let Some(key) = key {
            generation.let_in(key);
        }
        Ok(())
    }

    fn refused(&self, limit: &'static str, retry_after: u32) -> ApiError {
        metrics::counter!(self.counter, "limit" => limit).increment(1);
        ApiError::rate_limited(retry_after)
    }

    /// The generation of now.
    fn generation(&self) -> MutexGuard<'_, Generation> {
        let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        if self.clock.now() >= generation.since + GENERATION {
            *generation = Generation::new(&self.clock, &self.random);
            self.campaigns.tidy();
        }
        generation
    }

    /// Tells once that many readers may be taken for one.
    fn warn(&self, suspicious: bool) {
        if suspicious && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                trusted_proxies = self.trusted_proxies,
                "X-Forwarded-For does not fit MAINSTAY_TRUSTED_PROXIES: whoever comes through a proxy may count as one, or, \
                 through a proxy on this machine, not be limited by address"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::clock::DAY;

    fn limits() -> (Limits, Clock) {
        let clock = Clock::manual(1_000_000);
        (Limits::new("refused", clock.clone(), Random::seeded(3), 0), clock)
    }

    /// The seconds to wait; none when it was let in.
    fn ask(limits: &Limits, address: &str, campaign: &str, key: Option<&str>) -> Option<u32> {
        let client = Client { address: address.parse().ok(), suspicious: false };
        let refused = limits.admit(&client, campaign, key).err()?;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        Some(refused.retry_after().unwrap())
    }

    /// How many of so many tries are let in.
    fn let_in(limits: &Limits, address: &str, tries: usize) -> usize {
        (0..tries).filter(|_| ask(limits, address, "default", None).is_none()).count()
    }

    #[test]
    fn an_address_has_five_at_once_and_then_one_every_two_minutes() {
        let (limits, clock) = limits();
        assert_eq!(let_in(&limits, "192.0.2.1", 100), 5);
        assert_eq!(ask(&limits, "192.0.2.1", "default", None), Some(120));
        clock.advance(70);
        assert_eq!(ask(&limits, "192.0.2.1", "default", None), Some(50));
        clock.advance(50);
        assert_eq!(let_in(&limits, "192.0.2.1", 100), 1);
        assert_eq!(let_in(&limits, "192.0.2.2", 100), 5, "a neighbour is another");
    }

    #[test]
    fn this_machine_itself_is_limited_by_campaign_alone() {
        let (limits, _) = limits();
        assert_eq!(let_in(&limits, "local", 1000), 300);
    }

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_address_is_what_it_stands_for() {
        let (limits, _) = limits();
        assert_eq!(let_in(&limits, "2001:db8:0:1::1", 4), 4);
        assert_eq!(let_in(&limits, "2001:db8:0:1:ffff:ffff:ffff:ffff", 4), 1);
        assert_eq!(let_in(&limits, "2001:db8:0:2::1", 9), 5);
        assert_eq!(let_in(&limits, "192.0.2.1", 4), 4);
        assert_eq!(let_in(&limits, "::ffff:192.0.2.1", 4), 1);
        assert_eq!(let_in(&limits, "::ffff:192.0.2.2", 9), 5);
    }

    #[test]
    fn the_salt_is_replaced_every_hour_and_the_counters_begin_anew() {
        let (limits, clock) = limits();
        let digest = || limits.generation().digest(b"address\0", &[192, 0, 2, 1]);
        let before = digest();
        assert_eq!(let_in(&limits, "192.0.2.1", 100), 5);
        clock.advance(GENERATION - 1);
        assert_eq!(digest(), before);
        let_in(&limits, "192.0.2.1", 100);
        clock.advance(1);
        assert_ne!(digest(), before, "another salt");
        assert_eq!(limits.generation().addresses.limiter.len(), 0, "nothing is left under the old one");
        assert_eq!(let_in(&limits, "192.0.2.1", 100), 5);
    }

    #[test]
    fn a_flood_from_one_address_takes_nothing_from_the_campaign() {
        let (limits, clock) = limits();
        for nth in 0..295 {
            assert_eq!(let_in(&limits, &format!("198.51.{}.{}", nth / 250, nth % 250), 1), 1);
        }
        assert_eq!(let_in(&limits, "192.0.2.1", 10_000), 5);
        assert_eq!(ask(&limits, "192.0.2.2", "default", None), Some(1), "only now the campaign is full");
        assert_eq!(ask(&limits, "192.0.2.2", "another", None), None);
        clock.advance(1);
        assert_eq!((0..9).filter(|nth| let_in(&limits, &format!("192.0.3.{nth}"), 1) == 1).count(), 5);
    }

    #[test]
    fn who_comes_while_the_campaign_is_full_is_not_refused_for_that_afterwards() {
        let (limits, clock) = limits();
        for nth in 0..300_u32 {
            let_in(&limits, &std::net::Ipv4Addr::from(nth).to_string(), 1);
        }
        for _ in 0..20 {
            assert_eq!(ask(&limits, "192.0.2.1", "default", None), Some(1), "the campaign is full");
        }
        clock.advance(60);
        assert_eq!(let_in(&limits, "192.0.2.1", 100), 5, "and the address has all it had, and no more");
    }

    #[test]
    fn all_campaigns_together_have_a_limit_too() {
        let (limits, _) = limits();
        let campaigns = ["one", "two", "three"];
        let tries = (0..900_u32).map(|nth| (std::net::Ipv4Addr::from(nth).to_string(), campaigns[nth as usize % 3]));
        assert_eq!(tries.filter(|(address, campaign)| ask(&limits, address, campaign, None).is_none()).count(), 600);
    }

    #[test]
    fn who_was_let_in_may_come_again_under_the_same_key_however_full_it_is() {
        let (limits, clock) = limits();
        let key = Some("a-key-of-sixteen-or-more");
        assert_eq!(ask(&limits, "192.0.2.1", "default", key), None);
        for nth in 0..900_u32 {
            let_in(&limits, &std::net::Ipv4Addr::from(nth).to_string(), 1);
        }
        assert_eq!(let_in(&limits, "192.0.2.1", 9), 0, "full");
        let again = (0..9).filter(|_| ask(&limits, "192.0.2.1", "default", key).is_none()).count();
        assert_eq!(again, usize::from(RETRIES));
        assert_eq!(ask(&limits, "192.0.2.9", "default", Some("another-key-of-sixteen")), Some(1));
        assert_eq!(ask(&limits, "192.0.2.9", "default", Some("another-key-of-sixteen")), Some(1), "it never was");
        clock.advance(DAY);
        assert_eq!(ask(&limits, "192.0.2.1", "default", key), None, "and later it is a first try");
    }

    #[test]
    fn however_many_addresses_come_their_counters_are_bounded() {
        let clock = Clock::manual(1_000_000);
        let mut generation = Generation::new(&clock, &Random::seeded(3));
        for nth in 0..u32::try_from(2 * MAX_ADDRESSES).unwrap() {
            let _ = generation.count_address(IpAddr::from(nth.to_be_bytes()), clock.now());
        }
        let most = MAX_ADDRESSES + (1 << (8 * COARSE));
        assert!(generation.addresses.limiter.len() <= most, "{}", generation.addresses.limiter.len());
        let address = IpAddr::from([203, 0, 113, 1]);
        let let_in = (0..100).filter(|_| generation.count_address(address, clock.now()).is_ok()).count();
        assert!(let_in <= 5, "and it is counted all the same: {let_in}");
        clock.advance(20 * MINUTE);
        assert!(generation.count_address(address, clock.now()).is_ok());
        assert_eq!(generation.addresses.limiter.len(), 1, "those that are as good as new were dropped");
    }
}
