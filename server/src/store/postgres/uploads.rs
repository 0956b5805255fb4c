//! Uploads: reading, listing, the change feed.

use deadpool_postgres::GenericClient;
use tokio_postgres::types::ToSql;

use super::codec::{JOIN, JOINED, from_db, to_db, uploads_from};
use super::create::IDEMPOTENCY_LIFE;
use super::db::{execute, row, rows};
use super::trouble::Res;
use crate::store::{KeyUse, Millis, Owner, StoreError, UploadFilter, UploadRow};

/// Rows that are read at once when their texts are searched.
const SEARCH: u32 = 200;

/// What a key answered, with the hash of the body it came with.
pub(super) async fn answered<C: GenericClient>(
    client: &C,
    owner: &Owner,
    key: &str,
    now: Millis,
) -> Res<Option<(Vec<u8>, String)>> {
    let found = row(
        client,
        "SELECT body_hash, answer FROM idempotency WHERE team = $1 AND mode = $2 AND key = $3 AND created_at > $4",
        &[
            &owner.team,
            &owner.mode.as_str(),
            &key,
            &now.saturating_sub(IDEMPOTENCY_LIFE),
        ],
    )
    .await?;
    Ok(found.map(|row| (row.get(0), row.get(1))))
}

/// An empty answer is none yet.
pub(super) async fn begin_request<C: GenericClient>(
    client: &C,
    owner: &Owner,
    key: &str,
    body_hash: &[u8],
    now: Millis,
) -> Res<Option<KeyUse>> {
    let mode = owner.mode.as_str();
    let taken = row(
        client,
        "INSERT INTO idempotency (team, mode, key, body_hash, answer, created_at) VALUES ($1, $2, $3, $4, '', $5) \
         ON CONFLICT (team, mode, key) DO UPDATE SET body_hash = excluded.body_hash, answer = '', \
           created_at = excluded.created_at WHERE idempotency.created_at <= $6 RETURNING 1",
        &[
            &owner.team,
            &mode,
            &key,
            &body_hash,
            &now,
            &now.saturating_sub(IDEMPOTENCY_LIFE),
        ],
    )
    .await?;
    if taken.is_some() {
        return Ok(None);
    }
    let used = row(
        client,
        "SELECT body_hash, answer, created_at FROM idempotency WHERE team = $1 AND mode = $2 AND key = $3",
        &[&owner.team, &mode, &key],
    )
    .await?
    .ok_or_else(|| StoreError::Failed("the idempotency key was set free just now".to_owned()))?;
    Ok(Some(KeyUse {
        body_hash: used.get(0),
        answer: Some(used.get(1)).filter(|answer: &String| !answer.is_empty()),
        at: used.get(2),
    }))
}

pub(super) async fn end_request<C: GenericClient>(
    client: &C,
    owner: &Owner,
    key: &str,
    answer: Option<&str>,
) -> Res<()> {
    let mode = owner.mode.as_str();
    let one = "team = $1 AND mode = $2 AND key = $3 AND answer = ''";
    match answer {
        Some(answer) => {
            let sql = format!("UPDATE idempotency SET answer = $4 WHERE {one}");
            execute(client, &sql, &[&owner.team, &mode, &key, &answer]).await?
        }
        None => {
            let sql = format!("DELETE FROM idempotency WHERE {one}");
            execute(client, &sql, &[&owner.team, &mode, &key]).await?
        }
    };
    Ok(())
}

pub(super) async fn get<C: GenericClient>(
    client: &C,
    owner: &Owner,
    id: &str,
) -> Res<Option<UploadRow>> {
    let sql = format!(
        "SELECT {JOINED} FROM uploads u {JOIN} WHERE u.team = $1 AND u.mode = $2 AND u.id = $3 ORDER BY t.n"
    );
    let found = rows(client, &sql, &[&owner.team, &owner.mode.as_str(), &id]).await?;
    Ok(uploads_from(&found)?.pop())
}

