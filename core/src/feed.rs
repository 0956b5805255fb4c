//! Reading uploads and following their changes: one long poll over all of them, never one for each.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use multi_upload_wire::Page;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::Error;
use crate::options::{CallOptions, Limit};
use crate::request::{Path, Plan};
use crate::retry::Policy;
use crate::uploads;
use crate::watch::Watched;

/// How long the service may hold a poll open.
const POLL: Duration = Duration::from_secs(30);
/// What a held poll may take beyond that.
const POLL_SLACK: Duration = Duration::from_secs(15);
/// A wait of hours survives a restart of the service: about a minute of failures in a row.
const POLL_ATTEMPTS: u32 = 12;
/// Up to here uploads are read one by one, beyond it from the list.
const FEW: usize = 20;
/// Reads of single uploads at the same time.
const PARALLEL: usize = 16;
/// The largest page of the list.
const PAGE: usize = 1000;

/// A place in the change feed.
pub(crate) struct Feed {
    cursor: String,
    /// Empty answers in a row that came at once.
    hasty: u32,
}

#[derive(Deserialize)]
struct Changes<T> {
    uploads: Vec<T>,
    cursor: String,
}

impl Feed {
    /// The end of the feed as it is now.
    pub(crate) async fn open(
        client: &Client,
        options: &CallOptions,
        limit: Limit,
    ) -> Result<Self, Error> {
        let plan = Plan::get(Path::new("/v1/changes").query("wait", "0"));
        let now: Changes<serde::de::IgnoredAny> = poll(client, &plan, options, limit).await?;
        Ok(Self {
            cursor: now.cursor,
            hasty: 0,
        })
    }

    /// What changed since; empty if nothing did for a while.
    pub(crate) async fn next<T: DeserializeOwned + Send>(
        &mut self,
        client: &Client,
        options: &CallOptions,
        limit: Limit,
    ) -> Result<Vec<T>, Error> {
        let wait = limit.left().map_or(POLL, |left| left.min(POLL)).as_secs();
        let plan = Plan::get(
            Path::new("/v1/changes")
                .query("since", &self.cursor)
                .query("wait", &wait.to_string())
                .query("limit", "1000"),
        )
        .attempt_timeout(Duration::from_secs(wait) + POLL_SLACK);
        let begun = Instant::now();
        let changes: Changes<T> = poll(client, &plan, options, limit).await?;
        self.cursor = changes.cursor;
        if changes.uploads.is_empty() && begun.elapsed() < Duration::from_millis(500) {
            // Whatever answers here does not hold polls open, so the pace must be ours.
            options.pause(pace(self.hasty), limit).await?;
            self.hasty += 1;
        } else {
            self.hasty = 0;
        }
        Ok(changes.uploads)
    }
}

/// 250 ms, then twice as long each time, at most 5 s.
fn pace(hasty: u32) -> Duration {
    Duration::from_millis(250 << hasty.min(5)).min(Duration::from_secs(5))
}

/// A request of the feed, with more patience than other calls.
async fn poll<T: DeserializeOwned + Send>(
    client: &Client,
    plan: &Plan,
    options: &CallOptions,
    limit: Limit,
) -> Result<T, Error> {
    let usual = client.policy(options);
    let policy = Policy {
        max_attempts: options
            .max_attempts
            .unwrap_or(usual.max_attempts.max(POLL_ATTEMPTS)),
        ..usual
    };
    client.fetch_within(plan, options, limit, &policy).await
}

/// Uploads as they are now. Many are read from the list, a thousand in a request: those that are waited for are
/// mostly the newest.
pub(crate) async fn current<T: Watched>(
    client: &Client,
    ids: &[String],
    options: &CallOptions,
    limit: Limit,
) -> Result<HashMap<String, T>, Error> {
    let mut found: HashMap<String, T> = HashMap::with_capacity(ids.len());
    if ids.len() > FEW {
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let size = PAGE.to_string();
        let mut cursor: Option<String> = None;
        for _ in 0..ids.len().div_ceil(PAGE) + 2 {
            let path = Path::new("/v1/uploads")
                .query("limit", &size)
                .maybe("cursor", cursor.as_deref());
            let page: Page<T> = client.fetch_part(&Plan::get(path), options, limit).await?;
            for upload in page.items {
                if wanted.contains(upload.id()) {
                    found.insert(upload.id().to_owned(), upload);
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() || found.len() == wanted.len() {
                break;
            }
        }
    }
    let missing: Vec<String> = ids
        .iter()
        .filter(|id| !found.contains_key(*id))
        .cloned()
        .collect();
    let mut reads = stream::iter(missing)
        .map(async |id: String| {
            let plan = uploads::get(&id)?;
            let upload: T = client.fetch_part(&plan, options, limit).await?;
            Ok::<_, Error>((id, upload))
        })
        .buffer_unordered(PARALLEL);
    while let Some((id, upload)) = reads.try_next().await? {
        found.insert(id, upload);
    }
    drop(reads);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_slows_down_to_five_seconds() {
        let waits: Vec<u128> = (0..8).map(|hasty| pace(hasty).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    }
}
