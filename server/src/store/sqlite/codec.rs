//! Between rows of the database and rows of the model.

use multi_upload_wire::UploadStatus;
use rusqlite::{Connection, Row};
use serde::de::DeserializeOwned;

pub(super) use crate::store::codec::{
    damaged, from_db, json, json_opt, mode_from_db, parse, phase_from_db, to_db,
};
use crate::store::{Owner, Phase, StoreError, StoreResult, TargetRow, UploadRow};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Failed(
                    "another process has held the database's write lock for too long".to_owned(),
                )
            }
            _ => Self::Failed(format!("database: {error}")),
        }
    }
}

/// True when a unique index refused the statement; the statement then changed nothing.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(
            error.extended_code,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        )
    })
}

pub(super) fn phase_to_db(phase: Phase) -> i64 {
    phase as i64
}

pub(super) fn parse_opt<T: DeserializeOwned>(
    text: Option<String>,
    what: &str,
) -> StoreResult<Option<T>> {
    text.map(|text| parse(&text, what)).transpose()
}

/// The columns that [`upload`] reads.
pub(super) const UPLOAD: &str = "u.n, u.id, u.team, u.mode, u.status, u.content, u.scheduled_at, u.timezone, \
     u.external_id, u.version, u.change_seq, u.created_at, u.updated_at";

/// The number of a row with the columns of [`UPLOAD`], and the upload without its targets.
pub(super) fn upload(row: &Row<'_>) -> StoreResult<(i64, UploadRow)> {
    let mode: String = row.get(3)?;
    let status: String = row.get(4)?;
    let content: String = row.get(5)?;
    let upload = UploadRow {
        id: row.get(1)?,
        owner: Owner {
            team: row.get(2)?,
            mode: mode_from_db(&mode)?,
        },
        status: UploadStatus::from_name(&status).ok_or_else(|| damaged("status"))?,
        content: parse(&content, "content")?,
        scheduled_at: row.get(6)?,
        timezone: row.get(7)?,
        external_id: row.get(8)?,
        version: from_db(row.get(9)?),
        change_seq: from_db(row.get(10)?),
        created_at: row.get(11)?,
        updated_at: row.get(12)?,
        targets: Vec::new(),
    };
    Ok((row.get(0)?, upload))
}

/// The columns that [`target`] reads, the id of the upload (`u.id`) among them.
const TARGET: &str = "t.id, u.id, t.team, t.mode, t.account_id, t.platform, t.phase, t.fence, t.due_at, t.scheduled_at, \
     t.send_until, t.lease_until, t.attempts, t.setbacks, t.content, t.fingerprint, t.prepared, t.remote_id, t.remote_url, \
     t.published_at, t.error, t.attempt, t.sentinel_at";

fn target(row: &Row<'_>) -> StoreResult<TargetRow> {
    let mode: String = row.get(3)?;
    let content: String = row.get(14)?;
    Ok(TargetRow {
        id: row.get(0)?,
        upload_id: row.get(1)?,
        owner: Owner {
            team: row.get(2)?,
            mode: mode_from_db(&mode)?,
        },
        account_id: row.get(4)?,
        platform: row.get(5)?,
        phase: phase_from_db(row.get(6)?)?,
        fence: from_db(row.get(7)?),
        due_at: row.get(8)?,
        scheduled_at: row.get(9)?,
        send_until: row.get(10)?,
        lease_until: row.get(11)?,
        attempts: row.get(12)?,
        setbacks: row.get(13)?,
        content: parse(&content, "content")?,
        fingerprint: row.get(15)?,
        prepared: parse_opt(row.get(16)?, "prepared")?,
        remote_id: row.get(17)?,
        remote_url: row.get(18)?,
        published_at: row.get(19)?,
        error: parse_opt(row.get(20)?, "error")?,
        attempt: parse_opt(row.get(21)?, "attempt")?,
        sentinel_at: row.get(22)?,
    })
}

/// Places for targets of one upload.
pub(super) const POSITIONS: i64 = 64;

/// The targets of an upload, in the order asked for.
pub(super) fn targets_of(conn: &Connection, upload: i64) -> StoreResult<Vec<TargetRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {TARGET} FROM targets t JOIN uploads u ON u.n = t.upload WHERE t.n BETWEEN ?1 AND ?2 ORDER BY t.n"
    ))?;
    let mut rows = statement.query([upload * POSITIONS, upload * POSITIONS + POSITIONS - 1])?;
    let mut targets = Vec::new();
    while let Some(row) = rows.next()? {
        targets.push(target(row)?);
    }
    Ok(targets)
}

/// One target by its number.
pub(super) fn target_at(conn: &Connection, n: i64) -> StoreResult<TargetRow> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {TARGET} FROM targets t JOIN uploads u ON u.n = t.upload WHERE t.n = ?1"
    ))?;
    let mut rows = statement.query([n])?;
    target(rows.next()?.ok_or_else(|| damaged("number"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_phase_is_its_position() {
        for (position, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase_to_db(phase), position as i64);
            assert_eq!(phase_from_db(position as i64).ok(), Some(phase));
        }
        assert!(phase_from_db(11).is_err());
        assert!(phase_from_db(-1).is_err());
    }
}
