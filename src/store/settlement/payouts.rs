//! Payouts as reports show them.

use super::holding::Period;
use crate::store::{Store, StoreError};

/// A payout, and what its lines come to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct ShownPayout {
    pub id: String,
    pub status: String,
    pub made_by: String,
    pub day: i64,
    pub arrives_on: i64,
    pub currency: String,
    pub amount_minor: i64,
    /// `None` while they were not read, and for one that somebody made: Stripe does not tell what is in it.
    pub lines_minor: Option<i64>,
}

impl Store {
    /// The payouts made on these days, oldest first.
    pub async fn payouts_shown(&self, period: Period) -> Result<Vec<ShownPayout>, StoreError> {
        self.db
            .read(
                "SELECT id, status, made_by, day, arrives_on, currency, amount_minor, lines_minor FROM payouts \
                 WHERE day >= $1 AND day < $2 ORDER BY created_at, id",
            )
            .bind(period.from)
            .bind(period.to)
            .all()
            .await
    }
}
