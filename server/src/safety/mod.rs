//! Whether it is safe to send now: can the clock be believed, and can the network's answer be stored?
//!
//! Nothing is armed while it is not; what is due waits and says why. All of this ends by itself when its cause does, except a
//! jump of the clock by more than a day.

mod clock;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use multi_upload_wire::{ErrorCode, ErrorInfo};

use crate::clock::Clock;
use crate::store::{Millis, StoreError};
use clock::{Belief, Fault, Reading};

/// How long what is known about the disk is good for.
const DISK_EVERY: Duration = Duration::from_secs(1);

/// A jump of the clock is not believed sooner, however short the quiet period is.
const SHORTEST_CONFIRM: Duration = Duration::from_secs(10);

/// Watches what sending needs.
pub(crate) struct Safety {
    /// Absent where nothing is watched.
    watched: Option<Watched>,
    known: Mutex<Known>,
}

struct Watched {
    clock: Clock,
    /// How long a jump of the clock must agree with itself.
    confirm: Millis,
    folder: PathBuf,
    min_free: u64,
}

#[derive(Default)]
struct Known {
    belief: Option<Belief>,
    clock: Option<ErrorInfo>,
    disk: Option<ErrorInfo>,
    looked_at: Option<Instant>,
    store: Option<ErrorInfo>,
}

impl Safety {
    /// Watches the clock, and the space of the data folder's disk. A clock that jumped is believed after the quiet period: by then
    /// every doubt from before the jump has really lasted that long.
    pub(crate) fn new(clock: Clock, quiet: Duration, folder: PathBuf, min_free: u64) -> Self {
        let confirm = quiet.max(SHORTEST_CONFIRM).as_millis();
        let safety = Self {
            watched: Some(Watched {
                clock,
                confirm: Millis::try_from(confirm).unwrap_or(Millis::MAX / 4),
                folder,
                min_free,
            }),
            known: Mutex::default(),
        };
        // The clock as it is now is what later readings are compared with.
        safety.look();
        safety
    }

    /// Watches nothing.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self {
            watched: None,
            known: Mutex::default(),
        }
    }

    /// Looks, and gives what keeps everything from going on: a clock that cannot be believed.
    pub(crate) fn clock_trouble(&self) -> Option<ErrorInfo> {
        self.look();
        self.known().clock.clone()
    }

    /// Looks, and gives what keeps the service from sending.
    pub(crate) fn trouble(&self) -> Option<ErrorInfo> {
        self.look();
        let known = self.known();
        let first = known.clock.as_ref().or(known.store.as_ref());
        first.or(known.disk.as_ref()).cloned()
    }

    /// A change could not be stored: the next answer of a network might not be either.
    pub(crate) fn store_failed(&self, error: &StoreError) {
        if self.watched.is_none() {
            return;
        }
        let info = ErrorInfo::from(error.clone());
        self.known().store = Some(ErrorInfo {
            detail: format!(
                "a change could not be stored ({}): nothing is sent until one can",
                info.detail
            ),
            ..info
        });
    }

    /// Whether something must be stored before anything is sent.
    pub(crate) fn store_is_in_question(&self) -> bool {
        self.known().store.is_some()
    }

    /// Something was stored.
    pub(crate) fn store_works(&self) {
        if self.known().store.take().is_some() {
            tracing::info!("the database takes changes again; sending goes on");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let Some(watched) = &self.watched else { return };
        let mut known = self.known();
        let clock = watched.read_clock(&mut known.belief);
        note(&mut known.clock, clock);
        if known.looked_at.is_none_or(|at| at.elapsed() >= DISK_EVERY) {
            known.looked_at = Some(Instant::now());
            let disk = watched.read_disk();
            note(&mut known.disk, disk);
        }
    }
}

/// Keeps what was found, and says so once in the log.
fn note(known: &mut Option<ErrorInfo>, found: Option<ErrorInfo>) {
    match (known.is_some(), &found) {
        (false, Some(info)) => tracing::error!(code = %info.code, "{}", info.detail),
        (true, None) => tracing::info!("sending goes on"),
        _ => {}
    }
    *known = found;
}

