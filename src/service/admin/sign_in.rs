//! Signing in, by page or through the API: one check for both.
//!
//! Whoever is unknown, disabled, has no password yet, or types a wrong one or a wrong code hears the same, after the same
//! work, and is slowed down the same: failures are counted by the beginning of the keyed hash of what was typed.

use std::sync::Arc;

use super::password::{Checked, Passwords};
use super::{ABSOLUTE, AdminError, IDLE, KEEP_SESSIONS, Office, hash, jwt};
use crate::clock::{DAY, MINUTE};
use crate::domain::admin::Role;
use crate::domain::email_address::{EmailAddress, MAX_ADDRESS};
use crate::id::{SessionId, hex};
use crate::store::{Admin, NewSession, SessionKind};

/// What refresh tokens begin with.
pub const REFRESH_TOKEN: &str = "mrt_";
/// Failures that cost nothing: a slip of the hand, and the password one used to have.
const FREE_FAILURES: i64 = 4;
/// The next one costs so many seconds, and each further one twice as much…
const FIRST_DELAY: i64 = 30;
/// …up to this.
const MAX_DELAY: i64 = 15 * MINUTE;
/// Failures are forgotten after so long.
const KEEP_FAILURES: i64 = DAY;
/// Hex digits of a bucket: at most 1,048,576 rows, whatever addresses are typed.
const BUCKET: usize = 5;

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody learns what was wrong.
    #[error("the address, the password or the code is wrong")]
    Wrong,
    #[error("too many failures; try again in {0} s")]
    Blocked(i64),
    /// They have no one-time codes, and everybody needs them.
    #[error("one-time codes have to be set up first, on the pages")]
    NeedsTotp,
    #[error(transparent)]
    Failed(#[from] AdminError),
}

/// What somebody typed.
pub struct Typed<'a> {
    pub email: &'a str,
    pub password: &'a str,
    /// Of an authenticator, or a recovery code; empty without one.
    pub code: &'a str,
}

/// Tokens of a session of the API.
#[derive(Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// Lets people in, and out.
#[derive(Clone)]
pub struct SignIn {
    pub office: Office,
    pub passwords: Arc<Passwords>,
    pub totp_required: bool,
}

impl SignIn {
    /// Whom the typed lets in.
    pub async fn check(&self, typed: Typed<'_>) -> Result<Admin, Refused> {
        let Office { store, clock, .. } = &self.office;
        let now = clock.now();
        let index = self.office.email_index(&normal(typed.email));
        let bucket = index.get(..BUCKET).unwrap_or_default();
        let blocked = store.blocked_until(bucket).await.map_err(AdminError::from)?;
        if blocked > now {
            return Err(Refused::Blocked(blocked - now));
        }
        // Counted before it is known, so that many tries at once are many.
        let failures = store.count_failure(bucket, now, now - KEEP_FAILURES).await.map_err(AdminError::from)?;
        if let Some(delay) = delay(failures) {
            store.block_sign_in(bucket, now + delay).await.map_err(AdminError::from)?;
        }
        let found = store.admin_by_email(&index).await.map_err(AdminError::from)?;
        let found = found.filter(|admin| admin.disabled_at.is_none());
        let stored = found.as_ref().and_then(|admin| admin.password_hash.as_deref());
        let checked = self.passwords.check(typed.password, stored).await?;
        let (Some(admin), Some(stored)) = (&found, stored) else { return Err(Refused::Wrong) };
        if checked == Checked::Wrong || !self.second(admin, typed.code).await? {
            return Err(Refused::Wrong);
        }
        if let Checked::Rehashed(new) = checked {
            store.rehash(&admin.id, stored, &new).await.map_err(AdminError::from)?;
        }
        store.forgive_failures(bucket).await.map_err(AdminError::from)?;
        found.ok_or(Refused::Wrong)
    }

    /// Whether the code is right, and not used before; whoever has none needs none.
    async fn second(&self, admin: &Admin, code: &str) -> Result<bool, AdminError> {
        let (Some(sealed), Some(_)) = (&admin.totp_sealed, admin.totp_confirmed_at) else { return Ok(true) };
        if let Some(step) = self.office.totp_step(&admin.id, sealed, code)? {
            return Ok(self.office.store.use_totp(&admin.id, step).await?);
        }
        match self.office.recovery_hash(&admin.id, code) {
            Some(hash) => Ok(self.office.store.use_recovery_code(&admin.id, &hash).await?),
            None => Ok(false),
        }
    }

    /// Begins a session of pages; its cookie.
    pub async fn begin(&self, admin: &Admin) -> Result<String, AdminError> {
        let cookie = hex(&self.office.random.bytes::<32>());
        let id = SessionId::new(&self.office.random);
        self.store_session(&id, admin, SessionKind::Page, &cookie).await?;
        Ok(cookie)
    }

