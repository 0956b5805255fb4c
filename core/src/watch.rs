//! Waiting for uploads, one or many.

use std::collections::{HashMap, HashSet, VecDeque};

use futures_util::stream;
use multi_upload_wire::{ErrorCode, TargetStatus, Upload, UploadStatus};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::client::{Client, no_object};
use crate::error::Error;
use crate::feed::{Feed, current};
use crate::options::{CallOptions, Limit};
use crate::page::Items;
use crate::uploads::Uploads;

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
}
