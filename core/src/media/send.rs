//! From the bytes to a file of the service: tus 1.0, in pieces that the one loop repeats.
//!
//! The first request begins the file and brings its first block, so that what is refused for its content is refused at once. Each piece
//! after that is tried as often as any request; before a further try the service is asked how much it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use multi_upload_wire::ErrorCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Handle;

use super::source::{BLOCK, Block, MediaInput, Reader};
use crate::client::Client;
use crate::error::Error;
use crate::options::{CallOptions, Limit, Progress};
use crate::request::{Path, Piece, Plan};

/// What one request carries after the first.
const PIECE: u64 = 64 * 1024 * 1024;
/// Time to remove what was begun and will not be finished.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// Progress is told once for so many bytes.
const TELL_EVERY: u64 = 256 * 1024;

/// Uploads a file and reads what the service found in it.
pub(crate) async fn upload<T: DeserializeOwned + Send>(
    client: &Client,
    input: MediaInput,
    options: &CallOptions,
) -> Result<T, Error> {
    let limit = Limit::of(options);
    let mut reader = Reader::new(input).await?;
    let told = Arc::new(Told::new(options, reader.length.unwrap_or(0)));
    told.at(0);
    let (started, first_end, ended) = begin(client, &mut reader, options, limit, &told).await?;
    let mut unfinished = Unfinished {
        client: client.clone(),
        id: Some(started.id.clone()),
    };
    let done = finish(
        client,
        &mut reader,
        &started,
        (first_end, ended),
        options,
        limit,
        &told,
    )
    .await;
    match done {
        Ok(found) => {
            unfinished.id = None;
            told.end();
            serde_json::from_value(found).map_err(|error| {
                Error::new(
                    ErrorCode::ProtocolError,
                    "the answer has another shape than this version expects",
                )
                .with_source(error)
            })
        }
        Err(error) => {
            if error.is(ErrorCode::Cancelled) || error.is(ErrorCode::IdempotencyBodyMismatch) {
                if let Some(id) = unfinished.id.take() {
                    remove(client, &id).await;
                }
            } else if options.idempotency_key.is_some() {
                // Another call goes on with it.
                unfinished.id = None;
            }
            Err(error)
        }
    }
}

/// A file of the service that was begun.
struct Started {
    id: String,
    /// Bytes that the service has.
    offset: u64,
    /// It was begun by an earlier call with the same key.
    replayed: bool,
    /// What was sent first.
    first: Block,
}

/// Begins the file with its first block. Gives where that block ends and whether it was all.
async fn begin(
    client: &Client,
    reader: &mut Reader,
    options: &CallOptions,
    limit: Limit,
    told: &Arc<Told>,
) -> Result<(Started, u64, bool), Error> {
    let first = reader.next(0, BLOCK).await?;
    if first.last {
        reader.length = Some(first.to);
    }
    let length = match reader.length {
        Some(length) => ("upload-length", HeaderValue::from(length)),
        None => ("upload-defer-length", HeaderValue::from_static("1")),
    };
    let plan = Plan::post(Path::new("/v1/media"))
        .header("tus-resumable", HeaderValue::from_static("1.0.0"))
        .header(length.0, length.1)
        .piece(piece(&first, told));
    let response = run(client, &plan, reader, options, limit).await?;
    let id = text(&response, header::LOCATION.as_str())
        .and_then(id_of)
        .ok_or_else(|| {
            Error::new(
                ErrorCode::ProtocolError,
                "the answer to the upload does not say where the file is",
            )
        })?;
    let (end, last) = (first.to, first.last);
    let started = Started {
        id: id.to_owned(),
        // A service that does not say took all.
        offset: offset_of(&response).unwrap_or(end),
        replayed: response.contains_key("idempotency-replayed"),
        first,
    };
    Ok((started, end, last))
}

