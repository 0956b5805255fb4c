//! The index (`moov`): the film as a whole and its tracks. Tables of frames are passed over, however long.

use std::io::{Read, Seek};

use mp4_atom::{Atom, Matrix, Mehd, Mvhd, Trex};

use super::boxes::{self, Head};
use super::track::{self, Track};
use super::{MAX_INDEX, WHAT};
use crate::source::Source;
use crate::{Fault, FaultKind};

/// More tracks than any real video has.
const MAX_TRACKS: usize = 64;

/// Indexes up to this many bytes are read in one go.
const SMALL_INDEX: u64 = 16 * 1024;

/// What the index says.
#[derive(Debug)]
pub(super) struct Movie {
    /// Units of time in a second.
    pub(super) timescale: u32,
    /// Length in such units, if it is known.
    pub(super) duration: Option<u64>,
    /// Length with all fragments, if it is told in advance.
    pub(super) whole: Option<u64>,
    /// Frames may be in fragments.
    pub(super) is_fragmented: bool,
    pub(super) tracks: Vec<Track>,
    /// Length of a frame in fragments by track, unless the fragment says otherwise.
    pub(super) frame_lengths: Vec<(u32, u32)>,
    matrix: Matrix,
}

/// Reads the index at `moov`.
pub(super) fn read<R: Read + Seek>(source: &mut Source<'_, R>, moov: Head) -> Result<Movie, Fault> {
    if moov.len() > MAX_INDEX {
        return Err(Fault::too_large(format!(
            "the index (moov) of the video is {} bytes long, at most {MAX_INDEX} are taken; export it again with an \
             ordinary program",
            moov.len()
        )));
    }
    source.look_ahead(if moov.len() <= SMALL_INDEX {
        usize::try_from(moov.len()).unwrap_or(0)
    } else {
        512
    });
    let mut header: Option<Mvhd> = None;
    let (mut tracks, mut frame_lengths) = (Vec::new(), Vec::new());
    let (mut is_fragmented, mut whole) = (false, None);
    for head in boxes::children(source, moov)? {
        match &head.kind {
            b"mvhd" => header = Some(leaf(source, head)?),
            b"trak" if tracks.len() == MAX_TRACKS => {
                return Err(Fault::too_large(format!(
                    "the video has more than {MAX_TRACKS} tracks; export it again with one of pictures and one of sound"
                )));
            }
            b"trak" => tracks.push(track::read(source, head)?),
            b"mvex" => {
                is_fragmented = true;
                for head in boxes::children(source, head)? {
                    match &head.kind {
                        b"mehd" => whole = Some(leaf::<Mehd, _>(source, head)?.fragment_duration),
                        b"trex" => {
                            let trex: Trex = leaf(source, head)?;
                            frame_lengths.push((trex.track_id, trex.default_sample_duration));
                        }
                        _ => {}
                    }
                }
            }
            b"cmov" => {
                return Err(Fault::new(
                    FaultKind::Unsupported,
                    "the index (moov) of the video is compressed, as QuickTime did long ago; export it again as MP4",
                ));
            }
            _ => {}
        }
    }
    let Some(header) = header else {
        return Err(Fault::broken(WHAT, "its index has no header (mvhd)"));
    };
    Ok(Movie {
        timescale: header.timescale,
        duration: known(header.duration),
        whole: whole.and_then(known).filter(|units| *units > 0),
        is_fragmented,
        tracks,
        frame_lengths,
        matrix: header.matrix,
    })
}

/// A small box, decoded.
pub(super) fn leaf<A: Atom, R: Read + Seek>(
    source: &mut Source<'_, R>,
    head: Head,
) -> Result<A, Fault> {
    const MAX_LEAF: u64 = 4096;
    let broken = |why: &dyn std::fmt::Display| {
        let name = boxes::name(head.kind);
        Fault::broken(WHAT, format_args!("its box {name} cannot be read ({why})"))
    };
    let count = head.end - head.body;
    if count > MAX_LEAF {
        return Err(broken(&format_args!("{count} bytes long")));
    }
    let body = source.bytes(WHAT, head.body, usize::try_from(count).unwrap_or(0))?;
    A::decode_body(&mut &*body).map_err(|error| broken(&error))
}

