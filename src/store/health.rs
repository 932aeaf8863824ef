//! How the database itself is, for `doctor`. Nothing here changes anything.

use super::db::Db;
use super::{Store, StoreError};

/// A payment that brought money, as we hold it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SettledPayment {
    /// `in_…` or `pi_…`.
    pub stripe_key: String,
    pub amount_minor: i64,
    pub currency: String,
}

impl Store {
    /// Connects to a database that is there, and leaves its settings as they are.
    pub async fn open_as_it_is(url: &str) -> Result<Self, StoreError> {
        Ok(Self { db: Db::open_as_it_is(url).await? })
    }

    /// How an SQLite file is written: `wal`, `delete`…; none on PostgreSQL.
    pub async fn journal_mode(&self) -> Result<Option<String>, StoreError> {
        self.sqlite_says("PRAGMA journal_mode").await
    }

    /// The first thing that is wrong with an SQLite file, or `ok`; none on PostgreSQL, which looks after its own pages.
    /// It reads the whole file.
    pub async fn quick_check(&self) -> Result<Option<String>, StoreError> {
        self.sqlite_says("PRAGMA quick_check(1)").await
    }

    async fn sqlite_says(&self, pragma: &'static str) -> Result<Option<String>, StoreError> {
        match self.db {
            Db::Sqlite { .. } => Ok(Some(self.db.read(pragma).one::<(String,)>().await?.0)),
            Db::Pg(_) => Ok(None),
        }
    }

    /// How many migrations of this program have not been run.
    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        Ok(self.migrations().await?.iter().filter(|migration| !migration.applied).count())
    }

    /// Which of these events the inbox holds.
    pub async fn events_held(&self, ids: &[String]) -> Result<Vec<String>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let held: Vec<(String,)> = tx.list("SELECT id FROM stripe_events WHERE id IN {?}", ids).await?;
        tx.rollback().await?;
        Ok(held.into_iter().map(|(id,)| id).collect())
    }

    /// The newest event whose body is kept, and that body as it is stored.
    pub async fn newest_event_body(&self) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        self.db
            .read(
                "SELECT b.event_id, b.body FROM stripe_event_bodies b JOIN stripe_events e ON e.id = b.event_id \
                 ORDER BY e.received_at DESC LIMIT 1",
            )
            .maybe()
            .await
    }

    /// The newest payments that brought money.
    pub async fn newest_payments(&self, most: i64) -> Result<Vec<SettledPayment>, StoreError> {
        self.db
            .read(
                "SELECT stripe_key, amount_minor, currency FROM payments WHERE status = 'succeeded' AND day IS NOT NULL \
                 ORDER BY day DESC, succeeded_at DESC LIMIT $1",
            )
            .bind(most)
            .all()
            .await
    }

    /// How many rows should have been forgotten: callers' keys and readers' requests made before these times.
    pub async fn overdue(&self, keys_before: i64, requests_before: i64) -> Result<i64, StoreError> {
        let (overdue,) = self
            .db
            .read(
                "SELECT (SELECT COUNT(*) FROM idempotency_keys WHERE created_at < $1) + \
                 (SELECT COUNT(*) FROM requests WHERE created_at < $2) AS overdue",
            )
            .bind(keys_before)
            .bind(requests_before)
            .one::<(i64,)>()
            .await?;
        Ok(overdue)
    }
}
