//! Endpoints of webhooks, and the outbox.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};
use multi_upload_wire::UploadStatus;
use tokio_postgres::Row;

use super::codec::{damaged, from_db, json_opt, owner, parse_opt, small_from_db, to_db};
use super::db::{Values, execute, row, rows};
use super::trouble::Res;
use super::{PgStore, accounts, audit, targets, uploads};
use crate::audit::current;
use crate::ids::new_id;
use crate::store::{
    DeliveryRow, DeliveryState, LaneResult, Millis, NewAudit, NewMessage, Owner, StoreResult,
    TargetChange, UploadRow, WebhookRow, WebhookStore, without_query,
};
use crate::webhooks::{Moved, events_of, message_of_account, message_of_upload, wants};

const WEBHOOK: &str = "id, team, mode, url, description, events, secret_sealed, previous_sealed, previous_until, enabled, \
     disabled_reason, failing_since, failures, paused_until, fence, created_at";

const DELIVERY: &str = "d.id, m.id AS message_id, m.kind, d.subject, m.body, d.state, d.due_at, d.attempts, d.created_at, \
     d.last_at, d.status, d.error, d.answer";

/// An endpoint that is switched on: its number, and the events it wants.
type Endpoint = (i64, Option<Vec<String>>);

fn webhook(row: &Row) -> Res<WebhookRow> {
    Ok(WebhookRow {
        id: row.get("id"),
        owner: owner(row, "team", "mode")?,
        url: row.get("url"),
        description: row.get("description"),
        events: parse_opt(row.get("events"), "events")?,
        secret_sealed: row.get("secret_sealed"),
        previous_sealed: row.get("previous_sealed"),
        previous_until: row.get("previous_until"),
        enabled: row.get("enabled"),
        disabled_reason: row.get("disabled_reason"),
        failing_since: row.get("failing_since"),
        failures: small_from_db(row.get("failures")),
        paused_until: row.get("paused_until"),
        fence: from_db(row.get("fence")),
        created_at: row.get("created_at"),
    })
}

fn delivery(row: &Row) -> Res<DeliveryRow> {
    let state: i16 = row.get("state");
    Ok(DeliveryRow {
        id: row.get("id"),
        message_id: row.get("message_id"),
        kind: row.get("kind"),
        subject: row.get("subject"),
        body: row.get("body"),
        state: DeliveryState::of(state.into()).ok_or_else(|| damaged("state"))?,
        due_at: row.get("due_at"),
        attempts: small_from_db(row.get("attempts")),
        created_at: row.get("created_at"),
        last_at: row.get("last_at"),
        status: row
            .get::<_, Option<i64>>("status")
            .and_then(|status| u16::try_from(status).ok()),
        error: row.get("error"),
        answer: row.get("answer"),
    })
}

async fn list_of<C: GenericClient, T>(
    client: &C,
    sql: &str,
    values: Values<'_>,
    read: fn(&Row) -> Res<T>,
) -> Res<Vec<T>> {
    rows(client, sql, values).await?.iter().map(read).collect()
}

async fn endpoints<C: GenericClient>(client: &C, owner: &Owner) -> Res<Vec<Endpoint>> {
    list_of(
        client,
        "SELECT n, events FROM webhooks WHERE team = $1 AND mode = $2 AND enabled",
        &[&owner.team, &owner.mode.as_str()],
        |row| Ok((row.get(0), parse_opt(row.get(1), "events")?)),
    )
    .await
}

fn wanted_by(endpoints: &[Endpoint], kind: &str) -> Vec<i64> {
    endpoints
        .iter()
        .filter(|(_, events)| wants(events.as_deref(), kind))
        .map(|(n, _)| *n)
        .collect()
}

/// Stores a message with a delivery for each of these endpoints.
async fn insert(tx: &Transaction<'_>, message: &NewMessage, to: &[i64]) -> Res<u64> {
    if to.is_empty() {
        return Ok(0);
    }
    let ids: Vec<String> = to.iter().map(|_| new_id("dl")).collect();
    // An endpoint that was removed meanwhile is passed by.
    execute(
        tx,
        "WITH stored AS (INSERT INTO webhook_messages (id, kind, subject, body, at) VALUES ($1, $2, $3, $4, $5) \
           ON CONFLICT (id) DO NOTHING RETURNING n) \
         INSERT INTO webhook_deliveries (id, webhook, message, subject, state, due_at, attempts, created_at) \
         SELECT x.id, w.n, stored.n, $3, 0, CASE WHEN EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.webhook = w.n \
           AND e.subject = $3 AND e.state = 0) THEN NULL ELSE $5 END, 0, $5 \
         FROM stored, unnest($6::bigint[], $7::text[]) AS x (webhook, id) JOIN webhooks w ON w.n = x.webhook",
        &[
            &message.id,
            &message.kind,
            &message.subject,
            &message.body,
            &message.at,
            &to,
            &ids,
        ],
    )
    .await
}