/// All bits set, in either width of the field, means that the length is not known.
pub(super) fn known(duration: u64) -> Option<u64> {
    (duration != u64::MAX && duration != u64::from(u32::MAX)).then_some(duration)
}

impl Movie {
    /// The track that is shown.
    pub(super) fn picture(&self) -> Result<&Track, Fault> {
        let mut pictures = self.tracks.iter().filter(|track| &track.handler == b"vide");
        let first = pictures.next();
        let shown = first
            .filter(|track| track.is_enabled)
            .or_else(|| pictures.find(|track| track.is_enabled))
            .or(first);
        let Some(track) = shown else {
            return Err(if self.sound().is_some() {
                Fault::new(
                    FaultKind::Unsupported,
                    "the file has sound but no pictures; a video needs a track of pictures",
                )
            } else {
                Fault::broken(WHAT, "it has no track of pictures")
            });
        };
        if track.width == 0 || track.height == 0 {
            return Err(Fault::broken(
                WHAT,
                format_args!("it says it is {} x {} pixels", track.width, track.height),
            ));
        }
        Ok(track)
    }

    /// The track that is heard.
    pub(super) fn sound(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| &track.handler == b"soun")
    }

    /// Degrees clockwise for showing `track`, leaving mirroring aside.
    pub(super) fn rotation(&self, track: &Track) -> u16 {
        rotation(&track.matrix, &self.matrix)
    }
}

/// Degrees clockwise that a track and then the film are turned by. A mirrored picture counts as turned first, then
/// mirrored left to right.
fn rotation(track: &Matrix, film: &Matrix) -> u16 {
    let wide = |matrix: &Matrix| [matrix.a, matrix.b, matrix.c, matrix.d].map(i128::from);
    let ([a, b, c, d], [fa, fb, fc, fd]) = (wide(track), wide(film));
    let (a, b, c, d) = (
        a * fa + b * fc,
        a * fb + b * fd,
        c * fa + d * fc,
        c * fb + d * fd,
    );
    let is_mirrored = (a.signum() * d.signum() - b.signum() * c.signum()) < 0;
    let across = if is_mirrored { -a } else { a };
    match (across.abs() >= b.abs(), across >= 0, b >= 0) {
        (true, true, _) => 0,
        (true, false, _) => 180,
        (false, _, true) => 90,
        (false, _, false) => 270,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Matrix {
        Matrix {
            a: a * ONE,
            b: b * ONE,
            c: c * ONE,
            d: d * ONE,
            ..Matrix::default()
        }
    }

    #[test]
    fn a_matrix_turns_clockwise() {
        let still = matrix(1, 0, 0, 1);
        for (turned, degrees) in [
            (matrix(1, 0, 0, 1), 0),
            (matrix(0, 1, -1, 0), 90),
            (matrix(-1, 0, 0, -1), 180),
            (matrix(0, -1, 1, 0), 270),
        ] {
            assert_eq!(rotation(&turned, &still), degrees);
            assert_eq!(rotation(&still, &turned), degrees);
        }
        let quarter = matrix(0, 1, -1, 0);
        assert_eq!(rotation(&quarter, &quarter), 180);
    }

    #[test]
    fn a_mirrored_matrix_is_turned_then_mirrored_left_to_right() {
        let still = matrix(1, 0, 0, 1);
        for (mirrored, degrees) in [
            (matrix(-1, 0, 0, 1), 0),
            (matrix(1, 0, 0, -1), 180),
            (matrix(0, 1, 1, 0), 90),
            (matrix(0, -1, -1, 0), 270),
        ] {
            assert_eq!(rotation(&mirrored, &still), degrees);
        }
    }

    #[test]
    fn extreme_matrices_do_not_overflow() {
        let extreme = Matrix {
            a: i32::MIN,
            b: i32::MIN,
            c: i32::MIN,
            d: i32::MIN,
            ..Matrix::default()
        };
        assert_eq!(rotation(&extreme, &extreme) % 90, 0);
    }
}
