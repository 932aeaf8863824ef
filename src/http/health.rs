//! What machines ask: is it up, can it work, how much is waiting.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, Problem};
use super::state::Ops;
use crate::domain::email::EmailState;
use crate::store::Mark;

/// The process is up
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "up")))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers, and how long ago Stripe last delivered something
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, description = "ready; then, once \
    Stripe has delivered anything, `last_webhook_age_seconds` and a number of about a minute's precision"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(ops): State<Ops>) -> Result<String, ApiError> {
    let heard = ops.store.mark(Mark::WebhookReceived).await.map_err(|error| {
        tracing::warn!(reason = error.code(), "not ready: the database does not answer");
        ApiError::unavailable("database_unavailable", 5)
    })?;
    let age = heard.map(|at| format!("last_webhook_age_seconds {}\n", (ops.clock.now() - at).max(0)));
    Ok(format!("ready\n{}", age.unwrap_or_default()))
}

/// Times whose age is a figure.
const MARKS: [(Mark, &str); 2] = [
    (Mark::WebhookReceived, "mainstay_last_webhook_age_seconds"),
    (Mark::SweptUntil, "mainstay_swept_until_age_seconds"),
];

async fn count_emails(ops: &Ops) -> Result<(), ApiError> {
    let counted = ops.store.count_emails().await?;
    for state in EmailState::ALL.map(EmailState::as_str) {
        let count = counted.iter().find(|(counted, _)| counted == state).map_or(0, |(_, count)| *count);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
        metrics::gauge!("mainstay_emails", "state" => state).set(count as f64);
    }
    Ok(())
}

async fn count_differences(ops: &Ops) -> Result<(), ApiError> {
    let (breaks, payouts) = (ops.store.count_open_breaks().await?, ops.store.count_payouts_that_differ().await?);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_breaks_open").set(breaks as f64);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_payouts_that_differ").set(payouts as f64);
    Ok(())
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, content_type = "text/plain",
    description = "`mainstay_events{state=…}` counts the inbox; `received` at 0 means caught up. \
    `mainstay_oldest_received_event_age_seconds` is how long the oldest event that is neither applied, ignored nor \
    parked has waited. `mainstay_pledges_paid_after_end` counts pledges that brought money after they ended. \
    `mainstay_pledges_refused{limit=…}` counts requests refused by the limit per address, per campaign or overall. \
    `mainstay_checkouts_spent` counts checkouts on which five attempts failed and that are not over yet; \
    `mainstay_checkouts_ended` counts those this process ended at Stripe. `mainstay_emails{state=…}` counts the outbox; \
    `mainstay_last_webhook_age_seconds` is how long ago Stripe last delivered something, to the minute; \
    `mainstay_swept_until_age_seconds` how long ago the moment is up to which nothing is missing, by the last sweep. \
    `mainstay_sweep_found` counts events that this process found and no webhook had brought; \
    `mainstay_outbox_last_run_timestamp_seconds` is when this process last looked for mail to send, by its own clock. \
    `mainstay_database_damage_timestamp_seconds` is when committed rows were last missed at a start, 0 when they never \
    were; `mainstay_last_backup_timestamp_seconds` is when `mainstay backup` last took one, 0 when it never did. \
    `mainstay_breaks_open` counts differences between our books and what Stripe booked that are not healed; \
    `mainstay_payouts_that_differ` counts automatic payouts that are not the sum of their balance transactions")))]
pub async fn metrics(State(ops): State<Ops>) -> Result<Response, ApiError> {
    for (state, count) in ops.store.count_events().await? {
        // Exact up to 2^53 events.
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
        metrics::gauge!("mainstay_events", "state" => state).set(count as f64);
    }
    let oldest = ops.store.oldest_received_at().await?.map_or(0, |at| (ops.clock.now() - at).max(0));
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_oldest_received_event_age_seconds").set(oldest as f64);
    let after_end = ops.store.count_paid_after_end().await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_pledges_paid_after_end").set(after_end as f64);
    let spent = ops.store.count_spent_checkouts().await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_checkouts_spent").set(spent as f64);
    for (mark, gauge) in MARKS {
        if let Some(at) = ops.store.mark(mark).await? {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
            metrics::gauge!(gauge).set((ops.clock.now() - at).max(0) as f64);
        }
    }
    count_emails(&ops).await?;
    let damaged = ops.store.damage().await?.map_or(0, |damage| damage.noticed_at);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_database_damage_timestamp_seconds").set(damaged as f64);
    let backed_up = ops.store.backed_up_at().await?.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
    metrics::gauge!("mainstay_last_backup_timestamp_seconds").set(backed_up as f64);
    count_differences(&ops).await?;
    let text = ops.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
