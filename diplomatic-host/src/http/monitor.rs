//! What an orchestrator and Prometheus ask for, on a listener of its own.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::{Health, Metrics, Stage};

/// What Prometheus expects of the text that [`Metrics::render`] returns.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers `/healthz`, `/readyz` and `/metrics` on `listener` for as long as the future is polled.
///
/// `/healthz` says 200 while the process answers at all, `/readyz` only while it takes requests (503 otherwise, and the
/// [`Stage`] in both cases). They tell how much a host has to do, and belong where only its operator can listen.
pub async fn serve_monitor(listener: TcpListener, health: Health, metrics: Metrics) {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers))
        .with_state((health, metrics));
    // It never ends by itself, and accepts again after every failure.
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "health checks and metrics have stopped");
    }
}

async fn ready(State((health, _)): State<(Health, Metrics)>) -> impl IntoResponse {
    let stage = health.stage();
    let status = if stage == Stage::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", stage.name()))
}

async fn numbers(State((_, metrics)): State<(Health, Metrics)>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT)], metrics.render())
}
