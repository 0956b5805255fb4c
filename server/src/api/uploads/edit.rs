//! `PATCH /v1/uploads/{id}`: a change before publishing.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use http::header::IF_MATCH;
use multi_upload_wire::{CreateUpload, ErrorCode, UpdateUpload, Upload};
use serde_json::{Map, Value};

use super::actions::{conflict, states};
use super::build::{event, phase, when};
use super::create::full;
use super::input::read;
use super::plan::{Plan, Planner};
use super::timing::{Kept, Timing};
use super::{view, visible};
use crate::api::auth::Caller;
use crate::api::body::Object;
use crate::api::problem::{Answer, Problem, field};
use crate::publish::is_from_before_a_restore;
use crate::state::App;
use crate::store::{EditOutcome, Millis, Phase, TargetRow, UploadEdit, UploadRow};

/// Changes an upload that has not been published. An absent field stays, `null` clears it.
#[utoipa::path(
    patch, path = "/v1/uploads/{id}", tag = "uploads", operation_id = "update_upload",
    params(
        ("id" = String, Path, description = "`up_…`"),
        ("If-Match" = Option<String>, Header, description = "The version that was read; the same as `version` in the body.")
    ),
    request_body = UpdateUpload,
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = 409, description = "It is being published or has ended.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = 412, description = "Another change came first.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Object(mut patch): Object,
) -> Answer<Json<Upload>> {
    let expected = expected_version(&headers, &mut patch)?;
    let row = visible(&app, &caller, &id).await?;
    if let Some(version) = expected
        && version != row.version
    {
        return Err(stale(version, &row));
    }
    if !row.targets.iter().all(|target| is_open(target.phase)) {
        return Err(conflict(&format!(
            "it can no longer be changed: {}",
            states(&row)
        )));
    }
    // A look for what was published meanwhile needs the content and the time that it may have been published with.
    let is_guarded = |target: &TargetRow| {
        target.phase != Phase::Draft && is_from_before_a_restore(target, app.restored_at.get())
    };
    if row.targets.iter().any(is_guarded) {
        return Err(conflict(
            "the database was restored, and this upload may have been published since the backup: \
             it is looked for first, and can be changed when its absence is proven",
        ));
    }
    let content = merged(&row.content, &patch)?;
    let timing = if ["scheduled_at", "timezone", "draft", "schedule"]
        .iter()
        .any(|name| patch.contains_key(*name))
    {
        Timing::AsAsked
    } else {
        Timing::Keep {
            at: row.scheduled_at,
            timezone: row.timezone.clone(),
        }
    };
    let mut planner = Planner::new(&app, &caller).await?;
    let plan = planner.plan(&content, timing).await?;
    if !plan.is_good() {
        return Err(plan.problem());
    }
    let edit = edited(&row, content, &plan, &patch, planner.now());
    match app.store.edit_upload(&caller.owner, edit).await? {
        EditOutcome::Edited(row) => {
            app.wake.wake();
            Ok(Json(view::current_one(&app, &row).await?))
        }
        EditOutcome::NoFreeSlot(account) => Err(full(&account)),
        EditOutcome::Stale => {
            let now = visible(&app, &caller, &id).await?;
            Err(if now.targets.iter().all(|target| is_open(target.phase)) {
                stale(row.version, &now)
            } else {
                conflict(&format!("it can no longer be changed: {}", states(&now)))
            })
        }
    }
}

const fn is_open(phase: Phase) -> bool {
    matches!(phase, Phase::Draft | Phase::Scheduled | Phase::Waiting)
}

fn stale(version: u64, row: &UploadRow) -> Problem {
    Problem::new(
        ErrorCode::VersionConflict,
        format!("version {version} was expected, it is {} now", row.version),
    )
}

