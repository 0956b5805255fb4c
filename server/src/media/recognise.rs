//! What a file is, by its content. Names and declared types are not believed.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use bytes::Bytes;
use multi_upload_media::{Fault, FaultKind, probe};
use multi_upload_wire::{ErrorCode, ErrorInfo, MediaFacts};
use tokio::runtime::Handle;

use super::inbox::failed;
use super::shelf::{Shelf, blocking};

/// What is fetched at once from where a file is kept.
const WINDOW: u64 = 64 * 1024;

/// The beginning of a file is enough to refuse most of what is not taken.
pub(super) fn refuses(first: &[u8]) -> Option<ErrorInfo> {
    match probe(&mut Cursor::new(first), first.len() as u64) {
        Err(fault) if matches!(fault.kind, FaultKind::Unknown | FaultKind::Unsupported) => {
            Some(refusal(&fault))
        }
        _ => None,
    }
}

/// Does it begin like an image?
pub(super) fn is_image(first: &[u8]) -> bool {
    first.starts_with(b"\xFF\xD8\xFF")
        || first.starts_with(b"\x89PNG")
        || (first.starts_with(b"RIFF") && first.get(8..12) == Some(b"WEBP"))
}

/// The facts of a complete file, from a few of its bytes.
///
/// # Errors
/// `MEDIA_TYPE_UNSUPPORTED` and `MEDIA_TOO_LARGE` for what is not taken; `STORAGE_FAILED` if it cannot be read.
pub(super) async fn facts(shelf: Shelf, name: String, size: u64) -> Result<MediaFacts, ErrorInfo> {
    let mut reader = Reader {
        shelf,
        name,
        size,
        at: 0,
        window: Bytes::new(),
        window_at: 0,
        runtime: Handle::current(),
    };
    let probed = blocking(move || Ok(probe(&mut reader, size))).await;
    probed
        .map_err(|error| failed(&error))?
        .map_err(|fault| refusal(&fault))
}

fn refusal(fault: &Fault) -> ErrorInfo {
    let code = match fault.kind {
        FaultKind::Io => return failed(&io::Error::other(fault.message.clone())),
        FaultKind::TooLarge => ErrorCode::MediaTooLarge,
        _ => ErrorCode::MediaTypeUnsupported,
    };
    ErrorInfo::new(code, format!("{}; nothing was kept", fault.message))
}

/// A complete file for a parser that reads here and there.
struct Reader {
    shelf: Shelf,
    name: String,
    size: u64,
    at: u64,
    window: Bytes,
    window_at: u64,
    runtime: Handle,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.window_at + self.window.len() as u64;
        if !(self.window_at..end).contains(&self.at) {
            let to = self.at.saturating_add(WINDOW).min(self.size);
            if self.at >= to {
                return Ok(0);
            }
            let range = self.shelf.range(&self.name, self.at..to);
            self.window = self.runtime.block_on(range)?;
            self.window_at = self.at;
        }
        let from = usize::try_from(self.at - self.window_at).map_err(io::Error::other)?;
        let rest = self.window.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
