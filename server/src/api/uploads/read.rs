//! Reading uploads: one, a list, a timeline.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use multi_upload_wire::{Event, Page, Upload, UploadStatus};

use super::{is_visible, view, visible};
use crate::api::auth::Caller;
use crate::api::problem::Answer;
use crate::api::query::{Query, seal_cursor};
use crate::state::App;
use crate::store::{Millis, UploadFilter, UploadRow};
use crate::time;

/// Nothing is in the past of this: year 1.
const LONG_AGO: Millis = -62_135_596_800_000;

/// Which list a cursor belongs to.
const LIST: &str = "uploads";

/// Lists uploads, newest first.
#[utoipa::path(
    get, path = "/v1/uploads", tag = "uploads", operation_id = "list_uploads",
    params(
        ("status" = Option<String>, Query, description = "One state, or several with commas."),
        ("account" = Option<String>, Query, description = "With a target on this account."),
        ("platform" = Option<String>, Query, description = "With a target on this platform."),
        ("external_id" = Option<String>, Query, description = "With this label."),
        ("from" = Option<String>, Query, description = "Due at or after this time, RFC 3339 with an offset."),
        ("to" = Option<String>, Query, description = "Due before this time."),
        ("q" = Option<String>, Query, description = "With this text in caption, title, description or link."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Uploads on a page; default 100."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before.")
    ),
    responses(
        (status = 200, description = "A page.", body = Page<Upload>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Page<Upload>>> {
    let mut query = Query::of(&uri);
    let now = app.clock.now();
    let filter = UploadFilter {
        status: query.read("status", statuses).unwrap_or_default(),
        now,
        account: query.text("account"),
        platform: query.text("platform"),
        external_id: query.text("external_id"),
        from: query.read("from", |text| instant(text, now)),
        to: query.read("to", |text| instant(text, now)),
        q: query.text("q"),
    };
    let limit = query.limit();
    let mut before = query.cursor(LIST);
    query.end()?;

    // A key limited to some accounts sees fewer rows than the store gives: read on until the page is full.
    let mut rows: Vec<UploadRow> = Vec::new();
    let wanted = limit as usize + 1;
    loop {
        let page = app
            .store
            .uploads(&caller.owner, &filter, before.as_deref(), limit + 1)
            .await?;
        let is_last = page.len() < wanted;
        before = page.last().map(|row| row.id.clone());
        rows.extend(page.into_iter().filter(|row| is_visible(&caller, row)));
        if is_last || rows.len() >= wanted {
            break;
        }
    }
    let more = rows.len() >= wanted;
    rows.truncate(limit as usize);
    let next_cursor = rows
        .last()
        .filter(|_| more)
        .map(|row| seal_cursor(LIST, &row.id));
    Ok(Json(Page {
        items: view::current(&app, &rows).await?,
        next_cursor,
    }))
}

/// Reads an upload.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", tag = "uploads", operation_id = "get_upload",
    params(("id" = String, Path, description = "`up_…`")),
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Upload>> {
    let row = visible(&app, &caller, &id).await?;
    Ok(Json(view::current_one(&app, &row).await?))
}

/// Reads the timeline of an upload, oldest first.
#[utoipa::path(
    get, path = "/v1/uploads/{id}/events", tag = "uploads", operation_id = "list_upload_events",
    params(("id" = String, Path, description = "`up_…`")),
    responses(
        (status = 200, description = "Every attempt, answer, wait and decision; one page.", body = Page<Event>),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Page<Event>>> {
    let row = visible(&app, &caller, &id).await?;
    let events = app.store.events(&caller.owner, &row.id).await?;
    Ok(Json(Page {
        items: events.into_iter().map(view::event).collect(),
        next_cursor: None,
    }))
}

fn statuses(text: &str) -> Result<Vec<UploadStatus>, String> {
    text.split(',')
        .map(|word| UploadStatus::from_name(word.trim()))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            "draft, scheduled, queued, publishing, published, partial, failed, canceled or missed (several with commas)"
                .to_owned()
        })
}

/// A time in a filter: the past is fine here.
fn instant(text: &str, now: Millis) -> Result<Millis, String> {
    match time::resolve(text, None, LONG_AGO) {
        Ok(resolved) => Ok(resolved.at),
        Err(_) => Err(format!(
            "a time such as {}",
            crate::clock::rfc3339(now - now % 1_000)
        )),
    }
}
