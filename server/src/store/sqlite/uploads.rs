//! Uploads: creating, reading, listing, editing, the change feed.

use jiff::civil::Date;
use multi_upload_wire::UploadStatus;
use rusqlite::{Connection, OptionalExtension as _, ToSql, params, params_from_iter};

use super::codec::{
    POSITIONS, UPLOAD, from_db, json, json_opt, phase_from_db, phase_to_db, targets_of, to_db,
    upload,
};
use super::events::{EventText, insert_event};
use super::lanes::{self, Lane};
use super::media;
use super::wall_times;
use super::webhooks;
use super::writer::Tx;
use crate::slots::{Queue, Taken, settle};
use crate::store::when::{first_day, keeps};
use crate::store::{
    CreateOutcome, EditOutcome, Idempotency, KeyUse, Millis, NewUpload, Owner, Phase, StoreError,
    StoreResult, UploadEdit, UploadFilter, UploadRow, When, uses,
};

/// How long an idempotency key protects. After that it may be used for something else.
const IDEMPOTENCY_LIFE: Millis = 7 * 24 * 60 * 60 * 1000;

/// A new upload with its JSON made, so that the writer's thread only writes.
pub(super) struct Ready {
    row: UploadRow,
    content: String,
    targets: Vec<TargetText>,
    events: Vec<EventText>,
    idempotency: Option<Idempotency>,
    when: When,
}

struct TargetText {
    content: String,
    prepared: Option<String>,
    error: Option<String>,
    attempt: Option<String>,
}

impl Ready {
    pub(super) fn new(new: NewUpload) -> StoreResult<Self> {
        let mut row = new.row;
        if row.targets.len() as i64 > POSITIONS {
            return Err(StoreError::Failed(format!(
                "an upload has at most {POSITIONS} targets"
            )));
        }
        row.status = UploadStatus::of_targets(row.targets.iter().map(|t| t.phase.status()));
        let targets = row
            .targets
            .iter()
            .map(|target| {
                Ok(TargetText {
                    content: json(&target.content)?,
                    prepared: json_opt(target.prepared.as_ref())?,
                    error: json_opt(target.error.as_ref())?,
                    attempt: json_opt(target.attempt.as_ref())?,
                })
            })
            .collect::<StoreResult<_>>()?;
        Ok(Self {
            content: json(&row.content)?,
            targets,
            events: new
                .events
                .into_iter()
                .map(EventText::new)
                .collect::<StoreResult<_>>()?,
            idempotency: new.idempotency,
            when: new.when,
            row,
        })
    }
}

pub(super) fn create(tx: &Tx<'_>, uploads: Vec<Ready>) -> StoreResult<Vec<CreateOutcome>> {
    let from = first_day(uploads.iter().map(|new| &new.when));
    let mut taken = Taken::default();
    uploads
        .into_iter()
        .map(|new| create_one(tx, new, &mut taken, from))
        .collect()
}

