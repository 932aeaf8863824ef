//! Who may sign in to the newsroom's own pages, and how: passwords, one-time codes, sessions, tokens.
//!
//! Invariants: what is known and what is unknown is answered alike, in words and in time; every secret is stored as a hash
//! or sealed; whatever changes who may do what is in the audit log, in the same transaction; and whoever is disabled or
//! loses a role is so with their next request, since it is the database that is asked each time.

pub mod access;
pub mod jwt;
pub mod password;
pub mod people;
pub mod sign_in;
pub mod totp;

use sha2::{Digest as _, Sha256};

use crate::clock::{Clock, DAY, HOUR};
use crate::id::{Random, hex};
use crate::store::{Store, StoreError};
use crate::vault::{AdminKey, Place, VaultError};

/// A session ends when it was not used for so long, in seconds (source: NIST SP 800-63B, 4.2.3: at most 1 h to 24 h)…
pub const IDLE: i64 = 8 * HOUR;
/// …and so long after it began.
pub const ABSOLUTE: i64 = 24 * HOUR;
/// Ended sessions are forgotten so long after they began.
pub const KEEP_SESSIONS: i64 = 2 * DAY;
/// How long a link that sets a password may be used.
pub const LINK: i64 = DAY;
/// Who did it where nobody is signed in.
pub const COMMAND_LINE: &str = "command_line";

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is in the database is not what this program writes.
    #[error("unreadable {0}")]
    Unreadable(&'static str),
    /// Too many passwords wait to be checked.
    #[error("too many sign in at once")]
    Busy,
    #[error("a password could not be hashed")]
    Hashing,
}

/// What everything here works with.
#[derive(Clone)]
pub struct Office {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub key: AdminKey,
    /// Where links lead, and who issues tokens; without a slash at the end.
    pub public_url: String,
}

impl Office {
    /// What an address is found by.
    pub fn email_index(&self, normal: &str) -> String {
        self.key.hash("mainstay admin index v1", normal)
    }

    /// Somebody's address.
    pub fn email(&self, id: &str, sealed: &[u8]) -> Result<String, AdminError> {
        let place = Place { table: "admins", column: "email_sealed", id };
        let plain = self.key.open(place, sealed)?;
        String::from_utf8(plain.to_vec()).map_err(|_| AdminError::Unreadable("address"))
    }
}

/// What a secret that is too long to be guessed is stored as.
pub fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}
