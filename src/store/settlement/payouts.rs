//! Payouts as reports show them, and in which of them each gift left.

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

/// A gift that succeeded, what Stripe booked for it, and the payout in which it left.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct PaidOutGift {
    /// `pmt_…`
    pub id: String,
    pub day: i64,
    pub currency: String,
    pub amount_minor: i64,
    pub settled_currency: Option<String>,
    pub fee_minor: Option<i64>,
    pub net_minor: Option<i64>,
    pub payout_id: Option<String>,
    /// The day the bank has it.
    pub arrives_on: Option<i64>,
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

    /// The gifts of these days, oldest first.
    pub async fn gifts_with_payouts(&self, period: Period) -> Result<Vec<PaidOutGift>, StoreError> {
        self.db
            .read(
                "SELECT p.id, p.day, p.currency, p.amount_minor, b.currency AS settled_currency, b.fee_minor, b.net_minor, \
                 b.payout_id, o.arrives_on FROM payments p \
                 LEFT JOIN balance_transactions b ON b.stripe_key = p.stripe_key AND b.category = 'charge' \
                 LEFT JOIN payouts o ON o.id = b.payout_id \
                 WHERE p.day >= $1 AND p.day < $2 AND p.status = 'succeeded' ORDER BY p.succeeded_at, p.id",
            )
            .bind(period.from)
            .bind(period.to)
            .all()
            .await
    }
}
