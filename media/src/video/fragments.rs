//! The length of a video in fragments (`moof`), which its index need not tell.

use std::io::{Read, Seek};

use mp4_atom::{Atom, Moof, Sidx, Traf, TrunSamples};

use super::boxes::{self, Head};
use super::movie::Movie;
use super::track::Track;
use super::{WHAT, milliseconds};
use crate::Fault;
use crate::source::Source;

/// How many fragments from either end are searched for one of the pictures.
const NEAR: usize = 8;

/// A run of frames of one track, in its units of time.
struct Run {
    /// When it begins, if it says.
    begin: Option<u64>,
    length: u64,
}

/// The length in milliseconds: as told in advance, else from the first to the last fragment, else the sum of all
/// fragments, else by the table of segments. `None` if nothing tells, or if telling needs more than may be read.
pub(super) fn duration_ms<R: Read + Seek>(
    source: &mut Source<'_, R>,
    movie: &Movie,
    picture: &Track,
    fragments: &[Head],
    segments: Option<Head>,
) -> Result<Option<u64>, Fault> {
    if let Some(units) = movie.whole {
        return Ok(milliseconds(units, movie.timescale));
    }
    source.look_ahead(0);
    // Frames in the index itself come before those of the fragments.
    let before = picture.duration.unwrap_or(0);
    let units = match between_ends(source, movie, picture, fragments)? {
        Some((begin, end)) if before == 0 => Some(end.saturating_sub(begin)),
        Some((_, end)) => Some(end),
        None => sum(source, movie, picture, fragments)?.map(|sum| sum.saturating_add(before)),
    };
    if let Some(units) = units {
        return Ok(milliseconds(units, picture.timescale));
    }
    match segments {
        Some(head) => {
            let sidx: Sidx = decode(source, head)?;
            let units = (sidx.references.iter())
                .map(|reference| u64::from(reference.subsegment_duration))
                .sum();
            Ok(milliseconds(units, sidx.timescale))
        }
        None => Ok(None),
    }
}

/// Begin and end by the first and the last fragment with pictures, if they say when they begin.
fn between_ends<R: Read + Seek>(
    source: &mut Source<'_, R>,
    movie: &Movie,
    picture: &Track,
    fragments: &[Head],
) -> Result<Option<(u64, u64)>, Fault> {
    let mut begin = None;
    for head in fragments.iter().take(NEAR) {
        if let Some(run) = run(source, movie, picture, *head)? {
            begin = run.begin;
            break;
        }
    }
    let Some(begin) = begin else {
        return Ok(None);
    };
    for head in fragments.iter().rev().take(NEAR) {
        if let Some(run) = run(source, movie, picture, *head)? {
            return Ok(run
                .begin
                .map(|begin| begin.saturating_add(run.length))
                .map(|end| (begin, end)));
        }
    }
    Ok(None)
}

/// The sum of all fragments, if they are few enough.
fn sum<R: Read + Seek>(
    source: &mut Source<'_, R>,
    movie: &Movie,
    picture: &Track,
    fragments: &[Head],
) -> Result<Option<u64>, Fault> {
    let bytes: u64 = fragments.iter().map(Head::len).sum();
    if bytes > source.left() / 2 {
        return Ok(None);
    }
    let mut total = 0_u64;
    for head in fragments {
        if let Some(run) = run(source, movie, picture, *head)? {
            total = total.saturating_add(run.length);
        }
    }
    Ok(Some(total))
}

/// What the fragment at `moof` has of the pictures.
fn run<R: Read + Seek>(
    source: &mut Source<'_, R>,
    movie: &Movie,
    picture: &Track,
    moof: Head,
) -> Result<Option<Run>, Fault> {
    if moof.len() > source.left() / 2 {
        return Ok(None);
    }
    let moof: Moof = decode(source, moof)?;
    let default = (movie.frame_lengths.iter())
        .find(|(track, _)| *track == picture.id)
        .map_or(0, |(_, length)| *length);
    let mut found: Option<Run> = None;
    for traf in (moof.traf.iter()).filter(|traf| traf.tfhd.track_id == picture.id) {
        let length = length(traf, default);
        let begin = (traf.tfdt.as_ref()).map(|tfdt| tfdt.base_media_decode_time);
        let run = found.get_or_insert(Run { begin, length: 0 });
        run.length = run.length.saturating_add(length);
    }
    Ok(found)
}

/// The length of the frames of one track in one fragment.
fn length(traf: &Traf, default: u32) -> u64 {
    let usual = u64::from(traf.tfhd.default_sample_duration.unwrap_or(default));
    (traf.trun.iter())
        .map(|run| match &run.samples {
            TrunSamples::Inherited { count, .. } => u64::from(*count) * usual,
            TrunSamples::Explicit(frames) => (frames.iter())
                .map(|frame| frame.duration.map_or(usual, u64::from))
                .sum(),
        })
        .fold(0, u64::saturating_add)
}

/// A box of any length that may still be read, decoded.
fn decode<A: Atom, R: Read + Seek>(source: &mut Source<'_, R>, head: Head) -> Result<A, Fault> {
    let count = usize::try_from(head.end - head.body).unwrap_or(usize::MAX);
    let body = source.bytes(WHAT, head.body, count)?;
    A::decode_body(&mut &*body).map_err(|error| {
        let name = boxes::name(head.kind);
        Fault::broken(
            WHAT,
            format_args!("its box {name} cannot be read ({error})"),
        )
    })
}