/// A move of a target, with where its upload is.
pub(super) struct Step<'a> {
    pub(super) upload: i64,
    pub(super) change: &'a TargetChange,
}

/// Tells the endpoints what moves made of uploads. The moves are made; the uploads' status is still that of before, and this
/// must come before `pace::renew`, behind which nothing may wait.
pub(super) async fn targets_moved(tx: &Transaction<'_>, steps: &[Step<'_>]) -> Res<()> {
    let mut owners: Vec<(&Owner, Vec<Endpoint>)> = Vec::new();
    for step in steps {
        let owner = &step.change.row.owner;
        if !owners.iter().any(|(known, _)| *known == owner) {
            owners.push((owner, endpoints(tx, owner).await?));
        }
    }
    owners.retain(|(_, endpoints)| !endpoints.is_empty());
    if owners.is_empty() {
        return Ok(());
    }
    let mut by_upload: BTreeMap<i64, Vec<&TargetChange>> = BTreeMap::new();
    for step in steps {
        by_upload.entry(step.upload).or_default().push(step.change);
    }
    for changes in by_upload.values() {
        let Some(last) = changes.last() else { continue };
        let owner = &last.row.owner;
        let Some((_, endpoints)) = owners.iter().find(|(known, _)| *known == owner) else {
            continue;
        };
        let Some(mut upload) = uploads::get(tx, owner, &last.row.upload_id).await? else {
            continue;
        };
        let before = upload.status;
        renewed(&mut upload, last.at);
        for change in changes {
            let is_last = std::ptr::eq(*change, *last);
            let moved = Moved {
                target_id: &change.row.id,
                from: change.expect_phase,
                to: change.row.phase,
            };
            // Several moves of an upload in one transaction end in one new status.
            let after = if is_last { upload.status } else { before };
            tell(
                tx,
                endpoints,
                &upload,
                Some(before),
                after,
                Some(moved),
                change.at,
            )
            .await?;
        }
    }
    Ok(())
}

/// As `pace::renew` will make it.
fn renewed(upload: &mut UploadRow, at: Millis) {
    upload.status = UploadStatus::of_targets(upload.targets.iter().map(|t| t.phase.status()));
    upload.version += 1;
    upload.updated_at = at;
}

/// Tells the endpoints of new uploads.
pub(super) async fn uploads_created(tx: &Transaction<'_>, stored: &[UploadRow]) -> Res<()> {
    let mut owners: Vec<(&Owner, Vec<Endpoint>)> = Vec::new();
    for upload in stored {
        if !owners.iter().any(|(known, _)| *known == &upload.owner) {
            owners.push((&upload.owner, endpoints(tx, &upload.owner).await?));
        }
        let found = owners.iter().find(|(known, _)| *known == &upload.owner);
        if let Some((_, endpoints)) = found.filter(|(_, endpoints)| !endpoints.is_empty()) {
            tell(
                tx,
                endpoints,
                upload,
                None,
                upload.status,
                None,
                upload.created_at,
            )
            .await?;
        }
    }
    Ok(())
}

/// Tells the endpoints of an edit that was written, before `pace::renew`.
pub(super) async fn upload_edited(
    tx: &Transaction<'_>,
    of: &Owner,
    id: &str,
    at: Millis,
) -> Res<()> {
    let endpoints = endpoints(tx, of).await?;
    if endpoints.is_empty() {
        return Ok(());
    }
    let Some(mut upload) = uploads::get(tx, of, id).await? else {
        return Ok(());
    };
    let before = upload.status;
    renewed(&mut upload, at);
    tell(
        tx,
        &endpoints,
        &upload,
        Some(before),
        upload.status,
        None,
        at,
    )
    .await
}

