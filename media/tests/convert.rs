//! Images made to fit, looked at afterwards.

mod common;

use common::{assert_corners, file, picture, probe};
use image::{ImageDecoder, RgbImage};
use multi_upload_media::{Change, Converted, Fault, FaultKind, Wants, convert};
use std::borrow::Cow;
use std::io::Cursor;

const BOTH: Wants<'_> = Wants {
    content_types: &["image/jpeg", "image/png"],
    max_bytes: 20_000_000,
    max_pixels: None,
    max_side: None,
};

const JPEG: Wants<'_> = Wants {
    content_types: &["image/jpeg"],
    ..BOTH
};

#[track_caller]
fn converted<'a>(bytes: &'a [u8], wants: &Wants<'_>) -> Converted<'a> {
    let done = convert(bytes, wants).unwrap_or_else(|fault| panic!("{fault}"));
    let facts = probe(&done.bytes).expect("a whole image");
    assert_eq!(facts.content_type, done.content_type);
    assert_eq!((facts.width, facts.height), (done.width, done.height));
    assert_eq!(facts.rotation, 0);
    assert!(wants.content_types.contains(&done.content_type));
    assert!(done.bytes.len() as u64 <= wants.max_bytes);
    done
}

/// A picture that compresses badly.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = state.to_be_bytes();
        image::Rgb([a, b, c])
    })
}

fn png_of(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("written");
    bytes.into_inner()
}

#[test]
fn what_fits_comes_back_untouched() {
    for name in [
        "orientation-1.jpg",
        "progressive.jpg",
        "plain.png",
        "alpha.png",
        "profile.jpg",
        "gray16.png",
    ] {
        let bytes = file(name);
        let done = converted(&bytes, &BOTH);
        assert!(
            matches!(&done.bytes, Cow::Borrowed(same) if *same == bytes),
            "{name}"
        );
        assert_eq!(done.changes, [], "{name}");
    }
    let bytes = file("animated.webp");
    let wants = Wants {
        content_types: &["image/webp"],
        ..BOTH
    };
    assert_eq!(converted(&bytes, &wants).changes, []);
}

#[test]
fn every_orientation_becomes_upright() {
    for orientation in 2..=8 {
        let name = format!("orientation-{orientation}.jpg");
        let bytes = file(&name);
        let done = converted(&bytes, &BOTH);
        assert_eq!(done.changes, [Change::Orientation], "{name}");
        assert_eq!((done.width, done.height), (48, 32), "{name}");
        assert_corners(&picture(&done.bytes), 12, &name);
    }
    for (name, content_type) in [
        ("orientation-6.png", "image/png"),
        ("orientation-6.webp", "image/jpeg"),
    ] {
        let bytes = file(name);
        let done = converted(&bytes, &BOTH);
        assert_eq!(done.content_type, content_type);
        assert_eq!((done.width, done.height), (48, 32), "{name}");
        assert_corners(&picture(&done.bytes), 12, name);
    }
}

#[test]
fn webp_becomes_what_keeps_its_look() {
    for name in ["lossy.webp", "lossless.webp"] {
        let bytes = file(name);
        let done = converted(&bytes, &BOTH);
        assert_eq!(
            (done.content_type, done.changes),
            ("image/jpeg", vec![Change::Type]),
            "{name}"
        );
        assert_corners(&picture(&done.bytes), 20, name);
    }
    let bytes = file("alpha.webp");
    let done = converted(&bytes, &BOTH);
    assert_eq!(done.content_type, "image/png");
    assert_eq!(picture(&done.bytes).get_pixel(2, 2).0[3], 0);
    let bytes = file("animated.webp");
    assert_eq!(
        converted(&bytes, &BOTH).changes,
        [Change::Frames, Change::Type]
    );
}

