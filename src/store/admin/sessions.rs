//! Sessions: somebody being signed in, by a cookie or through the API.

use super::super::{Store, StoreError, Tx};

/// What a session is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A cookie.
    Page,
    /// A refresh token.
    Api,
}

impl SessionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
        }
    }
}

/// Somebody signed in.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: String,
    pub admin_id: String,
    pub kind: SessionKind,
    pub token_hash: String,
    pub at: i64,
}

/// A session in force, with whose it is and what they may do now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LiveSession {
    pub id: String,
    pub admin_id: String,
    pub seen_at: i64,
    pub role: String,
    pub email_sealed: Vec<u8>,
    pub totp_confirmed_at: Option<i64>,
}

impl Store {
    /// Begins a session, and forgets those begun before `stale`.
    pub async fn begin_session(&self, session: &NewSession, stale: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.query("DELETE FROM admin_sessions WHERE created_at < $1").bind(stale).run().await?;
        tx.query(
            "INSERT INTO admin_sessions (id, admin_id, kind, token_hash, created_at, seen_at) \
             VALUES ($1, $2, $3, $4, $5, $5)",
        )
        .bind(session.id.clone())
        .bind(session.admin_id.clone())
        .bind(session.kind.as_str())
        .bind(session.token_hash.clone())
        .bind(session.at)
        .run()
        .await?;
        tx.commit().await
    }

    /// The session of a cookie, if it was begun after `begun` and used after `used`.
    pub async fn page_session(
        &self,
        token_hash: &str,
        begun: i64,
        used: i64,
    ) -> Result<Option<LiveSession>, StoreError> {
        self.db
            .read(
                "SELECT s.id, s.admin_id, s.seen_at, a.role, a.email_sealed, a.totp_confirmed_at \
                 FROM admin_sessions s JOIN admins a ON a.id = s.admin_id \
                 WHERE s.token_hash = $1 AND s.kind = 'page' AND s.ended_at IS NULL AND a.disabled_at IS NULL \
                 AND s.created_at > $2 AND s.seen_at > $3",
            )
            .bind(token_hash)
            .bind(begun)
            .bind(used)
            .maybe()
            .await
    }

    /// A session of the API, under the same bounds.
    pub async fn api_session(&self, id: &str, begun: i64, used: i64) -> Result<Option<LiveSession>, StoreError> {
        self.db
            .read(
                "SELECT s.id, s.admin_id, s.seen_at, a.role, a.email_sealed, a.totp_confirmed_at \
                 FROM admin_sessions s JOIN admins a ON a.id = s.admin_id \
                 WHERE s.id = $1 AND s.kind = 'api' AND s.ended_at IS NULL AND a.disabled_at IS NULL \
                 AND s.created_at > $2 AND s.seen_at > $3",
            )
            .bind(id)
            .bind(begun)
            .bind(used)
            .maybe()
            .await
    }

    /// Notes that a session was used.
    pub async fn touch_session(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let touch = "UPDATE admin_sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1";
        self.db.write(touch).bind(now).bind(id).run().await.map(|_| ())
    }

    /// Puts a new refresh token in the place of the old one. False when the old one is not in force.
    pub async fn rotate_session(&self, id: &str, old: &str, new: &str, now: i64) -> Result<bool, StoreError> {
        let rotate = "UPDATE admin_sessions SET token_hash = $1, seen_at = $2 \
                      WHERE id = $3 AND token_hash = $4 AND kind = 'api' AND ended_at IS NULL";
        Ok(self.db.write(rotate).bind(new).bind(now).bind(id).bind(old).run().await? == 1)
    }

    pub async fn end_session(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let end = "UPDATE admin_sessions SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL";
        self.db.write(end).bind(now).bind(id).run().await.map(|_| ())
    }
}

impl Tx {
    /// Ends every session of somebody.
    pub async fn end_sessions(&mut self, admin_id: &str, now: i64) -> Result<(), StoreError> {
        let end = "UPDATE admin_sessions SET ended_at = $1 WHERE admin_id = $2 AND ended_at IS NULL";
        self.query(end).bind(now).bind(admin_id).run().await.map(|_| ())
    }
}
