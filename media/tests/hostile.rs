//! Files made to do harm: refused or worked on within bounds of memory and time.

mod common;

use common::{Counted, Sparse, file, probe};
use image::{GrayImage, ImageEncoder};
use multi_upload_media::{Fault, FaultKind, Wants, convert, faststart, thumbnail};
use peak_alloc::PeakAlloc;
use std::io::Cursor;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One at a time: the memory of all threads is counted together.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than any refusal takes, with room for a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// Runs it; at most `megabytes` more memory than before, and soon.
#[track_caller]
fn within<T>(megabytes: f32, run: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage_as_mb();
    let began = Instant::now();
    let out = run();
    let (took, peak) = (began.elapsed(), MEMORY.peak_usage_as_mb() - before);
    assert!(peak <= megabytes, "{peak} MB");
    assert!(took <= SOON || megabytes > 10.0, "{took:?}");
    out
}

const BOTH: Wants<'_> = Wants {
    content_types: &["image/jpeg", "image/png"],
    max_bytes: 1_000_000,
    max_pixels: None,
    max_side: Some(2000),
};

fn kind<T>(result: Result<T, Fault>) -> Option<FaultKind> {
    result.err().map(|fault| fault.kind)
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(content.len())
        .expect("short")
        .to_be_bytes()
        .to_vec();
    out.extend(name);
    out.extend(content);
    let mut crc = u32::MAX;
    for byte in &out[4..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    out.extend((!crc).to_be_bytes());
    out
}

/// A black picture: nothing but zeros, strongly compressed.
fn black(width: u32, height: u32) -> Vec<u8> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    let image = GrayImage::new(width, height);
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::NoFilter)
        .write_image(&image, width, height, image::ExtendedColorType::L8)
        .expect("written");
    bytes
}

