//! Signed ends of chains, in a file outside the database: a database whose newest rows were cut off, or that was put back to an
//! older state, does not fit them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use multi_upload_wire::{ErrorCode, ErrorInfo};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::store::{AuditHead, ChainKey, Millis};
use crate::vault::MasterKey;

/// Name of the file in the data folder.
pub(crate) const FILE: &str = "audit-checkpoints.jsonl";

/// What the log is sealed and signed with, derived from the root key.
pub(crate) struct AuditKeys {
    pub(crate) chain: ChainKey,
    pair: Ed25519KeyPair,
}

impl AuditKeys {
    pub(crate) fn of(master: &MasterKey) -> Result<Self, ErrorInfo> {
        let seed = master.derive("multi-upload audit checkpoints 1");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| {
            ErrorInfo::new(
                ErrorCode::Internal,
                "the key of the audit could not be made",
            )
        })?;
        Ok(Self {
            chain: ChainKey::new(*master.derive("multi-upload audit chain 1")),
            pair,
        })
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) at: String,
    pub(crate) team: String,
    pub(crate) place: u64,
    /// Hash of the row at that place, in hexadecimal digits.
    pub(crate) hash: String,
    /// Ed25519 over the fields above, in hexadecimal digits.
    signature: String,
}

impl Checkpoint {
    fn sign(keys: &AuditKeys, head: &AuditHead, at: Millis) -> Self {
        let mut line = Self {
            at: rfc3339(at),
            team: head.team.clone(),
            place: head.place,
            hash: hex(&head.hash),
            signature: String::new(),
        };
        line.signature = hex(keys.pair.sign(&line.signed()).as_ref());
        line
    }

    fn signed(&self) -> Vec<u8> {
        format!(
            "multi-upload audit checkpoint 1\n{}\n{}\n{}\n{}",
            self.at, self.team, self.place, self.hash
        )
        .into_bytes()
    }

    fn is_ours(&self, keys: &AuditKeys) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, keys.pair.public_key().as_ref());
        unhex(&self.signature)
            .is_some_and(|signature| public.verify(&self.signed(), &signature).is_ok())
    }
}

/// The file.
pub(crate) struct Checkpoints(PathBuf);

impl Checkpoints {
    pub(crate) fn in_folder(data: &Path) -> Self {
        Self(data.join(FILE))
    }

    /// Adds the ends of chains, and waits until they are on disk.
    pub(crate) fn add(
        &self,
        keys: &AuditKeys,
        heads: &[AuditHead],
        at: Millis,
    ) -> std::io::Result<()> {
        let mut text = String::new();
        for head in heads {
            let line = Checkpoint::sign(keys, head, at);
            tracing::info!(team = %line.team, place = line.place, hash = %line.hash, signature = %line.signature, "audit checkpoint");
            text.push_str(&serde_json::to_string(&line)?);
            text.push('\n');
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.0)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// The checkpoints that are there, and how many lines are not ours. A last line without its end was cut by a power loss.
    pub(crate) fn read(&self, keys: &AuditKeys) -> std::io::Result<(Vec<Checkpoint>, u64)> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        let mut strange = 0;
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            match serde_json::from_str::<Checkpoint>(line) {
                Ok(line) if line.is_ours(keys) => found.push(line),
                _ => strange += 1,
            }
        }
        Ok((found, strange))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: &str) -> AuditKeys {
        AuditKeys::of(&MasterKey::parse(&byte.repeat(32)).unwrap()).unwrap()
    }

    fn head(place: u64) -> AuditHead {
        AuditHead {
            team: "team_a".to_owned(),
            place,
            hash: vec![3; 32],
        }
    }

    #[test]
    fn what_was_added_is_read_again_and_what_was_changed_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let file = Checkpoints::in_folder(folder.path());
        let ours = keys("0a");
        assert_eq!(file.read(&ours).unwrap(), (Vec::new(), 0));
        file.add(&ours, &[head(1), head(2)], 1_000).unwrap();
        file.add(&ours, &[head(3)], 2_000).unwrap();
        let (found, strange) = file.read(&ours).unwrap();
        let places: Vec<_> = found.iter().map(|line| line.place).collect();
        assert_eq!((places, strange), (vec![1, 2, 3], 0));
        assert_eq!(file.read(&keys("0b")).unwrap().1, 3, "another root key");
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("\"place\":3", "\"place\":4"),
            ("0303", "0304"),
            ("team_a", "team_b"),
        ] {
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert_eq!(file.read(&ours).unwrap().1, 1, "{from}");
        }
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let (found, strange) = file.read(&ours).unwrap();
        assert_eq!(
            (found.len(), strange),
            (2, 0),
            "the end of the last line was lost"
        );
    }
}
