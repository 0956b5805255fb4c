//! The file under examination: random reads with a ceiling on how much is read in all.

use std::io::{Read, Seek, SeekFrom};

use crate::{Fault, FaultKind};

/// The most that [`crate::probe`] reads of one file, in bytes.
pub(crate) const READ_LIMIT: u64 = 1 << 20;

/// A file of a known length, read at places, never more than a limit in all.
pub(crate) struct Source<'a, R> {
    reader: &'a mut R,
    len: u64,
    limit: u64,
    left: u64,
    ahead: usize,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a, R: Read + Seek> Source<'a, R> {
    pub(crate) fn new(reader: &'a mut R, len: u64) -> Self {
        Self::with_limit(reader, len, READ_LIMIT)
    }

    /// One of which `limit` bytes may be read.
    pub(crate) fn with_limit(reader: &'a mut R, len: u64, limit: u64) -> Self {
        Self {
            reader,
            len,
            limit,
            left: limit,
            ahead: 4096,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// The length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// How much may still be read, in bytes.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Sets how many bytes a read that goes to the file fetches at least: large where the next reads are near,
    /// small where they are far apart.
    pub(crate) fn look_ahead(&mut self, bytes: usize) {
        self.ahead = bytes;
    }

    /// `count` bytes from `at`; a fault of kind `Truncated` (about `what`) if the file ends before.
    pub(crate) fn bytes(&mut self, what: &str, at: u64, count: usize) -> Result<&[u8], Fault> {
        let end = at.saturating_add(count as u64);
        if end > self.len {
            return Err(Fault::truncated(what, self.len, end));
        }
        let cached =
            at >= self.window_at && end <= self.window_at.saturating_add(self.window.len() as u64);
        if !cached {
            self.fetch(what, at, count)?;
        }
        // Inside the window, so the difference fits in memory.
        let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        self.window
            .get(from..from.saturating_add(count))
            .ok_or_else(|| Fault::truncated(what, self.len, end))
    }

    /// `N` bytes from `at`.
    pub(crate) fn array<const N: usize>(&mut self, what: &str, at: u64) -> Result<[u8; N], Fault> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(what, at, N)?);
        Ok(out)
    }

    fn fetch(&mut self, what: &str, at: u64, count: usize) -> Result<(), Fault> {
        if count as u64 > self.left {
            return Err(Fault::too_large(format!(
                "what the {what} says about itself is longer than the {} bytes that are read for it; export it \
                 again with an ordinary program",
                self.limit
            )));
        }
        let wanted = (count.max(self.ahead) as u64)
            .min(self.left)
            .min(self.len - at);
        self.window.clear();
        self.window_at = at;
        self.reader.seek(SeekFrom::Start(at)).map_err(failed)?;
        let got = self
            .reader
            .by_ref()
            .take(wanted)
            .read_to_end(&mut self.window)
            .map_err(failed)?;
        self.left -= got as u64;
        if got < count {
            return Err(Fault::truncated(what, at + got as u64, at + count as u64));
        }
        Ok(())
    }
}

/// A failure to read, in the reader's own words.
pub(crate) fn failed(error: std::io::Error) -> Fault {
    Fault::new(FaultKind::Io, format!("the file cannot be read: {error}"))
}
