//! Making a pledge and its checkout session, once, whatever goes wrong in between.
//!
//! The pledge is stored with everything the call to Stripe sends before the call is made; a repeated call sends the same
//! under the same key. Only after Stripe stored a failure under a key, and no session was found, is the next key used.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::clock::{Clock, HOUR};
use crate::domain::new_pledge::NewPledge;
use crate::domain::pledge::PledgeStatus;
use crate::gateway::checkout::{Session, SessionRequest};
use crate::gateway::{CallError, Gateway};
use crate::id::{PledgeId, Random, hex};
use crate::store::{Claim, Pledge, Store, StoreError};

/// How long a checkout session may be paid on; Stripe allows at most 24 hours.
const SESSION_LIFE: i64 = 23 * HOUR;
/// Until then Stripe remembers an idempotency key and the session may still be made.
const MAY_BE_MADE: i64 = 22 * HOUR;
/// How long a caller's key is remembered.
pub const KEY_LIFE: i64 = 24 * HOUR;
/// A claim abandoned by a crash is free after this many seconds.
const CLAIM: i64 = 30;
/// How long the work under a claim may take: it ends before the claim does.
const WORK: Duration = Duration::from_secs(26);
/// How long a request waits for another under the same key.
const WAIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What starting a pledge needs.
#[derive(Clone, Debug)]
pub struct Pledges {
    pub store: Store,
    pub gateway: Gateway,
    pub clock: Clock,
    pub random: Random,
    /// Our own origin, without a trailing slash.
    pub public_url: String,
}

/// A pledge whose checkout session exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub pledge: Pledge,
    pub checkout_url: String,
}

/// Why there is no checkout session. Unless it says otherwise, the request may be repeated under the same key.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("this Idempotency-Key was used for another request")]
    Mismatch,
    #[error("another request under this Idempotency-Key is at work")]
    InProgress,
    /// The checkout session of an earlier request under this key is over.
    #[error("the checkout session of this pledge is over")]
    Over,
    #[error("the work was interrupted")]
    Interrupted,
    #[error(transparent)]
    Stripe(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether an earlier request already asked Stripe for the session of a pledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Now,
    Before,
}

/// A caller's key as it is stored.
struct Key {
    hash: String,
    body_hash: String,
    token: String,
}

impl Pledges {
    /// Makes a pledge and its checkout session. The same `key` with the same request answers the same pledge. It runs to
    /// its end even when the caller hangs up: half a pledge would keep its key claimed.
    pub async fn start(&self, new: NewPledge, key: Option<&str>) -> Result<Started, StartError> {
        let (tools, key) = (self.clone(), key.map(str::to_owned));
        let work = async move {
            if let Some(key) = key {
                return tools.start_under(new, &key).await;
            }
            let pledge = tools.make(new);
            tools.store.insert_pledge(&pledge, None).await?;
            tools.checkout_in_time(pledge, Made::Now).await
        };
        tokio::spawn(work.in_current_span()).await.unwrap_or(Err(StartError::Interrupted))
    }

    async fn start_under(&self, new: NewPledge, key: &str) -> Result<Started, StartError> {
        let key = Key { hash: digest(key.as_bytes()), body_hash: new.fingerprint(), token: self.random.hex() };
        let earlier = self.claim(&key).await?;
        let started = self.start_claimed(new, &key, earlier).await;
        if let Err(error) = self.store.release_key(&key.hash, &key.token).await {
            tracing::warn!(reason = error.code(), "a claim was not released; it ends by itself");
        }
        started
    }