/// Sends what is left, reads what was found, and makes sure that it is the same file.
async fn finish(
    client: &Client,
    reader: &mut Reader,
    started: &Started,
    (mut end, mut last): (u64, bool),
    options: &CallOptions,
    limit: Limit,
    told: &Arc<Told>,
) -> Result<Value, Error> {
    let mut offset = started.offset;
    told.at(offset);
    if offset < end {
        // The service took less of the first block than was sent.
        let rest = Block {
            source: started.first.source.clone(),
            from: offset,
            ..started.first
        };
        send(client, &started.id, reader, &rest, options, limit, told).await?;
        offset = end;
    }
    while !last && reader.length != Some(offset) {
        // A stream is read from its beginning, whatever the service has of it already.
        let from = if reader.is_stream() { end } else { offset };
        let next = reader.next(from, PIECE).await?;
        (end, last) = (next.to, next.last);
        if next.last {
            reader.length = Some(next.to);
        }
        if next.to > offset {
            let next = Block {
                from: next.from.max(offset),
                ..next
            };
            send(client, &started.id, reader, &next, options, limit, told).await?;
            offset = next.to;
        } else if next.last {
            return Err(mismatch());
        }
    }
    reader.unchanged().await?;
    let found: Value = client
        .fetch_part(&super::get(&started.id)?, options, limit)
        .await?;
    if started.replayed {
        let same = match (reader.sha256().await?, found["sha256"].as_str()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        if !same {
            return Err(mismatch());
        }
    }
    Ok(found)
}

/// The file under the key is another one.
fn mismatch() -> Error {
    Error::new(
        ErrorCode::IdempotencyBodyMismatch,
        "the file that was begun with this key had another content; it was removed",
    )
}

async fn send(
    client: &Client,
    id: &str,
    reader: &Reader,
    block: &Block,
    options: &CallOptions,
    limit: Limit,
    told: &Arc<Told>,
) -> Result<(), Error> {
    let mut plan = Plan::append(Path::new("/v1/media").id("id", id)?)
        .header("tus-resumable", HeaderValue::from_static("1.0.0"))
        .piece(piece(block, told));
    if block.last {
        plan = plan.header("upload-length", HeaderValue::from(block.to));
    }
    let answer = run(client, &plan, reader, options, limit).await?;
    match offset_of(&answer) {
        Some(offset) if offset < block.to => Err(Error::new(
            ErrorCode::ProtocolError,
            format!("the service took {offset} of {} bytes", block.to),
        )),
        _ => Ok(()),
    }
}

fn piece(block: &Block, told: &Arc<Told>) -> Piece {
    let told = Arc::clone(told);
    Piece::new(
        block.source.clone(),
        block.from,
        block.to,
        Arc::new(move |at| told.at(at)),
    )
}

/// Sends a plan with a piece; a source that cannot be read is the caller's fault, not the line's.
async fn run(
    client: &Client,
    plan: &Plan,
    reader: &Reader,
    options: &CallOptions,
    limit: Limit,
) -> Result<HeaderMap, Error> {
    let policy = client.policy(options);
    let sent = client.execute_piece(plan, options, limit, &policy).await;
    match plan.piece.as_ref().and_then(Piece::fault) {
        Some(error) => Err(reader.unreadable(error)),
        None => Ok(sent?.headers),
    }
}

/// Removes a file that will not be finished, as well as it can be done in a few seconds.
async fn remove(client: &Client, id: &str) {
    let Ok(path) = Path::new("/v1/media").id("id", id) else {
        return;
    };
    let plan = Plan::delete(path).header("tus-resumable", HeaderValue::from_static("1.0.0"));
    let options = CallOptions {
        timeout: Some(CLEAN_UP),
        max_attempts: Some(1),
        ..CallOptions::default()
    };
    if let Err(error) = client.send(plan, &options).await {
        tracing::debug!(code = error.code(), "a cancelled upload expires by itself");
    }
}

/// Removes the file if the caller loses interest or nobody could go on with it.
struct Unfinished {
    client: Client,
    id: Option<String>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let client = self.client.clone();
            runtime.spawn(async move { remove(&client, &id).await });
        }
    }
}

/// What the caller was told of the progress: never less than before.
struct Told {
    options: CallOptions,
    total: u64,
    last: AtomicU64,
}

impl Told {
    fn new(options: &CallOptions, total: u64) -> Self {
        Self {
            options: options.clone(),
            total,
            last: AtomicU64::new(u64::MAX),
        }
    }

    fn at(&self, done: u64) {
        let Some(observer) = &self.options.on_progress else {
            return;
        };
        let before = self.last.load(Ordering::Relaxed);
        let first = before == u64::MAX;
        if first
            || done >= before.saturating_add(TELL_EVERY)
            || (done > before && done == self.total)
        {
            self.last.store(done, Ordering::Relaxed);
            observer(Progress {
                done,
                total: self.total.max(done),
            });
        }
    }

    /// All of it is there.
    fn end(&self) {
        let before = self.last.load(Ordering::Relaxed);
        if let Some(observer) = &self.options.on_progress
            && self.total > 0
            && before != self.total
        {
            observer(Progress {
                done: self.total,
                total: self.total,
            });
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn offset_of(headers: &HeaderMap) -> Option<u64> {
    text(headers, "upload-offset")?.parse().ok()
}

/// The id at the end of an address.
fn id_of(location: &str) -> Option<&str> {
    location
        .split(['?', '#'])
        .next()?
        .rsplit('/')
        .next()
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_any_form_of_address() {
        for location in ["/v1/media/md_1", "http://h:1/p/v1/media/md_1?x=/y", "md_1"] {
            assert_eq!(id_of(location), Some("md_1"));
        }
        assert_eq!(id_of("/v1/media/"), None);
    }
}
