//! Endpoints of webhooks, and the outbox.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::codec::{damaged, from_db, json_opt, mode_from_db, parse_opt, to_db};
use super::uploads::{self, Renewed};
use super::writer::Tx;
use super::{SqliteStore, accounts, audit, targets};
use crate::ids::new_id;
use crate::store::{
    AccountRow, DeliveryRow, DeliveryState, LaneResult, Millis, NewAudit, NewMessage, Owner,
    StoreResult, WebhookRow, WebhookStore, without_query,
};
use crate::webhooks::{Moved, events_of, message_of_account, message_of_upload, wants};

const WEBHOOK: &str = "id, team, mode, url, description, events, secret_sealed, previous_sealed, previous_until, enabled, \
     disabled_reason, failing_since, failures, paused_until, fence, created_at";

const DELIVERY: &str = "d.id, m.id, m.kind, d.subject, m.body, d.state, d.due_at, d.attempts, d.created_at, d.last_at, \
     d.status, d.error, d.answer";

const READY: &str = "SELECT w.n FROM webhooks w WHERE w.enabled = 1 AND coalesce(w.paused_until, 0) <= ?1 \
     AND coalesce(w.lease_until, 0) <= ?1 AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook = w.n \
     AND d.state = 0 AND d.due_at <= ?1) LIMIT ?2";

const NEXT: &str = "SELECT min(max(head, coalesce(paused_until, 0), coalesce(lease_until, 0))) FROM ( \
     SELECT w.paused_until, w.lease_until, (SELECT min(d.due_at) FROM webhook_deliveries d WHERE d.webhook = w.n \
     AND d.state = 0 AND d.due_at IS NOT NULL) AS head FROM webhooks w WHERE w.enabled = 1) WHERE head IS NOT NULL";

/// An endpoint that is switched on: its number, and the events it wants.
type Endpoint = (i64, Option<Vec<String>>);

fn webhook(row: &Row<'_>) -> StoreResult<WebhookRow> {
    let mode: String = row.get(2)?;
    Ok(WebhookRow {
        id: row.get(0)?,
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        url: row.get(3)?,
        description: row.get(4)?,
        events: parse_opt(row.get(5)?, "events")?,
        secret_sealed: row.get(6)?,
        previous_sealed: row.get(7)?,
        previous_until: row.get(8)?,
        enabled: row.get(9)?,
        disabled_reason: row.get(10)?,
        failing_since: row.get(11)?,
        failures: row.get(12)?,
        paused_until: row.get(13)?,
        fence: from_db(row.get(14)?),
        created_at: row.get(15)?,
    })
}

fn delivery(row: &Row<'_>) -> StoreResult<DeliveryRow> {
    Ok(DeliveryRow {
        id: row.get(0)?,
        message_id: row.get(1)?,
        kind: row.get(2)?,
        subject: row.get(3)?,
        body: row.get(4)?,
        state: DeliveryState::of(row.get(5)?).ok_or_else(|| damaged("state"))?,
        due_at: row.get(6)?,
        attempts: row.get(7)?,
        created_at: row.get(8)?,
        last_at: row.get(9)?,
        status: row.get(10)?,
        error: row.get(11)?,
        answer: row.get(12)?,
    })
}

fn all<T>(
    conn: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    read: fn(&Row<'_>) -> StoreResult<T>,
) -> StoreResult<Vec<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn number(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT n FROM webhooks WHERE team = ?1 AND mode = ?2 AND id = ?3")?
        .query_row(params![owner.team, owner.mode.as_str(), id], |row| {
            row.get(0)
        })
        .optional()?)
}