    /// Begins a session of the API.
    pub async fn begin_api(&self, admin: &Admin) -> Result<Tokens, Refused> {
        if self.totp_required && admin.totp_confirmed_at.is_none() {
            return Err(Refused::NeedsTotp);
        }
        let id = SessionId::new(&self.office.random);
        let refresh = self.refresh_token(&id);
        self.store_session(&id, admin, SessionKind::Api, &refresh).await?;
        Ok(self.tokens(&admin.id, &id, refresh)?)
    }

    /// New tokens for a refresh token, which is thereby used. One that was used before ends its session: either it or the
    /// one that took its place is in wrong hands.
    pub async fn refresh(&self, refresh: &str) -> Result<Tokens, Refused> {
        let Office { store, clock, .. } = &self.office;
        let now = clock.now();
        let id = session_of(refresh).ok_or(Refused::Wrong)?;
        let live = store.api_session(id.as_str(), now - ABSOLUTE, now - IDLE).await.map_err(AdminError::from)?;
        let live = live.ok_or(Refused::Wrong)?;
        if Role::parse(&live.role).is_none() || (self.totp_required && live.totp_confirmed_at.is_none()) {
            return Err(Refused::NeedsTotp);
        }
        let next = self.refresh_token(&id);
        let rotated = store.rotate_session(id.as_str(), &hash(refresh), &hash(&next), now).await;
        if !rotated.map_err(AdminError::from)? {
            store.end_session(id.as_str(), now).await.map_err(AdminError::from)?;
            tracing::warn!(session = id.as_str(), "a refresh token was used twice; its session is ended");
            return Err(Refused::Wrong);
        }
        Ok(self.tokens(&live.admin_id, &id, next)?)
    }

    async fn store_session(
        &self,
        id: &SessionId,
        admin: &Admin,
        kind: SessionKind,
        token: &str,
    ) -> Result<(), AdminError> {
        let at = self.office.clock.now();
        let (id, admin_id) = (id.as_str().to_owned(), admin.id.clone());
        let session = NewSession { id, admin_id, kind, token_hash: hash(token), at };
        Ok(self.office.store.begin_session(&session, at - KEEP_SESSIONS).await?)
    }

    fn refresh_token(&self, id: &SessionId) -> String {
        let digits = id.as_str().rsplit('_').next().unwrap_or_default();
        format!("{REFRESH_TOKEN}{digits}{}", hex(&self.office.random.bytes::<32>()))
    }

    fn tokens(&self, admin_id: &str, id: &SessionId, refresh: String) -> Result<Tokens, AdminError> {
        let access = jwt::sign(&self.office, admin_id, id.as_str()).ok_or(AdminError::Unreadable("token"))?;
        Ok(Tokens { access, refresh })
    }
}

/// The session a refresh token names.
fn session_of(refresh: &str) -> Option<SessionId> {
    let digits = refresh.strip_prefix(REFRESH_TOKEN).filter(|digits| digits.len() == 96)?;
    SessionId::parse(&format!("{}_{}", SessionId::PREFIX, digits.get(..32)?)).ok()
}

/// One spelling of what was typed, be it an address or not.
fn normal(email: &str) -> String {
    match EmailAddress::parse(email) {
        Ok(address) => address.normal().to_owned(),
        Err(_) => email.chars().take(MAX_ADDRESS).collect(),
    }
}

/// How long nobody is let in after so many failures in a row.
fn delay(failures: i64) -> Option<i64> {
    let beyond = failures - FREE_FAILURES - 1;
    let doublings = u32::try_from(beyond).ok()?;
    Some(FIRST_DELAY.checked_shl(doublings.min(16)).unwrap_or(MAX_DELAY).min(MAX_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_with_each_failure_and_has_an_end() {
        let delays: Vec<_> = [1, 4, 5, 6, 7, 9, 10, 11, 1000].map(delay).into();
        let some = |seconds| Some(seconds);
        assert_eq!(delays, [None, None, some(30), some(60), some(120), some(480), some(900), some(900), some(900)]);
    }

    #[test]
    fn a_refresh_token_names_its_session_and_other_text_names_none() {
        let whole = format!("{REFRESH_TOKEN}{}", "0a".repeat(48));
        assert!(session_of(&whole).is_some_and(|id| id.as_str() == format!("ses_{}", "0a".repeat(16))));
        for wrong in ["", "mrt_", &whole[1..], &whole[..40], &whole.replace('a', "я"), &whole.replace('a', "g")] {
            assert!(session_of(wrong).is_none(), "{wrong}");
        }
    }
}
