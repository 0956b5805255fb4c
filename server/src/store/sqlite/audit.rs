//! Who did what.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};

use super::SqliteStore;
use super::codec::{from_db, mode_from_db, to_db};
use super::writer::Tx;
use crate::store::{
    AuditFilter, AuditHead, AuditRow, AuditStore, ChainKey, NewAudit, NewEvent, Owner, StoreResult,
};

const ROW: &str = "n, team, mode, at, actor, actor_id, request_id, action, object, target, detail, data, place, hash";

fn audit_row(row: &Row<'_>) -> StoreResult<AuditRow> {
    let mode: String = row.get(2)?;
    Ok(AuditRow {
        seq: from_db(row.get(0)?),
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        at: row.get(3)?,
        actor: row.get(4)?,
        actor_id: row.get(5)?,
        request_id: row.get(6)?,
        action: row.get(7)?,
        object: row.get(8)?,
        target: row.get(9)?,
        detail: row.get(10)?,
        data: row.get(11)?,
        place: row.get::<_, Option<i64>>(12)?.map(from_db),
        hash: row.get(13)?,
    })
}

fn all(conn: &Connection, sql: &str, values: &[&dyn ToSql]) -> StoreResult<Vec<AuditRow>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(audit_row(row)?);
    }
    Ok(found)
}

/// Writes down what happened to an upload, by whoever is at work.
pub(super) fn of_event(tx: &Tx<'_>, upload: i64, event: &NewEvent, data: &str) -> StoreResult<()> {
    let by = tx.by();
    tx.conn
        .prepare_cached(
            "INSERT INTO audit (team, mode, at, actor, actor_id, request_id, action, object, target, detail, data) \
             SELECT team, mode, ?2, ?3, ?4, ?5, ?6, id, ?7, ?8, ?9 FROM uploads WHERE n = ?1",
        )?
        .execute(params![
            upload,
            event.at,
            by.kind.as_str(),
            by.id,
            by.request_id,
            event.kind,
            event.target_id,
            event.detail,
            data,
        ])?;
    Ok(())
}

/// Writes down anything else.
pub(super) fn note(tx: &Tx<'_>, new: &NewAudit) -> StoreResult<()> {
    let by = tx.by();
    tx.conn
        .prepare_cached(
            "INSERT INTO audit (team, mode, at, actor, actor_id, request_id, action, object, detail, data) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '{}')",
        )?
        .execute(params![
            new.owner.team,
            new.owner.mode.as_str(),
            new.at,
            by.kind.as_str(),
            by.id,
            by.request_id,
            new.action,
            new.object,
            new.detail,
        ])?;
    Ok(())
}

