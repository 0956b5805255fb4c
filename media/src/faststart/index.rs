//! The index written anew with corrected places.

use super::{Head, unmovable};
use crate::Fault;
use crate::video::WHAT;

/// Where bytes of the old file are in the new one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    /// Where the index is put.
    to: u64,
    /// Where it was.
    from: (u64, u64),
    /// Its new length.
    len: u64,
}

impl Shift {
    fn apply(self, place: u64) -> Option<u64> {
        if place < self.to {
            return Some(place);
        }
        let moved = place.checked_add(self.len)?;
        if place < self.from.0 {
            Some(moved)
        } else {
            moved.checked_sub(self.from.1 - self.from.0)
        }
    }
}

/// Why the index could not be written in one way.
enum Stop {
    /// A place does not fit into 32 bits any more.
    Wide,
    Fault(Fault),
}

/// The whole box `moov`, whose content is `old`, for the place `to`.
pub(super) fn moved(old: &[u8], moov: Head, to: u64) -> Result<Vec<u8>, Fault> {
    let from = (moov.start, moov.end);
    for wide in [false, true] {
        // The length does not depend on the places: once to learn it, once for good.
        let still = Shift {
            to: u64::MAX,
            from,
            len: 0,
        };
        let len = match write(old, still, wide) {
            Ok(index) => index.len() as u64,
            Err(Stop::Wide) => continue,
            Err(Stop::Fault(fault)) => return Err(fault),
        };
        match write(old, Shift { to, from, len }, wide) {
            Ok(index) => return Ok(index),
            Err(Stop::Wide) => {}
            Err(Stop::Fault(fault)) => return Err(fault),
        }
    }
    Err(Fault::broken(WHAT, "its index points beyond any file"))
}

fn write(old: &[u8], shift: Shift, wide: bool) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::with_capacity(old.len() + 8);
    container(*b"moov", old, shift, wide, &mut out)?;
    Ok(out)
}

/// Boxes on the way to the tables of places. Nothing else is opened, so the depth is bounded.
fn child_is_container(parent: [u8; 4], kind: [u8; 4]) -> bool {
    matches!(
        (&parent, &kind),
        (b"moov", b"trak") | (b"trak", b"mdia") | (b"mdia", b"minf") | (b"minf", b"stbl")
    )
}

fn container(
    kind: [u8; 4],
    body: &[u8],
    shift: Shift,
    wide: bool,
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let start = open(kind, out);
    let mut rest = body;
    // Fewer bytes than a header are filling.
    while rest.len() >= 8 {
        let Part {
            kind: child,
            whole,
            content,
            after,
        } = split(rest)?;
        match &child {
            _ if child_is_container(kind, child) => container(child, content, shift, wide, out)?,
            b"stco" if &kind == b"stbl" && wide => {
                let start = open(*b"co64", out);
                places::<4, 8>(content, shift, out)?;
                close(start, out)?;
            }
            b"stco" if &kind == b"stbl" => {
                let start = open(child, out);
                places::<4, 4>(content, shift, out)?;
                close(start, out)?;
            }
            b"co64" if &kind == b"stbl" => {
                let start = open(child, out);
                places::<8, 8>(content, shift, out)?;
                close(start, out)?;
            }
            b"saio" => return Err(Stop::Fault(unmovable("encrypted parts"))),
            b"cmov" => return Err(Stop::Fault(unmovable("a compressed index"))),
            b"mvex" => return Err(Stop::Fault(unmovable("fragments"))),
            b"meta" if content.windows(4).any(|name| name == b"iloc") => {
                return Err(Stop::Fault(unmovable("pictures in its metadata")));
            }
            // Length 0 means up to the end of the file, which is not where this will be.
            _ if whole.starts_with(&[0; 4]) => {
                let start = open(child, out);
                out.extend_from_slice(content);
                close(start, out)?;
            }
            _ => out.extend_from_slice(whole),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    close(start, out)
}

/// Copies a table of places of `IN` bytes each as one of `OUT` bytes each.
fn places<const IN: usize, const OUT: usize>(
    content: &[u8],
    shift: Shift,
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let short = || {
        Stop::Fault(Fault::broken(
            WHAT,
            "a table of its index is shorter than it says",
        ))
    };
    let (head, entries) = content.split_at_checked(8).ok_or_else(short)?;
    let count = (head.get(4..))
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_be_bytes)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(short)?;
    let bytes = count.checked_mul(IN).ok_or_else(short)?;
    let entries = entries.get(..bytes).ok_or_else(short)?;
    out.extend_from_slice(head);
    for entry in entries.chunks_exact(IN) {
        let place = (entry.iter()).fold(0_u64, |place, byte| place << 8 | u64::from(*byte));
        let moved = shift.apply(place).ok_or(Stop::Wide)?;
        let bytes = moved.to_be_bytes();
        let (unused, used) = bytes.split_at(8 - OUT);
        if unused.iter().any(|byte| *byte != 0) {
            return Err(Stop::Wide);
        }
        out.extend_from_slice(used);
    }
    Ok(())
}

/// The first box of some bytes.
struct Part<'a> {
    kind: [u8; 4],
    /// All of it.
    whole: &'a [u8],
    /// Without its header.
    content: &'a [u8],
    /// What follows it.
    after: &'a [u8],
}

fn split(bytes: &[u8]) -> Result<Part<'_>, Stop> {
    let broken = || {
        Stop::Fault(Fault::broken(
            WHAT,
            "a box inside of its index has a wrong length",
        ))
    };
    let (size, kind) = match bytes {
        [s3, s2, s1, s0, k0, k1, k2, k3, ..] => (
            u32::from_be_bytes([*s3, *s2, *s1, *s0]),
            [*k0, *k1, *k2, *k3],
        ),
        _ => return Err(broken()),
    };
    let (header, len) = match size {
        0 => (8, bytes.len()),
        1 => {
            let long = bytes.get(8..16).and_then(|long| long.try_into().ok());
            let long = long.map(u64::from_be_bytes).ok_or_else(broken)?;
            (16, usize::try_from(long).map_err(|_| broken())?)
        }
        size => (8, usize::try_from(size).map_err(|_| broken())?),
    };
    let (whole, after) = bytes.split_at_checked(len).ok_or_else(broken)?;
    let content = whole.get(header..).ok_or_else(broken)?;
    Ok(Part {
        kind,
        whole,
        content,
        after,
    })
}

/// Begins a box whose length [`close`] fills in.
fn open(kind: [u8; 4], out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind);
    start
}

fn close(start: usize, out: &mut [u8]) -> Result<(), Stop> {
    let len = u32::try_from(out.len() - start).ok();
    match (len, out.get_mut(start..start + 4)) {
        (Some(len), Some(field)) => {
            field.copy_from_slice(&len.to_be_bytes());
            Ok(())
        }
        _ => Err(Stop::Fault(Fault::broken(WHAT, "its index is too long"))),
    }
}
