//! Waiting for uploads: one long poll over all of them, never one for each.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use multi_upload_wire::{ErrorCode, Page, TargetStatus, Upload, UploadStatus};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::call::{CallOptions, Limit};
use crate::client::{Client, no_object};
use crate::error::Error;
use crate::page::Items;
use crate::request::{Path, Plan};
use crate::retry::Policy;
use crate::uploads::{self, Uploads};

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

/// An upload as the waiting code sees it: typed, or as JSON.
pub(crate) trait Watched: DeserializeOwned + Clone + PartialEq + Send + 'static {
    fn id(&self) -> &str;
    /// True when it has ended, or only a person can go on.
    fn is_settled(&self) -> bool;
}

impl Watched for Upload {
    fn id(&self) -> &str {
        &self.id
    }

    fn is_settled(&self) -> bool {
        settled(
            Some(self.status),
            self.targets.iter().map(|target| Some(target.status)),
        )
    }
}

impl Watched for Map<String, Value> {
    fn id(&self) -> &str {
        self.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    fn is_settled(&self) -> bool {
        let status = |value: &Value| {
            value
                .get("status")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        settled(
            self.get("status")
                .and_then(Value::as_str)
                .and_then(UploadStatus::from_name),
            self.get("targets")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|target| status(target).and_then(|name| TargetStatus::from_name(&name))),
        )
    }
}

fn settled(
    status: Option<UploadStatus>,
    targets: impl Iterator<Item = Option<TargetStatus>>,
) -> bool {
    if status.is_some_and(UploadStatus::is_terminal) {
        return true;
    }
    let mut review = false;
    for target in targets {
        match target {
            Some(TargetStatus::NeedsReview) => review = true,
            Some(target) if target.is_terminal() => {}
            _ => return false,
        }
    }
    review
}

impl Uploads {
    /// Waits until an upload has ended or only a person can go on (`needs_review`). No limit unless the options set one.
    ///
    /// # Errors
    /// `DEADLINE_EXCEEDED`, `CANCELLED`, those of the service. That the upload failed is no error: it is in its targets.
    pub async fn wait(&self, id: &str, options: &CallOptions) -> Result<Upload, Error> {
        wait(self.client(), id, options).await
    }

    /// The same for many, on one change feed. The result is in the order of the ids.
    ///
    /// # Errors
    /// As [`Uploads::wait`]; `NOT_FOUND` for an unknown id.
    pub async fn wait_many(
        &self,
        ids: &[String],
        options: &CallOptions,
    ) -> Result<Vec<Upload>, Error> {
        wait_many(self.client(), ids, options).await
    }

    /// Gives uploads each time one changes: first each as it is now, then every change, until all are settled. Without
    /// ids it follows all uploads of the key from now on and never ends.
    #[must_use]
    pub fn watch(&self, ids: Option<Vec<String>>, options: CallOptions) -> Items<Upload> {
        watch(self.client().clone(), ids, options)
    }
}

pub(crate) async fn wait<T: Watched>(
    client: &Client,
    id: &str,
    options: &CallOptions,
) -> Result<T, Error> {
    wait_many(client, &[id.to_owned()], options)
        .await?
        .pop()
        .ok_or_else(no_object)
}

pub(crate) async fn wait_many<T: Watched>(
    client: &Client,
    ids: &[String],
    options: &CallOptions,
) -> Result<Vec<T>, Error> {
    let limit = Limit::of(options);
    let mut watching = Watching::new(Some(ids.to_vec()));
    let total = watching.ids.len();
    let mut done = None;
    loop {
        let more = watching.advance(client, options, limit).await;
        watching.ready.clear();
        let settled = total - watching.open.len();
        if watching.feed.is_some() && done != Some(settled) {
            done = Some(settled);
            options.progress(settled, total);
        }
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(watching.not_settled(error)),
        }
    }
    ids.iter()
        .map(|id| watching.last.get(id).cloned().ok_or_else(no_object))
        .collect()
}

pub(crate) fn watch<T: Watched>(
    client: Client,
    ids: Option<Vec<String>>,
    options: CallOptions,
) -> Items<T> {
    struct State<T> {
        client: Client,
        options: CallOptions,
        limit: Option<Limit>,
        watching: Watching<T>,
    }
    let state = State {
        client,
        options,
        limit: None,
        watching: Watching::new(ids),
    };
    Items::new(stream::try_unfold(state, async |mut state| {
        // The time begins when the first item is asked for.
        let limit = *state.limit.get_or_insert_with(|| Limit::of(&state.options));
        loop {
            if let Some(upload) = state.watching.ready.pop_front() {
                return Ok(Some((upload, state)));
            }
            match state
                .watching
                .advance(&state.client, &state.options, limit)
                .await
            {
                Ok(true) => {}
                Ok(false) if state.watching.ready.is_empty() => return Ok(None),
                Ok(false) => {}
                Err(error) => return Err(state.watching.not_settled(error)),
            }
        }
    }))
}

/// What is known of the uploads that are waited for.
struct Watching<T> {
    /// In the caller's order, each once.
    ids: Vec<String>,
    /// All uploads, not only those of `ids`.
    all: bool,
    feed: Option<Feed>,
    /// As last seen, of `ids` only.
    last: HashMap<String, T>,
    /// Of `ids`, those not settled.
    open: HashSet<String>,
    /// Changed and not yet given out.
    ready: VecDeque<T>,
}

