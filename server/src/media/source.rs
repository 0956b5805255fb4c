//! One owner's files as a platform reads them.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, future, stream};
use multi_upload_media::{Piece, Plan, Wants, convert};
use multi_upload_platforms::{
    FailureClass, Fit, MediaSource, Pieces, PlatformError, ReadyImage, StoredFile,
};
use multi_upload_wire::{ErrorCode, ErrorInfo, Retry};
use tokio::sync::Semaphore;

use super::shelf::{Shelf, Stream};
use super::{Library, MAX_BYTES, recognise};
use crate::gate::{FetchLimits, Gate};
use crate::store::{MediaRow, Owner};

/// One image at a time is converted: each may take 400 MB for a moment.
static CONVERSIONS: Semaphore = Semaphore::const_new(1);

/// A complete file as a platform takes it; none if it is not complete.
pub(crate) fn stored_file(row: &MediaRow) -> Option<StoredFile> {
    let (true, Some(facts), Some(sha256)) = (row.ready, &row.facts, &row.sha256) else {
        return None;
    };
    Some(StoredFile {
        media_id: row.id.clone(),
        sha256: sha256.clone(),
        bytes: row.length,
        facts: Box::new(facts.clone()),
    })
}

/// One owner's files.
pub(crate) struct OwnFiles {
    library: Library,
    owner: Owner,
    gate: Gate,
}

impl Library {
    /// The owner's files, as a platform reads them.
    pub(crate) fn source(&self, owner: &Owner, gate: &Gate) -> OwnFiles {
        OwnFiles {
            library: self.clone(),
            owner: owner.clone(),
            gate: gate.clone(),
        }
    }
}

#[async_trait]
impl MediaSource for OwnFiles {
    async fn image(
        &self,
        file: &StoredFile,
        fit: Option<&Fit>,
    ) -> Result<ReadyImage, PlatformError> {
        let content = self
            .library
            .read(&self.owner, &file.media_id)
            .await
            .map_err(|info| unreadable(file, &as_io(&info)))?;
        if content.len() as u64 != file.bytes {
            return Err(unreadable(file, &io::ErrorKind::UnexpectedEof.into()));
        }
        let Some(fit) = fit else {
            return Ok(ReadyImage {
                content_type: file.facts.content_type.clone(),
                content,
            });
        };
        fitted(content, *fit)
            .await
            .map_err(|why| cannot(file, &why))
    }