pub(super) async fn changes<C: GenericClient>(
    client: &C,
    owner: &Owner,
    since: u64,
    limit: u32,
) -> Res<Vec<UploadRow>> {
    let sql = format!(
        "SELECT {JOINED} FROM (SELECT * FROM uploads WHERE team = $1 AND mode = $2 AND change_seq > $3 \
         ORDER BY change_seq LIMIT $4) u {JOIN} ORDER BY u.change_seq, t.n"
    );
    let found = rows(
        client,
        &sql,
        &[
            &owner.team,
            &owner.mode.as_str(),
            &to_db(since),
            &i64::from(limit),
        ],
    )
    .await?;
    Ok(uploads_from(&found)?)
}

pub(super) async fn last_change<C: GenericClient>(client: &C) -> Res<u64> {
    let found = row(client, "SELECT change_seq FROM counters", &[]).await?;
    Ok(found.map_or(0, |row| from_db(row.get(0))))
}

pub(super) async fn list<C: GenericClient>(
    client: &C,
    owner: &Owner,
    filter: &UploadFilter,
    before: Option<&str>,
    limit: u32,
) -> Res<Vec<UploadRow>> {
    let wanted = limit as usize;
    // How PostgreSQL folds the case of letters depends on the language of the database, so texts are compared here.
    let Some(q) = filter.q.as_deref().map(str::to_lowercase) else {
        return page(client, owner, filter, before, limit).await;
    };
    let mut uploads = Vec::new();
    let mut before = before.map(ToOwned::to_owned);
    while uploads.len() < wanted {
        let read = page(client, owner, filter, before.as_deref(), SEARCH).await?;
        let Some(last) = read.last().map(|upload| upload.id.clone()) else {
            break;
        };
        let is_last = read.len() < SEARCH as usize;
        uploads.extend(read.into_iter().filter(|upload| says(upload, &q)));
        if is_last {
            break;
        }
        before = Some(last);
    }
    uploads.truncate(wanted);
    Ok(uploads)
}

async fn page<C: GenericClient>(
    client: &C,
    owner: &Owner,
    filter: &UploadFilter,
    before: Option<&str>,
    limit: u32,
) -> Res<Vec<UploadRow>> {
    let mode = owner.mode.as_str();
    let limit = i64::from(limit);
    let statuses = filter.stored_statuses();
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&owner.team, &mode, &limit];
    let mut condition = String::from("u.team = $1 AND u.mode = $2");
    let mut and = |text: &str, value| {
        values.push(value);
        condition.push_str(" AND ");
        condition.push_str(&text.replace('?', &format!("${}", values.len())));
    };
    if let Some(before) = &before {
        and("u.id < ?", before);
    }
    if let Some(external_id) = &filter.external_id {
        and("u.external_id = ?", external_id);
    }
    if let Some(from) = &filter.from {
        and("u.scheduled_at >= ?", from);
    }
    if let Some(to) = &filter.to {
        and("u.scheduled_at < ?", to);
    }
    if !statuses.is_empty() {
        and("u.status = ANY(?::text[])", &statuses);
    }
    if let Some(is_due) = filter.only_due() {
        let not = if is_due { "" } else { "NOT " };
        and(
            &format!(
                "(u.status <> 'scheduled' OR {not}EXISTS (SELECT 1 FROM targets t \
                 WHERE t.n BETWEEN u.n * 64 AND u.n * 64 + 63 AND t.phase = 1 AND t.due_at <= ?))"
            ),
            &filter.now,
        );
    }
    if let Some(account) = &filter.account {
        and(&with_target("account_id"), account);
    }
    if let Some(platform) = &filter.platform {
        and(&with_target("platform"), platform);
    }
    let sql = format!(
        "SELECT {JOINED} FROM (SELECT * FROM uploads u WHERE {condition} ORDER BY u.id DESC LIMIT $3) u {JOIN} \
         ORDER BY u.id DESC, t.n"
    );
    let found = rows(client, &sql, &values).await?;
    Ok(uploads_from(&found)?)
}

fn with_target(column: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM targets t WHERE t.n BETWEEN u.n * 64 AND u.n * 64 + 63 AND t.{column} = ?)"
    )
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
