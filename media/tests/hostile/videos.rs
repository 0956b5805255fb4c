//! Videos made to do harm.

use std::io::Cursor;

use multi_upload_media::{FaultKind, faststart};

use super::common::{Counted, Sparse, file, probe};
use super::{alone, kind, patched, within};

/// A box of an MP4.
fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(content.len() + 8)
        .expect("short")
        .to_be_bytes()
        .to_vec();
    out.extend(kind);
    out.extend(content);
    out
}

#[test]
fn absurd_boxes_are_refused() {
    let _alone = alone();
    let good = file("index-front.mp4");
    let moov = good
        .windows(4)
        .position(|name| name == b"moov")
        .expect("an index")
        - 4;
    let head = &good[..moov];
    let with = |tail: Vec<u8>| [head, &tail].concat();
    let nested = (0..100_000).fold(Vec::new(), |mut all, _| {
        all.extend(b"\0\0\0\0moov");
        all
    });
    let cases: Vec<(&str, Vec<u8>, FaultKind)> = vec![
        (
            "an index of four gigabytes",
            with(b"\xFF\xFF\xFF\xFFmoov".to_vec()),
            FaultKind::Truncated,
        ),
        (
            "a box of 2^64 bytes",
            with(b"\0\0\0\x01moov\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF".to_vec()),
            FaultKind::Truncated,
        ),
        (
            "a box shorter than its header",
            with(b"\0\0\0\x04moov\0\0\0\0".to_vec()),
            FaultKind::Broken,
        ),
        (
            "a long box shorter than its header",
            with(b"\0\0\0\x01moov\0\0\0\0\0\0\0\x08".to_vec()),
            FaultKind::Broken,
        ),
        ("boxes in boxes", with(nested), FaultKind::Broken),
        (
            "100,000 empty boxes in the file",
            with(b"\0\0\0\x08free".repeat(100_000)),
            FaultKind::TooLarge,
        ),
        (
            "100,000 empty boxes in the index",
            with(boxed(b"moov", &b"\0\0\0\x08free".repeat(100_000))),
            FaultKind::TooLarge,
        ),
        (
            "100,000 tracks",
            with(boxed(b"moov", &b"\0\0\0\x08trak".repeat(100_000))),
            FaultKind::TooLarge,
        ),
        (
            "a track without anything",
            with(boxed(b"moov", &boxed(b"trak", b""))),
            FaultKind::Broken,
        ),
        (
            "an index of 40 megabytes",
            with(boxed(b"moov", &vec![0; 40 << 20])),
            FaultKind::TooLarge,
        ),
        (
            "a table of 2^32 places",
            patched(good.clone(), b"stco", 4, &[0xFF; 4]),
            FaultKind::Broken,
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(
            kind(within(4.0, || probe(&bytes))),
            Some(expected),
            "{name}"
        );
        let plan = within(4.0, || {
            faststart(&mut Cursor::new(&bytes), bytes.len() as u64)
        });
        if let Ok(plan) = plan {
            // Nothing in it was looked at, since nothing is to be moved.
            assert_eq!(plan.pieces.len(), 1, "{name}");
        }
    }
}

#[test]
fn long_tables_are_passed_over() {
    let _alone = alone();
    let old = file("index-end.mp4");
    let at = |bytes: &[u8], kind: &[u8]| {
        bytes
            .windows(4)
            .position(|name| name == kind)
            .expect("the box")
            - 4
    };
    // The first track's table of sizes with 100,000 entries more, and the boxes around it longer by as much.
    let (table, more) = (at(&old, b"stsz"), 400_000_u32);
    let mut bytes = old.clone();
    for outer in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"] {
        let place = at(&bytes, outer);
        let size = u32::from_be_bytes(bytes[place..place + 4].try_into().expect("four")) + more;
        bytes[place..place + 4].copy_from_slice(&size.to_be_bytes());
    }
    bytes.splice(
        table + 20..table + 20,
        std::iter::repeat_n(0, more as usize),
    );
    let mut reader = Counted::new(Cursor::new(&bytes));
    let facts = within(1.0, || {
        multi_upload_media::probe(&mut reader, bytes.len() as u64)
    })
    .expect("facts");
    assert_eq!(facts.duration_ms, Some(2000));
    assert!(reader.bytes.get() < 20_000, "{} bytes", reader.bytes.get());
    within(3.0, || {
        faststart(&mut Cursor::new(&bytes), bytes.len() as u64)
    })
    .expect("a plan");
}

#[test]
fn a_run_of_four_thousand_million_frames_costs_nothing() {
    let _alone = alone();
    let run = boxed(b"trun", &[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let mut bytes = file("fragmented-late.mp4");
    // Another fragment behind the others: track 1, frames of the usual length.
    let track = boxed(b"tfhd", &[0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 1]);
    bytes.extend(boxed(
        b"moof",
        &[
            boxed(b"mfhd", &[0, 0, 0, 0, 0, 0, 0, 9]),
            boxed(b"traf", &[track, run].concat()),
        ]
        .concat(),
    ));
    let facts = within(1.0, || probe(&bytes)).expect("facts");
    assert!(
        facts.duration_ms.is_some_and(|length| length > 1_000_000),
        "{:?}",
        facts.duration_ms
    );
}

#[test]
fn a_length_that_is_not_that_of_the_file_is_noticed() {
    let bytes = file("index-end.mp4");
    let longer = multi_upload_media::probe(&mut Cursor::new(&bytes), bytes.len() as u64 + 1000);
    assert_eq!(kind(longer), Some(FaultKind::Truncated));
    let shorter = multi_upload_media::probe(&mut Cursor::new(&bytes), bytes.len() as u64 - 1000);
    assert_eq!(kind(shorter), Some(FaultKind::Truncated));
    // Zeros without end behind it are no box: the video is what it is, and little is read of them.
    let mut endless = Counted::new(Sparse::new(u64::MAX, vec![(0, bytes)]));
    let facts = multi_upload_media::probe(&mut endless, u64::MAX).expect("facts");
    assert_eq!(facts.duration_ms, Some(2000));
    assert!(
        endless.bytes.get() < 20_000,
        "{} bytes",
        endless.bytes.get()
    );
}
