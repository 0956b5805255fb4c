//! One track (`trak`): what it is and how it is coded.

use std::io::{Read, Seek};

use mp4_atom::{Matrix, Mdhd, Tkhd};

use super::boxes::{self, Head};
use super::movie::{known, leaf};
use super::{WHAT, codec};
use crate::Fault;
use crate::source::Source;

/// The most that is read of the description of a codec, in bytes.
const DESCRIPTION: u64 = 4096;

/// What a track says about itself.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) is_enabled: bool,
    pub(super) matrix: Matrix,
    /// `vide`, `soun` or another.
    pub(super) handler: [u8; 4],
    /// Units of time in a second.
    pub(super) timescale: u32,
    /// Length in such units, if it is known.
    pub(super) duration: Option<u64>,
    pub(super) codec: String,
    /// Pixels as coded; 0 if it has no pictures.
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where in the file its last run of frames begins.
    pub(super) last_chunk: Option<u64>,
}

/// Reads the track at `trak`.
pub(super) fn read<R: Read + Seek>(source: &mut Source<'_, R>, trak: Head) -> Result<Track, Fault> {
    let inside = boxes::children(source, trak)?;
    let tkhd: Tkhd = leaf(source, find(&inside, trak, b"tkhd")?)?;
    let mdia = find(&inside, trak, b"mdia")?;
    let inside = boxes::children(source, mdia)?;
    let mdhd: Mdhd = leaf(source, find(&inside, mdia, b"mdhd")?)?;
    // The name that follows is written in several ways: only the kind of track is read.
    let handler = source.array(WHAT, find(&inside, mdia, b"hdlr")?.body + 8)?;
    let mut track = Track {
        id: tkhd.track_id,
        is_enabled: tkhd.enabled,
        matrix: tkhd.matrix,
        handler,
        timescale: mdhd.timescale,
        duration: known(mdhd.duration),
        codec: String::new(),
        width: 0,
        height: 0,
        last_chunk: None,
    };
    if matches!(&handler, b"vide" | b"soun") {
        let minf = find(&inside, mdia, b"minf")?;
        let inside = boxes::children(source, minf)?;
        samples(source, find(&inside, minf, b"stbl")?, &mut track)?;
    }
    Ok(track)
}

/// Reads what the table of samples says about all of them.
fn samples<R: Read + Seek>(
    source: &mut Source<'_, R>,
    stbl: Head,
    track: &mut Track,
) -> Result<(), Fault> {
    let inside = boxes::children(source, stbl)?;
    let stsd = find(&inside, stbl, b"stsd")?;
    let [_, _, _, _, entries @ ..] = source.array::<8>(WHAT, stsd.body)?;
    let entry = stsd.body + 8;
    let count = DESCRIPTION.min(stsd.end.saturating_sub(entry));
    let bytes = source.bytes(WHAT, entry, usize::try_from(count).unwrap_or(0))?;
    let (Some(kind), true) = (four(bytes, 4), u32::from_be_bytes(entries) > 0) else {
        return Err(Fault::broken(WHAT, "a track does not say how it is coded"));
    };
    if &track.handler == b"vide" {
        track.codec = codec::picture(kind);
        let Some([w1, w0, h1, h0]) = four(bytes, 32) else {
            return Err(Fault::broken(WHAT, "its track of pictures has no size"));
        };
        track.width = u16::from_be_bytes([w1, w0]).into();
        track.height = u16::from_be_bytes([h1, h0]).into();
        track.last_chunk = last_chunk(source, &inside)?;
    } else {
        track.codec = codec::sound(kind, bytes);
    }
    Ok(())
}

/// Where the last run of frames begins, by the last entry of the table.
fn last_chunk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    inside: &[Head],
) -> Result<Option<u64>, Fault> {
    let Some(table) = (inside.iter()).find(|head| matches!(&head.kind, b"stco" | b"co64")) else {
        return Ok(None);
    };
    let [_, _, _, _, count @ ..] = source.array::<8>(WHAT, table.body)?;
    let count = u64::from(u32::from_be_bytes(count));
    let width = if &table.kind == b"stco" { 4 } else { 8 };
    let end = table.body + 8 + count * width;
    if end > table.end {
        return Err(Fault::broken(
            WHAT,
            format_args!(
                "its box {} says it has {count} entries, which do not fit into its {} bytes",
                boxes::name(table.kind),
                table.len()
            ),
        ));
    }
    Ok(match (count, width) {
        (0, _) => None,
        (_, 4) => Some(u32::from_be_bytes(source.array(WHAT, end - 4)?).into()),
        _ => Some(u64::from_be_bytes(source.array(WHAT, end - 8)?)),
    })
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

fn find(inside: &[Head], parent: Head, kind: &[u8; 4]) -> Result<Head, Fault> {
    (inside.iter().find(|head| &head.kind == kind).copied()).ok_or_else(|| {
        Fault::broken(
            WHAT,
            format_args!(
                "the box {} is missing in its box {}",
                boxes::name(*kind),
                boxes::name(parent.kind)
            ),
        )
    })
}
