//! Is the log as it was written?

use std::path::Path;

use multi_upload_wire::{AuditFault, AuditReport, ErrorCode, ErrorInfo};

use super::checkpoints::{AuditKeys, Checkpoint, Checkpoints, hex};
use crate::store::{AuditHead, AuditRow, ChainKey, Store};

/// Rows read at once.
const PORTION: u32 = 1_000;
/// Faults that are told one by one.
const MAX_FAULTS: usize = 100;

/// Checks a team's chain from its first row, and the checkpoints of the folder.
pub(crate) async fn verify(
    store: &dyn Store,
    keys: &AuditKeys,
    data: &Path,
    team: &str,
) -> Result<AuditReport, ErrorInfo> {
    // Checkpoints first: the chain only grows, so whatever they say must be in what is read afterwards.
    let (checkpoints, strange) = Checkpoints::in_folder(data).read(keys).map_err(|error| {
        ErrorInfo::new(
            ErrorCode::StorageFailed,
            format!("the file of audit checkpoints cannot be read: {error}"),
        )
    })?;
    let heads = store.audit_heads().await?;
    let noted = heads.iter().find(|head| head.team == team);
    let mut walk = Walk::new(&keys.chain, team, &checkpoints, noted);
    loop {
        let rows = store.audit_chain(team, walk.place, PORTION).await?;
        for row in &rows {
            walk.step(row);
        }
        if rows.len() < PORTION as usize {
            break;
        }
    }
    let unsealed = store.audit_unsealed(team).await?;
    Ok(walk.end(unsealed, strange))
}

/// One walk along a chain. Pure.
struct Walk<'a> {
    key: &'a ChainKey,
    team: &'a str,
    /// Place of the row before, and the hash it says it has.
    place: u64,
    hash: Vec<u8>,
    rows: u64,
    /// By place.
    checkpoints: Vec<&'a Checkpoint>,
    next: usize,
    /// What the database says is the end.
    noted: Option<&'a AuditHead>,
    faults: Vec<AuditFault>,
}

impl<'a> Walk<'a> {
    fn new(
        key: &'a ChainKey,
        team: &'a str,
        checkpoints: &'a [Checkpoint],
        noted: Option<&'a AuditHead>,
    ) -> Self {
        let mut checkpoints: Vec<_> = checkpoints.iter().filter(|one| one.team == team).collect();
        checkpoints.sort_by_key(|one| one.place);
        Self {
            key,
            team,
            place: 0,
            hash: Vec::new(),
            rows: 0,
            checkpoints,
            next: 0,
            noted,
            faults: Vec::new(),
        }
    }

    fn step(&mut self, row: &AuditRow) {
        let place = row.place.unwrap_or(0);
        if place != self.place + 1 {
            self.fault(
                self.place + 1,
                format!(
                    "rows {} to {} are missing",
                    self.place + 1,
                    place.saturating_sub(1)
                ),
            );
        }
        let hash = row.hash.clone().unwrap_or_default();
        // Behind a gap the hash before is not known, and the row cannot be judged by itself.
        if place == self.place + 1 && self.key.link(&self.hash, row, place) != hash {
            self.fault(place, "the row, or the one before, was changed".to_owned());
        }
        while let Some(checkpoint) = self.checkpoints.get(self.next) {
            if checkpoint.place > place {
                break;
            }
            self.next += 1;
            if checkpoint.place == place && checkpoint.hash != hex(&hash) {
                self.fault(place, "the row does not fit its checkpoint".to_owned());
            }
        }
        // The place it says it has; the hash it should have had is that of its own row.
        self.place = place;
        self.hash = hash;
        self.rows += 1;
    }

    fn end(mut self, unsealed: u64, strange: u64) -> AuditReport {
        let last_checkpoint = self.checkpoints.last().map(|one| one.place);
        if let Some(place) = last_checkpoint.filter(|place| *place > self.place) {
            self.fault(
                self.place + 1,
                format!("the end is missing: a checkpoint says that there were {place} rows"),
            );
        }
        match self.noted {
            Some(noted) if noted.place > self.place => {
                self.fault(
                    self.place + 1,
                    format!("the end is missing: {} rows are noted", noted.place),
                );
            }
            Some(noted) if noted.place == self.place && noted.hash != self.hash => {
                self.fault(
                    self.place,
                    "the last row does not fit the noted end".to_owned(),
                );
            }
            None if self.place > 0 => self.fault(self.place, "the noted end is missing".to_owned()),
            // It may have grown since the end was read.
            _ => {}
        }
        if strange > 0 {
            self.fault(0, format!("{strange} lines of the checkpoint file were changed, or signed with another root key"));
        }
        AuditReport {
            ok: self.faults.is_empty(),
            team: self.team.to_owned(),
            rows: self.rows,
            unsealed,
            checkpoints: self.checkpoints.len() as u64,
            last_checkpoint,
            faults: self.faults,
        }
    }

    fn fault(&mut self, place: u64, detail: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(AuditFault { place, detail });
        }
    }
}