/// `taken` is what is taken of slots from the date `from` on, as far as it was read before.
fn create_one(
    tx: &Tx<'_>,
    new: Ready,
    taken: &mut Taken,
    from: Date,
) -> StoreResult<CreateOutcome> {
    let Ready {
        mut row,
        content,
        targets,
        mut events,
        mut idempotency,
        when,
    } = new;
    if let Some(key) = &idempotency
        && let Some(outcome) = used_before(tx.conn, &row, key)?
    {
        return Ok(outcome);
    }
    let mut places = Vec::new();
    if let When::NextSlot(wish) = &when {
        wall_times::learn(tx.conn, taken, &row, wish, from)?;
        places = match taken.take(&row, wish) {
            Ok(places) => places,
            Err(account) => return Ok(CreateOutcome::NoFreeSlot(account)),
        };
        let now = row.created_at;
        for event in settle(&mut row, wish, &places, now) {
            events.push(EventText::new(event)?);
        }
        if let Some(key) = &mut idempotency {
            key.answer = (wish.answer)(&row)?;
        }
    }
    if let Some(key) = &idempotency {
        keep_key(tx.conn, &row.owner, row.created_at, key)?;
    }
    let seq = tx.next_change();
    row.change_seq = from_db(seq);
    tx.conn
        .prepare_cached(
            "INSERT INTO uploads (id, team, mode, status, content, scheduled_at, timezone, external_id, version, \
             change_seq, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            row.id,
            row.owner.team,
            row.owner.mode.as_str(),
            row.status.as_str(),
            content,
            row.scheduled_at,
            row.timezone,
            row.external_id,
            to_db(row.version),
            seq,
            row.created_at,
            row.updated_at,
        ])?;
    let n = tx.conn.last_insert_rowid();
    for (position, (target, text)) in row.targets.iter().zip(&targets).enumerate() {
        let lane = Lane::of(target);
        tx.conn
            .prepare_cached(
                "INSERT INTO targets (n, upload, id, team, mode, account_id, platform, board, phase, fence, due_at, \
                 scheduled_at, send_until, lease_until, attempts, setbacks, content, fingerprint, prepared, remote_id, \
                 remote_url, published_at, error, attempt, sentinel_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
                 ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
            )?
            .execute(params![
                n * POSITIONS + position as i64,
                n,
                target.id,
                row.owner.team,
                row.owner.mode.as_str(),
                target.account_id,
                target.platform,
                lane.board,
                phase_to_db(target.phase),
                to_db(target.fence),
                target.due_at,
                target.scheduled_at,
                target.send_until,
                target.lease_until,
                target.attempts,
                target.setbacks,
                text.content,
                target.fingerprint,
                text.prepared,
                target.remote_id,
                target.remote_url,
                target.published_at,
                text.error,
                text.attempt,
                target.sentinel_at,
            ])?;
        if matches!(target.phase, Phase::Scheduled | Phase::Waiting) {
            lanes::joined(tx.conn, &lane, target.due_at)?;
        } else {
            lanes::refresh(tx.conn, &lane)?;
        }
    }
    for (position, kept) in (0..).zip(keeps(&row, &when, &places)) {
        wall_times::keep(tx.conn, n * POSITIONS + position, &kept)?;
    }
    for event in &events {
        insert_event(tx, n, event)?;
    }
    media::set_uses(tx.conn, &row.owner, &row.id, &uses::named(&content))?;
    let status = Renewed {
        before: None,
        after: row.status,
    };
    webhooks::upload_changed(tx, &row.owner, &row.id, status, None, row.created_at)?;
    Ok(CreateOutcome::Stored(Box::new(row)))
}

/// What the key was used for before, within its life.
fn used_before(
    conn: &Connection,
    row: &UploadRow,
    key: &Idempotency,
) -> StoreResult<Option<CreateOutcome>> {
    let used = key_use(conn, &row.owner, row.created_at, key)?;
    Ok(used.map(|used| match used.answer {
        Some(answer) if used.body_hash == key.body_hash => CreateOutcome::Replayed(answer),
        _ => CreateOutcome::KeyMismatch,
    }))
}

/// Stores a key, or says what it was used for within its life. An empty answer is none yet.
pub(super) fn take_key(
    conn: &Connection,
    owner: &Owner,
    now: Millis,
    key: &Idempotency,
) -> StoreResult<Option<KeyUse>> {
    let used = key_use(conn, owner, now, key)?;
    if used.is_none() {
        keep_key(conn, owner, now, key)?;
    }
    Ok(used)
}

/// What a key was used for within its life.
fn key_use(
    conn: &Connection,
    owner: &Owner,
    now: Millis,
    key: &Idempotency,
) -> StoreResult<Option<KeyUse>> {
    let used = conn
        .prepare_cached(
            "SELECT n, body_hash, answer, created_at FROM idempotency WHERE team = ?1 AND mode = ?2 AND key = ?3",
        )?
        .query_row(params![owner.team, owner.mode.as_str(), key.key], |found| {
            let used = KeyUse {
                body_hash: found.get(1)?,
                answer: Some(found.get(2)?).filter(|answer: &String| !answer.is_empty()),
                at: found.get(3)?,
            };
            Ok((found.get::<_, i64>(0)?, used))
        })
        .optional()?;
    if let Some((n, used)) = used {
        if now.saturating_sub(used.at) < IDEMPOTENCY_LIFE {
            return Ok(Some(used));
        }
        conn.prepare_cached("DELETE FROM idempotency WHERE n = ?1")?
            .execute([n])?;
    }
    Ok(None)
}

/// Stores the key with its time.
fn keep_key(conn: &Connection, owner: &Owner, now: Millis, key: &Idempotency) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO idempotency (team, mode, key, body_hash, answer, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        owner.team,
        owner.mode.as_str(),
        key.key,
        key.body_hash,
        key.answer,
        now,
    ])?;
    Ok(())
}

