//! One owner's files as a platform reads them.

use std::io;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use multi_upload_platforms::{
    FailureClass, Fit, MediaSource, Pieces, PlatformError, ReadyImage, StoredFile,
};
use multi_upload_wire::{ErrorCode, ErrorInfo, MediaFacts, MediaKind};
use tokio::io::AsyncReadExt as _;

use super::Library;
use crate::store::{MediaRow, Owner};

/// Bytes of one piece.
const PIECE: usize = 128 * 1024;

/// A complete file as a platform takes it; none if it is not complete.
pub(crate) fn stored_file(row: &MediaRow) -> Option<StoredFile> {
    let (true, Some(content_type), Some(sha256)) = (row.ready, &row.content_type, &row.sha256)
    else {
        return None;
    };
    Some(StoredFile {
        media_id: row.id.clone(),
        sha256: sha256.clone(),
        bytes: row.length,
        facts: Box::new(MediaFacts {
            kind: MediaKind::Image,
            content_type: content_type.clone(),
            width: row.width.unwrap_or_default(),
            height: row.height.unwrap_or_default(),
            rotation: 0,
            duration_ms: None,
            video_codec: None,
            audio_codec: None,
            fragmented: None,
            index_first: None,
            colors: None,
            animated: false,
        }),
    })
}

/// One owner's files.
pub(crate) struct OwnFiles {
    library: Library,
    owner: Owner,
}

impl Library {
    /// The owner's files, as a platform reads them.
    pub(crate) fn source(&self, owner: &Owner) -> OwnFiles {
        OwnFiles {
            library: self.clone(),
            owner: owner.clone(),
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
            .map_err(|error| unreadable(file, &error))?;
        if content.len() as u64 != file.bytes {
            return Err(unreadable(file, &io::ErrorKind::UnexpectedEof.into()));
        }
        if fit.is_some() {
            return Err(cannot(file, "this version does not convert images"));
        }
        Ok(ReadyImage {
            content_type: file.facts.content_type.clone(),
            content,
        })
    }

    async fn video(&self, file: &StoredFile) -> Result<Pieces, PlatformError> {
        let path = self.library.0.files.join(&file.media_id);
        let opened = async {
            let opened = tokio::fs::File::open(path).await?;
            let length = opened.metadata().await?.len();
            if length == file.bytes {
                Ok(opened)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        };
        let opened = opened.await.map_err(|error| unreadable(file, &error))?;
        let pieces = stream::try_unfold(opened, |mut opened| async move {
            let mut piece = BytesMut::with_capacity(PIECE);
            let count = opened.read_buf(&mut piece).await?;
            Ok((count > 0).then(|| (piece.freeze(), opened)))
        });
        Ok(Pieces {
            length: file.bytes,
            stream: pieces.boxed(),
        })
    }

    async fn fetch(&self, url: &str) -> Result<StoredFile, PlatformError> {
        let _ = url;
        Err(PlatformError::new(
            FailureClass::Rejected,
            ErrorInfo::new(
                ErrorCode::UrlNotAllowed,
                "this version fetches no addresses",
            ),
        ))
    }
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
            content_type: Some("image/png".to_owned()),
            width: Some(3),
            height: Some(2),
            sha256: Some("00".to_owned()),
            created_at: 0,
            expires_at: None,
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
