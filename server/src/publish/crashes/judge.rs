//! Compares what the store says with the network's ledger.

use std::collections::{BTreeSet, HashMap};

use super::figures::Figures;
use super::network::State;
use crate::store::{Phase, TargetRow};

/// What a schedule allows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// A person may be asked.
    pub(super) humans: bool,
    /// The database went back in time: it does not know of every request, and what is too late may be missed.
    pub(super) restored: bool,
}

pub(super) fn judge(targets: &[TargetRow], state: &State, allowed: Allowed, figures: &mut Figures) {
    figures.violations.extend(state.violations.iter().cloned());
    figures.requests += state.requests;
    figures.looks += state.looks;
    let armed: u64 = targets.iter().map(|t| u64::from(t.attempts)).sum();
    // A process that ends between the intent and the request leaves an attempt without one; so does a lost word. Of two that
    // share a clock each holds up the other, and what is late is not sent.
    let excused = match figures.freezes {
        0 => figures.crashes + figures.lost_words,
        _ => u64::MAX,
    };
    let is_excused = armed.saturating_sub(state.requests) <= excused;
    if !allowed.restored && (state.requests > armed || !is_excused) {
        let text = format!("P12: {armed} attempts, {} requests", state.requests);
        figures.violations.push(text);
    }
    let mut taken = BTreeSet::new();
    let mut left: HashMap<&str, u64> = HashMap::new();
    let mut denied: HashMap<&str, u64> = HashMap::new();
    for target in targets {
        let title = target.content.title.as_deref().unwrap_or_default();
        match target.phase {
            Phase::Published => {
                figures.published += 1;
                let id = target.remote_id.clone().unwrap_or_default();
                let exists = state
                    .posts
                    .iter()
                    .any(|post| post.ours && post.id == id && title == post.title);
                figures.lost += u64::from(!exists || !taken.insert(id));
                if let Some(error) = &target.error {
                    let like_it = |other: &&TargetRow| other.fingerprint == target.fingerprint;
                    if targets.iter().filter(like_it).count() == 1 {
                        let text = format!("published with an error: {}", error.detail);
                        figures.violations.push(text);
                    }
                    figures.alarms += 1;
                }
            }
            Phase::Failed => {
                figures.failed += 1;
                *denied.entry(title).or_default() += 1;
            }
            Phase::Missed if allowed.restored => figures.failed += 1,
            Phase::NeedsReview => {
                figures.human += 1;
                *left.entry(title).or_default() += 1;
                if !allowed.humans {
                    let text = format!("to a human: {:?}", target.error);
                    figures.violations.push(text);
                }
            }
            phase => {
                figures.stuck += 1;
                let text = format!("{} ended as {phase:?}", target.id);
                figures.violations.push(text);
            }
        }
    }
    for post in state.posts.iter().filter(|post| post.ours) {
        if taken.contains(&post.id) {
            continue;
        }
        let title = post.title.as_str();
        let take = |from: &mut HashMap<&str, u64>| match from.get_mut(title) {
            Some(n) if *n > 0 => {
                *n -= 1;
                true
            }
            _ => false,
        };
        // A person who judges a target may find its one post.
        if take(&mut left) {
            continue;
        }
        // Said to have failed, and it exists.
        if take(&mut denied) {
            figures.lost += 1;
        } else {
            figures.duplicates += 1;
        }
    }
}