pub(super) fn end_request(
    conn: &Connection,
    owner: &Owner,
    key: &str,
    answer: Option<&str>,
) -> StoreResult<()> {
    let mode = owner.mode.as_str();
    match answer {
        Some(answer) => conn
            .prepare_cached(
                "UPDATE idempotency SET answer = ?4 WHERE team = ?1 AND mode = ?2 AND key = ?3 AND answer = ''",
            )?
            .execute([&owner.team, mode, key, answer])?,
        None => conn
            .prepare_cached(
                "DELETE FROM idempotency WHERE team = ?1 AND mode = ?2 AND key = ?3 AND answer = ''",
            )?
            .execute([&owner.team, mode, key])?,
    };
    Ok(())
}

/// What a key answered, with the hash of the body it came with.
pub(super) fn answered(
    conn: &Connection,
    owner: &Owner,
    key: &str,
    now: Millis,
) -> StoreResult<Option<(Vec<u8>, String)>> {
    Ok(conn
        .prepare_cached(
            "SELECT body_hash, answer FROM idempotency WHERE team = ?1 AND mode = ?2 AND key = ?3 AND created_at > ?4",
        )?
        .query_row(
            params![
                owner.team,
                owner.mode.as_str(),
                key,
                now.saturating_sub(IDEMPOTENCY_LIFE)
            ],
            |found| Ok((found.get(0)?, found.get(1)?)),
        )
        .optional()?)
}

const BY_ID: &str = "u.team = ?1 AND u.mode = ?2 AND u.id = ?3";

const SINCE: &str = "u.team = ?1 AND u.mode = ?2 AND u.change_seq > ?3 ORDER BY u.change_seq";

/// The number of an upload.
pub(super) fn number(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT n FROM uploads WHERE team = ?1 AND mode = ?2 AND id = ?3")?
        .query_row(params![owner.team, owner.mode.as_str(), id], |row| {
            row.get(0)
        })
        .optional()?)
}

pub(super) fn get(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<UploadRow>> {
    let mut found = select(
        conn,
        BY_ID,
        &[&owner.team, &owner.mode.as_str(), &id],
        1,
        |_| true,
    )?;
    Ok(found.pop())
}

fn uploads_where(condition: &str) -> String {
    format!("SELECT {UPLOAD} FROM uploads u WHERE {condition}")
}

/// Uploads with their targets. `condition` may go on with an ORDER BY; rows that `wanted` refuses do not count.
fn select(
    conn: &Connection,
    condition: &str,
    values: &[&dyn ToSql],
    limit: u32,
    wanted: impl Fn(&UploadRow) -> bool,
) -> StoreResult<Vec<UploadRow>> {
    let mut uploads = Vec::new();
    if limit == 0 {
        return Ok(uploads);
    }
    let mut statement = conn.prepare_cached(&uploads_where(condition))?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let (n, mut upload) = upload(row)?;
        if wanted(&upload) {
            upload.targets = targets_of(conn, n)?;
            uploads.push(upload);
            if uploads.len() == limit as usize {
                break;
            }
        }
    }
    Ok(uploads)
}

pub(super) fn list(
    conn: &Connection,
    owner: &Owner,
    filter: &UploadFilter,
    before: Option<&str>,
    limit: u32,
) -> StoreResult<Vec<UploadRow>> {
    let mode = owner.mode.as_str();
    let statuses = filter.stored_statuses();
    let (condition, values) = condition([&owner.team, &mode], filter, &statuses, &before);
    // SQLite folds the case of ASCII only, so texts are compared here.
    let q = filter.q.as_deref().map(str::to_lowercase);
    select(conn, &condition, &values, limit, |upload| {
        q.as_deref().is_none_or(|q| says(upload, q))
    })
}

