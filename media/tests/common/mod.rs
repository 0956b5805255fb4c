//! What the tests of this crate share: its files, and a reader that counts.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::rc::Rc;

/// The bytes of one of the files in `tests/files`.
pub fn file(name: &str) -> Vec<u8> {
    let path = files().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every picture and video in `tests/files` with its name.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> = std::fs::read_dir(files())
        .expect("the folder of files")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .filter(|name| {
            let (_, ending) = name.rsplit_once('.').expect("an ending");
            !matches!(ending, "md" | "py" | "sh")
        })
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let bytes = file(&name);
            (name, bytes)
        })
        .collect()
}

fn files() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

/// A reader that counts reads and bytes.
pub struct Counted<R> {
    inner: R,
    pub bytes: Rc<Cell<u64>>,
    pub reads: Rc<Cell<u64>>,
}

impl<R> Counted<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            bytes: Rc::default(),
            reads: Rc::default(),
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.set(self.bytes.get() + count as u64);
        self.reads.set(self.reads.get() + 1);
        Ok(count)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// A file of pieces at places, with zeros between them: gigabytes without the memory.
pub struct Sparse {
    pub len: u64,
    pub pieces: Vec<(u64, Vec<u8>)>,
    at: u64,
}

impl Sparse {
    pub fn new(len: u64, pieces: Vec<(u64, Vec<u8>)>) -> Self {
        Self { len, pieces, at: 0 }
    }
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (self.len.saturating_sub(self.at)).min(buffer.len() as u64);
        let out = &mut buffer[..usize::try_from(count).expect("fits")];
        out.fill(0);
        let end = self.at + count;
        for (start, bytes) in &self.pieces {
            let (from, to) = ((*start).max(self.at), (start + bytes.len() as u64).min(end));
            if from < to {
                let index = |at: u64, base: u64| usize::try_from(at - base).expect("fits");
                out[index(from, self.at)..index(to, self.at)]
                    .copy_from_slice(&bytes[index(from, *start)..index(to, *start)]);
            }
        }
        self.at = end;
        Ok(out.len())
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.len.saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

/// The facts of these bytes.
pub fn probe(bytes: &[u8]) -> Result<multi_upload_wire::MediaFacts, multi_upload_media::Fault> {
    multi_upload_media::probe(&mut Cursor::new(bytes), bytes.len() as u64)
}

/// The picture in these bytes, as stored.
pub fn picture(bytes: &[u8]) -> image::RgbaImage {
    image::load_from_memory(bytes)
        .expect("a picture")
        .into_rgba8()
}

/// Asserts that the picture shows red, green, blue and white fields, in this order.
#[track_caller]
pub fn assert_corners(picture: &image::RgbaImage, tolerance: u8, what: &str) {
    const CORNERS: [[u8; 3]; 4] = [[220, 30, 30], [30, 180, 30], [30, 30, 220], [230, 230, 230]];
    let (width, height) = picture.dimensions();
    for (at, expected) in (0_u32..).zip(CORNERS) {
        let (x, y) = (
            width / 4 + at % 2 * width / 2,
            height / 4 + at / 2 * height / 2,
        );
        let [found @ .., alpha] = picture.get_pixel(x, y).0;
        let is_near = found
            .iter()
            .zip(expected)
            .all(|(a, b)| a.abs_diff(b) <= tolerance);
        assert!(
            is_near && alpha == 255,
            "{what}, field {at}: {found:?} instead of {expected:?}"
        );
    }
}
