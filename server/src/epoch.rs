//! Is this the database that this folder had when it was last used?
//!
//! The database holds a random epoch and the time of its last heartbeat; the file `epoch` beside it holds the same, and
//! which folder it belongs to. Every heartbeat goes into the database first. So a database whose heartbeat is older than
//! the file's went back in time, another epoch is another database, and another folder is a copy. Then everything that was
//! due may have been published meanwhile, and is looked for before it is sent.
//!
//! Engines that share a database each have a folder with such a file, and whichever finds that the database went back in
//! time notes it for all. An engine without a file is a new one, and an epoch that the database remembers is one of those that
//! others have ended. They also ask the database itself, see [`Store::is_copy`], at every heartbeat.
//!
//! What this cannot see: a whole folder, file included, that is put back in its very place (a snapshot of the machine).

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::{Millis, Store, StoreError, StoreResult};

/// Name of the file in a data folder.
const FILE: &str = "epoch";

/// What stands in the file after a restore, until the next start.
const RESTORED: &[u8] = b"restored\n";

/// Times between two heartbeats.
pub(crate) const BEAT_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// Ended epochs that a database remembers.
const REMEMBERED: usize = 50;

const EPOCH: &str = "epoch";
/// Those that were ended, the last first, with spaces between.
const ENDED: &str = "epochs_ended";
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
    ended: Vec<String>,
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

/// The same for a database that others use as well: whether it is older than it was when this folder's engine used it last.
fn is_behind(mark: Option<&[u8]>, noted: Option<&Noted>) -> bool {
    match (mark, noted) {
        (None, _) => false,
        (Some(bytes), Some(noted)) => serde_json::from_slice::<Mark>(bytes).map_or(true, |mark| {
            if mark.epoch == noted.epoch {
                mark.beat > noted.beat
            } else {
                !noted.ended.contains(&mark.epoch)
            }
        }),
        (Some(_), None) => true,
    }
}

/// What a look at database and folder found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// True when the database was restored or copied since it was last used here.
    pub(crate) is_new: bool,
    /// When that was found the last time, here or by another engine.
    pub(crate) restored_at: Option<Millis>,
}

/// Compares a database with a folder.
#[derive(Debug)]
pub(crate) struct Epoch {
    data: PathBuf,
    home: String,
    is_shared: bool,
}

impl Epoch {
    /// Of a folder whose lock is held.
    pub(crate) fn new(data: &Path, is_shared: bool) -> Self {
        Self {
            data: data.to_owned(),
            home: home(data),
            is_shared,
        }
    }

    /// Compares. When they do not fit, [`Found::restored_at`] is stored, and found again by the next look; only [`Self::beat`]
    /// ends the state, so it must come after whatever has to be done.
    pub(crate) async fn look(&self, store: &dyn Store, now: Millis) -> StoreResult<Found> {
        let mark = match std::fs::read(self.data.join(FILE)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", &error)),
        };
        let noted = noted(store).await?;
        let is_new = if self.is_shared {
            store.is_copy().await? || is_behind(mark.as_deref(), noted.as_ref())
        } else {
            is_restored(mark.as_deref(), noted.as_ref(), &self.home)
        };
        let mut restored_at = number(store.note(RESTORED_AT).await?);
        if is_new {
            restored_at = Some(now);
            store
                .put_notes(vec![(RESTORED_AT, now.to_string())])
                .await?;
        }
        Ok(Found {
            is_new,
            restored_at,
        })
    }

    /// Says that the database was in use here at this time; `found` is what [`Self::look`] gave.
    pub(crate) async fn beat(
        &self,
        store: &dyn Store,
        found: Found,
        now: Millis,
    ) -> StoreResult<()> {
        let epoch = match noted(store).await? {
            Some(noted) if !found.is_new => noted.epoch,
            before => {
                let epoch = crate::ids::new_id("ep");
                let ended = before.map(|noted| [vec![noted.epoch], noted.ended].concat());
                let mut ended = ended.unwrap_or_default();
                ended.truncate(REMEMBERED);
                let notes = vec![(EPOCH, epoch.clone()), (ENDED, ended.join(" "))];
                store.put_notes(notes).await?;
                epoch
            }
        };
        let mark = Mark {
            epoch,
            beat: store.beat(now, found.is_new).await?,
            home: self.home.clone(),
        };
        let bytes = serde_json::to_vec(&mark).map_err(|e| StoreError::Failed(e.to_string()))?;
        write(&self.data, &bytes).map_err(|error| failed("written", &error))
    }
}

async fn noted(store: &dyn Store) -> StoreResult<Option<Noted>> {
    let Some(epoch) = store.note(EPOCH).await? else {
        return Ok(None);
    };
    let ended = store.note(ENDED).await?.unwrap_or_default();
    Ok(Some(Noted {
        epoch,
        ended: ended.split_whitespace().map(ToOwned::to_owned).collect(),
        beat: number(store.note(BEAT).await?).unwrap_or(0),
    }))
}

fn number(text: Option<String>) -> Option<Millis> {
    text.and_then(|text| text.parse().ok())
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
            ended: Vec::new(),
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
            ended: Vec::new(),
            beat: 5,
        };
        assert!(
            is_restored(Some(RESTORED), Some(&noted), "here"),
            "by our command"
        );
    }

    #[test]
    fn a_shared_database_is_older_than_any_engine_knew_it_or_it_is_not() {
        let behind = |mark: Option<(&str, Millis)>, noted: Option<(&str, Millis)>| {
            let mark = mark.map(|(epoch, beat)| {
                let home = "another folder each time".to_owned();
                let epoch = epoch.to_owned();
                serde_json::to_vec(&Mark { epoch, beat, home }).expect("it is JSON")
            });
            let noted = noted.map(|(epoch, beat)| Noted {
                epoch: epoch.to_owned(),
                ended: vec!["c".to_owned(), "b".to_owned()],
                beat,
            });
            is_behind(mark.as_deref(), noted.as_ref())
        };
        let now = Some(("d", 5));
        assert!(!behind(None, None), "the first engine of all");
        assert!(!behind(None, now), "a new engine");
        assert!(!behind(Some(("d", 5)), now), "nobody else was there since");
        assert!(!behind(Some(("d", 3)), now), "others went on");
        assert!(!behind(Some(("b", 9)), now), "another one has noticed");
        assert!(behind(Some(("d", 6)), now), "it went back");
        assert!(behind(Some(("e", 1)), now), "behind the last restore too");
        assert!(behind(Some(("d", 5)), None), "it was emptied");
        let noted = Noted {
            epoch: "d".to_owned(),
            ended: Vec::new(),
            beat: 5,
        };
        assert!(is_behind(Some(RESTORED), Some(&noted)), "by our command");
    }
}
