//! Who did what.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PgStore;
use super::codec::{from_db, owner, to_db};
use super::db::{Values, execute, row, rows};
use super::trouble::Res;
use crate::audit::Actor;
use crate::store::{
    AuditFilter, AuditHead, AuditRow, AuditStore, ChainKey, NewAudit, Owner, StoreResult,
};

const ROW: &str = "n, team, mode, at, actor, actor_id, request_id, action, object, target, detail, data, place, hash";

/// Names the lock of the sealer, of all nodes.
const SEALER: i64 = 0x6d75_6175_6469_7431;

fn audit_row(row: &Row) -> Res<AuditRow> {
    Ok(AuditRow {
        seq: from_db(row.get("n")),
        owner: owner(row, "team", "mode")?,
        at: row.get("at"),
        actor: row.get("actor"),
        actor_id: row.get("actor_id"),
        request_id: row.get("request_id"),
        action: row.get("action"),
        object: row.get("object"),
        target: row.get("target"),
        detail: row.get("detail"),
        data: row.get("data"),
        place: row.get::<_, Option<i64>>("place").map(from_db),
        hash: row.get("hash"),
    })
}

async fn all<C: GenericClient>(client: &C, sql: &str, values: Values<'_>) -> Res<Vec<AuditRow>> {
    rows(client, sql, values)
        .await?
        .iter()
        .map(audit_row)
        .collect()
}

/// Writes down anything that is not an event of an upload (those are written with the event).
pub(super) async fn note(tx: &Transaction<'_>, by: &Actor, new: &NewAudit) -> Res<()> {
    execute(
        tx,
        "INSERT INTO audit (team, mode, at, actor, actor_id, request_id, action, object, detail, data) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '{}')",
        &[
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.at,
            &by.kind.as_str(),
            &by.id,
            &by.request_id,
            &new.action,
            &new.object,
            &new.detail,
        ],
    )
    .await?;
    Ok(())
}

async fn seal(tx: &Transaction<'_>, key: &ChainKey, limit: u32) -> Res<Vec<AuditHead>> {
    let mut heads: Vec<AuditHead> = Vec::new();
    let ours = row(tx, "SELECT pg_try_advisory_xact_lock($1)", &[&SEALER]).await?;
    if !ours.is_some_and(|row| row.get(0)) {
        return Ok(heads);
    }
    let sql = format!("SELECT {ROW} FROM audit WHERE place IS NULL ORDER BY n LIMIT $1");
    let found = all(tx, &sql, &[&i64::from(limit)]).await?;
    if found.is_empty() {
        return Ok(heads);
    }
    let (mut numbers, mut places, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for one in &found {
        let team = &one.owner.team;
        let at = match heads.iter().position(|head| head.team == *team) {
            Some(at) => at,
            None => {
                heads.push(head(tx, team).await?);
                heads.len() - 1
            }
        };
        let head = &mut heads[at];
        head.place += 1;
        head.hash = key.link(&head.hash, one, head.place);
        numbers.push(to_db(one.seq));
        places.push(to_db(head.place));
        hashes.push(head.hash.clone());
    }
    execute(
        tx,
        "UPDATE audit a SET place = x.place, hash = x.hash \
         FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS x (n, place, hash) WHERE a.n = x.n",
        &[&numbers, &places, &hashes],
    )
    .await?;
    for head in &heads {
        execute(
            tx,
            "INSERT INTO audit_heads (team, place, hash) VALUES ($1, $2, $3) \
             ON CONFLICT (team) DO UPDATE SET place = excluded.place, hash = excluded.hash",
            &[&head.team, &to_db(head.place), &head.hash],
        )
        .await?;
    }
    Ok(heads)
}

/// The end of a team's chain; an empty one before the first row.
async fn head(tx: &Transaction<'_>, team: &str) -> Res<AuditHead> {
    let found = row(
        tx,
        "SELECT place, hash FROM audit_heads WHERE team = $1",
        &[&team],
    )
    .await?;
    Ok(AuditHead {
        team: team.to_owned(),
        place: found.as_ref().map_or(0, |row| from_db(row.get(0))),
        hash: found.map(|row| row.get(1)).unwrap_or_default(),
    })
}

#[async_trait]
impl AuditStore for PgStore {
    async fn audit(
        &self,
        owner: &Owner,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRow>> {
        let client = self.db.client().await?;
        let (mode, before) = (owner.mode.as_str(), before.map_or(i64::MAX, to_db));
        let limit = i64::from(limit);
        let family = filter.action.as_ref().map(|action| format!("{action}."));
        let values: [&(dyn ToSql + Sync); 10] = [
            &owner.team,
            &mode,
            &before,
            &filter.action,
            &family,
            &filter.actor_id,
            &filter.object,
            &filter.from,
            &filter.to,
            &limit,
        ];
        let sql = format!(
            "SELECT {ROW} FROM audit WHERE team = $1 AND mode = $2 AND n < $3 \
             AND ($4::text IS NULL OR action = $4 OR starts_with(action, $5::text)) \
             AND ($6::text IS NULL OR actor_id = $6) AND ($7::text IS NULL OR object = $7) \
             AND ($8::bigint IS NULL OR at >= $8) AND ($9::bigint IS NULL OR at < $9) ORDER BY n DESC LIMIT $10"
        );
        Ok(all(&client, &sql, &values).await?)
    }

    async fn seal_audit(&self, key: ChainKey, limit: u32) -> StoreResult<Vec<AuditHead>> {
        Ok(transaction!(self.db, |tx| seal(tx, &key, limit).await?)?)
    }

    async fn audit_chain(&self, team: &str, after: u64, limit: u32) -> StoreResult<Vec<AuditRow>> {
        let client = self.db.client().await?;
        let sql = format!(
            "SELECT {ROW} FROM audit WHERE team = $1 AND place > $2 AND place IS NOT NULL ORDER BY place LIMIT $3"
        );
        Ok(all(&client, &sql, &[&team, &to_db(after), &i64::from(limit)]).await?)
    }

    async fn audit_heads(&self) -> StoreResult<Vec<AuditHead>> {
        let client = self.db.client().await?;
        let found = rows(
            &client,
            "SELECT team, place, hash FROM audit_heads ORDER BY team",
            &[],
        )
        .await?;
        Ok(found
            .iter()
            .map(|row| AuditHead {
                team: row.get(0),
                place: from_db(row.get(1)),
                hash: row.get(2),
            })
            .collect())
    }

    async fn audit_unsealed(&self, team: &str) -> StoreResult<u64> {
        let client = self.db.client().await?;
        let found = row(
            &client,
            "SELECT count(*) FROM audit WHERE team = $1 AND place IS NULL",
            &[&team],
        )
        .await?;
        Ok(found.map_or(0, |row| from_db(row.get(0))))
    }
}
