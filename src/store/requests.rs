//! What the web half was asked and the worker has not yet looked at. All of it is sealed.

use super::{Store, StoreError, Tx};

/// A request is parked after so many attempts.
pub const MAX_ATTEMPTS: i64 = 10;

/// A request to be stored.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// `req_…`.
    pub id: String,
    pub kind: &'static str,
    /// Sealed for `requests`, `body`, its id.
    pub body: Vec<u8>,
    pub created_at: i64,
}

/// A request held by a worker.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LeasedRequest {
    pub id: String,
    pub kind: String,
    pub body: Vec<u8>,
    pub created_at: i64,
    pub attempts: i64,
}

impl Store {
    /// Stores a request: the same single statement whoever it is about.
    pub async fn put_request(&self, request: &NewRequest) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.put_request(request).await?;
        tx.commit().await
    }

    /// Takes up to `most` requests that are due, oldest first, for the holder of `token` until `until`.
    pub async fn lease_requests(
        &self,
        token: &str,
        now: i64,
        until: i64,
        most: i64,
    ) -> Result<Vec<LeasedRequest>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut leased: Vec<LeasedRequest> = tx
            .query(
                "UPDATE requests SET lease_token = $1, lease_until = $2, attempts = attempts + 1 \
                 WHERE due_at <= $3 AND lease_until <= $3 AND attempts < $5 AND id IN (\
                   SELECT id FROM requests WHERE due_at <= $3 AND lease_until <= $3 AND attempts < $5 \
                   ORDER BY due_at, id LIMIT $4) \
                 RETURNING id, kind, body, created_at, attempts",
            )
            .bind(token)
            .bind(until)
            .bind(now)
            .bind(most)
            .bind(MAX_ATTEMPTS)
            .all()
            .await?;
        tx.commit().await?;
        leased.sort_by(|one, two| (one.created_at, &one.id).cmp(&(two.created_at, &two.id)));
        Ok(leased)
    }

    /// Gives a request back, to be tried again at `due_at`; `forgiven`, the attempt does not count.
    pub async fn postpone_request(&self, id: &str, token: &str, due_at: i64, forgiven: bool) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE requests SET due_at = $1, attempts = attempts - $2, lease_token = NULL, lease_until = 0 \
                 WHERE id = $3 AND lease_token = $4",
            )
            .bind(due_at)
            .bind(i64::from(forgiven))
            .bind(id)
            .bind(token)
            .run()
            .await
            .map(|_| ())
    }

    /// Forgets requests older than that, parked ones among them.
    pub async fn forget_requests(&self, before: i64) -> Result<u64, StoreError> {
        self.db.write("DELETE FROM requests WHERE created_at < $1").bind(before).run().await
    }

    /// How many requests wait to be worked off, and how many are parked.
    pub async fn count_requests(&self) -> Result<(i64, i64), StoreError> {
        let counted = "SELECT COUNT(*) AS n, CAST(COALESCE(SUM(CASE WHEN attempts >= $1 THEN 1 ELSE 0 END), 0) AS BIGINT) \
                       AS parked FROM requests";
        let (all, parked): (i64, i64) = self.db.read(counted).bind(MAX_ATTEMPTS).one().await?;
        Ok((all - parked, parked))
    }
}

impl Tx {
    /// Stores a request with whatever else this transaction does.
    pub async fn put_request(&mut self, request: &NewRequest) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO requests (id, kind, body, created_at, due_at, attempts, lease_until) \
             VALUES ($1, $2, $3, $4, $4, 0, 0)",
        )
        .bind(request.id.as_str())
        .bind(request.kind)
        .bind(request.body.clone())
        .bind(request.created_at)
        .run()
        .await
        .map(|_| ())
    }

    /// Removes a request that was worked off, in the transaction of what it came to.
    pub async fn finish_request(&mut self, id: &str, token: &str) -> Result<(), StoreError> {
        let gone = self.query("DELETE FROM requests WHERE id = $1 AND lease_token = $2").bind(id).bind(token).run();
        if gone.await? == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }
}