    async fn video(&self, file: &StoredFile) -> Result<Pieces, PlatformError> {
        if file.facts.index_first == Some(false) {
            let found = self
                .library
                .complete_file(&self.owner, &file.media_id)
                .await;
            let (row, name) = found.map_err(|info| unreadable(file, &as_io(&info)))?;
            let shelf = &self.library.0.shelf;
            let plan = recognise::index_first(shelf.clone(), name.clone(), row.length).await;
            if let Some(plan) = plan {
                return Ok(planned(shelf.clone(), name, plan));
            }
        }
        let opened = self.library.stream(&self.owner, &file.media_id, 0).await;
        let (length, stream) = opened.map_err(|info| unreadable(file, &as_io(&info)))?;
        if length != file.bytes {
            return Err(unreadable(file, &io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Pieces { length, stream })
    }

    async fn fetch(&self, url: &str) -> Result<StoredFile, PlatformError> {
        let url = self.gate.parse(url).map_err(not_fetched)?;
        let limits = FetchLimits::up_to(MAX_BYTES);
        let fetched = self.gate.get(&url, limits).await.map_err(not_fetched)?;
        let row = self
            .library
            .ingest(&self.owner, fetched.body, fetched.length)
            .await
            .map_err(not_fetched)?;
        stored_file(&row).ok_or_else(|| {
            not_fetched(ErrorInfo::new(
                ErrorCode::MediaFetchFailed,
                "what was fetched is not complete",
            ))
        })
    }
}

/// The image as a network takes it, or why it cannot be made so.
async fn fitted(content: Bytes, fit: Fit) -> Result<ReadyImage, String> {
    let _turn = CONVERSIONS
        .acquire()
        .await
        .map_err(|gone| gone.to_string())?;
    let work = move || {
        let wants = Wants {
            content_types: &["image/jpeg", "image/png"],
            max_bytes: fit.bytes,
            max_pixels: None,
            max_side: Some(fit.side),
        };
        convert(&content, &wants)
            .map(|image| ReadyImage {
                content_type: image.content_type.to_owned(),
                content: image.bytes.into_owned().into(),
            })
            .map_err(|fault| fault.to_string())
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|gone| Err(gone.to_string()))
}

/// The parts of a video one after the other; each is opened when its turn comes.
fn planned(shelf: Shelf, name: String, plan: Plan) -> Pieces {
    let length = plan.len;
    let stream = stream::iter(plan.pieces)
        .then(move |piece| part(shelf.clone(), name.clone(), piece))
        .flatten()
        .boxed();
    Pieces { length, stream }
}

async fn part(shelf: Shelf, name: String, piece: Piece) -> Stream {
    let (from, to) = match piece {
        Piece::Bytes(bytes) => return stream::iter([Ok(Bytes::from(bytes))]).boxed(),
        Piece::Range(from, to) => (from, to),
    };
    match shelf.stream(&name, from).await {
        Err(error) => stream::iter([Err(error)]).boxed(),
        Ok(stream) => stream
            .scan(to - from, |left, piece| {
                let piece = piece.map(|mut piece| {
                    piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= piece.len() as u64;
                    piece
                });
                let is_over = matches!(&piece, Ok(piece) if piece.is_empty());
                future::ready((!is_over).then_some(piece))
            })
            .boxed(),
    }
}

/// Whether another try may help is in the error itself.
fn not_fetched(info: ErrorInfo) -> PlatformError {
    let class = match info.retry {
        Retry::Yes => FailureClass::Unavailable,
        _ => FailureClass::Rejected,
    };
    PlatformError::new(class, info)
}

fn cannot(file: &StoredFile, why: &str) -> PlatformError {
    PlatformError::new(
        FailureClass::Rejected,
        ErrorInfo::new(
            ErrorCode::MediaTypeUnsupported,
            format!("The stored image {} cannot be sent: {why}.", file.media_id),
        ),
    )
}

/// What the library said, as a kind of I/O error.
fn as_io(info: &ErrorInfo) -> io::Error {
    if info.is(ErrorCode::NotFound) {
        io::ErrorKind::NotFound.into()
    } else {
        io::Error::other(info.detail.clone())
    }
}

/// The stored file is gone or cannot be read just now.
fn unreadable(file: &StoredFile, error: &io::Error) -> PlatformError {
    let id = &file.media_id;
    let (class, info) = match error.kind() {
        io::ErrorKind::NotFound => (
            FailureClass::Rejected,
            ErrorInfo::new(ErrorCode::NotFound, format!("The stored file {id} is gone."))
                .with_remedy("Upload the file again and create the upload with its new id."),
        ),
        io::ErrorKind::UnexpectedEof => (
            FailureClass::Rejected,
            ErrorInfo::new(
                ErrorCode::StorageFailed,
                format!("The stored file {id} has another size than when it was uploaded."),
            )
            .with_remedy(
                "Check the disk of the data folder, upload the file again and create the upload with its new id.",
            ),
        ),
        _ => (
            FailureClass::Unavailable,
            ErrorInfo::new(
                ErrorCode::StorageFailed,
                format!("The stored file {id} could not be read: {error}."),
            )
            .with_remedy("Check the data folder and its disk; the service tries again."),
        ),
    };
    let mut info = info;
    info.outcome = multi_upload_wire::Outcome::None;
    PlatformError::new(class, info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_file_says_whether_waiting_helps() {
        let row = MediaRow {
            id: "md_1".to_owned(),
            owner: Owner {
                team: "team_default".to_owned(),
                mode: multi_upload_wire::Mode::Test,
            },
            ready: true,
            length: 4,
            offset: 4,
            key: None,
            metadata: None,
            state: None,
            facts: Some(multi_upload_wire::MediaFacts {
                kind: multi_upload_wire::MediaKind::Image,
                content_type: "image/png".to_owned(),
                width: 3,
                height: 2,
                rotation: 0,
                duration_ms: None,
                video_codec: None,
                audio_codec: None,
                fragmented: None,
                index_first: None,
                colors: None,
                animated: false,
            }),
            sha256: Some("00".to_owned()),
            blob: Some("md_1".to_owned()),
            created_at: 0,
            expires_at: 0,
        };
        let file = stored_file(&row).expect("complete");
        for (kind, class, code) in [
            (
                io::ErrorKind::NotFound,
                FailureClass::Rejected,
                ErrorCode::NotFound,
            ),
            (
                io::ErrorKind::UnexpectedEof,
                FailureClass::Rejected,
                ErrorCode::StorageFailed,
            ),
            (
                io::ErrorKind::PermissionDenied,
                FailureClass::Unavailable,
                ErrorCode::StorageFailed,
            ),
        ] {
            let error = unreadable(&file, &kind.into());
            assert_eq!(error.class, class);
            assert!(
                error.info.is(code) && error.info.detail.contains("md_1"),
                "{error}"
            );
        }
        assert!(
            stored_file(&MediaRow {
                ready: false,
                ..row
            })
            .is_none()
        );
    }
}
