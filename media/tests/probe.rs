//! The facts of real files, and of what is left of them when something is missing.

mod common;

use common::{Counted, all, file, probe};
use multi_upload_media::FaultKind;
use multi_upload_wire::{MediaFacts, MediaKind};
use std::io::Cursor;

#[track_caller]
fn facts(name: &str) -> MediaFacts {
    probe(&file(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

#[test]
fn images_are_known_by_their_content() {
    for (name, content_type) in [
        ("orientation-1.jpg", "image/jpeg"),
        ("progressive.jpg", "image/jpeg"),
        ("gray.jpg", "image/jpeg"),
        ("profile.jpg", "image/jpeg"),
        ("plain.png", "image/png"),
        ("palette.png", "image/png"),
        ("gray16.png", "image/png"),
        ("lossy.webp", "image/webp"),
        ("lossless.webp", "image/webp"),
        ("alpha.webp", "image/webp"),
    ] {
        let facts = facts(name);
        assert_eq!(facts.kind, MediaKind::Image, "{name}");
        assert_eq!(facts.content_type, content_type, "{name}");
        assert_eq!((facts.width, facts.height), (48, 32), "{name}");
        assert_eq!((facts.rotation, facts.animated), (0, false), "{name}");
        assert_eq!((facts.colors, facts.duration_ms), (None, None), "{name}");
    }
}

#[test]
fn orientation_becomes_rotation() {
    for (orientation, rotation) in [
        (1, 0),
        (2, 0),
        (3, 180),
        (4, 180),
        (5, 90),
        (6, 90),
        (7, 270),
        (8, 270),
    ] {
        let facts = facts(&format!("orientation-{orientation}.jpg"));
        assert_eq!(facts.rotation, rotation, "{orientation}");
        let stored = if orientation < 5 { (48, 32) } else { (32, 48) };
        assert_eq!((facts.width, facts.height), stored, "{orientation}");
    }
    assert_eq!(facts("orientation-6.png").rotation, 90);
    assert_eq!(facts("orientation-6.webp").rotation, 90);
}

#[test]
fn inks_and_frames_are_noticed() {
    assert_eq!(facts("cmyk.jpg").colors.as_deref(), Some("cmyk"));
    assert!(facts("animated.png").animated);
    assert!(facts("animated.webp").animated);
}

/// Compared with what ffprobe says of the same files.
#[test]
fn videos_say_what_they_are() {
    let expected = [
        (
            "index-end.mp4",
            "video/mp4",
            2000,
            "h264",
            Some("aac"),
            (64, 36),
        ),
        (
            "index-front.mp4",
            "video/mp4",
            2000,
            "h264",
            Some("aac"),
            (64, 36),
        ),
        ("silent.mp4", "video/mp4", 2000, "h264", None, (64, 36)),
        (
            "quicktime.mov",
            "video/quicktime",
            2000,
            "h264",
            Some("aac"),
            (64, 36),
        ),
        (
            "prores.mov",
            "video/quicktime",
            300,
            "prores",
            None,
            (32, 16),
        ),
        ("hevc.mp4", "video/mp4", 2000, "hevc", None, (64, 36)),
        ("av1.mp4", "video/mp4", 500, "av1", None, (64, 36)),
        ("vp9.mp4", "video/mp4", 500, "vp9", None, (64, 36)),
        ("mp3.mp4", "video/mp4", 2000, "h264", Some("mp3"), (64, 36)),
        (
            "opus.mp4",
            "video/mp4",
            2000,
            "h264",
            Some("opus"),
            (64, 36),
        ),
        (
            "fragmented.mp4",
            "video/mp4",
            2000,
            "h264",
            Some("aac"),
            (64, 36),
        ),
        (
            "fragmented-late.mp4",
            "video/mp4",
            2000,
            "h264",
            None,
            (64, 36),
        ),
        ("segments.mp4", "video/mp4", 2000, "h264", None, (64, 36)),
        ("no-frames.mp4", "video/mp4", 0, "h264", None, (64, 36)),
    ];
    for (name, content_type, duration, video, audio, size) in expected {
        let facts = facts(name);
        assert_eq!(facts.kind, MediaKind::Video, "{name}");
        assert_eq!(facts.content_type, content_type, "{name}");
        assert_eq!((facts.width, facts.height), size, "{name}");
        assert_eq!(facts.video_codec.as_deref(), Some(video), "{name}");
        assert_eq!(facts.audio_codec.as_deref(), audio, "{name}");
        let off = facts.duration_ms.expect("a length").abs_diff(duration);
        assert!(off <= 50, "{name}: {:?}", facts.duration_ms);
    }
}

#[test]
fn the_place_of_the_index_and_fragments_are_told() {
    for (name, fragmented, index_first) in [
        ("index-end.mp4", false, false),
        ("index-front.mp4", false, true),
        ("quicktime.mov", false, false),
        ("fragmented.mp4", true, true),
        ("segments.mp4", true, true),
    ] {
        let facts = facts(name);
        assert_eq!(facts.fragmented, Some(fragmented), "{name}");
        assert_eq!(facts.index_first, Some(index_first), "{name}");
    }
}

#[test]
fn videos_are_turned_clockwise() {
    for degrees in [90, 180, 270] {
        assert_eq!(facts(&format!("rotated-{degrees}.mp4")).rotation, degrees);
    }
    assert_eq!(facts("silent.mp4").rotation, 0);
}

#[test]
fn a_few_kilobytes_are_enough() {
    for (name, bytes) in all() {
        let mut reader = Counted::new(Cursor::new(&bytes));
        multi_upload_media::probe(&mut reader, bytes.len() as u64)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(
            reader.bytes.get() <= 16 * 1024,
            "{name}: {} bytes",
            reader.bytes.get()
        );
        assert!(
            reader.reads.get() <= 40,
            "{name}: {} reads",
            reader.reads.get()
        );
    }
}

/// Cut anywhere, a file is cut off, not unknown, as soon as it can be told what it was.
#[test]
fn a_part_of_a_file_is_cut_off() {
    for (name, bytes) in all() {
        for keep in 0..bytes.len() {
            let kind = match probe(&bytes[..keep]) {
                Ok(facts) => {
                    // A fragment less is a shorter film; nothing in the file says how many there should be.
                    assert_eq!(facts.fragmented, Some(true), "{name} cut at {keep}");
                    continue;
                }
                Err(fault) => fault.kind,
            };
            match keep {
                0 => assert_eq!(kind, FaultKind::Empty, "{name} cut at {keep}"),
                1..12 => assert!(
                    matches!(kind, FaultKind::Unknown | FaultKind::Truncated),
                    "{name} cut at {keep}: {kind:?}"
                ),
                _ => assert_eq!(kind, FaultKind::Truncated, "{name} cut at {keep}"),
            }
        }
    }
}

#[test]
fn other_files_are_refused_by_name() {
    for (content, kind, words) in [
        (
            b"GIF89a\x01\0\x01\0".as_slice(),
            FaultKind::Unsupported,
            "a GIF image",
        ),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0",
            FaultKind::Unsupported,
            "a HEIC image",
        ),
        (
            b"\0\0\0\x18ftypavif\0\0\0\0",
            FaultKind::Unsupported,
            "an AVIF image",
        ),
        (b"%PDF-1.7", FaultKind::Unsupported, "a PDF document"),
        (b"<svg xmlns=''/>", FaultKind::Unsupported, "an SVG drawing"),
        (b"\x1A\x45\xDF\xA3\x01", FaultKind::Unsupported, "Matroska"),
        (b"hello, world", FaultKind::Unknown, "whatever their names"),
        (b"\xFF", FaultKind::Unknown, "whatever their names"),
        (b"", FaultKind::Empty, "0 bytes"),
    ] {
        let fault = probe(content).expect_err("no image or video");
        assert_eq!(fault.kind, kind, "{content:?}");
        assert!(fault.message.contains(words), "{fault}");
    }
}

#[test]
fn sound_alone_is_no_video() {
    let mut bytes = file("index-front.mp4");
    let at = |bytes: &[u8], word: &[u8]| bytes.windows(4).position(|four| four == word);
    let vide = at(&bytes, b"vide").expect("a track of pictures");
    bytes[vide..vide + 4].copy_from_slice(b"text");
    assert_eq!(
        probe(&bytes).map_err(|fault| fault.kind),
        Err(FaultKind::Unsupported)
    );
}

#[test]
fn a_failing_reader_is_not_a_bad_file() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    impl std::io::Seek for Failing {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let fault = multi_upload_media::probe(&mut Failing, 100).expect_err("nothing can be read");
    assert_eq!(fault.kind, FaultKind::Io);
    assert!(fault.message.contains("the disk is gone"), "{fault}");
}
