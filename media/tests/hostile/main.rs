//! Files made to do harm: refused or worked on within bounds of memory and time.

#[path = "../common/mod.rs"]
mod common;
mod images;
mod videos;

use multi_upload_media::{Fault, FaultKind};
use peak_alloc::PeakAlloc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One at a time: the memory of all threads is counted together.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than any refusal takes, with room for a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// Runs it; at most `megabytes` more memory than before, and soon.
#[track_caller]
fn within<T>(megabytes: f32, run: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage_as_mb();
    let began = Instant::now();
    let out = run();
    let (took, peak) = (began.elapsed(), MEMORY.peak_usage_as_mb() - before);
    assert!(peak <= megabytes, "{peak} MB");
    assert!(took <= SOON || megabytes > 10.0, "{took:?}");
    out
}

fn kind<T>(result: Result<T, Fault>) -> Option<FaultKind> {
    result.err().map(|fault| fault.kind)
}

/// `bytes` with what follows `mark` after `skip` bytes replaced.
fn patched(mut bytes: Vec<u8>, mark: &[u8], skip: usize, new: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(mark.len())
        .position(|part| part == mark)
        .expect("the mark");
    bytes[at + mark.len() + skip..][..new.len()].copy_from_slice(new);
    bytes
}
