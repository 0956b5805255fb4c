//! Is the service alive, and can it work?

use axum::Json;
use axum::extract::State;
use multi_upload_wire::ErrorInfo;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Answer;
use crate::state::App;

/// Health of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `degraded` while nothing is sent.
    status: &'static str,
    /// Version of the service.
    version: &'static str,
    /// What keeps it from sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ErrorInfo>,
}

impl Health {
    fn of(problem: Option<ErrorInfo>) -> Self {
        Self {
            status: if problem.is_none() { "ok" } else { "degraded" },
            version: env!("CARGO_PKG_VERSION"),
            problem,
        }
    }
}

/// The process answers. What keeps it from sending is told, and is no reason to start it again.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "health", security(()),
    responses((status = 200, description = "Alive.", body = Health))
)]
pub(crate) async fn healthz(State(app): State<App>) -> Json<Health> {
    Json(Health::of(app.safety.trouble()))
}

/// The process can do its work: the database answers, and it is safe to send.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "Ready.", body = Health),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn readyz(State(app): State<App>) -> Answer<Json<Health>> {
    app.store.last_change().await?;
    match app.safety.trouble() {
        None => Ok(Json(Health::of(None))),
        Some(info) => Err(info.into()),
    }
}
