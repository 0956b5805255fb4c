//! `POST /v1/uploads`, `/v1/uploads/batch`, `/v1/uploads/validate`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use multi_upload_wire::{
    BatchRequest, BatchResponse, BatchResult, CreateUpload, ErrorCode, ErrorInfo, FieldError,
    Upload, Validation,
};
use serde_json::{Map, Value};

use super::build::{answer, first_events, new_upload, when};
use super::input::read;
use super::plan::Planner;
use super::repeat::{IDEMPOTENCY_REPLAYED, body_hash, is_key, key_of};
use super::timing::Timing;
use super::view;
use crate::api::auth::Caller;
use crate::api::body::{BATCH_LIMIT, Object, kind};
use crate::api::fields::{names, unknown};
use crate::api::problem::{Answer, Problem, field};
use crate::slots::{more_slots, no_free_slot};
use crate::state::App;
use crate::store::{CreateOutcome, Idempotency, NewUpload};

/// Most rows of a batch.
const MAX_ROWS: usize = 1_000;

/// Schedules or publishes an upload.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "uploads", operation_id = "create_upload",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. The same key with the same body gives the first answer again; kept 7 days.")),
    request_body = CreateUpload,
    responses(
        (status = 202, description = "Stored.", body = Upload, headers(
            ("Location" = String, description = "`/v1/uploads/{id}`"),
            ("Idempotency-Replayed" = String, description = "`true` when the key had been answered before."),
            ("X-Request-Id" = String, description = "On every answer: id of the request in the service's log.")
        )),
        (status = 200, description = "With `dry_run`: what would be stored.", body = Validation),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Object(body): Object,
) -> Answer {
    let key = key_of(&headers)?;
    let asked = read(&body, "").map_err(Problem::fields)?;
    if asked.dry_run == Some(true) {
        return validated(&app, &caller, &asked).await;
    }
    let repeat = key.map(|key| (key, body_hash(&body)));
    if let Some((key, hash)) = &repeat
        && let Some(answer) = answered(&app, &caller, key, hash).await?
    {
        return accepted(&parse_answer(&answer)?, true);
    }
    let mut planner = Planner::new(&app, &caller).await?;
    let new = prepare(&mut planner, &caller, asked, repeat).await?;
    let outcome = app.store.create_uploads(vec![new]).await?.pop();
    match outcome {
        Some(CreateOutcome::Stored(row)) => {
            app.wake.wake();
            accepted(&view::upload(&row), false)
        }
        Some(CreateOutcome::Replayed(answer)) => accepted(&parse_answer(&answer)?, true),
        Some(CreateOutcome::KeyMismatch) => Err(mismatch()),
        Some(CreateOutcome::NoFreeSlot(account)) => Err(full(&account)),
        None => Err(no_outcome()),
    }
}

