//! Who asks: by a cookie, an access token of the API, or a token of a program.

use super::{ABSOLUTE, AdminError, IDLE, Office, hash, jwt};
use crate::clock::MINUTE;
use crate::domain::admin::{Role, Scope};
use crate::store::LiveSession;

/// What tokens of programs begin with.
pub const API_TOKEN: &str = "mst_";
/// A cookie or token that is longer is none of ours, in bytes.
const MAX_SECRET: usize = 128;

/// By what somebody is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A cookie; the session's id.
    Page(String),
    /// An access token; the session's id.
    Api(String),
    /// A token of a program, and what it is for.
    Token(Scope),
}

/// Somebody signed in, or a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `adm_…` or `tok_…`, as the audit log names them.
    pub id: String,
    /// Empty for a program.
    pub email: String,
    /// Of a program: the least.
    pub role: Role,
    pub by: By,
    pub has_totp: bool,
}

impl Signed {
    /// Whether it is a person of this role or above.
    pub fn may(&self, role: Role) -> bool {
        !matches!(self.by, By::Token(_)) && self.role >= role
    }

    /// Whether it is a program's token for this.
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.by == By::Token(scope)
    }
}

impl Office {
    /// Whose cookie this is.
    pub async fn by_cookie(&self, cookie: &str) -> Result<Option<Signed>, AdminError> {
        if cookie.len() > MAX_SECRET {
            return Ok(None);
        }
        let now = self.clock.now();
        let session = self.store.page_session(&hash(cookie), now - ABSOLUTE, now - IDLE).await?;
        self.seen(session, By::Page).await
    }

    /// Whose token this is: an access token, or a program's.
    pub async fn by_token(&self, token: &str) -> Result<Option<Signed>, AdminError> {
        let now = self.clock.now();
        if token.starts_with(API_TOKEN) {
            if token.len() > MAX_SECRET {
                return Ok(None);
            }
            let Some(found) = self.store.live_token(&hash(token), now).await? else { return Ok(None) };
            let scope = Scope::parse(&found.scope).ok_or(AdminError::Unreadable("scope"))?;
            let (role, by) = (Role::Viewer, By::Token(scope));
            return Ok(Some(Signed { id: found.id, email: String::new(), role, by, has_totp: false }));
        }
        let Some(claims) = jwt::verify(self, token) else { return Ok(None) };
        let session = self.store.api_session(&claims.sid, now - ABSOLUTE, now - IDLE).await?;
        self.seen(session.filter(|session| session.admin_id == claims.sub), By::Api).await
    }

    /// Takes note, to the minute, that a session is in use: the one thing that a GET writes.
    async fn seen(&self, session: Option<LiveSession>, by: fn(String) -> By) -> Result<Option<Signed>, AdminError> {
        let Some(session) = session else { return Ok(None) };
        let now = self.clock.now();
        if now - session.seen_at >= MINUTE {
            self.store.touch_session(&session.id, now).await?;
        }
        Ok(Some(Signed {
            email: self.email(&session.admin_id, &session.email_sealed)?,
            role: Role::parse(&session.role).ok_or(AdminError::Unreadable("role"))?,
            has_totp: session.totp_confirmed_at.is_some(),
            id: session.admin_id,
            by: by(session.id),
        }))
    }
}
