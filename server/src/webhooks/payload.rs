//! What is sent: the event, and the object as the API shows it. Pure.

use multi_upload_wire::{Upload, Webhook};
use serde_json::{Value, json};

use crate::accounts::public;
use crate::clock::rfc3339;
use crate::ids::new_id;
use crate::store::{AccountRow, Millis, NewMessage, Owner, UploadRow, WebhookRow};
use crate::view;

/// Receivers may refuse more than 20 kB.
const MAX_BODY: usize = 20_000;

/// Tells of an upload, and of one of its targets where the event is the target's.
pub(crate) fn message_of_upload(
    kind: &'static str,
    row: &UploadRow,
    target_id: Option<&str>,
    at: Millis,
) -> NewMessage {
    let upload = view::upload(row);
    let target = kind.starts_with("target.").then_some(target_id).flatten();
    let mut body = body_of(kind, data_of(&upload, target, false), at);
    if body.len() > MAX_BODY {
        body = body_of(kind, data_of(&upload, target, true), at);
    }
    message(kind, &row.owner, row.id.clone(), body, at)
}

/// The upload, or the target with its upload. Shortened: what happened to whom, without the texts.
fn data_of(upload: &Upload, target: Option<&str>, short: bool) -> Value {
    let whole = if short {
        json!({
            "id": upload.id,
            "status": upload.status,
            "scheduled_at": upload.scheduled_at,
            "external_id": upload.external_id.as_deref().filter(|label| label.len() <= 1_000),
            "version": upload.version,
            "shortened": true,
            "targets": upload.targets.iter().map(short_target).collect::<Vec<_>>(),
        })
    } else {
        json!(upload)
    };
    let Some(id) = target else {
        return json!({"upload": whole});
    };
    let found = upload.targets.iter().find(|target| target.id == id);
    let one = match found {
        Some(target) if short => short_target(target),
        found => json!(found),
    };
    json!({"target": one, "upload": whole})
}

fn short_target(target: &multi_upload_wire::Target) -> Value {
    json!({
        "id": target.id,
        "account": target.account,
        "platform": target.platform,
        "status": target.status,
        "remote_id": target.remote_id,
        "remote_url": target.remote_url,
        "published_at": target.published_at,
        "error": target.error.as_ref().map(|error| json!({"code": error.code})),
    })
}

/// Tells of an account. `due_after` counts the uploads that are due after its connection ends.
pub(crate) fn message_of_account(
    kind: &'static str,
    row: &AccountRow,
    due_after: u64,
    at: Millis,
) -> NewMessage {
    let account = public(row, due_after, at);
    let body = body_of(kind, json!({"account": account}), at);
    message(kind, &row.owner, row.id.clone(), body, at)
}

/// Tells of an endpoint: a test for itself, or to the others that it was switched off.
pub(crate) fn message_of_webhook(kind: &'static str, row: &WebhookRow, at: Millis) -> NewMessage {
    let body = body_of(kind, json!({"webhook": shown(row)}), at);
    message(kind, &row.owner, row.id.clone(), body, at)
}

fn body_of(kind: &str, data: Value, at: Millis) -> String {
    json!({"type": kind, "timestamp": rfc3339(at), "data": data}).to_string()
}

fn message(
    kind: &'static str,
    owner: &Owner,
    subject: String,
    body: String,
    at: Millis,
) -> NewMessage {
    NewMessage {
        id: new_id("msg"),
        owner: owner.clone(),
        kind: kind.to_owned(),
        subject,
        body,
        at,
    }
}

/// An endpoint as callers see it.
pub(crate) fn shown(row: &WebhookRow) -> Webhook {
    Webhook {
        id: row.id.clone(),
        url: row.url.clone(),
        description: row.description.clone(),
        events: row.events.clone(),
        enabled: row.enabled,
        disabled_reason: row.disabled_reason.clone(),
        failing_since: row.failing_since.map(rfc3339),
        previous_secret_until: row.previous_until.map(rfc3339),
        created_at: rfc3339(row.created_at),
    }
}