fn list(
    conn: &Connection,
    owner: &Owner,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> StoreResult<Vec<AuditRow>> {
    let mode = owner.mode.as_str();
    let before = before.map_or(i64::MAX, to_db);
    let family = filter.action.as_ref().map(|action| format!("{action}."));
    let mut condition = String::from("team = ? AND mode = ? AND n < ?");
    let mut values: Vec<&dyn ToSql> = vec![&owner.team, &mode, &before];
    if let (Some(action), Some(family)) = (&filter.action, &family) {
        condition.push_str(" AND (action = ? OR substr(action, 1, length(?)) = ?)");
        values.extend([action as &dyn ToSql, family, family]);
    }
    if let Some(actor) = &filter.actor_id {
        condition.push_str(" AND actor_id = ?");
        values.push(actor);
    }
    if let Some(object) = &filter.object {
        condition.push_str(" AND object = ?");
        values.push(object);
    }
    if let Some(from) = &filter.from {
        condition.push_str(" AND at >= ?");
        values.push(from);
    }
    if let Some(to) = &filter.to {
        condition.push_str(" AND at < ?");
        values.push(to);
    }
    values.push(&limit);
    let sql = format!("SELECT {ROW} FROM audit WHERE {condition} ORDER BY n DESC LIMIT ?");
    all(conn, &sql, &values)
}

/// There is one writer, so rows stand in the order of their transactions: all up to one are sealed.
fn seal(conn: &Connection, key: &ChainKey, limit: u32) -> StoreResult<Vec<AuditHead>> {
    let sealed: i64 = conn
        .prepare_cached("SELECT n FROM audit_sealed")?
        .query_row([], |row| row.get(0))?;
    let sql = format!("SELECT {ROW} FROM audit WHERE n > ? ORDER BY n LIMIT ?");
    let rows = all(conn, &sql, &[&sealed, &limit])?;
    let mut heads: Vec<AuditHead> = Vec::new();
    let Some(last) = rows.last() else {
        return Ok(heads);
    };
    for row in &rows {
        let team = &row.owner.team;
        let known = heads.iter().position(|head| head.team == *team);
        let at = match known {
            Some(at) => at,
            None => {
                heads.push(head(conn, team)?);
                heads.len() - 1
            }
        };
        let head = &mut heads[at];
        head.place += 1;
        head.hash = key.link(&head.hash, row, head.place);
        conn.prepare_cached("UPDATE audit SET place = ?2, hash = ?3 WHERE n = ?1")?
            .execute(params![to_db(row.seq), to_db(head.place), head.hash])?;
    }
    for head in &heads {
        conn.prepare_cached(
            "INSERT INTO audit_heads (team, place, hash) VALUES (?1, ?2, ?3) \
             ON CONFLICT (team) DO UPDATE SET place = excluded.place, hash = excluded.hash",
        )?
        .execute(params![head.team, to_db(head.place), head.hash])?;
    }
    conn.prepare_cached("UPDATE audit_sealed SET n = ?1")?
        .execute([to_db(last.seq)])?;
    Ok(heads)
}

/// The end of a team's chain; an empty one before the first row.
fn head(conn: &Connection, team: &str) -> StoreResult<AuditHead> {
    let found = conn
        .prepare_cached("SELECT place, hash FROM audit_heads WHERE team = ?1")?
        .query_row([team], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (place, hash) = found.unwrap_or_default();
    Ok(AuditHead {
        team: team.to_owned(),
        place: from_db(place),
        hash,
    })
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn audit(
        &self,
        owner: &Owner,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRow>> {
        let (owner, filter) = (owner.clone(), filter.clone());
        self.readers
            .run(move |conn| list(conn, &owner, &filter, before, limit))
            .await
    }

    async fn seal_audit(&self, key: ChainKey, limit: u32) -> StoreResult<Vec<AuditHead>> {
        // Reading first: a transaction with nothing to do would still be synced.
        let anything = self
            .readers
            .run(|conn| {
                Ok(conn
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM audit WHERE n > (SELECT n FROM audit_sealed))",
                    )?
                    .query_row([], |row| row.get::<_, bool>(0))?)
            })
            .await?;
        if !anything {
            return Ok(Vec::new());
        }
        self.writer.run(move |tx| seal(tx.conn, &key, limit)).await
    }

    async fn audit_chain(&self, team: &str, after: u64, limit: u32) -> StoreResult<Vec<AuditRow>> {
        let team = team.to_owned();
        self.readers
            .run(move |conn| {
                let sql = format!(
                    "SELECT {ROW} FROM audit WHERE team = ? AND place > ? AND place IS NOT NULL ORDER BY place LIMIT ?"
                );
                all(conn, &sql, &[&team, &to_db(after), &limit])
            })
            .await
    }

    async fn audit_heads(&self) -> StoreResult<Vec<AuditHead>> {
        self.readers
            .run(|conn| {
                let mut statement =
                    conn.prepare_cached("SELECT team, place, hash FROM audit_heads ORDER BY team")?;
                let heads = statement
                    .query_map([], |row| {
                        Ok(AuditHead {
                            team: row.get(0)?,
                            place: from_db(row.get(1)?),
                            hash: row.get(2)?,
                        })
                    })?
                    .collect::<Result<_, _>>()?;
                Ok(heads)
            })
            .await
    }

    async fn audit_unsealed(&self, team: &str) -> StoreResult<u64> {
        let team = team.to_owned();
        self.readers
            .run(move |conn| {
                let count = conn
                    .prepare_cached("SELECT count(*) FROM audit WHERE team = ?1 AND place IS NULL")?
                    .query_row([team], |row| row.get(0))?;
                Ok(from_db(count))
            })
            .await
    }
}
