//! Tokens of programs: spreadsheets, and whatever else reads reports.

use super::super::{Store, StoreError, Tx};

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    pub id: String,
    pub token_hash: String,
    pub scope: &'static str,
    pub note: String,
    pub created_at: i64,
    pub expires_at: i64,
}

/// A token, as its makers may see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ApiToken {
    pub id: String,
    pub scope: String,
    pub note: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

impl Store {
    /// The token of this hash, if it is in force.
    pub async fn live_token(&self, token_hash: &str, now: i64) -> Result<Option<ApiToken>, StoreError> {
        self.db
            .read(
                "SELECT id, scope, note, created_at, expires_at, revoked_at FROM admin_tokens \
                 WHERE token_hash = $1 AND expires_at > $2 AND revoked_at IS NULL",
            )
            .bind(token_hash)
            .bind(now)
            .maybe()
            .await
    }

    /// All tokens, the newest first.
    pub async fn api_tokens(&self, most: i64) -> Result<Vec<ApiToken>, StoreError> {
        self.db
            .read(
                "SELECT id, scope, note, created_at, expires_at, revoked_at FROM admin_tokens \
                 ORDER BY created_at DESC, id LIMIT $1",
            )
            .bind(most)
            .all()
            .await
    }
}

impl Tx {
    pub async fn insert_api_token(&mut self, token: &NewApiToken) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO admin_tokens (id, token_hash, scope, note, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(token.id.clone())
        .bind(token.token_hash.clone())
        .bind(token.scope)
        .bind(token.note.clone())
        .bind(token.created_at)
        .bind(token.expires_at)
        .run()
        .await
        .map(|_| ())
    }

    /// False when there is none like it in force.
    pub async fn revoke_api_token(&mut self, id: &str, now: i64) -> Result<bool, StoreError> {
        let revoke = "UPDATE admin_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
        Ok(self.query(revoke).bind(now).bind(id).run().await? == 1)
    }
}
