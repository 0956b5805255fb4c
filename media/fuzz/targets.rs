//! What must hold for any bytes at all. Each function is a target of cargo-fuzz (`fuzz_targets/`) and of the mutation
//! tests on the stable toolchain (`../tests/mutations.rs`).

use std::io::{Cursor, Read, Seek, SeekFrom};

use multi_upload_media::{Piece, Wants, convert, faststart, probe, thumbnail};

/// The facts make sense, and at most 1 MiB was read for them.
pub(crate) fn probe_target(bytes: &[u8]) {
    let mut reader = Counted {
        inner: Cursor::new(bytes),
        bytes: 0,
    };
    let facts = probe(&mut reader, bytes.len() as u64);
    assert!(reader.bytes <= 1 << 20, "{} bytes were read", reader.bytes);
    if let Ok(facts) = facts {
        assert!(facts.width > 0 && facts.height > 0);
        assert!([0, 90, 180, 270].contains(&facts.rotation));
    }
}

/// What was made fits what was wanted, by its own content.
pub(crate) fn convert_target(bytes: &[u8]) {
    let wants = Wants {
        content_types: &["image/jpeg", "image/png"],
        max_bytes: 4000,
        max_pixels: Some(1500),
        max_side: Some(64),
    };
    let Ok(done) = convert(bytes, &wants) else {
        return;
    };
    assert!(done.bytes.len() <= 4000);
    let mut reader = Cursor::new(&done.bytes);
    let facts = probe(&mut reader, done.bytes.len() as u64).expect("a whole image");
    assert_eq!((facts.width, facts.height), (done.width, done.height));
    assert_eq!(
        (facts.content_type.as_str(), facts.rotation),
        (done.content_type, 0)
    );
    assert!(facts.width.max(facts.height) <= 64 && facts.width * facts.height <= 1500);
    assert_eq!(facts.colors, None);
}

/// A thumbnail is a whole JPEG within its side.
pub(crate) fn thumbnail_target(bytes: &[u8]) {
    let Ok(small) = thumbnail(bytes, 20) else {
        return;
    };
    let mut reader = Cursor::new(&small.bytes);
    let facts = probe(&mut reader, small.bytes.len() as u64).expect("a whole image");
    assert_eq!(facts.content_type, "image/jpeg");
    assert_eq!((facts.width, facts.height), (small.width, small.height));
    assert!(facts.width.max(facts.height) <= 20);
}

/// A plan refers to bytes that exist; carried out, it gives a file with its index in front if the old one had facts.
pub(crate) fn faststart_target(bytes: &[u8]) {
    let Ok(plan) = faststart(&mut Cursor::new(bytes), bytes.len() as u64) else {
        return;
    };
    let mut new = Vec::new();
    for piece in &plan.pieces {
        match piece {
            Piece::Bytes(bytes) => new.extend_from_slice(bytes),
            Piece::Range(from, to) => {
                let place = |at: &u64| usize::try_from(*at).expect("a place in memory");
                new.extend_from_slice(&bytes[place(from)..place(to)]);
            }
        }
    }
    assert_eq!(new.len() as u64, plan.len);
    if probe(&mut Cursor::new(bytes), bytes.len() as u64).is_ok() {
        let facts = probe(&mut Cursor::new(&new), plan.len).expect("the moved video");
        assert_eq!(facts.index_first, Some(true));
    }
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}
