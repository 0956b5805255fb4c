//! Thumbnails of all kinds of images.

mod common;

use common::{all, assert_corners, file, picture, probe};
use multi_upload_media::{FaultKind, thumbnail};

#[test]
fn every_image_becomes_a_small_jpeg() {
    for (name, bytes) in all() {
        if name.ends_with(".mp4") || name.ends_with(".mov") {
            assert_eq!(
                thumbnail(&bytes, 16).map_err(|fault| fault.kind),
                Err(FaultKind::Unsupported)
            );
            continue;
        }
        let small = thumbnail(&bytes, 24).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(small.width.max(small.height), 24, "{name}");
        let facts = probe(&small.bytes).expect("a whole image");
        assert_eq!(
            (facts.content_type.as_str(), facts.rotation),
            ("image/jpeg", 0),
            "{name}"
        );
        assert_eq!(
            (facts.width, facts.height),
            (small.width, small.height),
            "{name}"
        );
    }
}

#[test]
fn thumbnails_are_upright() {
    for orientation in 1..=8 {
        let name = format!("orientation-{orientation}.jpg");
        let small = thumbnail(&file(&name), 24).expect("an image");
        assert_corners(&picture(&small.bytes), 16, &name);
    }
}

#[test]
fn small_images_are_not_enlarged() {
    let small = thumbnail(&file("plain.png"), 1000).expect("an image");
    assert_eq!((small.width, small.height), (48, 32));
    let small = thumbnail(&file("plain.png"), 0).expect("an image");
    assert_eq!((small.width, small.height), (1, 1));
}
