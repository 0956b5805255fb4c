//! One owner's files as a platform reads them.

use std::io;

use async_trait::async_trait;
use multi_upload_platforms::{
    FailureClass, Fit, MediaSource, Pieces, PlatformError, ReadyImage, StoredFile,
};
use multi_upload_wire::{ErrorCode, ErrorInfo};

use super::Library;
use crate::store::{MediaRow, Owner};

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
            .map_err(|info| unreadable(file, &as_io(&info)))?;
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
        let opened = self.library.stream(&self.owner, &file.media_id, 0).await;
        let (length, stream) = opened.map_err(|info| unreadable(file, &as_io(&info)))?;
        if length != file.bytes {
            return Err(unreadable(file, &io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Pieces { length, stream })
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
