//! Cancel, retry, resolve: a person moves targets.

use axum::Json;
use axum::extract::{Path, State};
use multi_upload_wire::{ErrorCode, Outcome, Resolution, ResolveRequest, Retry, Upload};
use serde_json::{Map, Value};

use super::plan::LATE_MS;
use super::{view, visible};
use crate::api::auth::Caller;
use crate::api::body::Object;
use crate::api::fields::typed;
use crate::api::problem::{Answer, Problem};
use crate::state::App;
use crate::store::{Millis, NewEvent, Phase, TargetChange, TargetRow, UploadRow};
use crate::time;

/// Cancels what has not been sent. A second call changes nothing.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/cancel", tag = "uploads", operation_id = "cancel_upload",
    params(
        ("id" = String, Path, description = "`up_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition gets the same answer, with `Idempotency-Replayed: true`, or 409 while it is under way. Kept 7 days.")
    ),
    responses(
        (status = 200, description = "The upload; targets that had ended keep their state.", body = Upload),
        (status = 409, description = "A target is being published just now, or nothing is left to cancel.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Upload>> {
    let row = visible(&app, &caller, &id).await?;
    let in_the_way = |target: &&TargetRow| {
        matches!(
            target.phase,
            Phase::Claimed | Phase::Armed | Phase::Reconciling | Phase::NeedsReview
        )
    };
    if let Some(target) = row.targets.iter().find(in_the_way) {
        return Err(conflict(&format!(
            "{} on {} is {}: it may exist already",
            target.id,
            target.account_id,
            target.phase.status().as_str()
        )));
    }
    let now = app.clock.now();
    let changes: Vec<TargetChange> = row
        .targets
        .iter()
        .filter(|target| {
            matches!(
                target.phase,
                Phase::Draft | Phase::Scheduled | Phase::Waiting
            )
        })
        .map(|target| {
            let mut next = target.clone();
            next.phase = Phase::Canceled;
            change(target, next, "target.canceled", "canceled by a caller", now)
        })
        .collect();
    if changes.is_empty() {
        if row
            .targets
            .iter()
            .all(|target| target.phase == Phase::Canceled)
        {
            return Ok(Json(view::current_one(&app, &row).await?));
        }
        return Err(conflict(&format!(
            "nothing is left to cancel: {}",
            states(&row)
        )));
    }
    apply(&app, &caller, &row, changes).await
}

/// Tries again what failed, was missed or canceled; due at once.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/retry", tag = "uploads", operation_id = "retry_upload",
    params(
        ("id" = String, Path, description = "`up_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition gets the same answer, with `Idempotency-Replayed: true`, or 409 while it is under way. Kept 7 days.")
    ),
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = 409, description = "There is nothing to retry, or it is not proven that nothing was published.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Upload>> {
    let row = visible(&app, &caller, &id).await?;
    if let Some(target) = row.targets.iter().find(|t| t.phase == Phase::NeedsReview) {
        return Err(conflict(&format!(
            "{} on {} may exist: answer it with POST /v1/uploads/{}/resolve",
            target.id, target.account_id, row.id
        )));
    }
    if let Some(target) = row.targets.iter().find(|target| is_unproven(target)) {
        return Err(conflict(&format!(
            "it is not proven that {} on {} does not exist; look at the account, then create a new upload if it is missing",
            target.id, target.account_id
        )));
    }
    let now = app.clock.now();
    let changes: Vec<TargetChange> = row
        .targets
        .iter()
        .filter(|target| {
            matches!(
                target.phase,
                Phase::Failed | Phase::Missed | Phase::Canceled
            )
        })
        .map(|target| {
            let mut next = due_now(&row, target, now);
            next.phase = Phase::Scheduled;
            next.error = None;
            change(target, next, "target.retried", "to be tried again now", now)
        })
        .collect();
    if changes.is_empty() {
        return Err(conflict(&format!("nothing to retry: {}", states(&row))));
    }
    apply(&app, &caller, &row, changes).await
}

/// Answers a target that needs review, after a look at the account.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/resolve", tag = "uploads", operation_id = "resolve_upload",
    params(
        ("id" = String, Path, description = "`up_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Carries the request out once: a repetition gets the same answer, with `Idempotency-Replayed: true`, or 409 while it is under way. Kept 7 days.")
    ),
    request_body = ResolveRequest,
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = 409, description = "The target does not need review.", body = multi_upload_wire::ErrorInfo, content_type = "application/problem+json"),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn resolve(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Object(body): Object,
) -> Answer<Json<Upload>> {
    let request: ResolveRequest = typed(&body, "").map_err(Problem::fields)?;
    let row = visible(&app, &caller, &id).await?;
    let target = in_review(&row, request.target.as_deref())?;
    let post = post_of(&app, target, &request).await?;
    let now = app.clock.now();
    let (next, detail) = match request.resolution {
        Resolution::Published => {
            let mut next = target.clone();
            next.phase = Phase::Published;
            (next.remote_id, next.remote_url) = post.unzip();
            next.published_at = Some(now);
            next.error = None;
            (next, "a person says that it is published")
        }
        Resolution::Resend => {
            let mut next = due_now(&row, target, now);
            next.phase = Phase::Waiting;
            next.attempt = None;
            next.error = None;
            // Should the person be wrong, the second post is noticed.
            next.sentinel_at = Some(now);
            (
                next,
                "a person says that it does not exist: to be sent again",
            )
        }
        Resolution::Abandon => {
            let mut next = target.clone();
            next.phase = Phase::Failed;
            if let Some(error) = &mut next.error {
                error.retry = Retry::No;
            }
            (next, "a person leaves it as it is")
        }
    };
    let change = change(target, next, "target.resolved", detail, now);
    apply(&app, &caller, &row, vec![change]).await
}

