//! The index moved to the front: the frames are found where the new index says.

mod common;

use common::{Sparse, all, file, probe};
use multi_upload_media::{FaultKind, Piece, Plan, faststart};
use std::io::{Cursor, Seek, SeekFrom};

fn plan(bytes: &[u8]) -> Plan {
    faststart(&mut Cursor::new(bytes), bytes.len() as u64).expect("a plan")
}

fn assemble(bytes: &[u8], plan: &Plan) -> Vec<u8> {
    let at = |place: u64| usize::try_from(place).expect("fits");
    let new: Vec<u8> = (plan.pieces.iter())
        .flat_map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::Range(from, to) => bytes[at(*from)..at(*to)].to_vec(),
        })
        .collect();
    assert_eq!(new.len() as u64, plan.len);
    new
}

/// The places in all tables of `stco` and `co64`, found by their names.
fn places(file: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    for at in 0..file.len().saturating_sub(12) {
        let width = match &file[at..at + 4] {
            b"stco" => 4,
            b"co64" => 8,
            _ => continue,
        };
        let count = u32::from_be_bytes(file[at + 8..at + 12].try_into().expect("four"));
        let entries = &file[at + 12..][..count as usize * width];
        found.extend((entries.chunks(width)).map(|entry| {
            entry
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        }));
    }
    found
}

#[test]
fn the_index_comes_first_and_points_to_the_same_frames() {
    for name in [
        "index-end.mp4",
        "quicktime.mov",
        "hevc.mp4",
        "silent.mp4",
        "mp3.mp4",
        "rotated-90.mp4",
    ] {
        let old = file(name);
        let new = assemble(&old, &plan(&old));
        assert_eq!(new.len(), old.len(), "{name}");
        let (before, after) = (probe(&old).expect("facts"), probe(&new).expect("facts"));
        assert_eq!(before.index_first, Some(false), "{name}");
        assert_eq!(after.index_first, Some(true), "{name}");
        assert_eq!(after.duration_ms, before.duration_ms, "{name}");
        let (from, to) = (places(&old), places(&new));
        assert_eq!(from.len(), to.len(), "{name}");
        assert!(!from.is_empty(), "{name}");
        for (from, to) in from.into_iter().zip(to) {
            let part =
                |file: &[u8], at: u64| file[usize::try_from(at).expect("fits")..][..16].to_vec();
            assert_eq!(part(&old, from), part(&new, to), "{name}");
        }
    }
}

/// `index-front.mp4` is ffmpeg's own move of the index of `index-end.mp4`.
#[test]
fn the_result_is_what_ffmpeg_makes() {
    let old = file("index-end.mp4");
    let (ours, theirs) = (assemble(&old, &plan(&old)), file("index-front.mp4"));
    assert_eq!(places(&ours), places(&theirs));
}

#[test]
fn a_video_with_its_index_in_front_stays_as_it_is() {
    for name in ["index-front.mp4", "fragmented.mp4", "segments.mp4"] {
        let old = file(name);
        let len = old.len() as u64;
        assert_eq!(
            plan(&old),
            Plan {
                pieces: vec![Piece::Range(0, len)],
                len
            },
            "{name}"
        );
    }
}

/// The file with `mdat` stretched to `stretch` bytes more, and all places moved up by as many.
fn stretched(name: &str, stretch: u64) -> Sparse {
    let bytes = file(name);
    let find = |kind: &[u8]| {
        bytes
            .windows(4)
            .position(|four| four == kind)
            .expect("the box")
            - 4
    };
    let (mdat, moov) = (find(b"mdat"), find(b"moov"));
    let mut head = bytes[..mdat].to_vec();
    let frames = (moov - mdat) as u64 + 8 + stretch;
    head.extend(1_u32.to_be_bytes());
    head.extend(b"mdat");
    head.extend(frames.to_be_bytes());
    let mut index = bytes[moov..].to_vec();
    for at in 0..index.len() - 12 {
        if &index[at..at + 4] == b"stco" {
            let count = u32::from_be_bytes(index[at + 8..at + 12].try_into().expect("four"));
            for entry in index[at + 12..][..count as usize * 4].chunks_mut(4) {
                let place = u32::from_be_bytes(entry.try_into().expect("four"));
                let moved = u64::from(place) + 8 + stretch;
                entry.copy_from_slice(&u32::try_from(moved).expect("32 bits").to_be_bytes());
            }
        }
    }
    let start = head.len() as u64 + frames - 16;
    Sparse::new(start + index.len() as u64, vec![(0, head), (start, index)])
}

