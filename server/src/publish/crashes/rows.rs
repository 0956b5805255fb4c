//! The rows that a schedule begins with.

use multi_upload_platforms::Content;
use multi_upload_wire::{CreateUpload, UploadStatus};
use serde_json::Map;

use super::weather::Mutant;
use crate::store::{
    AccountRow, Millis, NewEvent, NewUpload, Owner, Phase, TargetRow, UploadRow, When,
};

pub(super) const DAY: Millis = 86_400_000;

/// The board of a schedule. Titles begin with it.
pub(super) fn board(serial: u64) -> String {
    format!("b{serial}")
}

pub(super) fn event(kind: &'static str, at: Millis) -> NewEvent {
    NewEvent {
        kind,
        target_id: None,
        detail: kind.to_owned(),
        data: Map::new(),
        at,
    }
}

/// The account of a schedule, with its sealed tokens.
pub(super) fn account(owner: &Owner, id: &str, sealed: [Vec<u8>; 2], now: Millis) -> AccountRow {
    let [access_sealed, refresh_sealed] = sealed;
    AccountRow {
        id: id.to_owned(),
        owner: owner.clone(),
        platform: "network".to_owned(),
        name: None,
        scopes: Vec::new(),
        usable: true,
        connected_at: now,
        access_sealed,
        refresh_sealed: Some(refresh_sealed),
        access_expires_at: now + 30 * DAY,
        refresh_expires_at: None,
        token_version: 1,
    }
}

/// One upload with one target; equal contents have equal titles.
pub(super) fn upload(
    owner: &Owner,
    account: &str,
    (serial, n, content): (u64, usize, u32),
    now: Millis,
    mutant: Mutant,
) -> NewUpload {
    let board = board(serial);
    let id = format!("up_{serial:08}_{n}");
    let title = format!("{board}/{content}");
    let due = now + Millis::try_from(n).unwrap() * 20_000;
    let fingerprint = match mutant {
        Mutant::NoLaneNoUniqueId => format!("{title}#{n}"),
        _ => title.clone(),
    };
    let target = TargetRow {
        id: format!("tg_{serial:08}_{n}"),
        upload_id: id.clone(),
        owner: owner.clone(),
        account_id: account.to_owned(),
        platform: "network".to_owned(),
        phase: Phase::Scheduled,
        fence: 0,
        due_at: due,
        scheduled_at: due,
        send_until: due + DAY,
        lease_until: None,
        attempts: 0,
        setbacks: 0,
        content: Content {
            title: Some(title),
            board_id: Some(board),
            ..Content::default()
        },
        fingerprint,
        attempt: None,
        prepared: None,
        remote_id: None,
        remote_url: None,
        published_at: None,
        error: None,
        sentinel_at: None,
    };
    NewUpload {
        row: UploadRow {
            id,
            owner: owner.clone(),
            status: UploadStatus::Scheduled,
            content: CreateUpload::default(),
            scheduled_at: Some(due),
            timezone: None,
            external_id: None,
            version: 1,
            change_seq: 0,
            created_at: now,
            updated_at: now,
            targets: vec![target],
        },
        events: vec![event("upload.scheduled", now)],
        idempotency: None,
        when: When::Kept,
    }
}
