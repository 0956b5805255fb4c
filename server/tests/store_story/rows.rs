//! Rows for the story: small to write, with every field set where it matters.

use std::sync::Arc;

use multi_upload_platforms::{Content, ContentMedia};
use multi_upload_server::store::{
    AccountRow, ApiKeyRow, Attempt, ConnectRow, CreateOutcome, Doubt, Idempotency, MediaRow,
    Millis, NewEvent, NewUpload, Owner, Phase, Store, TargetChange, TargetRow, UploadRow, When,
};
use multi_upload_wire::{CreateUpload, ErrorCode, ErrorInfo, Mode, Scope, UploadStatus};
use serde_json::{Map, json};

pub(crate) const DAY: Millis = 24 * 60 * 60 * 1000;

pub(crate) fn owner(team: &str, mode: Mode) -> Owner {
    Owner {
        team: team.to_owned(),
        mode,
    }
}

/// The owner of everything that has no reason to belong to another.
pub(crate) fn home() -> Owner {
    owner("team_a", Mode::Live)
}

/// Owners that share the team or the mode with [`home`], or nothing.
pub(crate) fn strangers() -> [Owner; 3] {
    [
        owner("team_a", Mode::Test),
        owner("team_b", Mode::Live),
        owner("team_b", Mode::Test),
    ]
}

pub(crate) fn event(kind: &'static str, at: Millis) -> NewEvent {
    let mut data = Map::new();
    data.insert("attempt".to_owned(), json!(1));
    NewEvent {
        kind,
        target_id: None,
        detail: format!("{kind} happened"),
        data,
        at,
    }
}

/// The n-th upload, due at `due`, with one target for each (account, board).
pub(crate) fn upload(n: u32, due: Millis, lanes: &[(&str, &str)]) -> NewUpload {
    let id = format!("up_{n:08}");
    let targets = lanes
        .iter()
        .enumerate()
        .map(|(position, (account, board))| target(n, position, due, account, board))
        .collect();
    NewUpload {
        row: UploadRow {
            id,
            owner: home(),
            // The store knows better; it must not take this from the caller.
            status: UploadStatus::Missed,
            content: CreateUpload {
                accounts: lanes
                    .iter()
                    .map(|(account, _)| (*account).to_owned())
                    .collect(),
                image_url: Some(format!("https://example.com/{n}.jpg")),
                title: Some(format!("Title {n}")),
                ..CreateUpload::default()
            },
            scheduled_at: Some(due),
            timezone: Some("Europe/Paris".to_owned()),
            external_id: None,
            version: 1,
            change_seq: 0,
            created_at: 1_000,
            updated_at: 1_000,
            targets,
        },
        events: vec![event("upload.scheduled", 1_000)],
        idempotency: None,
        when: When::Kept,
    }
}

fn target(n: u32, position: usize, due: Millis, account: &str, board: &str) -> TargetRow {
    TargetRow {
        // Against the order of positions, so that an order by id would show.
        id: format!("tg_{n:08}_{}", 9 - position),
        upload_id: format!("up_{n:08}"),
        owner: home(),
        account_id: account.to_owned(),
        platform: "pinterest".to_owned(),
        phase: Phase::Scheduled,
        fence: 0,
        due_at: due,
        scheduled_at: due,
        send_until: due + DAY,
        lease_until: None,
        attempts: 0,
        setbacks: 0,
        content: Content {
            title: Some(format!("Title {n}")),
            board_id: Some(board.to_owned()),
            media: ContentMedia::ImageUrl {
                url: format!("https://example.com/{n}.jpg"),
            },
            ..Content::default()
        },
        fingerprint: format!("fp {n} {account} {board}"),
        attempt: None,
        prepared: None,
        remote_id: None,
        remote_url: None,
        published_at: None,
        error: None,
        sentinel_at: None,
    }
}

impl Extra for NewUpload {}

/// Small changes to a new upload.
pub(crate) trait Extra: Into<NewUpload> {
    fn of(self, owner: &Owner) -> NewUpload {
        let mut new = self.into();
        new.row.owner = owner.clone();
        for target in &mut new.row.targets {
            target.owner = owner.clone();
        }
        new
    }

    fn keyed(self, key: &str, body: u8) -> NewUpload {
        let mut new = self.into();
        new.idempotency = Some(Idempotency {
            key: key.to_owned(),
            body_hash: vec![body; 32],
            answer: format!("{{\"id\":\"{}\"}}", new.row.id),
        });
        new
    }

    /// With contents that a look could not tell from others of this fingerprint.
    fn like(self, fingerprint: &str) -> NewUpload {
        let mut new = self.into();
        for target in &mut new.row.targets {
            target.fingerprint = fingerprint.to_owned();
        }
        new
    }

