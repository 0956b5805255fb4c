//! Where the bytes of an upload come from, and how much of them is held in memory: one block.

use std::fmt;
use std::fs::Metadata;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use multi_upload_wire::{ErrorCode, ErrorInfo};

use crate::error::Error;

/// The largest file that is uploaded, in bytes: the largest video that a network takes.
pub(super) const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The first request carries so much; a stream is held in blocks of this size, so that a block can be sent again.
pub(super) const BLOCK: u64 = 4 * 1024 * 1024;
/// A file is read in pieces of this size.
const READ: u64 = 512 * 1024;

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// A file to upload, at most 2 GiB.
#[non_exhaustive]
pub enum MediaInput {
    /// Read from this path.
    Path(PathBuf),
    /// In memory.
    Bytes(Bytes),
    /// Read once, as it is sent.
    Stream {
        /// The bytes.
        stream: ByteStream,
        /// How many there are, if that is known.
        length: Option<u64>,
    },
}

impl fmt::Debug for MediaInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Stream { length, .. } => f
                .debug_struct("Stream")
                .field("length", length)
                .finish_non_exhaustive(),
        }
    }
}

/// Bytes that can be read again from any place: a file, or a block in memory that begins at `.1`.
#[derive(Clone)]
pub(crate) enum Source {
    File(Arc<PathBuf>),
    Block(Bytes, u64),
}

impl Source {
    /// The bytes from `from` to before `to`.
    pub(crate) fn open(&self, from: u64, to: u64) -> ByteStream {
        match self {
            Self::File(path) => read_file(Arc::clone(path), from, to),
            Self::Block(bytes, base) => {
                let within = |at: u64| usize::try_from(at.checked_sub(*base)?).ok();
                let range = within(from)
                    .zip(within(to))
                    .filter(|(_, to)| *to <= bytes.len());
                let part = range.map_or_else(
                    || {
                        Err(io::Error::other(
                            "the service has lost bytes that it had confirmed",
                        ))
                    },
                    |(from, to)| Ok(bytes.slice(from..to)),
                );
                stream::iter([part]).boxed()
            }
        }
    }
}

fn read_file(path: Arc<PathBuf>, from: u64, to: u64) -> ByteStream {
    let open = async move {
        blocking(move || {
            let mut file = std::fs::File::open(&*path)?;
            file.seek(SeekFrom::Start(from))?;
            Ok(file)
        })
        .await
        .map(|file| read_on(file, to - from))
    };
    stream::once(open)
        .flat_map(|opened| match opened {
            Ok(pieces) => pieces,
            Err(error) => stream::iter([Err(error)]).boxed(),
        })
        .boxed()
}

fn read_on(file: std::fs::File, length: u64) -> ByteStream {
    stream::try_unfold((file, length), async |(mut file, left)| {
        if left == 0 {
            return Ok(None);
        }
        blocking(move || {
            let size = left.min(READ);
            let mut piece = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            let read = file.by_ref().take(size).read_to_end(&mut piece)? as u64;
            if read < size {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it became shorter while it was uploaded",
                ));
            }
            Ok(Some((Bytes::from(piece), (file, left - read))))
        })
        .await
    })
    .boxed()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|gone| Err(io::Error::other(gone)))
}

/// The bytes of an upload, block after block.
pub(super) struct Reader {
    kind: Kind,
    /// All of it, if that is known.
    pub(super) length: Option<u64>,
    /// Names the argument in errors.
    pub(super) pointer: &'static str,
}

enum Kind {
    File(Arc<PathBuf>, Box<Metadata>),
    Bytes(Bytes),
    /// In a lock that nobody else has, so that it may be looked at from any thread.
    Stream(Mutex<ByteStream>, Bytes),
}

/// A part of the upload that can be sent.
pub(super) struct Block {
    pub(super) source: Source,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Nothing follows.
    pub(super) last: bool,
}

