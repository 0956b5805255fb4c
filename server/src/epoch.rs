//! Is this the database that this folder had when it was last used?
//!
//! The database holds a random epoch and the time of its last heartbeat; the file `epoch` beside it holds the same, and
//! which folder it belongs to. Every heartbeat goes into the database first. So a database whose heartbeat is older than
//! the file's went back in time, another epoch is another database, and another folder is a copy. Then everything that was
//! due may have been published meanwhile, and is looked for before it is sent.
//!
//! What this cannot see: a whole folder, file included, that is put back in its very place (a snapshot of the machine).

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::{Millis, Store, StoreError, StoreResult};

/// Name of the file in a data folder.
const FILE: &str = "epoch";

/// What stands in the file after a restore, until the next start.
const RESTORED: &[u8] = b"restored\n";

/// Times between two heartbeats.
pub(crate) const BEAT_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

const EPOCH: &str = "epoch";
const BEAT: &str = "beat";
const RESTORED_AT: &str = "restored_at";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    epoch: String,
    beat: Millis,
    /// Which folder it was written in; a copy is another one.
    home: String,
}

/// What the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    epoch: String,
    beat: Millis,
}

/// Whether the database is not the one that was used here last, or is older than it was. `mark` is the file's content.
fn is_restored(mark: Option<&[u8]>, noted: Option<&Noted>, home: &str) -> bool {
    match (mark, noted) {
        (None, None) => false,
        (Some(bytes), Some(noted)) => serde_json::from_slice::<Mark>(bytes).map_or(true, |mark| {
            mark.epoch != noted.epoch || mark.beat > noted.beat || mark.home != home
        }),
        (None, Some(_)) | (Some(_), None) => true,
    }
}

/// The epoch of a running engine.
pub(crate) struct Epoch {
    epoch: String,
    home: String,
    /// True when the database was restored or copied since it was last used here.
    pub(crate) is_new: bool,
    /// When that was found, this time or an earlier one.
    pub(crate) restored_at: Option<Millis>,
}

impl Epoch {
    /// Compares the database with the folder. When they do not fit, [`Self::restored_at`] is stored, and found again by the next
    /// start; only [`Self::beat`] ends the state, so it must come after whatever has to be done.
    pub(crate) async fn open(store: &dyn Store, data: &Path, now: Millis) -> StoreResult<Self> {
        let mark = match std::fs::read(data.join(FILE)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", &error)),
        };
        let home = home(data);
        let number = |text: Option<String>| text.and_then(|text| text.parse::<Millis>().ok());
        let noted = store
            .note(EPOCH)
            .await?
            .map(|epoch| Noted { epoch, beat: 0 });
        let noted = match noted {
            Some(noted) => Some(Noted {
                beat: number(store.note(BEAT).await?).unwrap_or(0),
                ..noted
            }),
            None => None,
        };
        let is_new = is_restored(mark.as_deref(), noted.as_ref(), &home);
        let mut restored_at = number(store.note(RESTORED_AT).await?);
        if is_new {
            restored_at = Some(now);
            store
                .put_notes(vec![(RESTORED_AT, now.to_string())])
                .await?;
        }
        let epoch = noted
            .filter(|_| !is_new)
            .map_or_else(|| crate::ids::new_id("ep"), |noted| noted.epoch);
        Ok(Self {
            epoch,
            home,
            is_new,
            restored_at,
        })
    }

    /// Says that the database was in use here at this time.
    pub(crate) async fn beat(
        &self,
        store: &dyn Store,
        data: &Path,
        now: Millis,
    ) -> StoreResult<()> {
        // A clock that was set back must not make the database look older than the file.
        let last = store.note(BEAT).await?;
        let beat = last
            .and_then(|text| text.parse().ok())
            .map_or(now, |last: Millis| now.max(last));
        store
            .put_notes(vec![(EPOCH, self.epoch.clone()), (BEAT, beat.to_string())])
            .await?;
        let mark = Mark {
            epoch: self.epoch.clone(),
            beat,
            home: self.home.clone(),
        };
        let bytes = serde_json::to_vec(&mark).map_err(|e| StoreError::Failed(e.to_string()))?;
        write(data, &bytes).map_err(|error| failed("written", &error))
    }
}

/// Makes the next start take the folder for restored.
pub(crate) fn mark_restored(data: &Path) -> std::io::Result<()> {
    write(data, RESTORED)
}

fn failed(what: &str, error: &std::io::Error) -> StoreError {
    StoreError::Failed(format!(
        "the file {FILE} of the data folder cannot be {what}: {error}"
    ))
}

fn write(data: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = data.join(".epoch.new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, data.join(FILE))
}

/// Tells a folder from its copies: by the number of its lock file, which is never replaced and which a copy cannot share.
#[cfg(unix)]
fn home(data: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(data.join(crate::engine::LOCK))
        .map(|lock| lock.ino().to_string())
        .unwrap_or_default()
}

/// Tells a folder from its copies: by its path.
#[cfg(not(unix))]
fn home(data: &Path) -> String {
    data.canonicalize()
        .unwrap_or_else(|_| data.to_path_buf())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(mark: Option<(&str, Millis, &str)>, noted: Option<(&str, Millis)>) -> bool {
        let mark = mark.map(|(epoch, beat, home)| {
            serde_json::to_vec(&Mark {
                epoch: epoch.to_owned(),
                beat,
                home: home.to_owned(),
            })
            .expect("it is JSON")
        });
        let noted = noted.map(|(epoch, beat)| Noted {
            epoch: epoch.to_owned(),
            beat,
        });
        is_restored(mark.as_deref(), noted.as_ref(), "here")
    }

    #[test]
    fn a_new_folder_and_one_used_before_are_as_they_should_be() {
        assert!(!restored(None, None));
        assert!(!restored(Some(("a", 5, "here")), Some(("a", 5))));
        assert!(
            !restored(Some(("a", 5, "here")), Some(("a", 6))),
            "killed between the database and the file"
        );
    }

    #[test]
    fn whatever_does_not_fit_is_taken_for_restored() {
        assert!(
            restored(Some(("a", 6, "here")), Some(("a", 5))),
            "an older copy"
        );
        assert!(
            restored(Some(("a", 5, "here")), Some(("b", 5))),
            "another database"
        );
        assert!(
            restored(Some(("a", 5, "there")), Some(("a", 5))),
            "a copied folder"
        );
        assert!(restored(None, Some(("a", 5))), "the database alone");
        assert!(restored(Some(("a", 5, "here")), None), "the file alone");
        let noted = Noted {
            epoch: "a".to_owned(),
            beat: 5,
        };
        assert!(
            is_restored(Some(RESTORED), Some(&noted), "here"),
            "by our command"
        );
    }
}