fn get(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<WebhookRow>> {
    let sql = format!("SELECT {WEBHOOK} FROM webhooks WHERE team = ?1 AND mode = ?2 AND id = ?3");
    Ok(all(
        conn,
        &sql,
        params![owner.team, owner.mode.as_str(), id],
        webhook,
    )?
    .pop())
}

fn endpoints(conn: &Connection, owner: &Owner) -> StoreResult<Vec<Endpoint>> {
    all(
        conn,
        "SELECT n, events FROM webhooks WHERE team = ?1 AND mode = ?2 AND enabled = 1",
        params![owner.team, owner.mode.as_str()],
        |row| Ok((row.get(0)?, parse_opt(row.get(1)?, "events")?)),
    )
}

/// Stores a message with a delivery for each of these endpoints.
fn insert(conn: &Connection, message: &NewMessage, to: &[i64]) -> StoreResult<u64> {
    if to.is_empty() {
        return Ok(0);
    }
    let stored = conn
        .prepare_cached(
            "INSERT INTO webhook_messages (id, kind, subject, body, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            message.id,
            message.kind,
            message.subject,
            message.body,
            message.at
        ])?;
    if stored == 0 {
        return Ok(0);
    }
    let n = conn.last_insert_rowid();
    for endpoint in to {
        conn.prepare_cached(
            "INSERT INTO webhook_deliveries (id, webhook, message, subject, state, due_at, attempts, created_at) \
             VALUES (?1, ?2, ?3, ?4, 0, CASE WHEN EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook = ?2 \
             AND subject = ?4 AND state = 0) THEN NULL ELSE ?5 END, 0, ?5)",
        )?
        .execute(params![new_id("dl"), endpoint, n, message.subject, message.at])?;
    }
    Ok(to.len() as u64)
}

fn queue(conn: &Connection, message: &NewMessage, only: Option<&str>) -> StoreResult<u64> {
    let to: Vec<i64> = match only {
        Some(id) => number(conn, &message.owner, id)?.into_iter().collect(),
        None => wanted_by(&endpoints(conn, &message.owner)?, &message.kind),
    };
    insert(conn, message, &to)
}

fn wanted_by(endpoints: &[Endpoint], kind: &str) -> Vec<i64> {
    endpoints
        .iter()
        .filter(|(_, events)| wants(events.as_deref(), kind))
        .map(|(n, _)| *n)
        .collect()
}

/// Tells the owner's endpoints what a change made of an upload.
pub(super) fn upload_changed(
    tx: &Tx<'_>,
    owner: &Owner,
    id: &str,
    status: Renewed,
    moved: Option<Moved<'_>>,
    at: Millis,
) -> StoreResult<()> {
    let kinds = events_of(status.before, status.after, moved);
    if kinds.is_empty() {
        return Ok(());
    }
    let endpoints = endpoints(tx.conn, owner)?;
    if endpoints.is_empty() {
        return Ok(());
    }
    let Some(row) = uploads::get(tx.conn, owner, id)? else {
        return Ok(());
    };
    for kind in kinds {
        let to = wanted_by(&endpoints, kind);
        if !to.is_empty() {
            let message = message_of_upload(kind, &row, moved.map(|moved| moved.target_id), at);
            insert(tx.conn, &message, &to)?;
        }
    }
    Ok(())
}

/// Tells the owner's endpoints of an account.
pub(super) fn account_changed(
    conn: &Connection,
    kind: &'static str,
    owner: &Owner,
    id: &str,
    at: Millis,
) -> StoreResult<()> {
    let to = wanted_by(&endpoints(conn, owner)?, kind);
    if to.is_empty() {
        return Ok(());
    }
    let Some(row) = accounts::get(conn, owner, id)? else {
        return Ok(());
    };
    let due_after = due_after(conn, &row)?;
    insert(conn, &message_of_account(kind, &row, due_after, at), &to)?;
    Ok(())
}

fn due_after(conn: &Connection, row: &AccountRow) -> StoreResult<u64> {
    match row.refresh_expires_at {
        Some(end) => targets::open_after(conn, &row.owner, &row.id, end),
        None => Ok(0),
    }
}

