//! API keys over HTTP. Only `admin` may see or make them.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use http::StatusCode;
use multi_upload_wire::{ApiKey, CreateApiKey, CreatedApiKey, Page};

use super::accounts::created;
use super::auth::Caller;
use super::body::Object;
use super::fields::typed;
use super::problem::{Answer, Problem, field};
use super::query::Query;
use crate::keys;
use crate::state::App;

/// Longest name, in characters.
const MAX_NAME: usize = 200;
/// Most accounts a key can be limited to.
const MAX_ACCOUNTS: usize = 1_000;

/// Lists the keys of the team and mode, newest first, without their secrets.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "api keys", operation_id = "list_api_keys",
    responses(
        (status = 200, description = "All keys; one page.", body = Page<ApiKey>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<ApiKey>>> {
    let mut query = Query::of(&uri);
    query.limit();
    query.cursor("api_keys");
    query.end()?;
    let rows = app.store.api_keys(&caller.owner.team).await?;
    Ok(Json(Page {
        items: rows
            .into_iter()
            .filter(|row| row.owner == caller.owner)
            .map(keys::public)
            .collect(),
        next_cursor: None,
    }))
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "api keys", operation_id = "create_api_key",
    params(("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition is refused with 409, since the answer holds a secret.")),
    request_body = CreateApiKey,
    responses(
        (status = 201, description = "The key with its secret.", body = CreatedApiKey),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create(State(app): State<App>, caller: Caller, Object(body): Object) -> Answer {
    let request: CreateApiKey = typed(&body, "").map_err(Problem::fields)?;
    let now = app.clock.now();
    let request = checked(request, &caller)?;
    let (row, key) = keys::generate(&caller.owner, &request, now)?;
    app.store.create_api_key(row).await?;
    Ok(created(&key, None))
}

/// Revokes a key at once.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "api keys", operation_id = "revoke_api_key",
    params(("id" = String, Path, description = "`key_…`")),
    responses(
        (status = 204, description = "It is not valid any more; the same for one that was revoked before."),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let row = app.store.api_key(&id).await?;
    if row.is_none_or(|row| row.owner != caller.owner) {
        let shown: String = id.chars().take(100).collect();
        return Err(Problem::not_found("API key", &shown));
    }
    let now = app.clock.now();
    app.store
        .revoke_api_key(&caller.owner.team, &id, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The request within the caller's own rights, or every fault.
fn checked(mut request: CreateApiKey, caller: &Caller) -> Result<CreateApiKey, Problem> {
    let mut errors = Vec::new();
    if let Some(name) = &request.name
        && name.chars().count() > MAX_NAME
    {
        errors.push(field(
            "/name",
            "too_long",
            format!("at most {MAX_NAME} characters are allowed"),
        ));
    }
    if request.scopes.as_ref().is_some_and(Vec::is_empty) {
        errors.push(field("/scopes", "required", "name at least one scope"));
    }
    let accounts = request.accounts.as_deref().unwrap_or_default();
    if request.accounts.is_some() && !(1..=MAX_ACCOUNTS).contains(&accounts.len()) {
        errors.push(field(
            "/accounts",
            "invalid",
            format!("name 1 to {MAX_ACCOUNTS} accounts, or leave the field out for all"),
        ));
    }
    for (index, id) in accounts.iter().enumerate() {
        let has_form = id
            .split_once(':')
            .is_some_and(|(platform, rest)| !platform.is_empty() && !rest.is_empty());
        if !has_form || id.len() > 200 {
            errors.push(field(
                format!("/accounts/{index}"),
                "invalid",
                "an account id has the form platform:ID",
            ));
        } else if !caller.may_use(id) {
            errors.push(field(
                format!("/accounts/{index}"),
                "not_allowed",
                "your own key may not use this account",
            ));
        }
    }
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    // A limited key makes keys with the same limit or a narrower one.
    if request.accounts.is_none() {
        request.accounts = caller.accounts().map(<[String]>::to_vec);
    }
    Ok(request)
}