#[test]
fn places_beyond_four_gigabytes_get_more_room() {
    // The last places are just below 2^32 before the move, and above after it.
    let mut old = stretched("index-end.mp4", u64::from(u32::MAX) - 4000);
    let len = old.len;
    let plan = faststart(&mut old, len).expect("a plan");
    let Some(Piece::Bytes(index)) = plan.pieces.get(1) else {
        panic!("{:?}", plan.pieces.len());
    };
    assert!(index.windows(4).any(|four| four == b"co64"));
    assert!(!index.windows(4).any(|four| four == b"stco"));
    let shift = index.len() as u64;
    let mut before = Vec::new();
    old.seek(SeekFrom::Start(0)).expect("a place");
    for (at, piece) in old.pieces.clone() {
        if at > 0 {
            before = places(&piece);
        }
    }
    let after = places(index);
    assert!(after.iter().any(|place| *place > u64::from(u32::MAX)));
    assert_eq!(
        after,
        before.iter().map(|place| place + shift).collect::<Vec<_>>()
    );
    assert_eq!(plan.pieces.iter().map(Piece::len).sum::<u64>(), plan.len);
}

#[test]
fn two_gigabytes_are_known_and_planned_from_a_few_kilobytes() {
    let mut reader = common::Counted::new(stretched("index-end.mp4", 2 << 30));
    let len = (2 << 30) + file("index-end.mp4").len() as u64 + 8;
    let facts = multi_upload_media::probe(&mut reader, len).expect("facts");
    assert_eq!(
        (facts.index_first, facts.duration_ms),
        (Some(false), Some(2000))
    );
    assert!(reader.bytes.get() < 10_000, "{} bytes", reader.bytes.get());
    faststart(&mut reader, len).expect("a plan");
    assert!(reader.bytes.get() < 20_000, "{} bytes", reader.bytes.get());
}

#[test]
fn a_box_up_to_the_end_of_the_file_keeps_its_length() {
    let mut old = file("index-end.mp4");
    // The last box of the index, which is the last of the file.
    let last = old
        .windows(4)
        .rposition(|four| four == b"udta")
        .expect("the last box")
        - 4;
    let length = u32::from_be_bytes(old[last..last + 4].try_into().expect("four"));
    assert_eq!(last + length as usize, old.len());
    old[last..last + 4].fill(0);
    let new = assemble(&old, &plan(&old));
    let moved = new
        .windows(4)
        .position(|four| four == b"udta")
        .expect("the box")
        - 4;
    assert_eq!(new[moved..moved + 4], length.to_be_bytes());
    assert_eq!(probe(&new).map(|facts| facts.index_first), Ok(Some(true)));
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let old = file("index-end.mp4");
    let moov = old
        .windows(4)
        .position(|four| four == b"moov")
        .expect("an index")
        - 4;
    let mut fragment = old.clone();
    fragment.splice(moov..moov, *b"\0\0\0\x08moof");
    let fault =
        faststart(&mut Cursor::new(&fragment), fragment.len() as u64).expect_err("fragments");
    assert_eq!(fault.kind, FaultKind::Unsupported);
    let fault = faststart(&mut Cursor::new(&old[..moov]), moov as u64).expect_err("no index");
    assert_eq!(fault.kind, FaultKind::Truncated);
    let mut short = old;
    let table = short
        .windows(4)
        .position(|four| four == b"stco")
        .expect("a table");
    short[table + 8] = 0x7F;
    let fault = faststart(&mut Cursor::new(&short), short.len() as u64).expect_err("a wrong table");
    assert_eq!(fault.kind, FaultKind::Broken);
    for (name, bytes) in all() {
        if !name.ends_with(".mp4") && !name.ends_with(".mov") {
            assert!(
                faststart(&mut Cursor::new(&bytes), bytes.len() as u64).is_err(),
                "{name}"
            );
        }
    }
}
