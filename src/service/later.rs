//! What readers ask for later: sealed by whoever is asked, opened by whoever works.
//!
//! [`Asking`] holds no key that opens or finds anything, so the web half cannot tell one address from another. [`Desk`] is
//! what the workers stand at. Invariant: an address leaves here sealed, and a link's token leaves only in a mail.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::{Clock, DAY};
use crate::domain::calendar;
use crate::domain::email::{EmailKind, MAIL_INDEX};
use crate::domain::email_address::EmailAddress;
use crate::domain::language::Language;
use crate::gateway::CallError;
use crate::id::{EmailId, Random, RequestId, hex};
use crate::store::{NewAudit, NewContact, NewEmail, NewRequest, NewStopLink, Store, StoreError};
use crate::vault::{DataKey, IndexKey, Opener, Place, Sealer, VaultError};

/// The purposes of the blind indexes: what is found under one is not found under another.
pub const REMINDER_INDEX: &str = "reminder";
pub const NEWSLETTER_INDEX: &str = "newsletter";
pub const DONOR_INDEX: &str = "donor";
pub const MANAGE_INDEX: &str = "manage";

/// How long requests that could not be worked off are kept, in seconds.
pub const KEEP_REQUESTS: i64 = 30 * DAY;

/// Kinds of requests.
pub const REMINDER: &str = "reminder";
pub const NEWSLETTER: &str = "newsletter";
pub const BOUNCES: &str = "bounces";
/// Somebody asks for a link to what they give.
pub const MANAGE: &str = "manage";
/// The newsroom asks that the donor of a pledge be mailed such a link.
pub const MANAGE_PLEDGE: &str = "manage_pledge";
/// Somebody asks to be erased.
pub const ERASE: &str = "erase";

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum LaterError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Stripe did not do its part.
    #[error(transparent)]
    Stripe(#[from] CallError),
    /// What was sealed is not what this program seals.
    #[error("unreadable {0}")]
    Unreadable(&'static str),
}

impl LaterError {
    /// Whether the row is not to blame and the same may work later.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_outage())
    }

    /// Whether Stripe is to blame, and may do its part later.
    pub fn is_stripes(&self) -> bool {
        matches!(self, Self::Stripe(error) if !matches!(error, CallError::Refused { .. } | CallError::Configuration(_)))
    }

    /// What may be written down about it: never a value of a row.
    pub fn code(&self) -> String {
        match self {
            Self::Store(error) => error.code(),
            other => other.to_string(),
        }
    }
}

/// What the web half needs.
#[derive(Clone, Debug)]
pub struct Asking {
    pub store: Store,
    pub sealer: Sealer,
    pub clock: Clock,
    pub random: Random,
    pub zone: TimeZone,
    /// The local hour of sending.
    pub hour: i8,
}

impl Asking {
    /// The newsroom's day.
    pub fn today(&self) -> Date {
        calendar::date_of(self.clock.now(), &self.zone)
    }

    /// Seals what was asked into one row, whoever it is.
    pub async fn ask(&self, kind: &'static str, asked: &impl Serialize) -> Result<(), LaterError> {
        Ok(self.store.put_request(&self.seal(kind, asked)?).await?)
    }

    /// The same for somebody of the newsroom, with its entry in the audit log.
    pub async fn ask_audited(
        &self,
        kind: &'static str,
        asked: &impl Serialize,
        entry: NewAudit,
    ) -> Result<(), LaterError> {
        let request = self.seal(kind, asked)?;
        let mut tx = self.store.begin().await?;
        tx.put_request(&request).await?;
        tx.audit(entry, request.created_at, &self.random).await?;
        Ok(tx.commit().await?)
    }

    fn seal(&self, kind: &'static str, asked: &impl Serialize) -> Result<NewRequest, LaterError> {
        let id = RequestId::new(&self.random);
        let plain = Zeroizing::new(serde_json::to_vec(asked).map_err(|_| LaterError::Unreadable("request"))?);
        let place = Place { table: "requests", column: "body", id: id.as_str() };
        let body = self.sealer.seal(place, &plain)?;
        Ok(NewRequest { id: id.to_string(), kind, body, created_at: self.clock.now() })
    }
}

/// How somebody is reached, and the token of the links they have.
#[derive(Serialize, Deserialize)]
pub struct Contact {
    pub email: String,
    pub token: String,
}

/// What is stored of a token: it cannot be made from it.
pub fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// What the workers need.
#[derive(Clone, Debug)]
pub struct Desk {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub zone: TimeZone,
    pub sealer: Sealer,
    pub opener: Arc<Opener>,
    pub index: Arc<IndexKey>,
    /// Our own origin, without a trailing slash.
    pub public_url: String,
    /// The local hour of sending.
    pub hour: i8,
    /// A reminder staler than so many days is not sent.
    pub stale_days: i64,
}

