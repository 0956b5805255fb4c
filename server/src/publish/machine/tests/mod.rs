//! The moves of the machine, one by one.

mod doubt;
mod restored;
mod sending;

use multi_upload_platforms::Content;
use multi_upload_wire::Mode;

use super::*;
use crate::store::{Attempt, Owner};

const NOW: Millis = 1_780_000_000_000;

const QUIET: Millis = 900_000;

const RULES: Rules = Rules {
    quiet_ms: QUIET,
    restored_at: None,
};

pub(in crate::publish) fn target(phase: Phase) -> TargetRow {
    TargetRow {
        id: "tg_1".to_owned(),
        upload_id: "up_1".to_owned(),
        owner: Owner {
            team: "team_default".to_owned(),
            mode: Mode::Test,
        },
        account_id: "pinterest:1".to_owned(),
        platform: "pinterest".to_owned(),
        phase,
        fence: 7,
        due_at: NOW,
        scheduled_at: NOW,
        send_until: NOW + 86_400_000,
        lease_until: Some(NOW + 180_000),
        attempts: u32::from(matches!(phase, Phase::Armed | Phase::Reconciling)),
        setbacks: 0,
        content: Content::default(),
        fingerprint: "f".to_owned(),
        // Without a baseline, so that every doubt goes to a person: what follows with one is in `doubt`.
        attempt: (phase == Phase::Armed).then_some(Attempt {
            armed_at: NOW,
            has_baseline: false,
            since: None,
            doubt: None,
        }),
        prepared: None,
        remote_id: None,
        remote_url: None,
        published_at: None,
        error: None,
        sentinel_at: None,
    }
}

fn error(class: FailureClass, code: ErrorCode) -> PlatformError {
    PlatformError::new(class, ErrorInfo::new(code, "the network said so"))
}

fn after(phase: Phase, happened: Happened) -> TargetChange {
    step(&target(phase), happened, NOW, 1.0, RULES).expect("a move")
}
