//! The reference: what a store holds, in memory, one call after the other.

use std::collections::{BTreeMap, BTreeSet};

use multi_upload_server::store::{
    AttemptChange, Held, Millis, NewUpload, Owner, Phase, TargetChange, TargetRow, UploadEdit,
    UploadRow,
};
use multi_upload_wire::UploadStatus;

const DAY: Millis = 24 * 60 * 60 * 1_000;

/// How long an idempotency key protects.
const KEY_LIFE: Millis = 7 * DAY;

/// An attempt's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) opened_at: Millis,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) baseline: Option<Vec<u8>>,
}

/// What an idempotency key was used for.
#[derive(Debug)]
struct UsedKey {
    body: Vec<u8>,
    answer: String,
    at: Millis,
}

/// What became of a new upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Created {
    Stored,
    Replayed(String),
    KeyMismatch,
}

/// What became of a change.
#[derive(Debug, PartialEq)]
pub(crate) enum Changed {
    To(Box<TargetRow>),
    /// Another was faster, or it is never allowed.
    Nothing,
    /// A second open attempt.
    Error,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// In the order of creation, which is that of their ids.
    pub(crate) uploads: Vec<UploadRow>,
    pub(crate) events: BTreeMap<String, Vec<String>>,
    pub(crate) attempts: BTreeMap<String, BTreeMap<u32, Attempt>>,
    /// By team, mode and key.
    keys: BTreeMap<(String, &'static str, String), UsedKey>,
    /// By mode and account.
    holds: BTreeMap<(&'static str, String), Millis>,
    /// Uploads that the last step changed.
    pub(crate) touched: BTreeSet<String>,
    pub(crate) last_change: u64,
}

/// Whether a move is allowed at all.
fn is_allowed(from: Phase, to: Phase) -> bool {
    match from {
        Phase::Published => to == Phase::Published,
        Phase::Failed | Phase::Canceled | Phase::Missed => {
            [Phase::Scheduled, Phase::Waiting, Phase::Published].contains(&to)
        }
        _ => true,
    }
}

pub(crate) fn waits(phase: Phase) -> bool {
    matches!(phase, Phase::Scheduled | Phase::Waiting)
}

fn sends(phase: Phase) -> bool {
    matches!(phase, Phase::Claimed | Phase::Armed)
}

pub(crate) fn is_under_way(phase: Phase) -> bool {
    sends(phase) || phase == Phase::Reconciling
}

/// Teams that connected the same account share what it holds; test and live do not.
fn same_account(one: &TargetRow, other: &TargetRow) -> bool {
    one.owner.mode == other.owner.mode && one.account_id == other.account_id
}

impl Model {
    pub(crate) fn targets(&self) -> impl Iterator<Item = &TargetRow> {
        self.uploads.iter().flat_map(|upload| &upload.targets)
    }

    fn target_mut(&mut self, id: &str) -> Option<&mut TargetRow> {
        let all = self.uploads.iter_mut();
        all.flat_map(|upload| &mut upload.targets)
            .find(|target| target.id == id)
    }

    /// Status and time of an upload follow its targets.
    fn touch(&mut self, id: &str, at: Millis, event: Option<&str>) {
        self.touched.insert(id.to_owned());
        if let Some(kind) = event {
            let events = self.events.entry(id.to_owned()).or_default();
            events.push(kind.to_owned());
        }
        if let Some(upload) = self.uploads.iter_mut().find(|upload| upload.id == id) {
            let phases = upload.targets.iter().map(|target| target.phase.status());
            upload.status = UploadStatus::of_targets(phases);
            upload.updated_at = at;
        }
    }

    pub(crate) fn create(&mut self, new: &NewUpload) -> Created {
        let row = &new.row;
        if let Some(key) = &new.idempotency {
            let place = (
                row.owner.team.clone(),
                row.owner.mode.as_str(),
                key.key.clone(),
            );
            if let Some(used) = self.keys.get(&place)
                && row.created_at - used.at < KEY_LIFE
            {
                return match used.body == key.body_hash {
                    true => Created::Replayed(used.answer.clone()),
                    false => Created::KeyMismatch,
                };
            }
            let used = UsedKey {
                body: key.body_hash.clone(),
                answer: key.answer.clone(),
                at: row.created_at,
            };
            self.keys.insert(place, used);
        }
        self.uploads.push(row.clone());
        self.touch(&row.id, row.updated_at, None);
        let kinds = new.events.iter().map(|event| event.kind.to_owned());
        self.events.insert(row.id.clone(), kinds.collect());
        Created::Stored
    }

    pub(crate) fn answered(
        &self,
        owner: &Owner,
        key: &str,
        now: Millis,
    ) -> Option<(Vec<u8>, String)> {
        let place = (owner.team.clone(), owner.mode.as_str(), key.to_owned());
        let used = self.keys.get(&place)?;
        (now - used.at < KEY_LIFE).then(|| (used.body.clone(), used.answer.clone()))
    }

    pub(crate) fn forget(&mut self, before: Millis) -> u64 {
        let all = self.keys.len();
        self.keys.retain(|_, used| used.at >= before);
        (all - self.keys.len()) as u64
    }

    pub(crate) fn hold(&mut self, owner: &Owner, account: &str, until: Millis) {
        let place = (owner.mode.as_str(), account.to_owned());
        let end = self.holds.entry(place).or_insert(until);
        *end = until.max(*end);
    }

    pub(crate) fn held_until(&self, target: &TargetRow) -> Option<Millis> {
        let place = (target.owner.mode.as_str(), target.account_id.clone());
        self.holds.get(&place).copied()
    }

    /// Whether nothing but time keeps a target from being taken.
    pub(crate) fn may_go(&self, target: &TargetRow) -> bool {
        waits(target.phase)
            && !self.targets().any(|other| {
                let board = sends(other.phase) && other.content.board_id == target.content.board_id;
                let like = is_under_way(other.phase) && other.fingerprint == target.fingerprint;
                same_account(other, target) && (board || like)
            })
    }

    /// When it may be taken.
    pub(crate) fn goes_at(&self, target: &TargetRow) -> Millis {
        target
            .due_at
            .max(self.held_until(target).unwrap_or(Millis::MIN))
    }

    /// How much an account has used of its write limit.
    pub(crate) fn used(&self, of: &TargetRow, now: Millis, span: Millis) -> usize {
        let mine = || self.targets().filter(|target| same_account(target, of));
        let claimed = mine().filter(|target| target.phase == Phase::Claimed);
        let armed = mine()
            .filter_map(|target| self.attempts.get(&target.id))
            .flat_map(BTreeMap::values)
            .filter(|attempt| attempt.opened_at > now - span && attempt.opened_at <= now);
        claimed.count() + armed.count()
    }

    /// A target that the store has taken.
    pub(crate) fn claimed(
        &mut self,
        id: &str,
        now: Millis,
        lease_until: Millis,
    ) -> Option<TargetRow> {
        let target = self.target_mut(id)?;
        target.phase = Phase::Claimed;
        target.fence += 1;
        target.lease_until = Some(lease_until);
        let row = target.clone();
        self.touch(&row.upload_id, now, None);
        Some(row)
    }

    pub(crate) fn is_look(target: &TargetRow, now: Millis) -> bool {
        target.phase == Phase::Reconciling && target.lease_until.is_none() && target.due_at <= now
    }

    /// Nobody is told: nothing that is seen has changed.
    pub(crate) fn looked(&mut self, id: &str, lease_until: Millis) -> Option<TargetRow> {
        let target = self.target_mut(id)?;
        target.fence += 1;
        target.lease_until = Some(lease_until);
        Some(target.clone())
    }

    pub(crate) fn is_sentinel(target: &TargetRow, now: Millis) -> bool {
        target.phase == Phase::Published && target.sentinel_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn watched(&mut self, id: &str, until: Millis) -> Option<TargetRow> {
        let target = self.target_mut(id)?;
        target.sentinel_at = Some(until);
        Some(target.clone())
    }

    pub(crate) fn extend(&mut self, held: &[Held], until: Millis) -> Vec<String> {
        let mut lost = Vec::new();
        for one in held {
            let found = self.target_mut(&one.target_id).filter(|target| {
                is_under_way(target.phase) && target.fence == one.fence && target.owner == one.owner
            });
            match found.and_then(|target| target.lease_until.as_mut()) {
                Some(lease) => *lease = until.max(*lease),
                None => lost.push(one.target_id.clone()),
            }
        }
        lost
    }

    pub(crate) fn change(&mut self, change: &TargetChange) -> Changed {
        let wanted = &change.row;
        let Some(now) = self.targets().find(|target| target.id == wanted.id) else {
            return Changed::Nothing;
        };
        if !is_allowed(change.expect_phase, wanted.phase)
            || (now.phase, now.fence) != (change.expect_phase, change.expect_fence)
        {
            return Changed::Nothing;
        }
        let next = if now.phase == Phase::Published {
            TargetRow {
                error: wanted.error.clone(),
                sentinel_at: wanted.sentinel_at,
                ..now.clone()
            }
        } else {
            let next = moved(now, change);
            let is_taken = self.targets().any(|other| {
                let board = sends(next.phase)
                    && sends(other.phase)
                    && other.content.board_id == next.content.board_id;
                let like = is_under_way(next.phase)
                    && is_under_way(other.phase)
                    && other.fingerprint == next.fingerprint;
                let post = next.remote_id.is_some() && other.remote_id == next.remote_id;
                other.id != next.id && same_account(other, &next) && (board || like || post)
            });
            if is_taken {
                return Changed::Nothing;
            }
            next
        };
        let attempts = self.attempts.entry(next.id.clone()).or_default();
        match &change.attempt {
            None => {}
            Some(AttemptChange::Open {
                number, baseline, ..
            }) => {
                let is_open = attempts.values().any(|attempt| attempt.outcome.is_none());
                if is_open || attempts.contains_key(number) {
                    return Changed::Error;
                }
                let attempt = Attempt {
                    opened_at: change.at,
                    outcome: None,
                    baseline: baseline.clone(),
                };
                attempts.insert(*number, attempt);
            }
            Some(AttemptChange::Close { number, outcome }) => {
                if let Some(attempt) = attempts.get_mut(number)
                    && attempt.outcome.is_none_or(|before| before == "unknown")
                {
                    attempt.outcome = Some(*outcome);
                }
            }
        }
        if next.phase.is_terminal() {
            for attempt in attempts.values_mut() {
                attempt.baseline = None;
            }
        }
        if let Some(target) = self.target_mut(&next.id) {
            *target = next.clone();
        }
        self.touch(&next.upload_id, change.at, Some(change.event.kind));
        Changed::To(Box::new(next))
    }

    /// Whether it was made.
    pub(crate) fn edit(&mut self, edit: &UploadEdit) -> bool {
        let wanted = &edit.row;
        let Some(upload) = self
            .uploads
            .iter_mut()
            .find(|upload| upload.id == wanted.id)
        else {
            return false;
        };
        let is_open = |target: &TargetRow| target.phase == Phase::Draft || waits(target.phase);
        if upload.version != edit.expect_version || !upload.targets.iter().all(is_open) {
            return false;
        }
        let (content, times) = (wanted.content.clone(), wanted.scheduled_at);
        upload.content = content;
        upload.scheduled_at = times;
        upload.targets.clone_from(&wanted.targets);
        self.touch(&wanted.id, edit.event.at, Some(edit.event.kind));
        true
    }
}

/// The row after a move: of what is wanted only what the machine owns.
fn moved(now: &TargetRow, change: &TargetChange) -> TargetRow {
    let wanted = &change.row;
    let lease = match wanted.phase {
        Phase::Claimed | Phase::Armed => Some(wanted.lease_until.unwrap_or(change.at)),
        Phase::Reconciling => wanted.lease_until,
        _ => None,
    };
    TargetRow {
        content: now.content.clone(),
        fingerprint: now.fingerprint.clone(),
        // One that was extended meanwhile is not shortened.
        lease_until: match wanted.lease_until {
            Some(_) => lease.map(|lease| now.lease_until.unwrap_or(lease).max(lease)),
            None => lease,
        },
        ..wanted.clone()
    }
}