/// A mail, before it is sealed.
pub struct Draft<'a> {
    pub cause: String,
    pub kind: EmailKind,
    pub language: Language,
    pub recipient: &'a EmailAddress,
    pub facts: serde_json::Value,
    /// How long it may be tried, in seconds.
    pub patience: i64,
}

impl Desk {
    /// The newsroom's day of a moment.
    pub fn day(&self, at: i64) -> Date {
        calendar::date_of(at, &self.zone)
    }

    /// The index of an address for one purpose.
    pub fn index_of(&self, purpose: &str, address: &EmailAddress) -> String {
        self.index.of(purpose, address.normal())
    }

    /// Every index a donor may be found under: Stripe may have been told another spelling of the domain.
    pub fn donor_indexes(&self, address: &EmailAddress) -> Vec<String> {
        let mut indexes = vec![self.index_of(DONOR_INDEX, address), self.index.of(DONOR_INDEX, address.as_str())];
        indexes.dedup();
        indexes
    }

    /// The index a mail to this address may be suppressed under.
    pub fn mail_index(&self, address: &EmailAddress) -> String {
        self.index_of(MAIL_INDEX, address)
    }

    /// The page that mails somebody a link to what they give.
    pub fn support_url(&self, language: Language) -> String {
        format!("{}/manage?lang={}", self.public_url, language.as_str())
    }

    /// The link that stops a pledge, and what is stored of it.
    pub fn stop_link(&self, pledge_id: &str, language: Language) -> (String, NewStopLink) {
        let token = self.index.stop_token(pledge_id);
        let url = format!("{}/s/{token}?lang={}", self.public_url, language.as_str());
        (url, NewStopLink { token_hash: token_hash(&token), pledge_id: pledge_id.to_owned() })
    }

    /// Opens a request.
    pub fn open_request<T: serde::de::DeserializeOwned>(&self, id: &str, body: &[u8]) -> Result<T, LaterError> {
        let plain = self.opener.open(Place { table: "requests", column: "body", id }, body)?;
        serde_json::from_slice(&plain).map_err(|_| LaterError::Unreadable("request"))
    }

    /// A contact of the row `id` of `table`, with a fresh token; the token with it.
    pub fn new_contact(
        &self,
        table: &str,
        purpose: &str,
        id: &str,
        address: &EmailAddress,
    ) -> Result<(NewContact, String), LaterError> {
        let token = self.random.hex();
        let contact = Contact { email: address.as_str().to_owned(), token: token.clone() };
        let plain = Zeroizing::new(serde_json::to_vec(&contact).map_err(|_| LaterError::Unreadable("contact"))?);
        let sealed = self.sealer.seal(Place { table, column: "contact_sealed", id }, &plain)?;
        let email_index = self.index_of(purpose, address);
        Ok((NewContact { email_index, sealed, token_hash: token_hash(&token) }, token))
    }

    /// Opens the contact of the row `id` of `table`.
    pub fn open_contact(
        &self,
        table: &str,
        id: &str,
        sealed: Option<&[u8]>,
    ) -> Result<(EmailAddress, String), LaterError> {
        let unreadable = || LaterError::Unreadable("contact");
        let plain = self.opener.open(Place { table, column: "contact_sealed", id }, sealed.ok_or_else(unreadable)?)?;
        let contact: Contact = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
        Ok((EmailAddress::parse(&contact.email).map_err(|_| unreadable())?, contact.token))
    }

    /// Seals a mail for the outbox.
    pub fn mail(&self, key: &DataKey, draft: &Draft<'_>, now: i64) -> Result<NewEmail, LaterError> {
        let id = EmailId::new(&self.random).to_string();
        let place = |column| Place { table: "outbox_emails", column, id: &id };
        let facts = Zeroizing::new(draft.facts.to_string());
        let recipient_sealed = key.seal(place("recipient_sealed"), draft.recipient.as_str().as_bytes())?;
        let facts_sealed = key.seal(place("facts_sealed"), facts.as_bytes())?;
        let recipient_index = self.mail_index(draft.recipient);
        Ok(NewEmail {
            cause: draft.cause.clone(),
            kind: draft.kind,
            language: draft.language,
            recipient_index,
            recipient_sealed,
            facts_sealed,
            created_at: now,
            due_at: now,
            expires_at: now + draft.patience,
            stop_links: Vec::new(),
            id,
        })
    }
}