async fn tell(
    tx: &Transaction<'_>,
    endpoints: &[Endpoint],
    upload: &UploadRow,
    before: Option<UploadStatus>,
    after: UploadStatus,
    moved: Option<Moved<'_>>,
    at: Millis,
) -> Res<()> {
    for kind in events_of(before, after, moved) {
        let to = wanted_by(endpoints, kind);
        if !to.is_empty() {
            let target = moved.map(|moved| moved.target_id);
            insert(tx, &message_of_upload(kind, upload, target, at), &to).await?;
        }
    }
    Ok(())
}

/// Tells the owner's endpoints of an account.
pub(super) async fn account_changed(
    tx: &Transaction<'_>,
    kind: &'static str,
    of: &Owner,
    id: &str,
    at: Millis,
) -> Res<()> {
    let to = wanted_by(&endpoints(tx, of).await?, kind);
    if to.is_empty() {
        return Ok(());
    }
    let Some(account) = accounts::get(tx, of, id).await? else {
        return Ok(());
    };
    let due_after = match account.refresh_expires_at {
        Some(end) => targets::open_after(tx, of, id, end).await?,
        None => 0,
    };
    insert(tx, &message_of_account(kind, &account, due_after, at), &to).await?;
    Ok(())
}

/// Writes down what a caller did to an endpoint. An address may hold a secret in its query, which is left out.
async fn note(
    tx: &Transaction<'_>,
    owner: &Owner,
    action: &'static str,
    id: &str,
    what: &str,
) -> Res<()> {
    let by = current();
    let new = NewAudit::at_once(owner, action, id, without_query(what));
    audit::note(tx, &by, &new.at(by.at())).await
}

async fn number<C: GenericClient>(client: &C, of: &Owner, id: &str) -> Res<Option<i64>> {
    let found = row(
        client,
        "SELECT n FROM webhooks WHERE team = $1 AND mode = $2 AND id = $3",
        &[&of.team, &of.mode.as_str(), &id],
    )
    .await?;
    Ok(found.map(|row| row.get(0)))
}