impl Watched {
    fn read_clock(&self, belief: &mut Option<Belief>) -> Option<ErrorInfo> {
        // A clock that is moved by hand is not judged by another one.
        let reading = Reading {
            wall: self.clock.now(),
            boot: self.clock.since_boot()?,
        };
        let now = belief.map_or_else(
            || Belief::first(reading),
            |before| before.after(reading, self.confirm),
        );
        *belief = Some(now);
        let fault = now.fault(reading, self.confirm)?;
        let shown = crate::clock::rfc3339(reading.wall);
        Some(match fault {
            Fault::BeforeTheBuild => ErrorInfo::new(
                ErrorCode::ClockUnsafe,
                format!(
                    "the clock shows {shown}, before this program was made: nothing is sent until it is right"
                ),
            ),
            Fault::Jumped { by, wait } => {
                let seconds = by / 1_000;
                let then = match wait {
                    Some(wait) => format!("nothing is sent until it has been steady for {} s more", wait / 1_000 + 1),
                    None => "nothing is sent until the service is started again with a clock that is right".to_owned(),
                };
                let info = ErrorInfo::new(
                    ErrorCode::ClockUnsafe,
                    format!("the clock jumped forward by {seconds} s, to {shown}: {then}"),
                );
                match wait {
                    Some(wait) => info.with_retry_after_ms(u64::try_from(wait).unwrap_or(0)),
                    None => info,
                }
            }
        })
    }

    fn read_disk(&self) -> Option<ErrorInfo> {
        let free = free_space(&self.folder)?;
        (free < self.min_free).then(|| {
            ErrorInfo::new(
                ErrorCode::StorageFull,
                format!(
                    "{} MiB are free in the data folder, less than the {} MiB that sending needs: nothing is sent until there is room",
                    free >> 20,
                    self.min_free >> 20
                ),
            )
            .with_remedy("Free space on the disk of the data folder, or set MULTI_UPLOAD_MIN_FREE_DISK lower.")
        })
    }
}

/// Bytes that this user may still write to the disk of a folder; `None` where the system does not tell.
#[cfg(unix)]
fn free_space(folder: &std::path::Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    #[allow(
        clippy::useless_conversion,
        reason = "their widths differ between systems"
    )]
    let (blocks, size) = (
        u64::from(disk.blocks_available()),
        u64::from(disk.fragment_size()),
    );
    Some(blocks.saturating_mul(size))
}

#[cfg(not(unix))]
fn free_space(_: &std::path::Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watching(folder: &std::path::Path, min_free: u64) -> Safety {
        let second = Duration::from_secs(1);
        Safety::new(Clock::system(), second, folder.to_owned(), min_free)
    }

    #[test]
    fn too_little_space_is_trouble_with_sending_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(watching(folder.path(), 1).trouble(), None);
        let full = watching(folder.path(), u64::MAX);
        assert_eq!(full.clock_trouble(), None);
        let trouble = full.trouble().expect("no disk has so much");
        assert!(trouble.is(ErrorCode::StorageFull), "{trouble:?}");
        assert!(trouble.detail.contains("MiB are free"), "{trouble:?}");
    }

    #[test]
    fn a_store_that_failed_is_in_question_until_it_works() {
        let folder = tempfile::tempdir().expect("a folder");
        let safety = watching(folder.path(), 1);
        assert!(!safety.store_is_in_question());
        safety.store_failed(&StoreError::Full);
        assert!(safety.store_is_in_question());
        let trouble = safety.trouble().expect("it failed");
        assert!(trouble.is(ErrorCode::StorageFull), "{trouble:?}");
        safety.store_works();
        assert_eq!(safety.trouble(), None);
    }

    #[test]
    fn a_clock_that_is_moved_by_hand_is_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::fixed(0);
        let confirm = Duration::from_secs(900);
        let safety = Safety::new(clock.clone(), confirm, folder.path().to_owned(), 0);
        clock.set(Millis::MAX / 2);
        assert_eq!(safety.trouble(), None);
    }

    #[test]
    fn a_clock_that_jumped_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::system();
        let confirm = Duration::from_secs(900);
        let safety = Safety::new(clock.clone(), confirm, folder.path().to_owned(), 0);
        clock.follow(3_600_000);
        let trouble = safety.clock_trouble().expect("it jumped");
        assert!(trouble.is(ErrorCode::ClockUnsafe), "{trouble:?}");
        assert!(trouble.retry_after_ms.is_some_and(|ms| ms > 890_000));
        clock.follow(0);
        assert_eq!(safety.trouble(), None, "it went back");
        clock.follow(-3_600_000);
        assert_eq!(safety.trouble(), None, "nothing is sent early");
    }
}
