//! From a plan to the rows that are stored.

use std::sync::Arc;

use multi_upload_wire::{CreateUpload, UploadStatus};
use serde_json::{Map, Value};

use super::plan::{Plan, PlannedTarget};
use super::timing::Kept;
use super::view;
use crate::clock::rfc3339;
use crate::ids::new_id;
use crate::store::{
    Millis, NewEvent, NextSlot, Owner, Phase, StoreError, StoreResult, TargetRow, UploadRow, When,
};
use crate::time;

/// How the times of what was planned come about.
pub(super) fn when(plan: &Plan) -> When {
    match &plan.kept {
        Kept::AsBefore => When::Kept,
        Kept::Nothing => When::Instant,
        Kept::Wall(wall) => When::Wall(wall.clone()),
        Kept::NextSlot => When::NextSlot(NextSlot {
            offers: plan.targets.iter().map(|t| Arc::clone(&t.offers)).collect(),
            late_ms: plan.late_ms,
            rules: time::rules().to_owned(),
            answer,
        }),
    }
}

/// The answer of a new upload as its idempotency key keeps it.
pub(super) fn answer(row: &UploadRow) -> StoreResult<String> {
    serde_json::to_string(&view::upload(row))
        .map_err(|error| StoreError::Failed(format!("an answer has no JSON form: {error}")))
}

/// The rows of a new upload.
pub(super) fn new_upload(
    owner: &Owner,
    asked: CreateUpload,
    plan: &Plan,
    now: Millis,
) -> UploadRow {
    let id = new_id("up");
    let is_draft = asked.draft == Some(true);
    let targets: Vec<TargetRow> = plan
        .targets
        .iter()
        .map(|planned| new_target(owner, &id, planned, plan, is_draft, now))
        .collect();
    UploadRow {
        status: UploadStatus::of_targets(targets.iter().map(|target| target.phase.status())),
        id,
        owner: owner.clone(),
        scheduled_at: plan.at,
        timezone: plan.timezone.clone(),
        external_id: asked.external_id.clone(),
        content: asked,
        version: 1,
        change_seq: 0,
        created_at: now,
        updated_at: now,
        targets,
    }
}

fn new_target(
    owner: &Owner,
    upload_id: &str,
    planned: &PlannedTarget,
    plan: &Plan,
    is_draft: bool,
    now: Millis,
) -> TargetRow {
    let at = plan.at.unwrap_or(now);
    TargetRow {
        id: new_id("tg"),
        upload_id: upload_id.to_owned(),
        owner: owner.clone(),
        account_id: planned.account.clone(),
        platform: planned.platform.clone(),
        phase: phase(is_draft),
        fence: 0,
        due_at: at,
        scheduled_at: at,
        send_until: at.saturating_add(plan.late_ms),
        lease_until: None,
        attempts: 0,
        setbacks: 0,
        content: planned.content.clone(),
        fingerprint: planned.fingerprint.clone(),
        attempt: None,
        prepared: None,
        remote_id: None,
        remote_url: None,
        published_at: None,
        error: None,
        sentinel_at: None,
    }
}

/// Where a target that has not been begun stands.
pub(super) const fn phase(is_draft: bool) -> Phase {
    if is_draft {
        Phase::Draft
    } else {
        Phase::Scheduled
    }
}

/// What the timeline begins with.
pub(super) fn first_events(plan: &Plan, is_draft: bool, now: Millis) -> Vec<NewEvent> {
    let (kind, detail) = match plan.at {
        _ if is_draft => ("upload.drafted", "stored as a draft".to_owned()),
        None => (
            "upload.scheduled",
            "to be published at the next free slot".to_owned(),
        ),
        Some(at) if at > now => ("upload.scheduled", format!("scheduled for {}", rfc3339(at))),
        _ => ("upload.scheduled", "to be published now".to_owned()),
    };
    let mut data = Map::new();
    if let Some(at) = plan.at {
        data.insert("scheduled_at".to_owned(), Value::String(rfc3339(at)));
    }
    if let Some(zone) = &plan.timezone {
        data.insert("timezone".to_owned(), Value::String(zone.clone()));
    }
    let mut events = vec![event(kind, detail, data, now)];
    for warning in &plan.warnings {
        let mut data = Map::new();
        data.insert("pointer".to_owned(), Value::String(warning.pointer.clone()));
        events.push(event("upload.warning", warning.detail.clone(), data, now));
    }
    events
}

/// An entry about the whole upload.
pub(super) fn event(
    kind: &'static str,
    detail: String,
    data: Map<String, Value>,
    now: Millis,
) -> NewEvent {
    NewEvent {
        kind,
        target_id: None,
        detail,
        data,
        at: now,
    }
}