async fn create<C: GenericClient>(client: &C, new: &WebhookRow) -> Res<()> {
    let sql = format!(
        "INSERT INTO webhooks ({WEBHOOK}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    );
    execute(
        client,
        &sql,
        &[
            &new.id,
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.url,
            &new.description,
            &json_opt(new.events.as_ref())?,
            &new.secret_sealed,
            &new.previous_sealed,
            &new.previous_until,
            &new.enabled,
            &new.disabled_reason,
            &new.failing_since,
            &i64::from(new.failures),
            &new.paused_until,
            &to_db(new.fence),
            &new.created_at,
        ],
    )
    .await?;
    Ok(())
}

async fn update<C: GenericClient>(client: &C, new: &WebhookRow) -> Res<bool> {
    let changed = execute(
        client,
        "UPDATE webhooks SET url = $4, description = $5, events = $6, secret_sealed = $7, previous_sealed = $8, \
         previous_until = $9, enabled = $10, disabled_reason = $11, failing_since = $12, failures = $13, paused_until = $14 \
         WHERE team = $1 AND mode = $2 AND id = $3",
        &[
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.id,
            &new.url,
            &new.description,
            &json_opt(new.events.as_ref())?,
            &new.secret_sealed,
            &new.previous_sealed,
            &new.previous_until,
            &new.enabled,
            &new.disabled_reason,
            &new.failing_since,
            &i64::from(new.failures),
            &new.paused_until,
        ],
    )
    .await?;
    Ok(changed == 1)
}

/// Deliveries with their messages, of an endpoint.
fn deliveries_where(condition: &str) -> String {
    format!(
        "SELECT {DELIVERY} FROM webhook_deliveries d JOIN webhook_messages m ON m.n = d.message WHERE {condition}"
    )
}

async fn claim(
    tx: &Transaction<'_>,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> Res<Vec<WebhookRow>> {
    let sql = format!(
        "UPDATE webhooks SET lease_until = $2, fence = fence + 1 WHERE n IN (SELECT w.n FROM webhooks w WHERE w.enabled \
         AND coalesce(w.paused_until, 0) <= $1 AND coalesce(w.lease_until, 0) <= $1 AND EXISTS (SELECT 1 \
         FROM webhook_deliveries d WHERE d.webhook = w.n AND d.state = 0 AND d.due_at <= $1) \
         LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) RETURNING {WEBHOOK}"
    );
    list_of(tx, &sql, &[&now, &lease_until, &i64::from(limit)], webhook).await
}

async fn finish(tx: &Transaction<'_>, result: &LaneResult) -> Res<bool> {
    let of = &result.webhook;
    let held = row(
        tx,
        "UPDATE webhooks SET failing_since = $5, failures = $6, paused_until = $7, \
         enabled = enabled AND $8::text IS NULL, disabled_reason = coalesce($8, disabled_reason), \
         lease_until = CASE WHEN $9 THEN NULL ELSE lease_until END \
         WHERE team = $1 AND mode = $2 AND id = $3 AND fence = $4 RETURNING n",
        &[
            &of.owner.team,
            &of.owner.mode.as_str(),
            &of.id,
            &to_db(of.fence),
            &of.failing_since,
            &i64::from(of.failures),
            &of.paused_until,
            &result.disable,
            &result.release,
        ],
    )
    .await?;
    let Some(n) = held.map(|row| row.get::<_, i64>(0)) else {
        return Ok(false);
    };
    for one in &result.deliveries {
        execute(
            tx,
            "UPDATE webhook_deliveries SET state = $3, due_at = $4, attempts = $5, last_at = $6, status = $7, error = $8, \
             answer = $9 WHERE webhook = $1 AND id = $2 AND state = 0",
            &[
                &n,
                &one.id,
                &one.state.number(),
                &one.due_at,
                &i64::from(one.attempts),
                &one.last_at,
                &one.status.map(i64::from),
                &one.error,
                &one.answer,
            ],
        )
        .await?;
        if one.state != DeliveryState::Pending {
            execute(
                tx,
                "UPDATE webhook_deliveries SET due_at = $3 WHERE due_at IS NULL AND n = (SELECT min(n) \
                 FROM webhook_deliveries WHERE webhook = $1 AND subject = $2 AND state = 0)",
                &[&n, &one.subject, &result.at],
            )
            .await?;
        }
    }
    Ok(true)
}

#[async_trait]
impl WebhookStore for PgStore {
    async fn create_webhook(&self, row: WebhookRow) -> StoreResult<()> {
        Ok(transaction!(self.db, |tx| {
            create(tx, &row).await?;
            note(tx, &row.owner, "webhook.created", &row.id, &row.url).await?
        })?)
    }

    async fn update_webhook(&self, row: WebhookRow) -> StoreResult<bool> {
        Ok(transaction!(self.db, |tx| {
            let done = update(tx, &row).await?;
            if done {
                note(tx, &row.owner, "webhook.updated", &row.id, &row.url).await?;
            }
            done
        })?)
    }

    async fn delete_webhook(&self, owner: &Owner, id: &str) -> StoreResult<bool> {
        let mode = owner.mode.as_str();
        Ok(transaction!(self.db, |tx| {
            // Its deliveries go with it.
            let sql = "DELETE FROM webhooks WHERE team = $1 AND mode = $2 AND id = $3";
            let gone = execute(tx, sql, &[&owner.team, &mode, &id]).await? == 1;
            if gone {
                note(tx, owner, "webhook.deleted", id, "with its deliveries").await?;
            }
            gone
        })?)
    }

    async fn webhook(&self, owner: &Owner, id: &str) -> StoreResult<Option<WebhookRow>> {
        let client = self.db.client().await?;
        let sql =
            format!("SELECT {WEBHOOK} FROM webhooks WHERE team = $1 AND mode = $2 AND id = $3");
        let mode = owner.mode.as_str();
        Ok(list_of(&client, &sql, &[&owner.team, &mode, &id], webhook)
            .await?
            .pop())
    }

    async fn webhooks(&self, owner: &Owner) -> StoreResult<Vec<WebhookRow>> {
        let client = self.db.client().await?;
        let sql = format!(
            "SELECT {WEBHOOK} FROM webhooks WHERE team = $1 AND mode = $2 ORDER BY id DESC"
        );
        let mode = owner.mode.as_str();
        Ok(list_of(&client, &sql, &[&owner.team, &mode], webhook).await?)
    }

    async fn queue_message(&self, message: NewMessage, only: Option<String>) -> StoreResult<u64> {
        Ok(transaction!(self.db, |tx| {
            let to: Vec<i64> = match &only {
                Some(id) => number(tx, &message.owner, id).await?.into_iter().collect(),
                None => wanted_by(&endpoints(tx, &message.owner).await?, &message.kind),
            };
            insert(tx, &message, &to).await?
        })?)
    }

    async fn deliveries(
        &self,
        owner: &Owner,
        webhook_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let client = self.db.client().await?;
        let Some(n) = number(&client, owner, webhook_id).await? else {
            return Ok(Vec::new());
        };
        let sql = deliveries_where("d.webhook = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3");
        // Above every id.
        let before = before.unwrap_or("dm");
        Ok(list_of(&client, &sql, &[&n, &before, &i64::from(limit)], delivery).await?)
    }

    async fn redeliver(
        &self,
        owner: &Owner,
        webhook_id: &str,
        delivery_id: &str,
        now: Millis,
    ) -> StoreResult<Option<DeliveryRow>> {
        let sql = deliveries_where("d.webhook = $1 AND d.id = $2");
        Ok(transaction!(
            self.db,
            |tx| match number(tx, owner, webhook_id).await? {
                None => None,
                Some(n) => {
                    let again = "UPDATE webhook_deliveries SET state = 0, due_at = $3, attempts = 0 WHERE webhook = $1 AND id = $2";
                    if execute(tx, again, &[&n, &delivery_id, &now]).await? == 1 {
                        note(tx, owner, "webhook.redelivered", webhook_id, delivery_id).await?;
                    }
                    list_of(tx, &sql, &[&n, &delivery_id], delivery)
                        .await?
                        .pop()
                }
            }
        )?)
    }

    async fn next_delivery(&self) -> StoreResult<Option<Millis>> {
        let client = self.db.client().await?;
        let next = row(
            &client,
            "SELECT min(greatest(h.due_at, w.paused_until, w.lease_until)) FROM webhooks w CROSS JOIN LATERAL \
             (SELECT d.due_at FROM webhook_deliveries d WHERE d.webhook = w.n AND d.state = 0 AND d.due_at IS NOT NULL \
              ORDER BY d.due_at LIMIT 1) h WHERE w.enabled",
            &[],
        )
        .await?;
        Ok(next.and_then(|row| row.get(0)))
    }

    async fn claim_lanes(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<WebhookRow>> {
        Ok(transaction!(self.db, |tx| claim(
            tx,
            now,
            lease_until,
            limit
        )
        .await?)?)
    }

    async fn due_deliveries(
        &self,
        webhook: &WebhookRow,
        now: Millis,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let client = self.db.client().await?;
        let Some(n) = number(&client, &webhook.owner, &webhook.id).await? else {
            return Ok(Vec::new());
        };
        let sql = deliveries_where(
            "d.webhook = $1 AND d.state = 0 AND d.due_at <= $2 ORDER BY d.due_at, d.n LIMIT $3",
        );
        Ok(list_of(&client, &sql, &[&n, &now, &i64::from(limit)], delivery).await?)
    }

    async fn finish_lane(&self, result: LaneResult) -> StoreResult<bool> {
        let of = &result.webhook;
        Ok(transaction!(self.db, |tx| {
            let held = finish(tx, &result).await?;
            if let Some(why) = result.disable.as_ref().filter(|_| held) {
                let new = NewAudit::at_once(&of.owner, "webhook.disabled", &of.id, why);
                audit::note(tx, &current(), &new.at(result.at)).await?;
            }
            held
        })?)
    }

    async fn free_deliveries(&self, now: Millis) -> StoreResult<u64> {
        let client = self.db.client().await?;
        Ok(execute(
            &client,
            "UPDATE webhook_deliveries d SET due_at = $1 WHERE state = 0 AND due_at IS NULL AND NOT EXISTS (SELECT 1 \
             FROM webhook_deliveries e WHERE e.webhook = d.webhook AND e.subject = d.subject AND e.state = 0 AND e.n < d.n)",
            &[&now],
        )
        .await?)
    }

    /// Does nothing: no node owns this database alone. The lease of a dead one ends by itself.
    async fn expire_lanes(&self) -> StoreResult<()> {
        Ok(())
    }

    async fn forget_deliveries(&self, before: Millis) -> StoreResult<u64> {
        let client = self.db.client().await?;
        let gone = execute(
            &client,
            "DELETE FROM webhook_deliveries WHERE state <> 0 AND created_at < $1",
            &[&before],
        )
        .await?;
        execute(
            &client,
            "DELETE FROM webhook_messages m WHERE m.at < $1 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d \
             WHERE d.message = m.n)",
            &[&before],
        )
        .await?;
        Ok(gone)
    }
}
