//! `GET /v1/changes`: every upload that changed since a cursor, with a wait for the next change.

use std::time::Duration;

use axum::Json;
use axum::extract::{OriginalUri, State};
use multi_upload_wire::Changes;

use super::{is_visible, view};
use crate::api::auth::Caller;
use crate::api::problem::Answer;
use crate::api::query::{Query, open_cursor, seal_cursor};
use crate::state::App;

/// Which feed a cursor belongs to.
const FEED: &str = "changes";

/// Follows uploads: those that changed since a cursor, oldest change first, each once as it is now.
#[utoipa::path(
    get, path = "/v1/changes", tag = "uploads", operation_id = "list_changes",
    params(
        ("since" = Option<String>, Query, description = "`cursor` of the answer before. Absent: nothing but a cursor that stands at now."),
        ("wait" = Option<u32>, Query, minimum = 0, maximum = 60, description = "Seconds to wait for a change; default 0."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Uploads in one answer; default 100.")
    ),
    responses(
        (status = 200, description = "The uploads, none when the wait was in vain, and the next cursor.", body = Changes),
        (status = "default", response = crate::api::openapi::Problem)
    )
)]
pub(crate) async fn changes(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Answer<Json<Changes>> {
    let mut query = Query::of(&uri);
    let since = query.read("since", |text| {
        open_cursor(FEED, text)
            .and_then(|seq| seq.parse::<u64>().ok())
            .ok_or_else(|| "a `cursor` of this feed, unchanged".to_owned())
    });
    let wait = query.number("wait", 0, 60).unwrap_or(0);
    let limit = query.limit();
    query.end()?;

    let cursor = |seq: u64| seal_cursor(FEED, &seq.to_string());
    let Some(mut since) = since else {
        return Ok(Json(Changes {
            uploads: Vec::new(),
            cursor: cursor(app.store.last_change().await?),
        }));
    };
    let until = tokio::time::Instant::now() + Duration::from_secs(wait.into());
    let mut news = app.changes.clone();
    loop {
        // Marked as seen before reading: a change during the reading ends the wait at once.
        news.borrow_and_update();
        let last = app.store.last_change().await?;
        let rows = app.store.changes(&caller.owner, since, limit).await?;
        let is_all = rows.len() < limit as usize;
        if let Some(row) = rows.last() {
            since = row.change_seq;
        }
        if is_all {
            // Other teams' changes are behind us too.
            since = since.max(last);
        }
        let mut rows = rows;
        rows.retain(|row| is_visible(&caller, row));
        if !rows.is_empty() {
            let uploads = view::current(&app, &rows).await?;
            return Ok(Json(Changes {
                uploads,
                cursor: cursor(since),
            }));
        }
        if !is_all {
            continue;
        }
        let news = tokio::select! {
            news = tokio::time::timeout_at(until, news.changed()) => news.ok(),
            () = app.closing.cancelled() => None,
        };
        match news {
            Some(Ok(())) => {}
            // Time is over, or the service is stopping.
            None | Some(Err(_)) => {
                return Ok(Json(Changes {
                    uploads: Vec::new(),
                    cursor: cursor(since),
                }));
            }
        }
    }
}
