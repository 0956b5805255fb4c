//! One writer to a file at a time: whoever comes later takes over.
//!
//! A caller whose line broke comes back while the service still waits for the rest of the old request. The old one ends, with what it
//! got made safe, and the new one goes on behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// How long an older writer may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The files that are being written to.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Line>>);

/// Those who want to write to one file.
struct Line {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Ends whoever has the turn.
    end: CancellationToken,
    /// How many there are.
    interested: usize,
}

/// The right to write to one file; given back when dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    id: String,
    /// Cancelled when somebody else wants to go on.
    pub(super) end: CancellationToken,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Ends an older writer and takes its place; `None` if it does not end in time.
    pub(super) async fn take(&self, id: &str) -> Option<Turn<'_>> {
        let end = CancellationToken::new();
        let turn = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.entry(id.to_owned()).or_insert_with(|| Line {
                turn: Arc::default(),
                end: end.clone(),
                interested: 0,
            });
            line.interested += 1;
            if line.interested > 1 {
                std::mem::replace(&mut line.end, end.clone()).cancel();
            }
            Arc::clone(&line.turn)
        };
        // Made before waiting: a caller that goes away while it waits leaves the line too.
        let mut taken = Turn {
            turns: self,
            id: id.to_owned(),
            end,
            guard: None,
        };
        taken.guard = Some(
            tokio::time::timeout(PATIENCE, turn.lock_owned())
                .await
                .ok()?,
        );
        Some(taken)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard.take();
        let mut lines = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&self.id) {
            line.interested -= 1;
            if line.interested == 0 {
                lines.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_later_one_takes_over() {
        let turns = Turns::default();
        let first = turns.take("md_1").await.expect("nobody else");
        let other = turns.take("md_2").await.expect("another file");
        let (second, ()) = tokio::join!(turns.take("md_1"), async {
            first.end.cancelled().await;
            drop(first);
        });
        let second = second.expect("the first one ended");
        assert!(!second.end.is_cancelled() && !other.end.is_cancelled());
        drop((second, other));
        assert!(turns.0.lock().expect("not poisoned").is_empty());
    }
}
