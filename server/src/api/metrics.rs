//! Figures for monitoring.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use multi_upload_wire::ErrorCode;

use super::problem::{Answer, Problem};
use crate::metrics;
use crate::state::App;

/// Counters of this process and what stands in the database, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses(
        (status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn metrics(State(app): State<App>) -> Answer<Response> {
    let now = app.clock.now();
    let census = app.store.census(now).await?;
    let text = app
        .metrics
        .render(&census, now)
        .map_err(|_| Problem::new(ErrorCode::Internal, "the figures could not be written"))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
