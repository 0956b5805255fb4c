//! Stored rows as callers see them.
//!
//! What is due and waits for its turn is stored as it was; that it is `queued`, and why, is found when it is read.

use std::collections::{BTreeSet, HashMap};

use multi_upload_wire::{ErrorInfo, Event, Target, TargetRef, TargetStatus, Upload, UploadStatus};

use crate::clock::rfc3339;
use crate::publish::reason;
use crate::state::App;
use crate::store::{EventRow, Millis, Phase, Rest, StoreResult, TargetRow, UploadRow};

/// An upload as it is stored.
pub(crate) fn upload(row: &UploadRow) -> Upload {
    Upload {
        id: row.id.clone(),
        status: row.status,
        scheduled_at: row.scheduled_at.map(rfc3339),
        timezone: row.timezone.clone(),
        external_id: row.external_id.clone(),
        version: row.version,
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
        content: row.content.clone(),
        targets: row
            .targets
            .iter()
            .map(|one| target(one, row.scheduled_at.is_some()))
            .collect(),
    }
}

fn target(row: &TargetRow, has_time: bool) -> Target {
    Target {
        id: row.id.clone(),
        account: row.account_id.clone(),
        platform: row.platform.clone(),
        status: row.phase.status(),
        scheduled_at: has_time.then(|| rfc3339(row.scheduled_at)),
        attempts: row.attempts,
        next_attempt_at: (row.phase == Phase::Waiting).then(|| rfc3339(row.due_at)),
        board_id: row.content.board_id.clone(),
        remote_id: row.remote_id.clone(),
        remote_url: row.remote_url.clone(),
        published_at: row.published_at.map(rfc3339),
        error: row.error.clone(),
    }
}

/// Uploads as they are now.
pub(crate) async fn current(app: &App, rows: &[UploadRow]) -> StoreResult<Vec<Upload>> {
    let now = app.clock.now();
    let waiting = rows
        .iter()
        .flat_map(|row| &row.targets)
        .filter(|target| may_rest(target, now));
    let mut accounts: HashMap<_, BTreeSet<String>> = HashMap::new();
    for target in waiting {
        let ids = accounts.entry(target.owner.clone()).or_default();
        ids.insert(target.account_id.clone());
    }
    let mut rests = HashMap::new();
    for (owner, ids) in accounts {
        for rest in app
            .store
            .rests(&owner, ids.into_iter().collect(), now)
            .await?
        {
            rests.insert(rest.account_id.clone(), rest);
        }
    }
    let held = app.safety.trouble();
    Ok(rows
        .iter()
        .map(|row| seen(row, now, &rests, held.as_ref()))
        .collect())
}

/// One upload as it is now.
pub(crate) async fn current_one(app: &App, row: &UploadRow) -> StoreResult<Upload> {
    let mut views = current(app, std::slice::from_ref(row)).await?;
    Ok(views.pop().unwrap_or_else(|| upload(row)))
}

fn may_rest(target: &TargetRow, now: Millis) -> bool {
    match target.phase {
        Phase::Scheduled => target.due_at <= now,
        Phase::Waiting => true,
        _ => false,
    }
}

/// `held` is what keeps the whole service from sending.
fn seen(
    row: &UploadRow,
    now: Millis,
    rests: &HashMap<String, Rest>,
    held: Option<&ErrorInfo>,
) -> Upload {
    let mut view = upload(row);
    for (target, shown) in row.targets.iter().zip(&mut view.targets) {
        if !may_rest(target, now) {
            continue;
        }
        let is_due = target.due_at <= now;
        if is_due {
            shown.status = TargetStatus::Queued;
            shown.next_attempt_at = None;
        }
        if let Some(rest) = rests
            .get(&target.account_id)
            .filter(|rest| rest.until > target.due_at)
        {
            shown.next_attempt_at = Some(rfc3339(rest.until));
            explain(shown, reason(rest));
        }
        if let Some(held) = held.filter(|_| is_due) {
            shown.next_attempt_at = None;
            shown.error = None;
            explain(shown, held.clone());
        }
    }
    // Only what has never been begun; everything else stays what it is stored as, and what the filters go by.
    if row.status == UploadStatus::Scheduled
        && row.targets.iter().any(|target| may_rest(target, now))
    {
        view.status = UploadStatus::Queued;
    }
    view
}

/// A target that says itself why it waits keeps its reason.
fn explain(shown: &mut Target, mut reason: ErrorInfo) {
    reason.target = Some(TargetRef {
        id: shown.id.clone(),
        account: shown.account.clone(),
        attempt: shown.attempts,
    });
    shown.error.get_or_insert(reason);
}

/// An entry of a timeline.
pub(crate) fn event(row: EventRow) -> Event {
    Event {
        seq: row.seq,
        at: rfc3339(row.at),
        kind: row.kind,
        target: row.target_id,
        detail: row.detail,
        data: row.data,
    }
}