    fn made_at(self, at: Millis) -> NewUpload {
        let mut new = self.into();
        new.row.created_at = at;
        new.row.updated_at = at;
        new
    }

    fn in_phase(self, phase: Phase) -> NewUpload {
        let mut new = self.into();
        for target in &mut new.row.targets {
            target.phase = phase;
        }
        new
    }
}

/// Stores one upload that must be new.
pub(crate) async fn stored(store: &dyn Store, new: NewUpload) -> UploadRow {
    let mut outcomes = store.create_uploads(vec![new]).await.unwrap();
    match outcomes.remove(0) {
        CreateOutcome::Stored(row) => *row,
        other => panic!("not stored: {other:?}"),
    }
}

/// Takes what is due, with no write limits.
pub(crate) async fn claim(
    store: &dyn Store,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> Vec<TargetRow> {
    store
        .claim(now, lease_until, limit, Arc::default())
        .await
        .unwrap()
}

/// Does the timer ring at that time or before?
pub(crate) async fn wakes_by(store: &dyn Store, at: Millis) -> bool {
    let timer = store.next_timer().await.unwrap();
    timer.is_some_and(|timer| timer <= at)
}

/// The numbers of the targets' uploads.
pub(crate) fn ids(rows: &[TargetRow]) -> Vec<u32> {
    rows.iter()
        .map(|row| row.upload_id[3..].parse().unwrap())
        .collect()
}

/// An attempt armed at this time that is in doubt.
pub(crate) fn attempt(armed_at: Millis) -> Attempt {
    Attempt {
        since: None,
        armed_at,
        has_baseline: true,
        doubt: Some(Doubt {
            quiet_until: armed_at + 900,
            exists: false,
            looks: 3,
            clear: 2,
            useless: 1,
            cause: Box::new(ErrorInfo::new(ErrorCode::PlatformUnavailable, "cut")),
        }),
    }
}

/// The change of a target into another phase, as the machine would make it.
pub(crate) fn change(row: &TargetRow, to: Phase, at: Millis) -> TargetChange {
    let mut next = row.clone();
    next.phase = to;
    let under_way = matches!(to, Phase::Claimed | Phase::Armed);
    next.lease_until = under_way.then(|| row.lease_until.unwrap_or(at) + 1_000);
    TargetChange {
        row: next,
        expect_phase: row.phase,
        expect_fence: row.fence,
        attempt: None,
        event: NewEvent {
            target_id: Some(row.id.clone()),
            ..event("target.changed", at)
        },
        at,
    }
}

/// Applies a change that must succeed.
pub(crate) async fn moved(store: &dyn Store, row: &TargetRow, to: Phase, at: Millis) -> TargetRow {
    store
        .change_target(change(row, to, at))
        .await
        .unwrap()
        .expect("nobody else changes this target")
}

pub(crate) fn account(id: &str) -> AccountRow {
    AccountRow {
        id: id.to_owned(),
        owner: home(),
        platform: "pinterest".to_owned(),
        name: Some("Garden".to_owned()),
        scopes: vec!["boards:read".to_owned(), "pins:write".to_owned()],
        usable: true,
        connected_at: 10,
        access_sealed: vec![1, 2, 3],
        refresh_sealed: Some(vec![4, 5]),
        access_expires_at: 20,
        refresh_expires_at: Some(30),
        token_version: 1,
    }
}

pub(crate) fn connection(n: u8, expires_at: Millis) -> ConnectRow {
    ConnectRow {
        id: format!("oc_{n}"),
        owner: home(),
        platform: "pinterest".to_owned(),
        state_hash: vec![n; 32],
        redirect_uri: "http://127.0.0.1:8787/oauth/pinterest/callback".to_owned(),
        return_url: Some("/accounts".to_owned()),
        created_at: 1,
        expires_at,
        status: "pending".to_owned(),
        account_id: None,
        error: None,
    }
}

pub(crate) fn api_key(id: &str) -> ApiKeyRow {
    ApiKeyRow {
        id: id.to_owned(),
        owner: home(),
        name: Some("ci".to_owned()),
        hash: vec![7; 32],
        scopes: vec![Scope::UploadsRead, Scope::UploadsWrite],
        accounts: Some(vec!["pinterest:1".to_owned()]),
        created_at: 5,
        expires_at: None,
        revoked_at: None,
    }
}

pub(crate) fn media(id: &str) -> MediaRow {
    MediaRow {
        id: id.to_owned(),
        owner: home(),
        ready: false,
        length: 5_000_000_000,
        offset: 0,
        key: None,
        metadata: None,
        state: None,
        facts: None,
        sha256: None,
        blob: None,
        created_at: 1,
        expires_at: DAY,
    }
}
