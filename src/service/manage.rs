//! How a donor comes to what they give, without a password or an account.
//!
//! Whoever asks for a link is sealed and not looked up by the process that is asked; the worker mails the link to whom it
//! knows. The link opens the session of one browser; the session holds the address, sealed. Invariant: nothing here takes
//! an address from a browser; who somebody is was proved by the mail they read.

use serde::{Deserialize, Serialize};

use super::later::{Desk, LaterError, MANAGE_INDEX, NEWSLETTER_INDEX, REMINDER_INDEX, token_hash};
use crate::clock::{HOUR, MINUTE};
use crate::domain::email_address::EmailAddress;
use crate::id::ManageId;
use crate::store::{ManageSession, NewManageLink, Store, StoreError};
use crate::vault::Place;

/// How long a mailed link is good, in seconds.
pub const LINK_LIFE: i64 = 30 * MINUTE;
/// How long a session lasts, in seconds.
pub const SESSION_LIFE: i64 = HOUR;
/// How many links are mailed to one address within an hour: whoever types somebody else's address shall not fill their
/// mailbox.
pub const LINKS_PER_HOUR: i64 = 3;

/// Somebody asks for a link.
#[derive(Serialize, Deserialize)]
pub struct NewManage {
    pub email: String,
    /// Of the mail.
    pub language: String,
}

/// The newsroom asks for a link for the donor of a pledge.
#[derive(Serialize, Deserialize)]
pub struct NewManageOfPledge {
    pub pledge: String,
}

/// Somebody asks to be erased.
#[derive(Serialize, Deserialize)]
pub struct NewErase {
    pub email: String,
}

/// Somebody who came by a link.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub address: EmailAddress,
    /// When their session ends.
    pub expires_at: i64,
}

/// Opens the session of a browser by a mailed link; its token, or none where the link is not good any more. It opens nothing
/// that is sealed.
pub async fn open_session(
    store: &Store,
    random: &crate::id::Random,
    link: &str,
    now: i64,
) -> Result<Option<String>, StoreError> {
    let session = random.hex();
    let until = now + SESSION_LIFE;
    let opened = store.open_manage_session(&token_hash(link), &token_hash(&session), now, until).await?;
    Ok(opened.then_some(session))
}

impl Desk {
    /// A link for an address: what is stored, and the token to be mailed.
    pub fn new_manage_link(&self, address: &EmailAddress, now: i64) -> Result<(NewManageLink, String), LaterError> {
        let (id, token) = (ManageId::new(&self.random).to_string(), self.random.hex());
        let place = Place { table: "manage_links", column: "email_sealed", id: &id };
        let link = NewManageLink {
            link_hash: token_hash(&token),
            email_index: self.index_of(MANAGE_INDEX, address),
            email_sealed: self.sealer.seal(place, address.as_str().as_bytes())?,
            created_at: now,
            expires_at: now + LINK_LIFE,
            id,
        };
        Ok((link, token))
    }

    /// Whose browser it is, while its session lasts.
    pub async fn visitor(&self, session: &str) -> Result<Option<Visitor>, LaterError> {
        let found = self.store.manage_session(&token_hash(session), self.clock.now()).await?;
        let Some(ManageSession { id, email_sealed, expires_at }) = found else { return Ok(None) };
        let place = Place { table: "manage_links", column: "email_sealed", id: &id };
        let plain = self.opener.open(place, &email_sealed)?;
        let address = std::str::from_utf8(&plain).ok().and_then(|text| EmailAddress::parse(text).ok());
        Ok(Some(Visitor { address: address.ok_or(LaterError::Unreadable("session"))?, expires_at }))
    }

    /// The index of somebody's reminders, and of their signups.
    pub fn list_indexes(&self, address: &EmailAddress) -> (String, String) {
        (self.index_of(REMINDER_INDEX, address), self.index_of(NEWSLETTER_INDEX, address))
    }
}
