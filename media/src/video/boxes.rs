//! The headers of boxes: name and extent, checked against what is around them.

use std::io::{Read, Seek};

use super::WHAT;
use crate::Fault;
use crate::source::Source;

/// More boxes side by side in a file than any real one has: a fragment a second for nine hours.
const MAX_IN_FILE: usize = 65_536;

/// More boxes side by side in another box than any real one has.
const MAX_IN_BOX: usize = 1024;

/// A box: its name and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: [u8; 4],
    /// First byte of its header.
    pub(crate) start: u64,
    /// First byte after its header.
    pub(crate) body: u64,
    /// First byte that is no longer its own.
    pub(crate) end: u64,
}

impl Head {
    /// Bytes with its header.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }
}

/// The boxes of the file, without reading what is in them.
pub(crate) fn file<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<Vec<Head>, Fault> {
    source.look_ahead(16);
    let (mut heads, mut at) = (Vec::new(), 0);
    while source.len() - at >= 8 {
        let head = match head(source, at) {
            Ok(head) if head.end <= source.len() => head,
            // Bytes that are no box at the end of a whole video: other programs play it as well.
            _ if is_whole(&heads) && !has_name(source, at)? => break,
            Ok(head) => return Err(Fault::truncated(WHAT, source.len(), head.end)),
            Err(fault) => return Err(fault),
        };
        if heads.len() == MAX_IN_FILE {
            return Err(Fault::too_large(format!(
                "the video is made of more than {MAX_IN_FILE} boxes; export it again as one ordinary MP4 file"
            )));
        }
        at = head.end;
        heads.push(head);
    }
    Ok(heads)
}

/// The boxes inside of `parent`.
pub(crate) fn children<R: Read + Seek>(
    source: &mut Source<'_, R>,
    parent: Head,
) -> Result<Vec<Head>, Fault> {
    let (mut heads, mut at) = (Vec::new(), parent.body);
    // Fewer bytes than a header are filling, as QuickTime has them.
    while parent.end - at >= 8 {
        let head = head(source, at)?;
        if head.end > parent.end {
            return Err(Fault::broken(
                WHAT,
                format_args!(
                    "its box {} of {} bytes is inside of the box {} where {} are left",
                    name(head.kind),
                    head.len(),
                    name(parent.kind),
                    parent.end - at
                ),
            ));
        }
        if heads.len() == MAX_IN_BOX {
            return Err(Fault::too_large(format!(
                "the video has more than {MAX_IN_BOX} boxes inside of its box {}; export it again with an ordinary \
                 program",
                name(parent.kind)
            )));
        }
        at = head.end;
        heads.push(head);
    }
    Ok(heads)
}

/// The header at `at`; its end may lie beyond the file.
fn head<R: Read + Seek>(source: &mut Source<'_, R>, at: u64) -> Result<Head, Fault> {
    let [s3, s2, s1, s0, kind @ ..] = source.array::<8>(WHAT, at)?;
    let short = u64::from(u32::from_be_bytes([s3, s2, s1, s0]));
    let (header, len) = match short {
        0 => (8, source.len() - at),
        1 => (16, u64::from_be_bytes(source.array(WHAT, at + 8)?)),
        len => (8, len),
    };
    if len < header {
        return Err(Fault::broken(
            WHAT,
            format_args!(
                "its box {} at byte {at} says it is {len} bytes long, less than its own header",
                name(kind)
            ),
        ));
    }
    Ok(Head {
        kind,
        start: at,
        body: at + header,
        end: at.saturating_add(len),
    })
}

fn is_whole(heads: &[Head]) -> bool {
    let has = |kind: &[u8; 4]| heads.iter().any(|head| &head.kind == kind);
    has(b"moov") && has(b"mdat")
}

/// Does something with a name like that of a box stand there?
fn has_name<R: Read + Seek>(source: &mut Source<'_, R>, at: u64) -> Result<bool, Fault> {
    let name: [u8; 4] = source.array(WHAT, at + 4)?;
    Ok(name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b' '))
}

/// The name of a box or codec for people: without what cannot be printed.
pub(crate) fn name(kind: [u8; 4]) -> String {
    let shown: String = (kind.iter())
        .map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '?',
        })
        .collect();
    shown.trim_end().to_owned()
}
