//! Writing what is different: one multi-row statement a table.

use crate::domain::books::{Changes, Dispute, Payment, PledgeEntry, Refund, RevenueChange, RevenueKey};
use crate::domain::facts::Object;
use crate::domain::report::query::View;
use crate::domain::report::totals::Totals;
use crate::id::{PaymentId, Random};
use crate::store::db::Query;
use crate::store::{StoreError, Tx};

impl Tx {
    /// Writes what the books say is different now, one multi-row statement a table.
    pub async fn write_changes(&mut self, changes: &Changes, random: &Random) -> Result<(), StoreError> {
        self.write_pledges(&changes.pledges).await?;
        self.write_objects(&changes.objects).await?;
        self.write_facts(&changes.facts).await?;
        self.write_versions(&changes.versions).await?;
        self.write_reversals(changes).await?;
        self.batch(
            "INSERT INTO payments (stripe_key, id, pledge_id, status, amount_minor, currency, succeeded_at, day, \
             failed_at, stripe_charge_id, stripe_balance_transaction_id) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (stripe_key) DO UPDATE SET pledge_id = excluded.pledge_id, status = excluded.status, \
             amount_minor = excluded.amount_minor, currency = excluded.currency, succeeded_at = excluded.succeeded_at, \
             day = excluded.day, failed_at = excluded.failed_at, stripe_charge_id = excluded.stripe_charge_id, \
             stripe_balance_transaction_id = excluded.stripe_balance_transaction_id",
            &changes.payments,
            |query, payment| bind_payment(query, payment, &PaymentId::new(random)),
        )
        .await?;
        self.add_revenue(&changes.revenue).await
    }

    /// Adds to lines of the daily revenue, and to the sums of them.
    pub async fn add_revenue(&mut self, changes: &[(RevenueKey, RevenueChange)]) -> Result<(), StoreError> {
        self.batch(
            "INSERT INTO revenue_daily (day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
             disputes_minor) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (day, currency, frequency, campaign, source) DO UPDATE SET \
             payments = revenue_daily.payments + excluded.payments, \
             gross_minor = revenue_daily.gross_minor + excluded.gross_minor, \
             refunds_minor = revenue_daily.refunds_minor + excluded.refunds_minor, \
             disputes_minor = revenue_daily.disputes_minor + excluded.disputes_minor",
            changes,
            bind_revenue,
        )
        .await?;
        self.add_totals(View::Charge, &Totals::of_daily(changes)).await
    }

    async fn write_versions(&mut self, versions: &[Object]) -> Result<u64, StoreError> {
        self.batch(
            "INSERT INTO subscription_versions (stripe_subscription_id, at, event_id, fact) VALUES {(?, ?, ?, ?)} \
             ON CONFLICT DO NOTHING",
            versions,
            |query, version| {
                query
                    .bind(version.id.clone())
                    .bind(version.fact.snapshot.at)
                    .bind(version.fact.snapshot.event.clone())
                    .bind(fact_text(version))
            },
        )
        .await
    }

    async fn write_reversals(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.batch(
            "INSERT INTO refunds (stripe_refund_id, stripe_key, status, amount_minor, counted_minor, currency, created_at, \
             day) VALUES {(?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (stripe_refund_id) DO UPDATE SET stripe_key = excluded.stripe_key, status = excluded.status, \
             amount_minor = excluded.amount_minor, counted_minor = excluded.counted_minor, currency = excluded.currency, \
             created_at = excluded.created_at, day = excluded.day",
            &changes.refunds,
            bind_refund,
        )
        .await?;
        if !changes.gone_refunds.is_empty() {
            let forget = "DELETE FROM refunds WHERE stripe_refund_id IN {?}";
            self.keyed(forget).keys(&changes.gone_refunds).run().await?;
        }
        self.batch(
            "INSERT INTO disputes (stripe_dispute_id, stripe_key, status, amount_minor, counted_minor, currency, \
             withdrawn_at, withdrawn_day, reinstated_at, reinstated_day) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (stripe_dispute_id) DO UPDATE SET stripe_key = excluded.stripe_key, status = excluded.status, \
             amount_minor = excluded.amount_minor, counted_minor = excluded.counted_minor, currency = excluded.currency, \
             withdrawn_at = excluded.withdrawn_at, withdrawn_day = excluded.withdrawn_day, \
             reinstated_at = excluded.reinstated_at, reinstated_day = excluded.reinstated_day",
            &changes.disputes,
            bind_dispute,
        )
        .await?;
        Ok(())
    }

    async fn write_objects(&mut self, objects: &[Object]) -> Result<u64, StoreError> {
        self.batch(
            "INSERT INTO stripe_objects (object_id, kind, pledge_id, payment_intent_id, charge_id, invoice_id, \
             subscription_id, customer_id, donor_id, fact, updated_at) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (object_id) DO UPDATE SET pledge_id = excluded.pledge_id, \
             payment_intent_id = excluded.payment_intent_id, charge_id = excluded.charge_id, \
             invoice_id = excluded.invoice_id, subscription_id = excluded.subscription_id, customer_id = excluded.customer_id, donor_id = excluded.donor_id, \
             fact = excluded.fact, updated_at = excluded.updated_at",
            objects,
            |query, object| {
                query
                    .bind(object.id.clone())
                    .bind(object.kind.as_str())
                    .bind(object.links.pledge.clone())
                    .bind(object.links.payment_intent.clone())
                    .bind(object.links.charge.clone())
                    .bind(object.links.invoice.clone())
                    .bind(object.links.subscription.clone())
                    .bind(object.links.customer.clone())
                    .bind(object.donor_id.clone())
                    .bind(fact_text(object))
                    .bind(object.fact.snapshot.at)
            },
        )
        .await
    }

    async fn write_facts(&mut self, objects: &[Object]) -> Result<u64, StoreError> {
        self.batch(
            "UPDATE stripe_objects SET donor_id = said.column2, fact = said.column3, updated_at = said.column4 \
             FROM (VALUES {(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT))}) AS said \
             WHERE stripe_objects.object_id = said.column1",
            objects,
            |query, object| {
                query
                    .bind(object.id.clone())
                    .bind(object.donor_id.clone())
                    .bind(fact_text(object))
                    .bind(object.fact.snapshot.at)
            },
        )
        .await
    }

    async fn write_pledges(&mut self, pledges: &[PledgeEntry]) -> Result<u64, StoreError> {
        self.batch(
            "UPDATE pledges SET status = said.column2, settled_at = said.column3, paid_at = said.column4, \
             ended_at = said.column5, paid_after_end_at = said.column6, spent_at = said.column7, \
             stripe_subscription_id = said.column8, stripe_customer_id = said.column9, donor_id = said.column10 \
             FROM (VALUES {(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), \
             CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))}) AS said \
             WHERE pledges.id = said.column1",
            pledges,
            |query, pledge| {
                query
                    .bind(pledge.id.clone())
                    .bind(pledge.status.as_str())
                    .bind(pledge.settled_at)
                    .bind(pledge.paid_at)
                    .bind(pledge.ended_at)
                    .bind(pledge.paid_after_end_at)
                    .bind(pledge.spent_at)
                    .bind(pledge.stripe_subscription_id.clone())
                    .bind(pledge.stripe_customer_id.clone())
                    .bind(pledge.donor_id.clone())
            },
        )
        .await
    }
}

