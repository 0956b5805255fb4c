//! Stored rows as callers see them.

use multi_upload_wire::{Event, Target, Upload};

use crate::clock::rfc3339;
use crate::store::{EventRow, Phase, TargetRow, UploadRow};

/// An upload.
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