/// The same as `POST /v1/uploads`.
#[utoipa::path(
    post, path = "/v1/upload", tag = "uploads", operation_id = "create_upload_singular",
    params(("Idempotency-Key" = Option<String>, Header, description = "As in `POST /v1/uploads`.")),
    request_body = CreateUpload,
    responses(
        (status = 202, description = "Stored.", body = Upload, headers(
            ("Location" = String, description = "`/v1/uploads/{id}`"),
            ("Idempotency-Replayed" = String, description = "`true` when the key had been answered before.")
        )),
        (status = 200, description = "With `dry_run`: what would be stored.", body = Validation),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn create_singular(
    app: State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Object,
) -> Answer {
    create(app, caller, headers, body).await
}

/// Checks an upload as `POST /v1/uploads` would; stores nothing.
#[utoipa::path(
    post, path = "/v1/uploads/validate", tag = "uploads", operation_id = "validate_upload",
    request_body = CreateUpload,
    responses(
        (status = 200, description = "What would be refused, and what each account would get.", body = Validation),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn validate(
    State(app): State<App>,
    caller: Caller,
    Object(body): Object,
) -> Answer {
    match read(&body, "") {
        Ok(asked) => validated(&app, &caller, &asked).await,
        Err(errors) => Ok(Json(Validation {
            valid: false,
            scheduled_at: None,
            errors,
            warnings: Vec::new(),
            targets: Vec::new(),
        })
        .into_response()),
    }
}

async fn validated(app: &App, caller: &Caller, asked: &CreateUpload) -> Answer {
    let mut planner = Planner::new(app, caller).await?;
    let mut plan = planner.plan(asked, Timing::AsAsked).await?;
    planner.preview(&mut plan).await?;
    Ok(Json(plan.validation()).into_response())
}

/// Schedules many uploads; each row has its own result.
#[utoipa::path(
    post, path = "/v1/uploads/batch", tag = "uploads", operation_id = "create_uploads",
    params(("Idempotency-Key" = Option<String>, Header, description = "Rows without a key of their own get this one with `-` and their number.")),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "One result for each row, in order. Pointers of a row's errors begin at the row.", body = BatchResponse),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn batch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Object(body): Object<BATCH_LIMIT>,
) -> Answer<Json<BatchResponse>> {
    let key = key_of(&headers)?;
    let rows = rows_of(body)?;
    let mut planner = Planner::new(&app, &caller).await?;
    let mut results: Vec<BatchResult> = Vec::with_capacity(rows.len());
    // The rows to be stored, with the places of their results.
    let mut new: Vec<NewUpload> = Vec::new();
    let mut places: Vec<usize> = Vec::new();
    for (index, row) in rows.into_iter().enumerate() {
        let mut result = BatchResult {
            index: index as u64,
            upload: None,
            error: None,
            replayed: false,
        };
        let fallback = key.as_ref().map(|key| format!("{key}-{index}"));
        match prepare_row(&app, &mut planner, &caller, row, fallback).await {
            Ok(Row::New(row)) => {
                new.push(*row);
                places.push(index);
            }
            Ok(Row::Answered(upload)) => {
                result.upload = Some(*upload);
                result.replayed = true;
            }
            Err(problem) => result.error = Some(*problem.info),
        }
        results.push(result);
    }
    if !new.is_empty() {
        let outcomes = app.store.create_uploads(new).await?;
        app.wake.wake();
        for (place, outcome) in places.into_iter().zip(outcomes) {
            let result = &mut results[place];
            match outcome {
                CreateOutcome::Stored(row) => result.upload = Some(view::upload(&row)),
                CreateOutcome::Replayed(answer) => {
                    result.upload = Some(parse_answer(&answer)?);
                    result.replayed = true;
                }
                CreateOutcome::KeyMismatch => result.error = Some(*mismatch().info),
                CreateOutcome::NoFreeSlot(account) => result.error = Some(*full(&account).info),
            }
        }
    }
    Ok(Json(BatchResponse { results }))
}

/// A row that can be stored, or one that was stored before.
enum Row {
    New(Box<NewUpload>),
    Answered(Box<Upload>),
}

fn rows_of(mut body: Map<String, Value>) -> Result<Vec<Value>, Problem> {
    let known = names::<BatchRequest>();
    let mut errors: Vec<FieldError> = body
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| unknown(name, "", known.iter().copied()))
        .collect();
    let rows = match body.remove("uploads") {
        Some(Value::Array(rows)) => rows,
        Some(other) => {
            errors.push(field(
                "/uploads",
                "invalid",
                format!("`uploads` must be an array, not {}", kind(&other)),
            ));
            Vec::new()
        }
        None => {
            errors.push(field("/uploads", "required", "`uploads` is required"));
            Vec::new()
        }
    };
    if errors.is_empty() && rows.is_empty() {
        errors.push(field("/uploads", "required", "name at least one upload"));
    }
    if rows.len() > MAX_ROWS {
        errors.push(field(
            "/uploads",
            "too_many",
            format!("{} uploads; one batch takes at most {MAX_ROWS}", rows.len()),
        ));
    }
    if errors.is_empty() {
        Ok(rows)
    } else {
        Err(Problem::fields(errors))
    }
}