fn create(conn: &Connection, row: &WebhookRow) -> StoreResult<()> {
    conn.prepare_cached(&format!(
        "INSERT INTO webhooks ({WEBHOOK}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    ))?
    .execute(params![
        row.id,
        row.owner.team,
        row.owner.mode.as_str(),
        row.url,
        row.description,
        json_opt(row.events.as_ref())?,
        row.secret_sealed,
        row.previous_sealed,
        row.previous_until,
        row.enabled,
        row.disabled_reason,
        row.failing_since,
        row.failures,
        row.paused_until,
        to_db(row.fence),
        row.created_at,
    ])?;
    Ok(())
}

fn update(conn: &Connection, row: &WebhookRow) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE webhooks SET url = ?4, description = ?5, events = ?6, secret_sealed = ?7, previous_sealed = ?8, \
             previous_until = ?9, enabled = ?10, disabled_reason = ?11, failing_since = ?12, failures = ?13, \
             paused_until = ?14 WHERE team = ?1 AND mode = ?2 AND id = ?3",
        )?
        .execute(params![
            row.owner.team,
            row.owner.mode.as_str(),
            row.id,
            row.url,
            row.description,
            json_opt(row.events.as_ref())?,
            row.secret_sealed,
            row.previous_sealed,
            row.previous_until,
            row.enabled,
            row.disabled_reason,
            row.failing_since,
            row.failures,
            row.paused_until,
        ])?;
    Ok(changed == 1)
}

fn delete(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<bool> {
    let Some(n) = number(conn, owner, id)? else {
        return Ok(false);
    };
    conn.prepare_cached("DELETE FROM webhook_deliveries WHERE webhook = ?1")?
        .execute([n])?;
    conn.prepare_cached("DELETE FROM webhooks WHERE n = ?1")?
        .execute([n])?;
    Ok(true)
}

fn list_deliveries(
    conn: &Connection,
    owner: &Owner,
    webhook_id: &str,
    before: Option<&str>,
    limit: u32,
) -> StoreResult<Vec<DeliveryRow>> {
    let Some(n) = number(conn, owner, webhook_id)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries d JOIN webhook_messages m ON m.n = d.message \
         WHERE d.webhook = ?1 AND d.id < ?2 ORDER BY d.id DESC LIMIT ?3"
    );
    // Above every id.
    let before = before.unwrap_or("dm");
    all(conn, &sql, params![n, before, limit], delivery)
}

fn one_delivery(conn: &Connection, n: i64, id: &str) -> StoreResult<Option<DeliveryRow>> {
    let sql = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries d JOIN webhook_messages m ON m.n = d.message \
         WHERE d.webhook = ?1 AND d.id = ?2"
    );
    Ok(all(conn, &sql, params![n, id], delivery)?.pop())
}

fn redeliver(
    conn: &Connection,
    owner: &Owner,
    webhook_id: &str,
    id: &str,
    now: Millis,
) -> StoreResult<Option<DeliveryRow>> {
    let Some(n) = number(conn, owner, webhook_id)? else {
        return Ok(None);
    };
    conn.prepare_cached(
        "UPDATE webhook_deliveries SET state = 0, due_at = ?3, attempts = 0 WHERE webhook = ?1 AND id = ?2",
    )?
    .execute(params![n, id, now])?;
    one_delivery(conn, n, id)
}

fn claim(
    conn: &Connection,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> StoreResult<Vec<WebhookRow>> {
    let ready = all(conn, READY, params![now, limit], |row| {
        Ok(row.get::<_, i64>(0)?)
    })?;
    let mut claimed = Vec::new();
    for n in ready {
        conn.prepare_cached(
            "UPDATE webhooks SET lease_until = ?2, fence = fence + 1 WHERE n = ?1",
        )?
        .execute([n, lease_until])?;
        let sql = format!("SELECT {WEBHOOK} FROM webhooks WHERE n = ?1");
        claimed.extend(all(conn, &sql, [n], webhook)?);
    }
    Ok(claimed)
}

fn due(
    conn: &Connection,
    of: &WebhookRow,
    now: Millis,
    limit: u32,
) -> StoreResult<Vec<DeliveryRow>> {
    let Some(n) = number(conn, &of.owner, &of.id)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries d JOIN webhook_messages m ON m.n = d.message \
         WHERE d.webhook = ?1 AND d.state = 0 AND d.due_at <= ?2 ORDER BY d.due_at, d.n LIMIT ?3"
    );
    all(conn, &sql, params![n, now, limit], delivery)
}