/// The WHERE and ORDER BY of a list, and its values.
fn condition<'a>(
    owner: [&'a dyn ToSql; 2],
    filter: &'a UploadFilter,
    statuses: &'a [&str],
    before: &'a Option<&str>,
) -> (String, Vec<&'a dyn ToSql>) {
    let mut condition = String::from("u.team = ? AND u.mode = ?");
    let mut values = owner.to_vec();
    if let Some(before) = before {
        condition.push_str(" AND u.id < ?");
        values.push(before);
    }
    if let Some(external_id) = &filter.external_id {
        condition.push_str(" AND u.external_id = ?");
        values.push(external_id);
    }
    if let Some(from) = &filter.from {
        condition.push_str(" AND u.scheduled_at >= ?");
        values.push(from);
    }
    if let Some(to) = &filter.to {
        condition.push_str(" AND u.scheduled_at < ?");
        values.push(to);
    }
    if !statuses.is_empty() {
        condition.push_str(" AND u.status IN (");
        for (index, status) in statuses.iter().enumerate() {
            condition.push_str(if index == 0 { "?" } else { ", ?" });
            values.push(status);
        }
        condition.push(')');
    }
    if let Some(is_due) = filter.only_due() {
        condition.push_str(&format!(
            " AND (u.status <> 'scheduled' OR {}EXISTS (SELECT 1 FROM targets t WHERE t.n BETWEEN u.n * {POSITIONS} \
             AND u.n * {POSITIONS} + {} AND t.phase = 1 AND t.due_at <= ?))",
            if is_due { "" } else { "NOT " },
            POSITIONS - 1
        ));
        values.push(&filter.now);
    }
    for (column, value) in [
        ("account_id", &filter.account),
        ("platform", &filter.platform),
    ] {
        if let Some(value) = value {
            condition.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM targets t WHERE t.n BETWEEN u.n * {POSITIONS} AND u.n * {POSITIONS} + {} \
                 AND t.{column} = ?)",
                POSITIONS - 1
            ));
            values.push(value);
        }
    }
    condition.push_str(" ORDER BY u.id DESC");
    (condition, values)
}

/// Does a text of the upload contain `q` (lower case)?
fn says(upload: &UploadRow, q: &str) -> bool {
    let content = &upload.content;
    [
        &content.caption,
        &content.title,
        &content.description,
        &content.link,
    ]
    .into_iter()
    .flatten()
    .any(|text| text.to_lowercase().contains(q))
}

pub(super) fn changes(
    conn: &Connection,
    owner: &Owner,
    since: u64,
    limit: u32,
) -> StoreResult<Vec<UploadRow>> {
    select(
        conn,
        SINCE,
        &[&owner.team, &owner.mode.as_str(), &to_db(since)],
        limit,
        |_| true,
    )
}

pub(super) fn last_change(conn: &Connection) -> StoreResult<u64> {
    let seq = conn
        .prepare_cached("SELECT change_seq FROM counters")?
        .query_row([], |row| row.get(0))?;
    Ok(from_db(seq))
}

