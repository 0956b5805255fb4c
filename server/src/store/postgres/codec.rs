//! Between rows of the database and rows of the model.

use multi_upload_wire::UploadStatus;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

pub(super) use crate::store::codec::{
    damaged, from_db, json, json_opt, mode_from_db, parse, to_db,
};
use crate::store::{Owner, Phase, StoreResult, TargetRow, UploadRow, codec};

pub(super) fn small_from_db(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX })
}

/// The number of a phase is its position in [`Phase::ALL`].
pub(super) const fn phase_to_db(phase: Phase) -> i16 {
    phase as i16
}

pub(super) fn phase_from_db(number: i16) -> StoreResult<Phase> {
    codec::phase_from_db(number.into())
}

pub(super) fn parse_opt<T: DeserializeOwned>(
    text: Option<&str>,
    what: &str,
) -> StoreResult<Option<T>> {
    text.map(|text| parse(text, what)).transpose()
}

/// Whose a row with the columns `team` and `mode` is.
pub(super) fn owner(row: &Row, team: &str, mode: &str) -> StoreResult<Owner> {
    Ok(Owner {
        team: row.get(team),
        mode: mode_from_db(row.get(mode))?,
    })
}

/// Places for targets of one upload.
pub(super) const POSITIONS: i64 = 64;

/// The columns of an upload joined with those of its targets, for [`uploads_from`]. The content comes with the first
/// target only.
pub(super) const JOINED: &str = "u.n AS un, u.id AS uid, u.team AS uteam, u.mode AS umode, u.status, \
     CASE WHEN t.n IS NULL OR t.n & 63 = 0 THEN u.content END AS ucontent, \
     u.scheduled_at AS uscheduled_at, u.timezone, u.external_id, u.version, u.change_seq, u.created_at, u.updated_at, \
     t.n AS tn, t.id, t.team, t.mode, t.account_id, t.platform, t.phase, t.fence, t.due_at, t.scheduled_at, t.send_until, \
     t.lease_until, t.attempts, t.setbacks, t.content, t.fingerprint, t.attempt, t.prepared, t.remote_id, t.remote_url, \
     t.published_at, t.error, t.sentinel_at";

/// Joins the targets of each upload `u`.
pub(super) const JOIN: &str = "LEFT JOIN targets t ON t.n BETWEEN u.n * 64 AND u.n * 64 + 63";

/// The columns of a target and the id of its upload, for [`target`].
pub(super) const TARGET: &str = "u.id AS uid, t.n AS tn, t.id, t.team, t.mode, t.account_id, t.platform, t.phase, t.fence, \
     t.due_at, t.scheduled_at, t.send_until, t.lease_until, t.attempts, t.setbacks, t.content, t.fingerprint, t.attempt, \
     t.prepared, t.remote_id, t.remote_url, t.published_at, t.error, t.sentinel_at";

/// Uploads from rows with the columns of [`JOINED`], those of an upload one after the other.
pub(super) fn uploads_from(rows: &[Row]) -> StoreResult<Vec<UploadRow>> {
    let mut uploads: Vec<UploadRow> = Vec::new();
    let mut last = None;
    for row in rows {
        let n: i64 = row.get("un");
        if last != Some(n) {
            last = Some(n);
            uploads.push(upload(row)?);
        }
        if row.get::<_, Option<i64>>("tn").is_some()
            && let Some(upload) = uploads.last_mut()
        {
            upload.targets.push(target(row)?);
        }
    }
    Ok(uploads)
}

fn upload(row: &Row) -> StoreResult<UploadRow> {
    let content: Option<&str> = row.get("ucontent");
    Ok(UploadRow {
        id: row.get("uid"),
        owner: owner(row, "uteam", "umode")?,
        status: UploadStatus::from_name(row.get("status")).ok_or_else(|| damaged("status"))?,
        content: parse(content.ok_or_else(|| damaged("content"))?, "content")?,
        scheduled_at: row.get("uscheduled_at"),
        timezone: row.get("timezone"),
        external_id: row.get("external_id"),
        version: from_db(row.get("version")),
        change_seq: from_db(row.get("change_seq")),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        targets: Vec::new(),
    })
}

/// A target from a row with the columns of [`TARGET`].
pub(super) fn target(row: &Row) -> StoreResult<TargetRow> {
    Ok(TargetRow {
        id: row.get("id"),
        upload_id: row.get("uid"),
        owner: owner(row, "team", "mode")?,
        account_id: row.get("account_id"),
        platform: row.get("platform"),
        phase: phase_from_db(row.get("phase"))?,
        fence: from_db(row.get("fence")),
        due_at: row.get("due_at"),
        scheduled_at: row.get("scheduled_at"),
        send_until: row.get("send_until"),
        lease_until: row.get("lease_until"),
        attempts: small_from_db(row.get("attempts")),
        setbacks: small_from_db(row.get("setbacks")),
        content: parse(row.get("content"), "content")?,
        fingerprint: row.get("fingerprint"),
        attempt: parse_opt(row.get("attempt"), "attempt")?,
        prepared: parse_opt(row.get("prepared"), "prepared")?,
        remote_id: row.get("remote_id"),
        remote_url: row.get("remote_url"),
        published_at: row.get("published_at"),
        error: parse_opt(row.get("error"), "error")?,
        sentinel_at: row.get("sentinel_at"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_phase_is_its_position() {
        for (position, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(phase_to_db(phase)).ok(), Some(position));
            assert_eq!(phase_from_db(phase_to_db(phase)).ok(), Some(phase));
        }
        assert!(phase_from_db(11).is_err());
        assert!(phase_from_db(-1).is_err());
    }
}
