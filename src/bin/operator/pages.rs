//! What the operator serves: whether it lives, whether it works, and what it counts.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse as _,
    routing::get,
};
use bot_bottle::cluster::{health::Health, lease, metrics::Metrics};
use std::sync::Arc;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/healthz` answers while the process serves at all; `/readyz` says whether it works or could take over; `/metrics`
/// is for Prometheus.
pub fn pages(health: Arc<Health>, metrics: Arc<Metrics>) -> axum::Router {
    let leads = health.clone();
    let counted = move || async move {
        metrics.page(leads.is_leading()).map_or_else(
            |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            |page| ([(CONTENT_TYPE, METRICS_TYPE)], page).into_response(),
        )
    };
    let is_ready = move || async move {
        match health.ready(lease::clock()) {
            Ok(role) => (StatusCode::OK, format!("ok: {role}\n")),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    };
    axum::Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(is_ready))
        .route("/metrics", get(counted))
}