pub(super) fn edit(tx: &Tx<'_>, edit: &UploadEdit) -> StoreResult<EditOutcome> {
    let mut row = edit.row.clone();
    let Some(n) = number(tx.conn, &row.owner, &row.id)? else {
        return Ok(EditOutcome::Stale);
    };
    let version: i64 = tx
        .conn
        .prepare_cached("SELECT version FROM uploads WHERE n = ?1")?
        .query_row([n], |found| found.get(0))?;
    let stored = targets_of(tx.conn, n)?;
    if from_db(version) != edit.expect_version || !stored.iter().all(|t| is_editable(t.phase)) {
        return Ok(EditOutcome::Stale);
    }
    let mut places = Vec::new();
    let mut events = Vec::new();
    if let When::NextSlot(wish) = &edit.when {
        // Its own occurrences are free for it: it moves forward or stays.
        let mut taken = Taken::default();
        let own: Vec<_> = wall_times::occurrences_of(tx.conn, n)?;
        let from = first_day([&edit.when]);
        wall_times::learn(tx.conn, &mut taken, &row, wish, from)?;
        for (position, (slot, day)) in own {
            if let Some(target) = row.targets.get(position) {
                taken.free(&Queue::of(&row.owner, &target.account_id), &slot, day);
            }
        }
        places = match taken.take(&row, wish) {
            Ok(places) => places,
            Err(account) => return Ok(EditOutcome::NoFreeSlot(account)),
        };
        events = settle(&mut row, wish, &places, edit.event.at);
    }
    if !matches!(edit.when, When::Kept) {
        wall_times::free_all(tx.conn, n)?;
    }
    for target in &row.targets {
        let Some(position) = stored.iter().position(|t| t.id == target.id) else {
            return Err(StoreError::Failed(format!(
                "upload {} has no target {}",
                row.id, target.id
            )));
        };
        if !is_editable(target.phase) {
            return Err(StoreError::Failed(format!(
                "target {} cannot be edited into another phase than draft, scheduled or waiting",
                target.id
            )));
        }
        let (old, new) = (Lane::of(&stored[position]), Lane::of(target));
        tx.conn
            .prepare_cached(
                "UPDATE targets SET board = ?2, phase = ?3, due_at = ?4, scheduled_at = ?5, send_until = ?6, \
                 setbacks = ?7, content = ?8, fingerprint = ?9, prepared = ?10, error = ?11 WHERE n = ?1",
            )?
            .execute(params![
                n * POSITIONS + position as i64,
                new.board,
                phase_to_db(target.phase),
                target.due_at,
                target.scheduled_at,
                target.send_until,
                target.setbacks,
                json(&target.content)?,
                target.fingerprint,
                json_opt(target.prepared.as_ref())?,
                json_opt(target.error.as_ref())?,
            ])?;
        if old.board != new.board {
            lanes::refresh(tx.conn, &old)?;
        }
        lanes::refresh(tx.conn, &new)?;
    }
    for (position, kept) in (0..).zip(keeps(&row, &edit.when, &places)) {
        wall_times::keep(tx.conn, n * POSITIONS + position, &kept)?;
    }
    let content = json(&row.content)?;
    media::clear_uses(tx.conn, &row.owner, &row.id)?;
    media::set_uses(tx.conn, &row.owner, &row.id, &uses::named(&content))?;
    tx.conn
        .prepare_cached(
            "UPDATE uploads SET content = ?2, scheduled_at = ?3, timezone = ?4, external_id = ?5 WHERE n = ?1",
        )?
        .execute(params![
            n,
            content,
            row.scheduled_at,
            row.timezone,
            row.external_id,
        ])?;
    let status = renew(tx, n, edit.event.at)?;
    events.insert(0, edit.event.clone());
    for event in events {
        insert_event(tx, n, &EventText::new(event)?)?;
    }
    webhooks::upload_changed(tx, &row.owner, &row.id, status, None, edit.event.at)?;
    let edited = get(tx.conn, &row.owner, &row.id)?;
    Ok(edited.map_or(EditOutcome::Stale, |row| EditOutcome::Edited(Box::new(row))))
}

const fn is_editable(phase: Phase) -> bool {
    matches!(phase, Phase::Draft | Phase::Scheduled | Phase::Waiting)
}

/// The status of an upload before and after a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewed {
    /// `None` for a new one.
    pub(super) before: Option<UploadStatus>,
    pub(super) after: UploadStatus,
}

/// Status, version and place in the change feed, after anything about the upload changed.
pub(super) fn renew(tx: &Tx<'_>, n: i64, at: Millis) -> StoreResult<Renewed> {
    let before: String = tx
        .conn
        .prepare_cached("SELECT status FROM uploads WHERE n = ?1")?
        .query_row([n], |row| row.get(0))?;
    let mut statement = tx
        .conn
        .prepare_cached("SELECT phase FROM targets WHERE n BETWEEN ?1 AND ?2")?;
    let mut rows = statement.query([n * POSITIONS, n * POSITIONS + POSITIONS - 1])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        states.push(phase_from_db(row.get(0)?)?.status());
    }
    let after = UploadStatus::of_targets(states);
    tx.conn
        .prepare_cached(
            "UPDATE uploads SET status = ?2, version = version + 1, updated_at = ?3, change_seq = ?4 WHERE n = ?1",
        )?
        .execute(params![
            n,
            after.as_str(),
            at,
            tx.next_change(),
        ])?;
    Ok(Renewed {
        before: UploadStatus::from_name(&before),
        after,
    })
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn reading_costs_the_same_among_many_uploads() {
        assert_index(&uploads_where(BY_ID), &["uploads_by_id"]);
        assert_index(&uploads_where(SINCE), &["uploads_by_change"]);
        let list = |filter: &UploadFilter, before| {
            uploads_where(&condition([&"", &""], filter, &["failed"], &before).0)
        };
        let any = UploadFilter::default();
        assert_index(&list(&any, None), &["uploads_by_id"]);
        assert_index(&list(&any, Some("up_1")), &["uploads_by_id"]);
        let labelled = UploadFilter {
            external_id: Some("mine".to_owned()),
            account: Some("pinterest:1".to_owned()),
            ..any
        };
        let expected = ["uploads_by_external_id", "PRIMARY KEY"];
        assert_index(&list(&labelled, None), &expected);
        assert_index(&list(&labelled, Some("up_1")), &expected);
    }
}
