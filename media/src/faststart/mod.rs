//! The index of a video in front of its frames, without writing the file anew.

use std::io::{Read, Seek};

use crate::sniff::{self, Format};
use crate::source::Source;
use crate::video::boxes::{self, Head};
use crate::video::{MAX_INDEX, WHAT};
use crate::{Fault, FaultKind};

mod index;

/// A part of the new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes of the old file from the first offset up to, without, the second.
    Range(u64, u64),
}

impl Piece {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(from, to) => to - from,
        }
    }

    /// True for a piece without bytes, which no plan has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The new file as a sequence of parts of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In this order. The old file as it is, as one range, if nothing is to be moved.
    pub pieces: Vec<Piece>,
    /// The length of the new file in bytes.
    pub len: u64,
}

/// A plan for the video in `reader`, which is `len` bytes long, with its index (`moov`) before its frames (`mdat`).
///
/// Reads the index, at most 32 MiB, and the headers of the other boxes; holds it twice. The frames are not touched:
/// the places in the index are corrected for the move.
///
/// # Errors
/// A [`Fault`] if it is no MP4 or MOV, has no index, or one that cannot be moved.
pub fn faststart(reader: &mut (impl Read + Seek), len: u64) -> Result<Plan, Fault> {
    // The headers of boxes beside it.
    let mut source = Source::with_limit(reader, len, MAX_INDEX + crate::source::READ_LIMIT);
    let head = usize::try_from(len).map_or(sniff::HEAD, |len| len.min(sniff::HEAD));
    if sniff::format(source.bytes("file", 0, head)?)? != Format::Boxes {
        return Err(Fault::new(
            FaultKind::Unsupported,
            "the file is an image, and only a video has an index to move",
        ));
    }
    let file = boxes::file(&mut source)?;
    let first = |kind: &[u8; 4]| file.iter().find(|head| &head.kind == kind).copied();
    let Some(moov) = first(b"moov") else {
        return Err(Fault::new(
            FaultKind::Truncated,
            "the file has no index (no moov box), so it is no whole video; upload the whole file again",
        ));
    };
    let Some(frames) = first(b"mdat").filter(|mdat| mdat.start < moov.start) else {
        return Ok(as_it_is(len));
    };
    if moov.len() > MAX_INDEX {
        return Err(Fault::too_large(format!(
            "the index (moov) of the video is {} bytes long, at most {MAX_INDEX} are taken; export it again with an \
             ordinary program",
            moov.len()
        )));
    }
    if let Some(kind) = file.iter().find_map(fixed) {
        return Err(unmovable(kind));
    }
    let count = usize::try_from(moov.end - moov.body).unwrap_or(usize::MAX);
    let old = source.bytes(WHAT, moov.body, count)?;
    let index = index::moved(old, moov, frames.start)?;
    Ok(plan(index, moov, frames.start, len))
}

/// Boxes with places in the file of a kind that is not corrected here.
fn fixed(head: &Head) -> Option<&'static str> {
    match &head.kind {
        b"moof" | b"mfra" => Some("fragments before its index"),
        b"meta" => Some("metadata outside of its index"),
        _ => None,
    }
}

pub(crate) fn unmovable(why: &str) -> Fault {
    Fault::new(
        FaultKind::Unsupported,
        format!(
            "the index of the video cannot be moved to its front, since it has {why}; export it again with its index in \
             front (\"fast start\", \"web optimized\")"
        ),
    )
}

fn as_it_is(len: u64) -> Plan {
    Plan {
        pieces: vec![Piece::Range(0, len)],
        len,
    }
}

fn plan(index: Vec<u8>, moov: Head, to: u64, len: u64) -> Plan {
    let mut pieces = vec![
        Piece::Range(0, to),
        Piece::Bytes(index),
        Piece::Range(to, moov.start),
        Piece::Range(moov.end, len),
    ];
    pieces.retain(|piece| !piece.is_empty());
    let len = pieces.iter().map(Piece::len).sum();
    Plan { pieces, len }
}