    /// Claims the key, waiting while another request holds it.
    async fn claim(&self, key: &Key) -> Result<Option<PledgeId>, StartError> {
        let waited = async {
            loop {
                let now = self.clock.now();
                match self
                    .store
                    .claim_key(&key.hash, &key.body_hash, &key.token, now, now + CLAIM, now - KEY_LIFE)
                    .await?
                {
                    Claim::Ours(pledge) => return Ok(pledge),
                    Claim::Mismatch => return Err(StartError::Mismatch),
                    Claim::Busy => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        tokio::time::timeout(WAIT, waited).await.unwrap_or(Err(StartError::InProgress))
    }

    async fn start_claimed(&self, new: NewPledge, key: &Key, earlier: Option<PledgeId>) -> Result<Started, StartError> {
        let stored = match earlier {
            Some(id) => self.store.pledge(&id).await?,
            None => None,
        };
        if let Some(pledge) = stored {
            return self.checkout_in_time(pledge, Made::Before).await;
        }
        let pledge = self.make(new);
        self.store.insert_pledge(&pledge, Some((&key.hash, &key.token))).await?;
        self.checkout_in_time(pledge, Made::Now).await
    }

    /// What takes longer than the claim holds could be done twice at once, so it is stopped before.
    async fn checkout_in_time(&self, pledge: Pledge, made: Made) -> Result<Started, StartError> {
        tokio::time::timeout(WORK, self.open_checkout(pledge, made)).await.unwrap_or(Err(CallError::Cut.into()))
    }

    fn make(&self, new: NewPledge) -> Pledge {
        let id = PledgeId::new(&self.random);
        let now = self.clock.now();
        Pledge {
            return_url: new.return_url.unwrap_or_else(|| format!("{}/give/thanks", self.public_url)),
            id,
            campaign: new.campaign,
            campaign_name: new.campaign_name,
            frequency: new.frequency,
            money: new.money,
            cover_minor: new.cover_minor,
            locale: new.locale,
            source: new.source,
            status: PledgeStatus::Open,
            created_at: now,
            expires_at: now + SESSION_LIFE,
            given_up_at: None,
            settled_at: None,
            stripe_attempt: 1,
            stripe_session_id: None,
            checkout_url: None,
        }
    }

    /// The pledge's checkout session: the one it has, the one found at Stripe, or a new one.
    async fn open_checkout(&self, pledge: Pledge, made: Made) -> Result<Started, StartError> {
        if let Some(checkout_url) = &pledge.checkout_url {
            return Ok(Started { checkout_url: checkout_url.clone(), pledge });
        }
        if pledge.given_up_at.is_some() {
            return Err(StartError::Over);
        }
        let session = if self.clock.now() < pledge.created_at + MAY_BE_MADE {
            self.make_session(&pledge, made).await?
        } else {
            self.gateway.find_session(pledge.id.as_str(), pledge.created_at).await?
        };
        let Some(session) = session else {
            self.store.give_up(&pledge.id, self.clock.now()).await?;
            return Err(StartError::Over);
        };
        self.store.set_session(&pledge.id, &session.id, session.url.as_deref()).await?;
        match session.url {
            Some(checkout_url) => Ok(Started { pledge, checkout_url }),
            None => Err(StartError::Over),
        }
    }

    async fn make_session(&self, pledge: &Pledge, made: Made) -> Result<Option<Session>, StartError> {
        let mut request = self.session_request(pledge);
        match self.gateway.create_session(&request).await {
            Ok(session) => return Ok(Some(session)),
            Err(CallError::Failed { .. }) => {}
            // Perhaps only the replay of what Stripe refused the last time: ask once more under a fresh key.
            Err(CallError::Refused { .. }) if made == Made::Before => {}
            Err(error) => return Err(error.into()),
        }
        // Stripe may have made it all the same, and would replay its failure under this key.
        if let Some(session) = self.gateway.find_session(pledge.id.as_str(), pledge.created_at).await? {
            return Ok(Some(session));
        }
        self.store.raise_stripe_attempt(&pledge.id, request.attempt).await?;
        request.attempt += 1;
        Ok(Some(self.gateway.create_session(&request).await?))
    }

    /// Back to where the donor came from: our page of that name, or the page of the newsroom the form is on.
    fn cancel_url(&self, pledge: &Pledge) -> String {
        let ours = pledge.return_url.strip_prefix(&self.public_url).is_some_and(|rest| rest.starts_with('/'));
        let back = if ours { format!("{}/give/cancelled", self.public_url) } else { pledge.return_url.clone() };
        with(&back, &format!("pledge={}&pledge_state=cancelled", pledge.id))
    }

    fn session_request(&self, pledge: &Pledge) -> SessionRequest {
        SessionRequest {
            pledge_id: pledge.id.to_string(),
            campaign: pledge.campaign.clone(),
            campaign_name: pledge.campaign_name.clone(),
            frequency: pledge.frequency,
            money: pledge.total(),
            locale: pledge.locale.clone(),
            success_url: with(&pledge.return_url, &format!("pledge={}", pledge.id)),
            cancel_url: self.cancel_url(pledge),
            expires_at: pledge.expires_at,
            created_at: pledge.created_at,
            attempt: pledge.stripe_attempt,
        }
    }
}

/// The address with `more` in its query, before any fragment.
fn with(url: &str, more: &str) -> String {
    let (address, fragment) = url.split_once('#').map_or((url, None), |(address, fragment)| (address, Some(fragment)));
    let joint = if address.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{address}{joint}{more}{fragment}")
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn the_pledge_is_added_to_the_query_of_the_return_address() {
        assert_eq!(with("https://a.example/", "pledge=plg_1"), "https://a.example/?pledge=plg_1");
        assert_eq!(with("https://a.example/?b=1#c", "pledge=plg_1"), "https://a.example/?b=1&pledge=plg_1#c");
    }
}