/// `version` of the body and `If-Match`, which must agree.
fn expected_version(
    headers: &HeaderMap,
    patch: &mut Map<String, Value>,
) -> Result<Option<u64>, Problem> {
    let in_body = match patch.remove("version") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| {
            Problem::field("/version", "invalid", "`version` must be a whole number")
        })?),
    };
    let in_header = match headers.get(IF_MATCH) {
        None => None,
        Some(value) => match value.to_str().map(str::trim) {
            Ok("*") => None,
            Ok(text) => Some(text.trim_matches('"').parse::<u64>().map_err(|_| {
                Problem::field(
                    "If-Match",
                    "invalid",
                    "the header If-Match must be a version, such as \"3\"",
                )
            })?),
            Err(_) => return Err(Problem::field("If-Match", "invalid", "not a version")),
        },
    };
    match (in_body, in_header) {
        (Some(body), Some(header)) if body != header => Err(Problem::field(
            "/version",
            "conflict",
            format!("`version` is {body} but If-Match is {header}"),
        )),
        (body, header) => Ok(body.or(header)),
    }
}

/// The content after the change.
fn merged(before: &CreateUpload, patch: &Map<String, Value>) -> Result<CreateUpload, Problem> {
    let fixed: Vec<_> = ["accounts", "dry_run"]
        .into_iter()
        .filter(|name| patch.contains_key(*name))
        .map(|name| {
            field(
                format!("/{name}"),
                "fixed",
                format!("`{name}` cannot be changed; cancel the upload and create another"),
            )
        })
        .collect();
    let mut whole = match serde_json::to_value(before) {
        Ok(Value::Object(whole)) => whole,
        _ => {
            return Err(Problem::new(
                ErrorCode::Internal,
                "the stored upload is not readable",
            ));
        }
    };
    // A new kind of time replaces the other one.
    let sets = |name: &str| patch.get(name).is_some_and(|value| !value.is_null());
    if sets("scheduled_at") {
        whole.remove("schedule");
    } else if sets("schedule") {
        whole.remove("scheduled_at");
        whole.remove("timezone");
    }
    for (name, value) in patch {
        if fixed.iter().any(|error| error.pointer[1..] == *name) {
            continue;
        }
        if value.is_null() && whole.contains_key(name) {
            whole.remove(name);
        } else {
            whole.insert(name.clone(), value.clone());
        }
    }
    match read(&whole, "") {
        Ok(content) if fixed.is_empty() => Ok(content),
        Ok(_) => Err(Problem::fields(fixed)),
        Err(mut errors) => {
            errors.splice(0..0, fixed);
            Err(Problem::fields(errors))
        }
    }
}

/// The row with the new content and times.
fn edited(
    row: &UploadRow,
    content: CreateUpload,
    plan: &Plan,
    patch: &Map<String, Value>,
    now: Millis,
) -> UploadEdit {
    let mut next = row.clone();
    let is_draft = content.draft == Some(true);
    for target in &mut next.targets {
        let Some(planned) = plan
            .targets
            .iter()
            .find(|planned| planned.account == target.account_id)
        else {
            continue;
        };
        // With `next_slot` the store sets the times.
        let at = match plan.kept {
            Kept::AsBefore => target.scheduled_at,
            _ => plan.at.unwrap_or(now),
        };
        let retimed = at != target.scheduled_at;
        target.scheduled_at = at;
        target.send_until = at.saturating_add(plan.late_ms);
        // A wait that a limit asked for goes on; a new time or state begins anew.
        if target.phase != Phase::Waiting || retimed || is_draft {
            target.phase = phase(is_draft);
            target.due_at = at;
        }
        if target.content != planned.content {
            // What was uploaded to the network stays good while the media is the same.
            if target.content.media != planned.content.media {
                target.prepared = None;
            }
            target.content = planned.content.clone();
            target.fingerprint = planned.fingerprint.clone();
        }
    }
    next.scheduled_at = plan.at;
    next.timezone = plan.timezone.clone();
    next.external_id = content.external_id.clone();
    next.content = content;
    next.updated_at = now;
    let names: Vec<Value> = patch.keys().cloned().map(Value::String).collect();
    let mut data = Map::new();
    data.insert("fields".to_owned(), Value::Array(names));
    UploadEdit {
        row: next,
        expect_version: row.version,
        when: when(plan),
        event: event(
            "upload.updated",
            "changed by a caller".to_owned(),
            data,
            now,
        ),
    }
}
