//! The log of who did what over HTTP: as a list, as JSON Lines, as CSV, and checked.

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt as _};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use multi_upload_wire::{AuditEntry, AuditReport, ErrorCode, ErrorInfo, Page};

use super::auth::Caller;
use super::problem::{Answer, Problem};
use super::query::{Query, seal_cursor};
use crate::audit::verify as check;
use crate::clock::rfc3339;
use crate::state::App;
use crate::store::{AuditFilter, AuditRow, Millis, Owner, StoreError};
use crate::time;

const LIST: &str = "audit";
/// Rows read at once for an export.
const PORTION: u32 = 1_000;
/// Filters may name any time of the past.
const LONG_AGO: Millis = -62_135_596_800_000;

const COLUMNS: &str =
    "seq,at,actor,actor_id,request_id,action,object,target,detail,data,place,hash\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Lines,
    Csv,
}

/// Lists who did what, newest first. With `format=jsonl` or `format=csv` (or that in `Accept`) the whole log is sent, not a page.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "list_audit",
    params(
        ("action" = Option<String>, Query, description = "This action, or a family of them: `api_key`, `target.armed`."),
        ("actor_id" = Option<String>, Query, description = "By this key."),
        ("object" = Option<String>, Query, description = "Done to this object."),
        ("from" = Option<String>, Query, description = "At or after this time."),
        ("to" = Option<String>, Query, description = "Before this time."),
        ("format" = Option<String>, Query, description = "`json` (pages), `jsonl` or `csv` (everything)."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Rows on a page; default 100."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before.")
    ),
    responses(
        (status = 200, description = "A page, or everything as `application/x-ndjson` or `text/csv`.", body = Page<AuditEntry>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
) -> Answer {
    may_read(&caller)?;
    let mut query = Query::of(&uri);
    let filter = AuditFilter {
        action: query.text("action"),
        actor_id: query.text("actor_id"),
        object: query.text("object"),
        from: query.read("from", instant),
        to: query.read("to", instant),
    };
    let format = query
        .read("format", |text| match text {
            "json" => Ok(Format::Json),
            "jsonl" => Ok(Format::Lines),
            "csv" => Ok(Format::Csv),
            _ => Err("json, jsonl or csv".to_owned()),
        })
        .unwrap_or_else(|| accepted(&headers));
    let limit = query.limit();
    let before = query.read("cursor", |text| {
        super::query::open_cursor(LIST, text)
            .and_then(|seq| seq.parse::<u64>().ok())
            .ok_or_else(|| "a `next_cursor` of the same list, unchanged".to_owned())
    });
    query.end()?;
    if format != Format::Json {
        return Ok(export(app, caller.owner, filter, before, format));
    }
    let mut rows = app
        .store
        .audit(&caller.owner, &filter, before, limit + 1)
        .await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows
        .last()
        .filter(|_| more)
        .map(|row| seal_cursor(LIST, &row.seq.to_string()));
    let page = Page {
        items: rows.into_iter().map(entry).collect::<Vec<AuditEntry>>(),
        next_cursor,
    };
    Ok(Json(page).into_response())
}

/// Checks that nothing of the log was changed, removed, swapped or cut off since it was sealed.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", operation_id = "verify_audit",
    responses(
        (status = 200, description = "What was checked and what was found; `ok` is false if the log was tampered with.", body = AuditReport),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn verify(State(app): State<App>, caller: Caller) -> Answer<Json<AuditReport>> {
    may_read(&caller)?;
    let (store, data) = (app.store.as_ref(), app.config.data.as_path());
    let report = check(store, &app.audit_keys, data, &caller.owner.team).await?;
    Ok(Json(report))
}

/// The log tells of every account, so a key that may not see them all may not read it.
fn may_read(caller: &Caller) -> Result<(), Problem> {
    if caller.accounts().is_none() {
        return Ok(());
    }
    Err(ErrorInfo::new(
        ErrorCode::AccountNotAllowed,
        "the audit tells of every account, and this key is limited to some",
    )
    .with_remedy("Use a key without an account limit.")
    .into())
}

fn accepted(headers: &HeaderMap) -> Format {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    match accept.unwrap_or_default().split([',', ';']).next() {
        Some("application/x-ndjson" | "application/jsonl") => Format::Lines,
        Some("text/csv") => Format::Csv,
        _ => Format::Json,
    }
}

fn instant(text: &str) -> Result<Millis, String> {
    time::resolve(text, None, LONG_AGO)
        .map(|resolved| resolved.at)
        .map_err(|_| "a time such as 2026-12-01T20:00:00Z".to_owned())
}

/// Everything, portion by portion, in constant memory.
fn export(
    app: App,
    owner: Owner,
    filter: AuditFilter,
    before: Option<u64>,
    format: Format,
) -> Response {
    let portions = stream::try_unfold(Some(before), move |next| {
        let (app, owner, filter) = (app.clone(), owner.clone(), filter.clone());
        async move {
            let Some(before) = next else { return Ok(None) };
            let rows = app.store.audit(&owner, &filter, before, PORTION).await?;
            let next = rows
                .last()
                .filter(|_| rows.len() == PORTION as usize)
                .map(|row| Some(row.seq));
            let text: String = rows
                .into_iter()
                .map(|row| line(&entry(row), format))
                .collect();
            Ok::<_, StoreError>(Some((Bytes::from(text), next)))
        }
    });
    let (kind, head) = match format {
        Format::Csv => ("text/csv; charset=utf-8", COLUMNS),
        _ => ("application/x-ndjson", ""),
    };
    let head = stream::iter([Ok(Bytes::from_static(head.as_bytes()))]);
    let body = Body::from_stream(futures_util::StreamExt::chain(
        head,
        portions.map_err(|error| {
            tracing::error!(%error, "an export of the audit broke off");
            error
        }),
    ));
    ([(CONTENT_TYPE, kind)], body).into_response()
}

fn line(entry: &AuditEntry, format: Format) -> String {
    if format != Format::Csv {
        return serde_json::to_string(entry).unwrap_or_default() + "\n";
    }
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        entry.seq.to_string(),
        entry.at.clone(),
        entry.actor.clone(),
        text(&entry.actor_id),
        text(&entry.request_id),
        entry.action.clone(),
        entry.object.clone(),
        text(&entry.target),
        entry.detail.clone(),
        serde_json::to_string(&entry.data).unwrap_or_default(),
        number(entry.place),
        text(&entry.hash),
    ];
    let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
    cells.join(",") + "\r\n"
}

/// A cell of a CSV file. One that a spreadsheet would run as a formula gets an apostrophe in front.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    if guard.is_empty() && !cell.contains([',', '"', '\n', '\r']) {
        return cell.to_owned();
    }
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

fn entry(row: AuditRow) -> AuditEntry {
    AuditEntry {
        seq: row.seq,
        at: rfc3339(row.at),
        actor: row.actor,
        actor_id: row.actor_id,
        request_id: row.request_id,
        action: row.action,
        object: row.object,
        target: row.target,
        detail: row.detail,
        data: serde_json::from_str(&row.data).unwrap_or_default(),
        place: row.place,
        hash: row
            .hash
            .map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn no_cell_is_a_formula_or_leaves_its_column() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("@x", "\"'@x\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
