//! Webhook endpoints over HTTP.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use multi_upload_wire::{
    CreateWebhook, ErrorCode, ErrorInfo, FieldError, Page, UpdateWebhook, WEBHOOK_EVENTS, Webhook,
    WebhookDelivery, WebhookSecret,
};

use super::accounts::created;
use super::auth::Caller;
use super::body::Object;
use super::fields::{nearest, typed};
use super::problem::{Answer, Problem, field};
use super::query::{Query, seal_cursor};
use crate::clock::rfc3339;
use crate::ids::new_id;
use crate::state::App;
use crate::store::{DeliveryRow, Millis, Owner, WebhookRow};
use crate::webhooks::{message_of_webhook, shown};

/// Endpoints of a team and mode.
const MAX_WEBHOOKS: usize = 1_000;
/// Longest text for people, in characters.
const MAX_DESCRIPTION: usize = 500;
/// How long the secret before a rotation goes on signing.
const OVERLAP_MS: Millis = 24 * 3_600_000;

const LIST: &str = "deliveries";

/// Lists the webhook endpoints, newest first, without their secrets.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses(
        (status = 200, description = "All endpoints; one page.", body = Page<Webhook>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<Webhook>>> {
    may_manage(&caller)?;
    let mut query = Query::of(&uri);
    query.limit();
    query.cursor("webhooks");
    query.end()?;
    let rows = app.store.webhooks(&caller.owner).await?;
    Ok(Json(Page {
        items: rows.iter().map(shown).collect(),
        next_cursor: None,
    }))
}

/// Makes a webhook endpoint. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = CreateWebhook,
    responses(
        (status = 201, description = "The endpoint with its secret.", body = WebhookSecret),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create(State(app): State<App>, caller: Caller, Object(body): Object) -> Answer {
    may_manage(&caller)?;
    let request: CreateWebhook = typed(&body, "").map_err(Problem::fields)?;
    check(
        &app,
        Some(&request.url),
        request.events.as_deref(),
        request.description.as_deref(),
    )?;
    if app.store.webhooks(&caller.owner).await?.len() >= MAX_WEBHOOKS {
        return Err(Problem::new(
            ErrorCode::StateConflict,
            format!("there are {MAX_WEBHOOKS} endpoints already; delete one first"),
        ));
    }
    let id = new_id("wh");
    let (secret, sealed) = new_secret(&app, &caller.owner, &id).await?;
    let row = WebhookRow {
        id,
        owner: caller.owner.clone(),
        url: request.url,
        description: request.description,
        events: request.events.filter(|events| !events.is_empty()),
        secret_sealed: sealed,
        previous_sealed: None,
        previous_until: None,
        enabled: true,
        disabled_reason: None,
        failing_since: None,
        failures: 0,
        paused_until: None,
        fence: 0,
        created_at: app.clock.now(),
    };
    app.store.create_webhook(row.clone()).await?;
    let answer = WebhookSecret {
        webhook: shown(&row),
        secret,
    };
    Ok(created(&answer, None))
}

/// Reads a webhook endpoint.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", tag = "webhooks", operation_id = "get_webhook",
    params(("id" = String, Path, description = "`wh_…`")),
    responses(
        (status = 200, description = "The endpoint, without its secret.", body = Webhook),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Webhook>> {
    Ok(Json(shown(&row(&app, &caller, &id).await?)))
}

/// Changes a webhook endpoint; what is absent stays. `enabled: true` also ends its pauses.
#[utoipa::path(
    patch, path = "/v1/webhooks/{id}", tag = "webhooks", operation_id = "update_webhook",
    params(("id" = String, Path, description = "`wh_…`")),
    request_body = UpdateWebhook,
    responses(
        (status = 200, description = "The endpoint as it is now.", body = Webhook),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Object(body): Object,
) -> Answer<Json<Webhook>> {
    let request: UpdateWebhook = typed(&body, "").map_err(Problem::fields)?;
    check(
        &app,
        request.url.as_deref(),
        request.events.as_deref(),
        request.description.as_deref(),
    )?;
    let mut row = row(&app, &caller, &id).await?;
    if let Some(url) = request.url {
        row.url = url;
    }
    if let Some(events) = request.events {
        row.events = Some(events).filter(|events| !events.is_empty());
    }
    if let Some(description) = request.description {
        row.description = Some(description).filter(|text| !text.is_empty());
    }
    if let Some(enabled) = request.enabled {
        row.enabled = enabled;
        row.disabled_reason = None;
        row.failing_since = None;
        row.failures = 0;
        row.paused_until = None;
    }
    store(&app, &row).await?;
    app.mail.wake();
    Ok(Json(shown(&row)))
}

/// Deletes a webhook endpoint with its deliveries.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks", operation_id = "delete_webhook",
    params(("id" = String, Path, description = "`wh_…`")),
    responses(
        (status = 204, description = "Gone."),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    may_manage(&caller)?;
    if app.store.delete_webhook(&caller.owner, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&id))
    }
}

/// Sends `webhook.test` to an endpoint, whatever events it wants. Its delivery shows what came of it.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test", tag = "webhooks", operation_id = "test_webhook",
    params(("id" = String, Path, description = "`wh_…`")),
    responses(
        (status = 202, description = "The delivery, which is under way.", body = WebhookDelivery),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<WebhookDelivery>)> {
    let row = row(&app, &caller, &id).await?;
    if !row.enabled {
        return Err(Problem::new(
            ErrorCode::StateConflict,
            "the endpoint is switched off; switch it on with `enabled: true` first",
        ));
    }
    let message = message_of_webhook("webhook.test", &row, app.clock.now());
    let message_id = message.id.clone();
    app.store.queue_message(message, Some(id.clone())).await?;
    let found = app
        .store
        .deliveries(&caller.owner, &id, None, 100)
        .await?
        .into_iter()
        .find(|delivery| delivery.message_id == message_id)
        .ok_or_else(|| unknown(&id))?;
    app.mail.wake();
    Ok((StatusCode::ACCEPTED, Json(delivery(found))))
}

/// Gives an endpoint a new secret. The one before goes on signing beside it for 24 hours, so that receivers can change over.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate", tag = "webhooks", operation_id = "rotate_webhook",
    params(("id" = String, Path, description = "`wh_…`")),
    responses(
        (status = 200, description = "The endpoint with its new secret, which is shown nowhere else.", body = WebhookSecret),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<WebhookSecret>> {
    let mut row = row(&app, &caller, &id).await?;
    // Sealed values belong to their cell: the old secret is opened and sealed again for its new one.
    let before = app
        .vault
        .unseal(&row.owner, &row.id, "secret", &row.secret_sealed)
        .await?;
    row.previous_sealed = Some(
        app.vault
            .seal(&row.owner, &row.id, "previous", &before)
            .await?,
    );
    row.previous_until = Some(app.clock.now() + OVERLAP_MS);
    let (secret, sealed) = new_secret(&app, &row.owner, &row.id).await?;
    row.secret_sealed = sealed;
    store(&app, &row).await?;
    Ok(Json(WebhookSecret {
        webhook: shown(&row),
        secret,
    }))
}

/// Lists what was sent to an endpoint in the last 30 days, newest first.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks", operation_id = "list_webhook_deliveries",
    params(
        ("id" = String, Path, description = "`wh_…`"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Deliveries on a page; default 100."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before.")
    ),
    responses(
        (status = 200, description = "A page.", body = Page<WebhookDelivery>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn deliveries(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<WebhookDelivery>>> {
    let mut query = Query::of(&uri);
    let limit = query.limit();
    let before = query.cursor(LIST);
    query.end()?;
    row(&app, &caller, &id).await?;
    let mut rows = app
        .store
        .deliveries(&caller.owner, &id, before.as_deref(), limit + 1)
        .await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows
        .last()
        .filter(|_| more)
        .map(|row| seal_cursor(LIST, &row.id));
    Ok(Json(Page {
        items: rows.into_iter().map(delivery).collect(),
        next_cursor,
    }))
}

/// Sends an event to an endpoint again, with the same `webhook-id`.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver", tag = "webhooks", operation_id = "redeliver_webhook",
    params(
        ("id" = String, Path, description = "`wh_…`"),
        ("delivery_id" = String, Path, description = "`dl_…`")
    ),
    responses(
        (status = 202, description = "The delivery, which is under way.", body = WebhookDelivery),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn redeliver(
    State(app): State<App>,
    caller: Caller,
    Path((id, delivery_id)): Path<(String, String)>,
) -> Answer<(StatusCode, Json<WebhookDelivery>)> {
    row(&app, &caller, &id).await?;
    let found = app
        .store
        .redeliver(&caller.owner, &id, &delivery_id, app.clock.now())
        .await?
        .ok_or_else(|| {
            let shown: String = delivery_id.chars().take(100).collect();
            Problem::not_found("delivery", &shown)
        })?;
    app.mail.wake();
    Ok((StatusCode::ACCEPTED, Json(delivery(found))))
}

/// Webhooks tell of every account, so a key that may not see them all may not manage them.
fn may_manage(caller: &Caller) -> Result<(), Problem> {
    if caller.accounts().is_none() {
        return Ok(());
    }
    Err(ErrorInfo::new(
        ErrorCode::AccountNotAllowed,
        "webhooks tell of every account, and this key is limited to some",
    )
    .with_remedy("Use a key without an account limit.")
    .into())
}

async fn row(app: &App, caller: &Caller, id: &str) -> Result<WebhookRow, Problem> {
    may_manage(caller)?;
    app.store
        .webhook(&caller.owner, id)
        .await?
        .ok_or_else(|| unknown(id))
}

async fn store(app: &App, row: &WebhookRow) -> Result<(), Problem> {
    if app.store.update_webhook(row.clone()).await? {
        Ok(())
    } else {
        Err(unknown(&row.id))
    }
}

fn unknown(id: &str) -> Problem {
    let shown: String = id.chars().take(100).collect();
    Problem::not_found("webhook", &shown)
}

/// The fields that were given, or every fault. A host's addresses are judged at each delivery; here only what its name says.
fn check(
    app: &App,
    url: Option<&str>,
    events: Option<&[String]>,
    description: Option<&str>,
) -> Result<(), Problem> {
    let mut errors: Vec<FieldError> = Vec::new();
    if let Some(Err(error)) = url.map(|url| app.gate.parse(url)) {
        if events.is_none() && description.is_none() {
            return Err(error
                .clone()
                .with_errors(vec![field("/url", "not_allowed", error.detail)])
                .into());
        }
        errors.push(field("/url", "not_allowed", error.detail));
    }
    for (index, event) in events.unwrap_or_default().iter().enumerate() {
        if !WEBHOOK_EVENTS.contains(&event.as_str()) {
            let shown: String = event.chars().take(80).collect();
            let hint = nearest(event, WEBHOOK_EVENTS.into_iter()).map_or_else(
                || format!("known: {}", WEBHOOK_EVENTS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            errors.push(field(
                format!("/events/{index}"),
                "unknown",
                format!("there is no event {shown:?}; {hint}"),
            ));
        }
    }
    if description.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        errors.push(field(
            "/description",
            "too_long",
            format!("at most {MAX_DESCRIPTION} characters are allowed"),
        ));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::fields(errors))
    }
}

/// A new secret, and sealed for its cell.
async fn new_secret(app: &App, owner: &Owner, id: &str) -> Result<(String, Vec<u8>), Problem> {
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key)
        .map_err(|_| Problem::new(ErrorCode::Internal, "the system gives no random numbers"))?;
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let sealed = app.vault.seal(owner, id, "secret", &secret).await?;
    Ok((secret, sealed))
}

/// A delivery as callers see it.
fn delivery(row: DeliveryRow) -> WebhookDelivery {
    WebhookDelivery {
        id: row.id,
        message_id: row.message_id,
        event: row.kind,
        status: row.state.as_str().to_owned(),
        attempts: row.attempts,
        next_attempt_at: row.due_at.map(rfc3339),
        last_attempt_at: row.last_at.map(rfc3339),
        response_status: row.status,
        response: row.answer,
        error: row.error,
        created_at: rfc3339(row.created_at),
    }
}
