//! Is the service alive, and can it work?

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Answer;
use crate::state::App;

/// Health of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    status: &'static str,
    /// Version of the service.
    version: &'static str,
}

const OK: Health = Health {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "health", security(()),
    responses((status = 200, description = "Alive.", body = Health))
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(OK)
}

/// The process can do its work: the database answers.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "Ready.", body = Health),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn readyz(State(app): State<App>) -> Answer<Json<Health>> {
    app.store.last_change().await?;
    Ok(Json(OK))
}
