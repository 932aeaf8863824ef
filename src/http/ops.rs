//! What a supervisor and a monitor ask: `/healthz`, `/readyz`, `/metrics`. The same in every process.
//!
//! It says nothing about donors or gifts but counts.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::store::Store;

/// What these routes look at.
#[derive(Clone)]
pub struct Ops {
    pub store: Store,
    pub metrics: PrometheusHandle,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn ops_router(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

/// Whether gifts can be taken: the database answers.
async fn ready(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    match ops.store.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(reason = error.code(), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}

async fn metrics(State(ops): State<Ops>) -> axum::response::Response {
    // Counted in the database, so that every process tells the same and a restart forgets nothing.
    let Ok(states) = ops.store.count_events().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response();
    };
    let mut text = ops.metrics.render();
    text.push_str("# HELP mainstay_events Stripe events by state; received at 0 means caught up.\n");
    text.push_str("# TYPE mainstay_events gauge\n");
    for (state, count) in states {
        let _ = writeln!(text, "mainstay_events{{state=\"{state}\"}} {count}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
