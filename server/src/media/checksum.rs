//! Checksums: that of a piece, which tus callers may send, and that of the whole file, which goes on where it stopped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha1::Sha1;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

/// What `Upload-Checksum` may begin with.
pub(crate) const ALGORITHMS: &str = "sha1,sha256";

/// The checksum that a piece must have.
#[derive(Debug, Clone)]
pub(crate) struct Checksum {
    running: Running,
    expected: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Running {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// Reads `sha1 BASE64`; `None` if it is none, or of an algorithm that is not supported.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(' ')?;
        let running = match name {
            "sha1" => Running::Sha1(Sha1::new()),
            "sha256" => Running::Sha256(Sha256::new()),
            _ => return None,
        };
        let expected = STANDARD.decode(value.trim()).ok()?;
        let length = match running {
            Running::Sha1(_) => 20,
            Running::Sha256(_) => 32,
        };
        (expected.len() == length).then_some(Self { running, expected })
    }

    pub(super) fn update(&mut self, block: &[Bytes]) {
        for piece in block {
            match &mut self.running {
                Running::Sha1(sha) => sha.update(piece),
                Running::Sha256(sha) => sha.update(piece),
            }
        }
    }

    /// Is it what was expected?
    pub(super) fn holds(self) -> bool {
        match self.running {
            Running::Sha1(sha) => sha.finalize()[..] == self.expected[..],
            Running::Sha256(sha) => sha.finalize()[..] == self.expected[..],
        }
    }
}

/// The SHA-256 of a file so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole(Sha256);

impl Whole {
    /// Goes on from what [`Whole::text`] gave.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let state = SerializedState::<Sha256>::try_from(bytes.as_slice()).ok()?;
        Sha256::deserialize(&state).ok().map(Self)
    }

    pub(super) fn text(&self) -> String {
        STANDARD.encode(self.0.serialize())
    }

    pub(super) fn update(&mut self, block: &[Bytes]) {
        for piece in block {
            self.0.update(piece);
        }
    }

    /// Lower-case hex.
    pub(super) fn hex(self) -> String {
        let hash = self.0.finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_file_goes_on_where_it_stopped() {
        let content: Vec<u8> = (0..1_000_u32).map(|n| n as u8).collect();
        for cut in [0, 1, 63, 64, 65, 999, 1_000] {
            let mut first = Whole::default();
            first.update(&[Bytes::copy_from_slice(&content[..cut])]);
            let mut rest = Whole::from_text(&first.text()).expect("its own words");
            rest.update(&[Bytes::copy_from_slice(&content[cut..])]);
            let mut whole = Whole::default();
            whole.update(&[Bytes::copy_from_slice(&content)]);
            assert_eq!(rest.hex(), whole.hex(), "{cut}");
        }
        assert!(Whole::from_text("AAAA").is_none());
    }

    #[test]
    fn the_sum_of_a_piece_is_checked() {
        for (text, holds) in [
            ("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", true),
            ("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ0A=", false),
            ("sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", true),
        ] {
            let mut sum = Checksum::parse(text).expect("it is one");
            sum.update(&[Bytes::from("hel"), Bytes::from("lo")]);
            assert_eq!(sum.holds(), holds, "{text}");
        }
        for text in [
            "sha1",
            "sha1 AAAA",
            "md5 XUFAKrxLKna5cZ2REBfFkg==",
            "sha256 !",
        ] {
            assert!(Checksum::parse(text).is_none(), "{text}");
        }
    }
}