/// `bytes` with what follows `mark` after `skip` bytes replaced.
fn patched(mut bytes: Vec<u8>, mark: &[u8], skip: usize, new: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(mark.len())
        .position(|part| part == mark)
        .expect("the mark");
    bytes[at + mark.len() + skip..][..new.len()].copy_from_slice(new);
    bytes
}

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
fn floods_of_pixels_are_refused_before_decoding() {
    let _alone = alone();
    let mut png = b"\x89PNG\r\n\x1A\n".to_vec();
    png.extend(chunk(b"IHDR", b"\0\0\xC3\x50\0\0\xC3\x50\x08\x02\0\0\0"));
    png.extend(chunk(b"IDAT", b"\x78\x01\x03\0\0\0\0\x01"));
    png.extend(chunk(b"IEND", b""));
    let jpeg = patched(
        file("orientation-1.jpg"),
        b"\xFF\xC0\0\x11\x08",
        0,
        &[0xFF; 4],
    );
    let progressive = patched(
        file("progressive.jpg"),
        b"\xFF\xC2\0\x11\x08",
        0,
        &[0x20, 0, 0x20, 0],
    );
    let webp = patched(file("lossless.webp"), b"VP8L", 5, &[0xFF, 0xFF, 0xFF, 0x0F]);
    for (name, bytes) in [
        ("png", png),
        ("jpeg", jpeg),
        ("progressive", progressive),
        ("webp", webp),
    ] {
        let facts = within(1.0, || probe(&bytes)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(facts.width >= 6144, "{name}");
        let fault = within(1.0, || convert(&bytes, &BOTH)).expect_err("too many pixels");
        assert_eq!(fault.kind, FaultKind::TooLarge, "{name}");
        assert!(fault.message.contains("megapixels"), "{name}: {fault}");
        assert_eq!(
            kind(within(1.0, || thumbnail(&bytes, 256))),
            Some(FaultKind::TooLarge),
            "{name}"
        );
    }
}

/// What the limit of memory rests on: bytes for each pixel, by the kind of picture, plus a little.
#[test]
fn decoding_takes_no_more_memory_than_is_reckoned_with() {
    let _alone = alone();
    const SIDE: u32 = 1600;
    let side = 1600_u16.to_be_bytes();
    let sides = [side, side].concat();
    let png = black(SIDE, SIDE);
    let jpeg = patched(file("orientation-6.jpg"), b"\xFF\xC0\0\x11\x08", 0, &sides);
    let progressive = patched(file("progressive.jpg"), b"\xFF\xC2\0\x11\x08", 0, &sides);
    for (name, bytes, cost) in [
        ("png", png, 12.0),
        ("jpeg", jpeg, 9.0),
        ("progressive", progressive, 9.0),
    ] {
        let most = (SIDE * SIDE) as f32 * cost / (1 << 20) as f32 + 8.0;
        let small = within(most, || thumbnail(&bytes, 256));
        assert!(
            small.is_ok() || kind(small) == Some(FaultKind::Broken),
            "{name}"
        );
        let fitted = within(most, || convert(&bytes, &BOTH).map(|done| done.bytes.len()));
        assert!(
            fitted.is_ok() || kind(fitted) == Some(FaultKind::Broken),
            "{name}"
        );
    }
}

#[test]
fn a_bomb_in_a_colour_profile_does_not_go_off() {
    let _alone = alone();
    let zeros = black(5000, 5000);
    let data = zeros
        .windows(4)
        .position(|name| name == b"IDAT")
        .expect("a picture");
    let length = u32::from_be_bytes(zeros[data - 4..data].try_into().expect("four"));
    let mut profile = b"bomb\0\0".to_vec();
    profile.extend(&zeros[data + 4..][..length as usize]);
    drop(zeros);
    let mut png = file("plain.png");
    png.splice(33..33, chunk(b"iCCP", &profile));
    within(1.0, || probe(&png)).expect("facts");
    let wants = Wants {
        max_side: Some(16),
        ..BOTH
    };
    // Either way is good: without the profile, or not at all.
    let done = within(10.0, || convert(&png, &wants).map(|done| done.bytes.len()));
    assert!(done.is_ok_and(|bytes| bytes < 10_000));
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
fn a_file_is_what_it_begins_with() {
    let _alone = alone();
    let zip = b"PK\x03\x04malware.exe PK\x05\x06".repeat(8);
    let page = b"<script>alert(1)</script>".to_vec();
    for name in ["orientation-1.jpg", "plain.png"] {
        for tail in [&zip, &page] {
            let bytes = [file(name), tail.clone()].concat();
            let facts =
                within(1.0, || probe(&bytes)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(facts.width, 48, "{name}");
            let wants = Wants {
                max_side: Some(20),
                ..BOTH
            };
            let done = convert(&bytes, &wants).expect("made smaller");
            assert!(
                !done.bytes.windows(4).any(|four| four == &tail[..4]),
                "{name} keeps its tail"
            );
        }
    }
    for (front, expected) in [
        (b"PK\x03\x04".as_slice(), FaultKind::Unsupported),
        (b"<html>", FaultKind::Unsupported),
        (b"abcd", FaultKind::Unknown),
    ] {
        let bytes = [front, &file("orientation-1.jpg")].concat();
        assert_eq!(kind(probe(&bytes)), Some(expected));
    }
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

#[test]
fn segments_and_chunks_without_end_are_refused() {
    let _alone = alone();
    let jpeg = [
        b"\xFF\xD8".as_slice(),
        &b"\xFF\xE5\0\x02".repeat(200_000),
        b"\xFF\xD9",
    ]
    .concat();
    assert_eq!(
        kind(within(3.0, || probe(&jpeg))),
        Some(FaultKind::TooLarge)
    );
    let filled = [b"\xFF\xD8".as_slice(), &[0xFF; 2_000_000]].concat();
    assert_eq!(
        kind(within(3.0, || probe(&filled))),
        Some(FaultKind::Broken)
    );
    let plain = file("plain.png");
    let png = [
        &plain[..33],
        &chunk(b"teXt", b"").repeat(200_000),
        &plain[33..],
    ]
    .concat();
    assert_eq!(kind(within(3.0, || probe(&png))), Some(FaultKind::TooLarge));
    let mut webp = file("orientation-6.webp");
    webp.extend(b"JUNK\0\0\0\0".repeat(200_000));
    let length = u32::try_from(webp.len() - 8).expect("short").to_le_bytes();
    webp[4..8].copy_from_slice(&length);
    assert_eq!(
        kind(within(3.0, || probe(&webp))),
        Some(FaultKind::TooLarge)
    );
}

#[test]
fn a_picture_larger_than_its_image_is_not_decoded() {
    let _alone = alone();
    for name in ["alpha.webp", "animated.webp"] {
        let bytes = file(name);
        let lossy = bytes.windows(3).any(|three| three == [0x9D, 0x01, 0x2A]);
        let bytes = if lossy {
            patched(bytes, &[0x9D, 0x01, 0x2A], 0, &[0xFF, 0x3F, 0xFF, 0x3F])
        } else {
            patched(bytes, b"VP8L", 5, &[0xFF, 0xFF, 0xFF, 0x0F])
        };
        assert_eq!(
            kind(within(1.0, || convert(&bytes, &BOTH))),
            Some(FaultKind::Broken),
            "{name}"
        );
    }
}

#[test]
fn passes_without_end_are_refused() {
    let _alone = alone();
    let bytes = file("progressive.jpg");
    let scan = bytes
        .windows(2)
        .position(|pair| pair == [0xFF, 0xDA])
        .expect("a pass");
    let end = bytes.len() - 2;
    let bytes = [&bytes[..end], &bytes[scan..end].repeat(5000), &bytes[end..]].concat();
    assert_eq!(
        kind(within(1.0, || thumbnail(&bytes, 64))),
        Some(FaultKind::TooLarge)
    );
}
