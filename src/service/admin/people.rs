//! Making, changing and shutting out people, and the tokens of programs. Each is an entry of the audit log, in the same
//! transaction. Invariant: somebody is left who can let others in.

use serde_json::json;

use super::{AdminError, LINK, Office, hash};
use crate::clock::DAY;
use crate::domain::admin::{Role, Scope, WeakPassword, check_password};
use crate::domain::email_address::EmailAddress;
use crate::id::{AdminId, TokenId, hex};
use crate::service::admin::access::API_TOKEN;
use crate::service::admin::password::Passwords;
use crate::store::{Admin, NewAdmin, NewApiToken, NewAudit, StoreError, TotpState, Tx};
use crate::vault::Place;

/// People listed at most.
pub const MAX_PEOPLE: i64 = 500;
/// A token lives at most so many days.
pub const MAX_TOKEN_DAYS: i64 = 366;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("there is somebody of this address already")]
    Exists,
    #[error("there is nobody of this address")]
    Unknown,
    #[error("it is so already")]
    Unchanged,
    #[error("nobody would be left who can let others in")]
    LastAdmin,
    #[error("the link is over or was used")]
    LinkOver,
    #[error("the password is too weak")]
    Weak(WeakPassword),
    #[error("the code is wrong")]
    WrongCode,
    #[error(transparent)]
    Failed(#[from] AdminError),
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Office {
    /// Makes somebody; the link that sets their password.
    pub async fn create(&self, actor: &str, email: &EmailAddress, role: Role) -> Result<String, PeopleError> {
        let mut tx = self.store.begin().await?;
        let id = self.insert(&mut tx, actor, email, role).await?;
        let link = self.put_link(&mut tx, Some(&id)).await?;
        tx.commit().await?;
        Ok(link)
    }

    async fn insert(&self, tx: &mut Tx, actor: &str, email: &EmailAddress, role: Role) -> Result<String, PeopleError> {
        let (id, now) = (String::from(AdminId::new(&self.random)), self.clock.now());
        let place = Place { table: "admins", column: "email_sealed", id: &id };
        let sealed = self.key.seal(place, email.as_str().as_bytes(), &self.random).map_err(AdminError::from)?;
        let admin = NewAdmin {
            id: id.clone(),
            email_index: self.email_index(email.normal()),
            email_sealed: sealed,
            role: role.as_str(),
            created_at: now,
        };
        if !tx.insert_admin(&admin).await? {
            return Err(PeopleError::Exists);
        }
        let actor = if actor.is_empty() { &id } else { actor };
        self.note(tx, actor, "person.created", &id, "", &json!({"role": role.as_str()}).to_string()).await?;
        Ok(id)
    }

    /// A new link for somebody; those they had are over.
    pub async fn renew_link(&self, actor: &str, id: &str) -> Result<String, PeopleError> {
        let mut tx = self.store.begin().await?;
        let link = self.put_link(&mut tx, Some(id)).await?;
        self.note(&mut tx, actor, "person.link_made", id, "", "").await?;
        tx.commit().await?;
        Ok(link)
    }

    /// A link that makes the first admin; none where somebody was ever made.
    pub async fn first_link(&self) -> Result<Option<String>, AdminError> {
        if !self.store.has_no_admin().await? {
            return Ok(None);
        }
        let mut tx = self.store.begin().await?;
        let link = self.put_link(&mut tx, None).await?;
        tx.commit().await?;
        Ok(Some(link))
    }

    async fn put_link(&self, tx: &mut Tx, admin_id: Option<&str>) -> Result<String, StoreError> {
        let (token, now) = (hex(&self.random.bytes::<32>()), self.clock.now());
        tx.put_admin_link(&hash(&token), admin_id, now + LINK, now).await?;
        Ok(format!("{}/admin/link/{token}", self.public_url))
    }

    /// Sets the password a link is for. `email` is whom a first link makes; it is not looked at for others. Who had a session
    /// has none afterwards.
    pub async fn follow_link(
        &self,
        passwords: &Passwords,
        token: &str,
        email: Option<&EmailAddress>,
        password: &str,
    ) -> Result<(), PeopleError> {
        let now = self.clock.now();
        let whose = self.store.admin_link(&hash(token), now).await?.ok_or(PeopleError::LinkOver)?;
        let address = match (&whose, email) {
            (Some(id), _) => {
                let admin = self.store.admin(id).await?.ok_or(PeopleError::LinkOver)?;
                self.email(id, &admin.email_sealed)?
            }
            (None, Some(email)) => email.as_str().to_owned(),
            (None, None) => return Err(PeopleError::Unknown),
        };
        check_password(password, &address).map_err(PeopleError::Weak)?;
        let hashed = passwords.hash(password).await?;
        let mut tx = self.store.begin().await?;
        if !tx.use_admin_link(&hash(token), now).await? {
            return Err(PeopleError::LinkOver);
        }
        let id = match (whose, email) {
            (Some(id), _) => id,
            (None, Some(email)) => {
                // Whoever follows another first link at the same time waits here, and comes second.
                tx.take_turn().await?;
                if !tx.has_no_admin().await? {
                    return Err(PeopleError::LinkOver);
                }
                self.insert(&mut tx, "", email, Role::Admin).await?
            }
            (None, None) => return Err(PeopleError::Unknown),
        };
        tx.set_password(&id, &hashed).await?;
        tx.end_sessions(&id, now).await?;
        self.note(&mut tx, &id, "person.password_set", &id, "", "").await?;
        Ok(tx.commit().await?)
    }

    /// Whoever is of this address.
    pub async fn find(&self, email: &EmailAddress) -> Result<Admin, PeopleError> {
        let found = self.store.admin_by_email(&self.email_index(email.normal())).await?;
        found.ok_or(PeopleError::Unknown)
    }

    pub async fn change_role(&self, actor: &str, id: &str, role: Role) -> Result<(), PeopleError> {
        let before = self.store.admin(id).await?.ok_or(PeopleError::Unknown)?.role;
        let mut tx = self.store.begin().await?;
        let admins = tx.hold_admins().await?;
        if !tx.set_role(id, role.as_str()).await? {
            return Err(PeopleError::Unchanged);
        }
        self.someone_is_left(&mut tx, admins).await?;
        let (before, after) = (json!({"role": before}).to_string(), json!({"role": role.as_str()}).to_string());
        self.note(&mut tx, actor, "person.role_changed", id, &before, &after).await?;
        Ok(tx.commit().await?)
    }

    /// Shuts somebody out, with every session they have; or lets them in again.
    pub async fn set_disabled(&self, actor: &str, id: &str, disabled: bool) -> Result<(), PeopleError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let admins = tx.hold_admins().await?;
        if !tx.set_disabled(id, disabled.then_some(now)).await? {
            return Err(PeopleError::Unchanged);
        }
        self.someone_is_left(&mut tx, admins).await?;
        tx.end_sessions(id, now).await?;
        let action = if disabled { "person.disabled" } else { "person.enabled" };
        self.note(&mut tx, actor, action, id, "", "").await?;
        Ok(tx.commit().await?)
    }

    /// Takes somebody's one-time codes away, with their recovery codes: their telephone is lost. Sessions end.
    pub async fn reset_totp(&self, actor: &str, id: &str) -> Result<(), PeopleError> {
        let mut tx = self.store.begin().await?;
        tx.set_totp(id, TotpState { sealed: None, confirmed_at: None, last_step: None }).await?;
        tx.put_recovery_codes(id, &[]).await?;
        tx.end_sessions(id, self.clock.now()).await?;
        self.note(&mut tx, actor, "person.totp_reset", id, "", "").await?;
        Ok(tx.commit().await?)
    }

    /// Keeps a fresh secret for somebody who is about to set one-time codes up. Until a code is typed it changes nothing.
    pub async fn offer_totp(&self, id: &str, sealed: Vec<u8>) -> Result<(), PeopleError> {
        if self.store.admin(id).await?.is_none_or(|admin| admin.totp_confirmed_at.is_some()) {
            return Err(PeopleError::Unchanged);
        }
        let mut tx = self.store.begin().await?;
        tx.set_totp(id, TotpState { sealed: Some(sealed), confirmed_at: None, last_step: None }).await?;
        Ok(tx.commit().await?)
    }

    /// Begins to ask somebody for one-time codes, since they typed one; their recovery codes, to be shown once.
    pub async fn confirm_totp(&self, id: &str, code: &str) -> Result<Vec<String>, PeopleError> {
        let admin = self.store.admin(id).await?.ok_or(PeopleError::Unknown)?;
        if admin.totp_confirmed_at.is_some() {
            return Err(PeopleError::Unchanged);
        }
        let sealed = admin.totp_sealed.ok_or(PeopleError::Unknown)?;
        let step = self.totp_step(id, &sealed, code)?.ok_or(PeopleError::WrongCode)?;
        let codes = self.new_recovery_codes();
        let hashes: Vec<String> = codes.iter().filter_map(|code| self.recovery_hash(id, code)).collect();
        let (now, mut tx) = (self.clock.now(), self.store.begin().await?);
        let totp = TotpState { sealed: Some(sealed), confirmed_at: Some(now), last_step: Some(step) };
        tx.set_totp(id, totp).await?;
        tx.put_recovery_codes(id, &hashes).await?;
        self.note(&mut tx, id, "person.totp_set_up", id, "", "").await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Ends every session of somebody.
    pub async fn sign_out_everywhere(&self, id: &str) -> Result<(), PeopleError> {
        let mut tx = self.store.begin().await?;
        tx.end_sessions(id, self.clock.now()).await?;
        self.note(&mut tx, id, "person.signed_out_everywhere", id, "", "").await?;
        Ok(tx.commit().await?)
    }

    /// A token for a program: its id, and the token, which is shown once.
    pub async fn create_token(
        &self,
        actor: &str,
        scope: Scope,
        days: i64,
        note: &str,
    ) -> Result<(String, String), PeopleError> {
        let (id, now) = (String::from(TokenId::new(&self.random)), self.clock.now());
        let token = format!("{API_TOKEN}{}", hex(&self.random.bytes::<32>()));
        let row = NewApiToken {
            id: id.clone(),
            token_hash: hash(&token),
            scope: scope.as_str(),
            note: note.to_owned(),
            created_at: now,
            expires_at: now + days * DAY,
        };
        let mut tx = self.store.begin().await?;
        tx.insert_api_token(&row).await?;
        let after = json!({"scope": scope.as_str(), "days": days, "note": note}).to_string();
        self.note(&mut tx, actor, "token.created", &id, "", &after).await?;
        tx.commit().await?;
        Ok((id, token))
    }

    pub async fn revoke_token(&self, actor: &str, id: &str) -> Result<(), PeopleError> {
        let mut tx = self.store.begin().await?;
        if !tx.revoke_api_token(id, self.clock.now()).await? {
            return Err(PeopleError::Unknown);
        }
        self.note(&mut tx, actor, "token.revoked", id, "", "").await?;
        Ok(tx.commit().await?)
    }

    /// Refuses what this transaction does if it takes the last admin there was.
    async fn someone_is_left(&self, tx: &mut Tx, before: u64) -> Result<(), PeopleError> {
        let none_left = before > 0 && tx.count_enabled_admins().await? == 0;
        if none_left { Err(PeopleError::LastAdmin) } else { Ok(()) }
    }

    async fn note(
        &self,
        tx: &mut Tx,
        actor: &str,
        action: &'static str,
        subject: &str,
        before: &str,
        after: &str,
    ) -> Result<(), StoreError> {
        let entry = NewAudit {
            actor: actor.to_owned(),
            action,
            subject: subject.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            ..NewAudit::default()
        };
        tx.audit(entry, self.clock.now(), &self.random).await
    }
}
