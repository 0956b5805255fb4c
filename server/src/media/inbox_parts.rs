//! Files on their way in, in a bucket: parts of a multipart upload, which any node can go on with.
//!
//! Parts must be large, pieces of an upload need not be: what does not fill a part yet is kept as an object of its own, the tail, and read
//! back when the file goes on. A file smaller than a part is stored in one request and never is a multipart upload.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inbox::{Inbox, Partial, Writer};
use super::shelf::Shelf;
use crate::ids::new_id;

/// Size of every part but the last; S3 wants at least 5 MiB and takes 10,000 parts.
const PART: u64 = 8 * 1024 * 1024;

/// A store that takes files in parts.
pub(super) trait Bucket: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Bucket for T {}

/// Files on their way in in a bucket.
pub(super) struct PartsInbox {
    bucket: Arc<dyn Bucket>,
    shelf: Shelf,
    prefix: Path,
    part: u64,
}

/// How far a file is, as the row keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Id of the multipart upload, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multipart: Option<MultipartId>,
    /// What the store called the parts so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<String>,
    /// The object with the bytes behind the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tail: Option<String>,
}

impl PartsInbox {
    pub(super) fn new(bucket: Arc<dyn Bucket>, shelf: Shelf, prefix: &str) -> Self {
        Self {
            bucket,
            shelf,
            prefix: Path::from(prefix).join("incoming"),
            part: PART,
        }
    }

    fn folder(&self, id: &str) -> Path {
        self.prefix.clone().join(id)
    }

    async fn remove_tails(&self, id: &str) -> object_store::Result<()> {
        let folder = self.folder(id);
        let mut tails = self.bucket.list(Some(&folder));
        while let Some(tail) = tails.try_next().await? {
            self.bucket.delete(&tail.location).await?;
        }
        Ok(())
    }
}

fn state_of(file: &Partial<'_>) -> io::Result<State> {
    if file.state.is_null() {
        return Ok(State::default());
    }
    Ok(State::deserialize(file.state)?)
}

#[async_trait]
impl Inbox for PartsInbox {
    async fn open(&self, file: &Partial<'_>) -> io::Result<Box<dyn Writer>> {
        let state = state_of(file)?;
        let folder = self.folder(file.id);
        let mut buffer = Vec::new();
        if let Some(tail) = &state.tail {
            let path = folder.clone().join(tail.as_str());
            buffer.push(self.bucket.get(&path).await?.bytes().await?);
        }
        Ok(Box::new(PartsWriter {
            bucket: Arc::clone(&self.bucket),
            path: self.shelf.path(file.id),
            folder,
            part: self.part,
            buffered: buffer.iter().map(|piece| piece.len() as u64).sum(),
            buffer,
            offset: file.offset,
            secured: file.offset,
            state,
        }))
    }

    async fn place(&self, file: &Partial<'_>) -> io::Result<()> {
        let state = state_of(file)?;
        if let Some(id) = &state.multipart {
            let path = self.shelf.path(file.id);
            let parts = state.parts.into_iter();
            let parts = parts.map(|content_id| PartId { content_id }).collect();
            let done = self.bucket.complete_multipart(&path, id, parts).await;
            // The answer of an earlier time may have been lost.
            if let Err(error) = done
                && self.shelf.size(file.id).await? != Some(file.offset)
            {
                return Err(error.into());
            }
        }
        self.remove_tails(file.id).await?;
        Ok(())
    }

    async fn forget(&self, file: &Partial<'_>) {
        let forgetting = async {
            if let Some(id) = state_of(file)?.multipart {
                let path = self.shelf.path(file.id);
                match self.bucket.abort_multipart(&path, &id).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(io::Error::from(error)),
                }
            }
            self.remove_tails(file.id).await?;
            self.shelf.remove(file.id).await;
            io::Result::Ok(())
        };
        if let Err(error) = forgetting.await {
            tracing::warn!(%error, "parts of a file could not be removed");
        }
    }
}

struct PartsWriter {
    bucket: Arc<dyn Bucket>,
    path: Path,
    folder: Path,
    part: u64,
    buffer: Vec<Bytes>,
    buffered: u64,
    /// Where the file ends with what is in the buffer.
    offset: u64,
    /// Where it ended when it was made safe the last time.
    secured: u64,
    state: State,
}

impl PartsWriter {
    /// Sends `length` bytes of the buffer as the next part.
    async fn send_part(&mut self, length: u64) -> io::Result<()> {
        let id = match &self.state.multipart {
            Some(id) => id.clone(),
            None => {
                let id = self.bucket.create_multipart(&self.path).await?;
                self.state.multipart.insert(id).clone()
            }
        };
        let payload = self.take(length);
        let index = self.state.parts.len();
        let part = self
            .bucket
            .put_part(&self.path, &id, index, payload)
            .await?;
        self.state.parts.push(part.content_id);
        Ok(())
    }

    fn take(&mut self, length: u64) -> PutPayload {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        let mut taken = Vec::new();
        let mut rest = Vec::new();
        for mut piece in std::mem::take(&mut self.buffer) {
            let here = piece.split_to(left.min(piece.len()));
            left -= here.len();
            if !here.is_empty() {
                taken.push(here);
            }
            if !piece.is_empty() {
                rest.push(piece);
            }
        }
        self.buffer = rest;
        self.buffered -= length;
        PutPayload::from_iter(taken)
    }
}

#[async_trait]
impl Writer for PartsWriter {
    async fn write(&mut self, block: &[Bytes]) -> io::Result<()> {
        for piece in block {
            self.buffered += piece.len() as u64;
            self.offset += piece.len() as u64;
            self.buffer.push(piece.clone());
        }
        // One part's worth stays until more has come: a file that ends here needs no multipart upload, or this is its last part.
        while self.buffered > self.part {
            self.send_part(self.part).await?;
        }
        Ok(())
    }

    async fn secure(&mut self, last: bool) -> io::Result<Value> {
        let kept = PutPayload::from_iter(self.buffer.iter().cloned());
        let changed = self.offset != self.secured;
        if !last && !changed {
            return Ok(serde_json::to_value(&self.state)?);
        }
        self.state.tail = None;
        self.secured = self.offset;
        if last && self.state.multipart.is_none() {
            self.bucket.put(&self.path, kept).await?;
        } else if last {
            if self.buffered > 0 {
                self.send_part(self.buffered).await?;
            }
        } else if self.buffered > 0 {
            // Never the name of an earlier tail, which the row may still need.
            let name = new_id("tail");
            let path = self.folder.clone().join(name.as_str());
            self.bucket.put(&path, kept).await?;
            self.state.tail = Some(name);
        }
        Ok(serde_json::to_value(&self.state)?)
    }
}
