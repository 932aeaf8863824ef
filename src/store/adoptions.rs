//! Pledges that stand for what an account held before.

use super::{Store, StoreError};
use crate::domain::adoption::Adopted;
use crate::domain::pledge::PledgeStatus;

impl Store {
    /// Stores pledges that are taken over; those that are there already stay as they are. Returns how many were new.
    pub async fn adopt_pledges(&self, adopted: &[Adopted], now: i64) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // Their checkout is long over: how they stand follows from what Stripe says.
        let stored = tx
            .batch(
                "INSERT INTO pledges (id, campaign, frequency, amount_minor, currency, source, return_url, status, created_at, \
                 expires_at, stripe_attempt, cover_minor, total_minor, stripe_subscription_id, stripe_customer_id, adopted_at) \
                 VALUES {(?, ?, ?, ?, ?, ?, '', ?, ?, ?, 1, 0, ?, ?, ?, ?)} ON CONFLICT (id) DO NOTHING",
                adopted,
                |query, pledge| {
                    query
                        .bind(pledge.id.to_string())
                        .bind(pledge.campaign.clone())
                        .bind(pledge.frequency.as_str())
                        .bind(pledge.money.amount_minor)
                        .bind(pledge.money.currency.code().to_owned())
                        .bind(pledge.source.clone())
                        .bind(PledgeStatus::Open.as_str())
                        .bind(pledge.created_at)
                        .bind(pledge.created_at)
                        .bind(pledge.money.amount_minor)
                        .bind(pledge.subscription.then(|| pledge.stripe_id.clone()))
                        .bind(pledge.customer.clone())
                        .bind(now)
                },
            )
            .await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// Which of these pledges are there.
    pub async fn pledges_held(&self, ids: &[String]) -> Result<Vec<String>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let rows: Vec<(String,)> = tx.list("SELECT id FROM pledges WHERE id IN {?}", ids).await?;
        tx.rollback().await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Which of these objects belong to a pledge already.
    pub async fn belonging(&self, object_ids: &[String]) -> Result<Vec<String>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let belong = "SELECT object_id FROM stripe_objects WHERE pledge_id IS NOT NULL AND object_id IN {?}";
        let rows: Vec<(String,)> = tx.list(belong, object_ids).await?;
        tx.rollback().await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}