async fn prepare_row(
    app: &App,
    planner: &mut Planner,
    caller: &Caller,
    row: Value,
    fallback_key: Option<String>,
) -> Result<Row, Problem> {
    let Value::Object(mut body) = row else {
        return Err(Problem::field(
            "",
            "invalid",
            format!("a row must be an object, not {}", kind(&row)),
        ));
    };
    let mut errors = Vec::new();
    let key = match body.remove("idempotency_key") {
        None | Some(Value::Null) => fallback_key,
        Some(Value::String(key)) if is_key(&key) => Some(key),
        Some(_) => {
            errors.push(field(
                "/idempotency_key",
                "invalid",
                "must be 1 to 255 visible ASCII characters",
            ));
            None
        }
    };
    if body.get("dry_run") == Some(&Value::Bool(true)) {
        errors.push(field(
            "/dry_run",
            "unsupported",
            "a batch stores its rows; check one with POST /v1/uploads/validate",
        ));
    }
    let asked = match read(&body, "") {
        Ok(asked) if errors.is_empty() => asked,
        Ok(_) => return Err(Problem::fields(errors)),
        Err(more) => {
            errors.extend(more);
            return Err(Problem::fields(errors));
        }
    };
    let repeat = key.map(|key| (key, body_hash(&body)));
    if let Some((key, hash)) = &repeat
        && let Some(answer) = answered(app, caller, key, hash).await?
    {
        return Ok(Row::Answered(Box::new(parse_answer(&answer)?)));
    }
    let new = prepare(planner, caller, asked, repeat).await?;
    Ok(Row::New(Box::new(new)))
}

/// Plans an upload and builds its rows.
async fn prepare(
    planner: &mut Planner,
    caller: &Caller,
    asked: CreateUpload,
    repeat: Option<(String, Vec<u8>)>,
) -> Result<NewUpload, Problem> {
    let plan = planner.plan(&asked, Timing::AsAsked).await?;
    if !plan.is_good() {
        return Err(plan.problem());
    }
    let now = planner.now();
    let events = first_events(&plan, asked.draft == Some(true), now);
    let row = new_upload(&caller.owner, asked, &plan, now);
    let idempotency = match repeat {
        Some((key, body_hash)) => Some(Idempotency {
            key,
            body_hash,
            answer: answer(&row)?,
        }),
        None => None,
    };
    Ok(NewUpload {
        when: when(&plan),
        row,
        events,
        idempotency,
    })
}

/// What the key answered before. Asked first: a repeated request must not be judged again, since
/// its time may have passed meanwhile.
async fn answered(
    app: &App,
    caller: &Caller,
    key: &str,
    body_hash: &[u8],
) -> Result<Option<String>, Problem> {
    let now = app.clock.now();
    match app.store.answered(&caller.owner, key, now).await? {
        Some((hash, _)) if hash != body_hash => Err(mismatch()),
        found => Ok(found.map(|(_, answer)| answer)),
    }
}

fn accepted(upload: &Upload, replayed: bool) -> Answer {
    let mut response: Response = (StatusCode::ACCEPTED, Json(upload)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/uploads/{}", upload.id)) {
        headers.insert(LOCATION, location);
    }
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn parse_answer(answer: &str) -> Result<Upload, Problem> {
    serde_json::from_str(answer).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "a stored answer is not JSON");
    Problem::new(ErrorCode::Internal, "an answer could not be written")
}

/// No slot of the account is free.
pub(super) fn full(account: &str) -> Problem {
    let detail = no_free_slot(account);
    ErrorInfo::new(ErrorCode::NoFreeSlot, detail.clone())
        .with_errors(vec![field("/schedule", "no_free_slot", detail)])
        .with_remedy(more_slots(account))
        .into()
}

fn no_outcome() -> Problem {
    Problem::new(ErrorCode::Internal, "the store gave no outcome")
}

fn mismatch() -> Problem {
    ErrorInfo::new(
        ErrorCode::IdempotencyBodyMismatch,
        "this idempotency key was used before with another content",
    )
    .into()
}