impl Reader {
    /// Checks what can be checked without sending anything.
    pub(super) async fn new(input: MediaInput) -> Result<Self, Error> {
        let reader = match input {
            MediaInput::Path(path) => {
                let facts = tokio::fs::metadata(&path)
                    .await
                    .map_err(|error| unreadable(&path, error))?;
                if !facts.is_file() {
                    return Err(Error::invalid(
                        "/path",
                        "unreadable",
                        format!("{} is not a file", path.display()),
                    ));
                }
                Self {
                    length: Some(facts.len()),
                    kind: Kind::File(Arc::new(path), Box::new(facts)),
                    pointer: "/path",
                }
            }
            MediaInput::Bytes(bytes) => Self {
                length: Some(bytes.len() as u64),
                kind: Kind::Bytes(bytes),
                pointer: "/bytes_base64",
            },
            MediaInput::Stream { stream, length } => Self {
                length,
                kind: Kind::Stream(Mutex::new(stream.fuse().boxed()), Bytes::new()),
                pointer: "/source",
            },
        };
        if let Some(length) = reader.length {
            check_length(length, reader.pointer)?;
        }
        Ok(reader)
    }

    /// The part from `from` on, where the part before ended: at most `most` bytes, and for streams at most a block.
    pub(super) async fn next(&mut self, from: u64, most: u64) -> Result<Block, Error> {
        if let Some(length) = self.length
            && !self.is_stream()
        {
            let to = from.saturating_add(most).min(length);
            let source = match &self.kind {
                Kind::File(path, _) => Source::File(Arc::clone(path)),
                Kind::Bytes(bytes) => Source::Block(bytes.clone(), 0),
                Kind::Stream(..) => Source::Block(Bytes::new(), 0),
            };
            return Ok(Block {
                source,
                from,
                to,
                last: to == length,
            });
        }
        let block = self.fill().await?;
        let to = from + block.len() as u64;
        let last = match (self.ended(), self.length) {
            (true, Some(length)) if length != to => {
                return Err(Error::invalid(
                    self.pointer,
                    "invalid",
                    format!("{to} bytes came; {length} were announced"),
                ));
            }
            (ended, _) => ended,
        };
        if last {
            check_length(to, self.pointer)?;
        } else if to >= MAX_BYTES || self.length.is_some_and(|length| to >= length) {
            return Err(too_large(to));
        }
        Ok(Block {
            source: Source::Block(block, from),
            from,
            to,
            last,
        })
    }

    /// Reads a block of a stream, and a little of what follows, to know whether anything does.
    async fn fill(&mut self) -> Result<Bytes, Error> {
        let Kind::Stream(stream, ahead) = &mut self.kind else {
            return Ok(Bytes::new());
        };
        let stream = stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        let most = BLOCK as usize;
        let mut block = Vec::with_capacity(most + READ as usize);
        block.extend_from_slice(&std::mem::take(ahead));
        while block.len() <= most
            && let Some(piece) = stream.next().await
        {
            let piece = piece.map_err(|error| {
                Error::invalid(
                    self.pointer,
                    "unreadable",
                    format!("the source could not be read: {error}"),
                )
                .with_source(error)
            })?;
            block.extend_from_slice(&piece);
        }
        if block.len() > most {
            *ahead = Bytes::from(block.split_off(most));
        }
        Ok(Bytes::from(block))
    }

