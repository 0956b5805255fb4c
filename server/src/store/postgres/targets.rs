//! What is asked about targets, and holding an account.

use deadpool_postgres::GenericClient;
use multi_upload_wire::ErrorCode;

use super::codec::{TARGET, from_db, target};
use super::db::{Db, begin, execute, row, rows};
use super::pace::{self, Account};
use super::trouble::Res;
use crate::store::{Millis, Owner, Rest, TargetRow};

pub(super) async fn get<C: GenericClient>(
    client: &C,
    owner: &Owner,
    upload_id: &str,
    id: &str,
) -> Res<Option<TargetRow>> {
    let sql = format!(
        "SELECT {TARGET} FROM uploads u JOIN targets t ON t.n BETWEEN u.n * 64 AND u.n * 64 + 63 \
         WHERE u.team = $1 AND u.mode = $2 AND u.id = $3 AND t.id = $4"
    );
    let found = row(
        client,
        &sql,
        &[&owner.team, &owner.mode.as_str(), &upload_id, &id],
    )
    .await?;
    Ok(found.as_ref().map(target).transpose()?)
}

pub(super) async fn baseline<C: GenericClient>(
    client: &C,
    owner: &Owner,
    target_id: &str,
    number: u32,
) -> Res<Option<Vec<u8>>> {
    let found = row(
        client,
        "SELECT baseline FROM attempts WHERE team = $1 AND mode = $2 AND target_id = $3 AND number = $4 \
         AND baseline IS NOT NULL",
        &[
            &owner.team,
            &owner.mode.as_str(),
            &target_id,
            &i64::from(number),
        ],
    )
    .await?;
    Ok(found.map(|row| row.get(0)))
}

/// Of any team: teams that share an account share its posts.
pub(super) async fn known_remote_ids<C: GenericClient>(
    client: &C,
    owner: &Owner,
    account_id: &str,
    ids: &[String],
) -> Res<Vec<String>> {
    let found = rows(
        client,
        "SELECT x.id FROM unnest($3::text[]) WITH ORDINALITY AS x (id, i) WHERE EXISTS (SELECT 1 FROM targets t \
         WHERE t.mode = $1 AND t.account_id = $2 AND t.remote_id = x.id) ORDER BY x.i",
        &[&owner.mode.as_str(), &account_id, &ids],
    )
    .await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// By lane, since the index of the queue begins with it.
pub(super) async fn open_after<C: GenericClient>(
    client: &C,
    owner: &Owner,
    account_id: &str,
    after: Millis,
) -> Res<u64> {
    let found = row(
        client,
        "SELECT count(*) FROM lanes l JOIN targets t ON t.mode = l.mode AND t.account_id = l.account_id \
         AND t.board = l.board WHERE l.mode = $1 AND l.account_id = $2 AND t.phase IN (1, 5) AND t.due_at > $3 \
         AND t.team = $4",
        &[&owner.mode.as_str(), &account_id, &after, &owner.team],
    )
    .await?;
    Ok(found.map_or(0, |row| from_db(row.get(0))))
}

/// Takes nothing from the account before `until`, nor before what was said earlier.
pub(super) async fn hold(
    db: &Db,
    owner: &Owner,
    account_id: &str,
    until: Millis,
    why: ErrorCode,
) -> Res<()> {
    let account = Account {
        mode: owner.mode.as_str().to_owned(),
        id: account_id.to_owned(),
    };
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    execute(
        &tx,
        "INSERT INTO pace (mode, account_id, platform, held_until, held_for) VALUES ($1, $2, '', $3, $4) \
         ON CONFLICT (mode, account_id) DO UPDATE SET held_until = excluded.held_until, held_for = excluded.held_for \
         WHERE pace.held_until IS NULL OR pace.held_until < excluded.held_until",
        &[&account.mode, &account.id, &until, &why.as_str()],
    )
    .await?;
    // Nobody has to be woken: a hold only makes others wait longer.
    pace::refresh_accounts(&tx, [&account]).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn rests<C: GenericClient>(
    client: &C,
    owner: &Owner,
    account_ids: &[String],
    now: Millis,
) -> Res<Vec<Rest>> {
    let found = rows(
        client,
        "SELECT account_id, greatest(held_until, limit_until), \
           CASE WHEN held_until >= coalesce(limit_until, 0) THEN held_for END \
         FROM pace WHERE mode = $1 AND account_id = ANY($2::text[]) AND greatest(held_until, limit_until) > $3",
        &[&owner.mode.as_str(), &account_ids, &now],
    )
    .await?;
    Ok(found
        .iter()
        .map(|row| Rest {
            account_id: row.get(0),
            until: row.get(1),
            why: row.get(2),
        })
        .collect())
}

pub(super) async fn late<C: GenericClient>(
    client: &C,
    now: Millis,
    due_after: Option<Millis>,
    limit: u32,
) -> Res<Vec<TargetRow>> {
    let sql = format!(
        "SELECT {TARGET} FROM (SELECT * FROM targets WHERE phase IN (1, 5) AND send_until < $1 AND due_at > $2 \
         ORDER BY send_until LIMIT $3) t JOIN uploads u ON u.n = t.upload ORDER BY t.send_until"
    );
    let due_after = due_after.unwrap_or(Millis::MIN);
    let found = rows(client, &sql, &[&now, &due_after, &i64::from(limit)]).await?;
    Ok(found.iter().map(target).collect::<Result<_, _>>()?)
}

pub(super) async fn next_late<C: GenericClient>(
    client: &C,
    due_after: Option<Millis>,
) -> Res<Option<Millis>> {
    let found = row(
        client,
        "SELECT send_until + 1 FROM targets WHERE phase IN (1, 5) AND due_at > $1 ORDER BY send_until LIMIT 1",
        &[&due_after.unwrap_or(Millis::MIN)],
    )
    .await?;
    Ok(found.map(|row| row.get(0)))
}

/// In two parts, each with an index of its own.
pub(super) async fn is_in_doubt<C: GenericClient>(
    client: &C,
    owner: &Owner,
    account_id: &str,
    fingerprint: &str,
) -> Res<bool> {
    let found = row(
        client,
        "SELECT EXISTS (SELECT 1 FROM targets WHERE mode = $1 AND account_id = $2 AND fingerprint = $3 \
           AND phase IN (2, 3, 4)) \
         OR EXISTS (SELECT 1 FROM targets WHERE mode = $1 AND account_id = $2 AND fingerprint = $3 AND phase = 10)",
        &[&owner.mode.as_str(), &account_id, &fingerprint],
    )
    .await?;
    Ok(found.is_some_and(|row| row.get(0)))
}
