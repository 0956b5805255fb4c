//! MP4 and MOV: files made of boxes, of which only the headers and the small ones are read.

use std::io::{Read, Seek};

use multi_upload_wire::{MediaFacts, MediaKind};

use crate::source::Source;
use crate::{Fault, FaultKind};

pub(crate) mod boxes;
mod codec;
mod fragments;
mod movie;
mod track;

use boxes::Head;
use movie::Movie;

pub(crate) const WHAT: &str = "video";

/// The longest index (`moov`) that is taken, in bytes. Fifteen minutes at 60 frames each second need about 1 MB.
pub(crate) const MAX_INDEX: u64 = 32 << 20;

/// The facts of a video.
pub(crate) fn facts<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<MediaFacts, Fault> {
    let file = boxes::file(source)?;
    let first = |kind: &[u8; 4]| file.iter().find(|head| &head.kind == kind).copied();
    let (index, frames) = (first(b"moov"), first(b"mdat"));
    let fragments: Vec<Head> = (file.iter().copied())
        .filter(|head| &head.kind == b"moof")
        .collect();
    let content_type = content_type(source, first(b"ftyp"))?;
    let Some(index) = index else {
        return Err(no_index(frames.is_some(), !fragments.is_empty()));
    };
    let movie = movie::read(source, index)?;
    let is_fragmented = movie.is_fragmented || !fragments.is_empty();
    let Some(frames) = frames.or_else(|| is_fragmented.then_some(index)) else {
        return Err(Fault::new(
            FaultKind::Truncated,
            "the video has an index but no frames (no mdat box); upload the whole file again",
        ));
    };
    let picture = movie.picture()?;
    if !is_fragmented
        && let Some(last) = picture.last_chunk
        && last >= source.len()
    {
        return Err(Fault::truncated(WHAT, source.len(), last + 1));
    }
    let duration_ms = if is_fragmented {
        let segments = first(b"sidx");
        fragments::duration_ms(source, &movie, picture, &fragments, segments)?
    } else {
        movie.duration_ms()
    };
    Ok(MediaFacts {
        kind: MediaKind::Video,
        content_type: content_type.to_owned(),
        width: picture.width,
        height: picture.height,
        rotation: movie.rotation(picture),
        duration_ms,
        video_codec: Some(picture.codec.clone()),
        audio_codec: movie.sound().map(|track| track.codec.clone()),
        fragmented: Some(is_fragmented),
        index_first: Some(index.start <= frames.start),
        colors: None,
        animated: false,
    })
}

/// Only the brand `qt  `, or none at all as in old files, makes it QuickTime.
fn content_type<R: Read + Seek>(
    source: &mut Source<'_, R>,
    brands: Option<Head>,
) -> Result<&'static str, Fault> {
    Ok(match brands {
        Some(head) if source.array::<4>(WHAT, head.body)? != *b"qt  " => "video/mp4",
        _ => "video/quicktime",
    })
}

fn no_index(has_frames: bool, has_fragments: bool) -> Fault {
    Fault::new(
        FaultKind::Truncated,
        if has_fragments {
            "the video is a segment of a stream without its beginning (no moov box); upload the joined file"
        } else if has_frames {
            "the video has frames but no index (no moov box), so its end is missing: the recording or the transfer was \
             cut off; upload the whole file again, or repair it"
        } else {
            "the video ends before its index (no moov box); upload the whole file again"
        },
    )
}

/// `units` of `timescale` to the second, in milliseconds, rounded.
fn milliseconds(units: u64, timescale: u32) -> Option<u64> {
    let scale = u128::from(timescale);
    let rounded = (u128::from(units) * 1000 + scale / 2).checked_div(scale)?;
    u64::try_from(rounded).ok()
}

impl Movie {
    /// The length of a video that is not in fragments: of the film, else of its longest track.
    fn duration_ms(&self) -> Option<u64> {
        match self.duration {
            Some(units) if units > 0 => milliseconds(units, self.timescale),
            known => (self.tracks.iter())
                .filter_map(|track| milliseconds(track.duration?, track.timescale))
                .max()
                .or_else(|| milliseconds(known?, self.timescale)),
        }
    }
}