    /// Can it be read only once?
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(..))
    }

    fn ended(&self) -> bool {
        matches!(&self.kind, Kind::Stream(_, ahead) if ahead.is_empty())
    }

    /// Fails if a file is another by now than the one that was begun.
    pub(super) async fn unchanged(&self) -> Result<(), Error> {
        let Kind::File(path, before) = &self.kind else {
            return Ok(());
        };
        let now = tokio::fs::metadata(&**path)
            .await
            .map_err(|error| unreadable(path, error))?;
        if now.len() == before.len() && now.modified().ok() == before.modified().ok() {
            return Ok(());
        }
        Err(Error::invalid(
            self.pointer,
            "changed",
            format!("the file {} changed while it was uploaded", path.display()),
        ))
    }

    /// The SHA-256 of all of it, in lower-case hex; `None` for a stream, which is gone.
    pub(super) async fn sha256(&self) -> Result<Option<String>, Error> {
        use sha2::Digest as _;
        let (source, length) = match &self.kind {
            Kind::File(path, facts) => (Source::File(Arc::clone(path)), facts.len()),
            Kind::Bytes(bytes) => (Source::Block(bytes.clone(), 0), bytes.len() as u64),
            Kind::Stream(..) => return Ok(None),
        };
        let mut sha = sha2::Sha256::new();
        let mut pieces = source.open(0, length);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.unreadable(error))?;
            sha.update(&piece);
        }
        Ok(Some(
            sha.finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        ))
    }

    /// What went wrong while it was read.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        match &self.kind {
            Kind::File(path, _) => unreadable(path, error),
            _ => Error::invalid(self.pointer, "unreadable", error.to_string()).with_source(error),
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::invalid(
        "/path",
        "unreadable",
        format!("the file {} cannot be read: {error}", path.display()),
    )
    .with_source(error)
}

fn check_length(length: u64, pointer: &str) -> Result<(), Error> {
    if length == 0 {
        return Err(Error::invalid(pointer, "invalid", "the file is empty"));
    }
    if length > MAX_BYTES {
        return Err(too_large(length));
    }
    Ok(())
}

fn too_large(length: u64) -> Error {
    let mut info = ErrorInfo::new(
        ErrorCode::MediaTooLarge,
        format!("the file has {length} bytes or more; at most {MAX_BYTES} (2 GiB) are uploaded"),
    );
    info.status = 0;
    info.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_that_cannot_be_sent_are_refused_before_anything_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = folder.path().join("empty.png");
        std::fs::write(&empty, b"").expect("written");
        let large = folder.path().join("large.mp4");
        std::fs::File::create(&large)
            .and_then(|file| file.set_len(MAX_BYTES + 1))
            .expect("made");
        for (path, code) in [
            (empty, "VALIDATION_FAILED"),
            (large, "MEDIA_TOO_LARGE"),
            (folder.path().join("missing.png"), "VALIDATION_FAILED"),
            (folder.path().to_owned(), "VALIDATION_FAILED"),
        ] {
            let shown = path.display().to_string();
            let error = Reader::new(MediaInput::Path(path))
                .await
                .err()
                .expect("it cannot be sent");
            assert_eq!(error.code(), code, "{shown}");
        }
    }

    #[tokio::test]
    async fn a_stream_comes_in_blocks_and_knows_its_end() {
        let block = BLOCK as usize;
        for (pieces, expected) in [
            (vec![1], vec![(1, true)]),
            (vec![block], vec![(block, true)]),
            (vec![block, 0, 1], vec![(block, false), (1, true)]),
            (
                vec![1, block, block],
                vec![(block, false), (block, false), (1, true)],
            ),
            (
                vec![3 * block],
                vec![(block, false), (block, false), (block, true)],
            ),
        ] {
            let pieces: Vec<_> = pieces
                .into_iter()
                .map(|size| Ok(Bytes::from(vec![7; size])))
                .collect();
            // A stream that must not be asked again after its end.
            let stream = stream::unfold(pieces.into_iter(), async |mut pieces| {
                let piece = pieces.next()?;
                Some((piece, pieces))
            });
            let mut reader = Reader::new(MediaInput::Stream {
                stream: stream.boxed(),
                length: None,
            })
            .await
            .expect("not empty");
            let mut at = 0;
            for (size, last) in expected {
                let next = reader.next(at, u64::MAX).await.expect("it can be read");
                assert_eq!((next.to - next.from, next.last), (size as u64, last));
                at = next.to;
            }
        }
        let stream = stream::empty().boxed();
        let mut nothing = Reader::new(MediaInput::Stream {
            stream,
            length: None,
        })
        .await
        .expect("not known yet");
        assert!(nothing.next(0, u64::MAX).await.is_err());
    }
}