#[test]
fn transparency_becomes_white_where_it_must_go() {
    for name in ["alpha.webp", "alpha.png", "palette.png"] {
        let bytes = file(name);
        let done = converted(&bytes, &JPEG);
        assert!(done.changes.contains(&Change::Transparency), "{name}");
        let [r, g, b, a] = picture(&done.bytes).get_pixel(2, 2).0;
        assert!(
            r > 235 && g > 235 && b > 235 && a == 255,
            "{name}: {r} {g} {b} {a}"
        );
    }
}

#[test]
fn inks_become_light() {
    let bytes = file("cmyk.jpg");
    let done = converted(&bytes, &BOTH);
    assert_eq!(done.changes, [Change::Colors]);
    assert_eq!(probe(&done.bytes).map(|facts| facts.colors), Ok(None));
    assert_corners(&picture(&done.bytes), 12, "cmyk");
}

#[test]
fn sizes_are_reduced_to_the_limits() {
    let bytes = file("orientation-6.jpg");
    let wants = Wants {
        max_side: Some(24),
        ..BOTH
    };
    let done = converted(&bytes, &wants);
    assert_eq!((done.width, done.height), (24, 16));
    assert_eq!(done.changes, [Change::Size, Change::Orientation]);
    assert_corners(&picture(&done.bytes), 12, "turned and scaled");

    let bytes = file("plain.png");
    let wants = Wants {
        max_pixels: Some(100),
        ..BOTH
    };
    let done = converted(&bytes, &wants);
    assert_eq!(
        (done.width, done.height, done.content_type),
        (12, 8, "image/png")
    );
}

#[test]
fn bytes_are_reduced_to_the_limit() {
    let image = noise(300, 200);
    let bytes = png_of(&image);
    for (max_bytes, changes) in [
        (150_000, vec![Change::Type]),
        (60_000, vec![Change::Quality, Change::Type]),
        (10_000, vec![Change::Size, Change::Type]),
        (1000, vec![Change::Size, Change::Type]),
    ] {
        let wants = Wants { max_bytes, ..BOTH };
        let done = converted(&bytes, &wants);
        assert_eq!(done.content_type, "image/jpeg");
        for change in changes {
            assert!(
                done.changes.contains(&change),
                "{max_bytes}: {:?}",
                done.changes
            );
        }
        assert!(
            done.bytes.len() as u64 > max_bytes / 5,
            "{max_bytes}: wastes {}",
            done.bytes.len()
        );
    }
}

#[test]
fn what_cannot_fit_is_refused_with_the_figure() {
    let bytes = file("plain.png");
    let wants = Wants {
        max_bytes: 10,
        ..BOTH
    };
    let fault = convert(&bytes, &wants).expect_err("ten bytes");
    assert_eq!(fault.kind, FaultKind::Unfit);
    assert!(fault.message.contains("at most 10 are taken"), "{fault}");

    let wants = Wants {
        content_types: &["image/webp"],
        ..BOTH
    };
    assert_eq!(
        convert(&bytes, &wants).map_err(|fault| fault.kind),
        Err(FaultKind::Unfit)
    );
    let video = file("silent.mp4");
    assert_eq!(
        convert(&video, &BOTH).map_err(|Fault { kind, .. }| kind),
        Err(FaultKind::Unsupported)
    );
}

#[test]
fn the_colour_profile_stays() {
    let profile = |bytes: &[u8]| {
        image::codecs::jpeg::JpegDecoder::new(Cursor::new(bytes))
            .and_then(|mut decoder| decoder.icc_profile())
            .expect("a JPEG")
    };
    let bytes = file("profile.jpg");
    let wants = Wants {
        max_side: Some(16),
        ..BOTH
    };
    let done = converted(&bytes, &wants);
    assert!(profile(&bytes).is_some());
    assert_eq!(profile(&done.bytes), profile(&bytes));
}

#[test]
fn sides_that_jpeg_cannot_have_are_reduced() {
    let bytes = png_of(&RgbImage::new(70_000, 1));
    let done = converted(&bytes, &JPEG);
    assert_eq!((done.width, done.height), (65_535, 1));
}
