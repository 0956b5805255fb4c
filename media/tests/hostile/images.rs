//! Images made to do harm.

use image::{GrayImage, ImageEncoder};
use multi_upload_media::{FaultKind, Wants, convert, thumbnail};

use super::common::{file, probe};
use super::{alone, kind, patched, within};

const BOTH: Wants<'_> = Wants {
    content_types: &["image/jpeg", "image/png"],
    max_bytes: 1_000_000,
    max_pixels: None,
    max_side: Some(2000),
};

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