impl<T: Watched> Watching<T> {
    fn new(ids: Option<Vec<String>>) -> Self {
        let all = ids.is_none();
        let mut open = HashSet::new();
        let ids: Vec<String> = ids
            .unwrap_or_default()
            .into_iter()
            .filter(|id| open.insert(id.clone()))
            .collect();
        Self {
            ids,
            all,
            feed: None,
            last: HashMap::new(),
            open,
            ready: VecDeque::new(),
        }
    }

    /// One step: the first look, or one poll. False when nothing more will come.
    async fn advance(
        &mut self,
        client: &Client,
        options: &CallOptions,
        limit: Limit,
    ) -> Result<bool, Error> {
        if !self.all && self.open.is_empty() {
            return Ok(false);
        }
        let changed = match &mut self.feed {
            Some(feed) => feed.next(client, options, limit).await?,
            None => {
                // The cursor comes before the look, so that no change falls between them.
                let feed = Feed::open(client, options, limit).await?;
                let mut now = current(client, &self.ids, options, limit).await?;
                self.feed = Some(feed);
                self.ids
                    .iter()
                    .filter_map(|id| now.remove(id))
                    .collect::<Vec<T>>()
            }
        };
        for upload in changed {
            self.see(upload);
        }
        Ok(self.all || !self.open.is_empty())
    }

    fn see(&mut self, upload: T) {
        if self.all {
            self.ready.push_back(upload);
            return;
        }
        let id = upload.id();
        let known = self.last.get(id);
        if known == Some(&upload) || (known.is_none() && !self.open.contains(id)) {
            return;
        }
        if upload.is_settled() {
            self.open.remove(id);
        }
        self.last.insert(id.to_owned(), upload.clone());
        self.ready.push_back(upload);
    }

    /// Says in a timeout what is still open.
    fn not_settled(&self, mut error: Error) -> Error {
        if error.is(ErrorCode::DeadlineExceeded) && !self.all {
            let names: Vec<&str> = self
                .ids
                .iter()
                .filter(|id| self.open.contains(*id))
                .map(String::as_str)
                .take(3)
                .collect();
            let info = error.info_mut();
            info.detail = format!(
                "{}; {} of {} uploads are not settled: {}{}",
                info.detail,
                self.open.len(),
                self.ids.len(),
                names.join(", "),
                if self.open.len() > names.len() {
                    ", …"
                } else {
                    ""
                }
            );
            info.remedy =
                "Wait longer; waiting changes nothing, the uploads go on by themselves.".to_owned();
        }
        error
    }
}

/// A place in the change feed.
struct Feed {
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
    async fn open(client: &Client, options: &CallOptions, limit: Limit) -> Result<Self, Error> {
        let plan = Plan::get(Path::new("/v1/changes").query("wait", "0"));
        let now: Changes<serde::de::IgnoredAny> = poll(client, &plan, options, limit).await?;
        Ok(Self {
            cursor: now.cursor,
            hasty: 0,
        })
    }

    /// What changed since; empty if nothing did for a while.
    async fn next<T: DeserializeOwned + Send>(
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
async fn current<T: Watched>(
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
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_types_agree_on_what_is_settled() {
        let cases = [
            ("published", &["published"][..], true),
            ("partial", &["published", "failed"], true),
            ("missed", &["missed"], true),
            ("scheduled", &["scheduled"], false),
            ("publishing", &["needs_review"], true),
            ("publishing", &["needs_review", "published"], true),
            ("publishing", &["needs_review", "waiting"], false),
            ("publishing", &["published", "publishing"], false),
            ("draft", &["draft"], false),
        ];
        for (status, targets, expected) in cases {
            let value = json!({
                "id": "up_1", "status": status, "scheduled_at": null, "timezone": null, "external_id": null,
                "version": 1, "created_at": "t", "updated_at": "t", "content": {"accounts": []},
                "targets": targets.iter().map(|status| json!({
                    "id": "tg_1", "account": "pinterest:1", "platform": "pinterest", "status": status,
                    "attempts": 0, "next_attempt_at": null, "board_id": null, "remote_id": null,
                    "remote_url": null, "published_at": null, "error": null,
                })).collect::<Vec<_>>(),
            });
            let typed: Upload = serde_json::from_value(value.clone()).expect("an upload");
            let map: Map<String, Value> = serde_json::from_value(value).expect("an object");
            assert_eq!(typed.is_settled(), expected, "{status} {targets:?}");
            assert_eq!(map.is_settled(), expected, "{status} {targets:?} as JSON");
        }
    }

    #[test]
    fn a_status_of_a_newer_service_is_not_settled() {
        let map: Map<String, Value> = serde_json::from_value(json!({
            "id": "up_1", "status": "resting", "targets": [{"status": "resting"}],
        }))
        .expect("an object");
        assert!(!map.is_settled());
    }

    #[test]
    fn the_pace_slows_down_to_five_seconds() {
        let waits: Vec<u128> = (0..8).map(|hasty| pace(hasty).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    }
}