fn bind_payment<'c>(query: Query<'c>, payment: &Payment, id: &PaymentId) -> Query<'c> {
    query
        .bind(payment.stripe_key.clone())
        .bind(id.as_str().to_owned())
        .bind(payment.pledge_id.clone())
        .bind(payment.status.as_str())
        .bind(payment.amount_minor)
        .bind(payment.currency.clone())
        .bind(payment.succeeded_at)
        .bind(payment.day)
        .bind(payment.failed_at)
        .bind(payment.stripe_charge_id.clone())
        .bind(payment.stripe_balance_transaction_id.clone())
}

fn bind_revenue<'c>(query: Query<'c>, (key, change): &(RevenueKey, RevenueChange)) -> Query<'c> {
    query
        .bind(key.day)
        .bind(key.currency.clone())
        .bind(key.frequency.as_str())
        .bind(key.campaign.clone())
        .bind(key.source.clone())
        .bind(change.payments)
        .bind(change.gross_minor)
        .bind(change.refunds_minor)
        .bind(change.disputes_minor)
}

fn bind_refund<'c>(query: Query<'c>, refund: &Refund) -> Query<'c> {
    query
        .bind(refund.stripe_refund_id.clone())
        .bind(refund.stripe_key.clone())
        .bind(refund.status.clone())
        .bind(refund.amount_minor)
        .bind(refund.counted_minor)
        .bind(refund.currency.clone())
        .bind(refund.created_at)
        .bind(refund.day)
}

fn bind_dispute<'c>(query: Query<'c>, dispute: &Dispute) -> Query<'c> {
    query
        .bind(dispute.stripe_dispute_id.clone())
        .bind(dispute.stripe_key.clone())
        .bind(dispute.status.clone())
        .bind(dispute.amount_minor)
        .bind(dispute.counted_minor)
        .bind(dispute.currency.clone())
        .bind(dispute.withdrawn_at)
        .bind(dispute.withdrawn_day)
        .bind(dispute.reinstated_at)
        .bind(dispute.reinstated_day)
}

fn fact_text(object: &Object) -> String {
    serde_json::to_string(&object.fact).unwrap_or_default()
}