/// The target that the answer is about.
fn in_review<'a>(row: &'a UploadRow, named: Option<&str>) -> Result<&'a TargetRow, Problem> {
    let open: Vec<&TargetRow> = row
        .targets
        .iter()
        .filter(|target| target.phase == Phase::NeedsReview)
        .collect();
    if let Some(named) = named {
        if let Some(target) = open.iter().find(|target| target.id == named) {
            return Ok(target);
        }
        let shown: String = named.chars().take(100).collect();
        return match row.targets.iter().find(|target| target.id == named) {
            Some(target) => Err(conflict(&format!(
                "{shown} does not need review: it is {}",
                target.phase.status().as_str()
            ))),
            None => Err(Problem::field(
                "/target",
                "unknown",
                format!("{shown:?} is not a target of this upload"),
            )),
        };
    }
    match open.as_slice() {
        [only] => Ok(only),
        [] => Err(conflict(&format!("nothing needs review: {}", states(row)))),
        several => {
            let ids: Vec<&str> = several.iter().map(|target| target.id.as_str()).collect();
            Err(Problem::field(
                "/target",
                "required",
                format!("several targets need review, name one: {}", ids.join(", ")),
            ))
        }
    }
}

/// Id and address of the post, where the resolution names one.
async fn post_of(
    app: &App,
    target: &TargetRow,
    request: &ResolveRequest,
) -> Result<Option<(String, String)>, Problem> {
    match (request.resolution, &request.remote_id) {
        (Resolution::Published, Some(id)) => {
            match app.platforms.get(&target.platform)?.post_url(id) {
                Some(url) => {
                    let ids = vec![id.clone()];
                    let store = &app.store;
                    let taken = store
                        .known_remote_ids(&target.owner, &target.account_id, ids)
                        .await?;
                    if taken.is_empty() {
                        return Ok(Some((id.clone(), url)));
                    }
                    Err(conflict(&format!(
                        "the post {id} on {} belongs to another upload already; give the id of this one's own",
                        target.account_id
                    )))
                }
                None => Err(Problem::field(
                    "/remote_id",
                    "invalid",
                    format!(
                        "must be the post's id on {}, as it stands in its address",
                        target.platform
                    ),
                )),
            }
        }
        (Resolution::Published, None) => Err(Problem::field(
            "/remote_id",
            "required",
            "`published` needs the id of the post on the network",
        )),
        (_, Some(_)) => Err(Problem::field(
            "/remote_id",
            "conflict",
            "only `published` takes a `remote_id`",
        )),
        (_, None) => Ok(None),
    }
}

/// A failed target of which it is not certain that nothing was published.
fn is_unproven(target: &TargetRow) -> bool {
    target.phase == Phase::Failed
        && target
            .error
            .as_ref()
            .is_some_and(|error| error.outcome != Outcome::None)
}

/// The target with now as its time, and its late rule counted from now.
fn due_now(row: &UploadRow, target: &TargetRow, now: Millis) -> TargetRow {
    let late = row
        .content
        .late
        .as_ref()
        .and_then(|late| time::parse_duration(&late.send_within))
        .and_then(|within| Millis::try_from(within.as_millis()).ok())
        .unwrap_or(LATE_MS);
    TargetRow {
        due_at: now,
        send_until: now.saturating_add(late),
        setbacks: 0,
        ..target.clone()
    }
}

fn change(
    before: &TargetRow,
    mut next: TargetRow,
    kind: &'static str,
    detail: &str,
    now: Millis,
) -> TargetChange {
    // A new fence: whoever still holds the old one changes nothing any more.
    next.fence = before.fence + 1;
    next.lease_until = None;
    let mut data = Map::new();
    data.insert(
        "from".to_owned(),
        Value::String(before.phase.status().as_str().to_owned()),
    );
    TargetChange {
        expect_phase: before.phase,
        expect_fence: before.fence,
        attempt: None,
        event: NewEvent {
            kind,
            target_id: Some(before.id.clone()),
            detail: detail.to_owned(),
            data,
            at: now,
        },
        at: now,
        row: next,
    }
}

/// Stores the changes; those that lost a race are reported.
async fn apply(
    app: &App,
    caller: &Caller,
    row: &UploadRow,
    changes: Vec<TargetChange>,
) -> Answer<Json<Upload>> {
    let outcomes = app.store.change_targets(changes).await?;
    app.wake.wake();
    let now = visible(app, caller, &row.id).await?;
    if outcomes.iter().any(Option::is_none) {
        return Err(conflict(&format!(
            "a target moved on in the same moment: {}",
            states(&now)
        )));
    }
    Ok(Json(view::current_one(app, &now).await?))
}

/// The states of the targets in words.
pub(super) fn states(row: &UploadRow) -> String {
    let words: Vec<String> = row
        .targets
        .iter()
        .map(|target| {
            format!(
                "{} on {} is {}",
                target.id,
                target.account_id,
                target.phase.status().as_str()
            )
        })
        .collect();
    words.join(", ")
}

pub(super) fn conflict(detail: &str) -> Problem {
    Problem::new(ErrorCode::StateConflict, detail)
}
