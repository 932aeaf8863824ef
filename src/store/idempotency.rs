//! The caller's idempotency keys: who is at work under one, and which pledge came of it.

use super::{Store, StoreError, Tx};
use crate::domain::pledge::PledgeStatus;
use crate::id::PledgeId;
use crate::store::Pledge;

/// How a key stands for somebody who comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours to work on, with the pledge that came of an earlier try.
    Ours(Option<PledgeId>),
    /// Somebody else is at work.
    Busy,
    /// It was used for another request.
    Mismatch,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    body_hash: String,
    pledge_id: Option<String>,
    claim_token: Option<String>,
}

impl Store {
    /// Claims a key until `until` for the holder of `token`, if nobody else holds it. A key made before
    /// `forget_before` is a new one.
    pub async fn claim_key(
        &self,
        key_hash: &str,
        body_hash: &str,
        token: &str,
        now: i64,
        until: i64,
        forget_before: i64,
    ) -> Result<Claim, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.query("DELETE FROM idempotency_keys WHERE key_hash = $1 AND created_at < $2")
            .bind(key_hash)
            .bind(forget_before)
            .run()
            .await?;
        tx.query(
            "INSERT INTO idempotency_keys (key_hash, body_hash, claim_token, claim_until, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key_hash) DO UPDATE SET \
             claim_token = excluded.claim_token, claim_until = excluded.claim_until \
             WHERE idempotency_keys.body_hash = excluded.body_hash AND \
             (idempotency_keys.claim_token IS NULL OR idempotency_keys.claim_until <= $5)",
        )
        .bind(key_hash)
        .bind(body_hash)
        .bind(token)
        .bind(until)
        .bind(now)
        .run()
        .await?;
        let row: KeyRow = tx
            .query("SELECT body_hash, pledge_id, claim_token FROM idempotency_keys WHERE key_hash = $1")
            .bind(key_hash)
            .one()
            .await?;
        tx.commit().await?;
        if row.body_hash != body_hash {
            return Ok(Claim::Mismatch);
        }
        if row.claim_token.as_deref() != Some(token) {
            return Ok(Claim::Busy);
        }
        let pledge = row.pledge_id.map(|id| PledgeId::parse(&id)).transpose();
        Ok(Claim::Ours(pledge.map_err(|_| StoreError::Corrupt { what: "idempotency_keys.pledge_id" })?))
    }

    /// Lets go of a key, whatever came of the work.
    pub async fn release_key(&self, key_hash: &str, token: &str) -> Result<(), StoreError> {
        self.db
            .write("UPDATE idempotency_keys SET claim_token = NULL, claim_until = 0 WHERE key_hash = $1 AND claim_token = $2")
            .bind(key_hash)
            .bind(token)
            .run()
            .await
            .map(|_| ())
    }

    /// Forgets keys made before `before`.
    pub async fn forget_keys(&self, before: i64) -> Result<u64, StoreError> {
        self.db.write("DELETE FROM idempotency_keys WHERE created_at < $1").bind(before).run().await
    }

    /// Stores a new pledge, and under which key it was asked for. Fails when the claim on the key has passed to another.
    pub async fn insert_pledge(&self, pledge: &Pledge, key: Option<(&str, &str)>) -> Result<(), StoreError> {
        debug_assert_eq!(pledge.status, PledgeStatus::Open, "pledges begin open");
        let mut tx = self.db.begin().await?;
        tx.insert_pledge(pledge).await?;
        if let Some((key_hash, token)) = key {
            tx.name_pledge(key_hash, token, &pledge.id).await?;
        }
        tx.commit().await
    }
}

impl Tx {
    async fn name_pledge(&mut self, key_hash: &str, token: &str, pledge: &PledgeId) -> Result<(), StoreError> {
        let named = self
            .query("UPDATE idempotency_keys SET pledge_id = $1 WHERE key_hash = $2 AND claim_token = $3")
            .bind(pledge.as_str())
            .bind(key_hash)
            .bind(token)
            .run()
            .await?;
        if named == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }
}