fn finish(conn: &Connection, result: &LaneResult) -> StoreResult<bool> {
    let of = &result.webhook;
    let Some(n) = number(conn, &of.owner, &of.id)? else {
        return Ok(false);
    };
    let held = conn
        .prepare_cached(
            "UPDATE webhooks SET failing_since = ?3, failures = ?4, paused_until = ?5, \
             enabled = CASE WHEN ?6 IS NULL THEN enabled ELSE 0 END, disabled_reason = coalesce(?6, disabled_reason), \
             lease_until = CASE WHEN ?7 THEN NULL ELSE lease_until END WHERE n = ?1 AND fence = ?2",
        )?
        .execute(params![
            n,
            to_db(of.fence),
            of.failing_since,
            of.failures,
            of.paused_until,
            result.disable,
            result.release,
        ])?;
    if held == 0 {
        return Ok(false);
    }
    for one in &result.deliveries {
        conn.prepare_cached(
            "UPDATE webhook_deliveries SET state = ?3, due_at = ?4, attempts = ?5, last_at = ?6, status = ?7, error = ?8, \
             answer = ?9 WHERE webhook = ?1 AND id = ?2 AND state = 0",
        )?
        .execute(params![
            n,
            one.id,
            one.state.number(),
            one.due_at,
            one.attempts,
            one.last_at,
            one.status,
            one.error,
            one.answer,
        ])?;
        if one.state != DeliveryState::Pending {
            conn.prepare_cached(
                "UPDATE webhook_deliveries SET due_at = ?3 WHERE due_at IS NULL AND n = (SELECT min(n) \
                 FROM webhook_deliveries WHERE webhook = ?1 AND subject = ?2 AND state = 0)",
            )?
            .execute(params![n, one.subject, result.at])?;
        }
    }
    Ok(true)
}

/// Writes down what a caller did to an endpoint. An address may hold a secret in its query, which is left out.
fn note(tx: &Tx<'_>, owner: &Owner, action: &'static str, id: &str, what: &str) -> StoreResult<()> {
    let what = without_query(what);
    audit::note(
        tx,
        &NewAudit::at_once(owner, action, id, what).at(tx.by().at()),
    )
}

fn forget(conn: &Connection, before: Millis) -> StoreResult<u64> {
    let gone = conn
        .prepare_cached(
            "DELETE FROM webhook_deliveries WHERE n IN (SELECT n FROM webhook_deliveries WHERE state <> 0 \
             AND created_at < ?1 LIMIT 10000)",
        )?
        .execute([before])?;
    conn.prepare_cached(
        "DELETE FROM webhook_messages WHERE n IN (SELECT m.n FROM webhook_messages m WHERE m.at < ?1 AND NOT EXISTS \
         (SELECT 1 FROM webhook_deliveries d WHERE d.message = m.n) LIMIT 10000)",
    )?
    .execute([before])?;
    Ok(gone as u64)
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn create_webhook(&self, row: WebhookRow) -> StoreResult<()> {
        self.writer
            .run(move |tx| {
                create(tx.conn, &row)?;
                note(tx, &row.owner, "webhook.created", &row.id, &row.url)
            })
            .await
    }

    async fn update_webhook(&self, row: WebhookRow) -> StoreResult<bool> {
        self.writer
            .run(move |tx| {
                let done = update(tx.conn, &row)?;
                if done {
                    note(tx, &row.owner, "webhook.updated", &row.id, &row.url)?;
                }
                Ok(done)
            })
            .await
    }

    async fn delete_webhook(&self, owner: &Owner, id: &str) -> StoreResult<bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer
            .run(move |tx| {
                let gone = delete(tx.conn, &owner, &id)?;
                if gone {
                    note(tx, &owner, "webhook.deleted", &id, "with its deliveries")?;
                }
                Ok(gone)
            })
            .await
    }

    async fn webhook(&self, owner: &Owner, id: &str) -> StoreResult<Option<WebhookRow>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.readers.run(move |conn| get(conn, &owner, &id)).await
    }

    async fn webhooks(&self, owner: &Owner) -> StoreResult<Vec<WebhookRow>> {
        let owner = owner.clone();
        self.readers
            .run(move |conn| {
                let sql = format!(
                    "SELECT {WEBHOOK} FROM webhooks WHERE team = ?1 AND mode = ?2 ORDER BY id DESC"
                );
                all(
                    conn,
                    &sql,
                    params![owner.team, owner.mode.as_str()],
                    webhook,
                )
            })
            .await
    }

    async fn queue_message(&self, message: NewMessage, only: Option<String>) -> StoreResult<u64> {
        self.writer
            .run(move |tx| queue(tx.conn, &message, only.as_deref()))
            .await
    }

    async fn deliveries(
        &self,
        owner: &Owner,
        webhook_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let (owner, id, before) = (
            owner.clone(),
            webhook_id.to_owned(),
            before.map(ToOwned::to_owned),
        );
        self.readers
            .run(move |conn| list_deliveries(conn, &owner, &id, before.as_deref(), limit))
            .await
    }

    async fn redeliver(
        &self,
        owner: &Owner,
        webhook_id: &str,
        delivery_id: &str,
        now: Millis,
    ) -> StoreResult<Option<DeliveryRow>> {
        let (owner, webhook, id) = (owner.clone(), webhook_id.to_owned(), delivery_id.to_owned());
        self.writer
            .run(move |tx| {
                let found = redeliver(tx.conn, &owner, &webhook, &id, now)?;
                if found.is_some() {
                    note(tx, &owner, "webhook.redelivered", &webhook, &id)?;
                }
                Ok(found)
            })
            .await
    }

    async fn next_delivery(&self) -> StoreResult<Option<Millis>> {
        self.readers
            .run(|conn| Ok(conn.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?))
            .await
    }

    async fn claim_lanes(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<WebhookRow>> {
        self.writer
            .run(move |tx| claim(tx.conn, now, lease_until, limit))
            .await
    }

    async fn due_deliveries(
        &self,
        webhook: &WebhookRow,
        now: Millis,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let of = webhook.clone();
        self.readers
            .run(move |conn| due(conn, &of, now, limit))
            .await
    }

    async fn finish_lane(&self, result: LaneResult) -> StoreResult<bool> {
        self.writer
            .run(move |tx| {
                let held = finish(tx.conn, &result)?;
                let of = &result.webhook;
                if let Some(why) = result.disable.as_ref().filter(|_| held) {
                    let new = NewAudit::at_once(&of.owner, "webhook.disabled", &of.id, why);
                    audit::note(tx, &new.at(result.at))?;
                }
                Ok(held)
            })
            .await
    }

    /// Does nothing: there is one writer, so every transaction sees the others.
    async fn free_deliveries(&self, _now: Millis) -> StoreResult<u64> {
        Ok(0)
    }

    async fn expire_lanes(&self) -> StoreResult<()> {
        self.writer
            .run(|tx| {
                tx.conn
                    .execute("UPDATE webhooks SET lease_until = NULL", [])?;
                Ok(())
            })
            .await
    }

    async fn forget_deliveries(&self, before: Millis) -> StoreResult<u64> {
        self.writer.run(move |tx| forget(tx.conn, before)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;

    #[test]
    fn finding_deliveries_costs_the_same_in_a_long_outbox() {
        assert_index(
            "SELECT 1 FROM webhook_deliveries d WHERE d.webhook = ?1 AND d.state = 0 AND d.due_at <= ?2",
            &["webhook_deliveries_due"],
        );
        assert_index(
            "SELECT min(n) FROM webhook_deliveries WHERE webhook = ?1 AND subject = ?2 AND state = 0",
            &["webhook_deliveries_order"],
        );
        assert_index(
            "SELECT n FROM webhook_deliveries WHERE state <> 0 AND created_at < ?1",
            &["webhook_deliveries_ended"],
        );
    }
}
