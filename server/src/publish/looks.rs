//! What a look proves about a target: pure.

use std::collections::HashSet;

use jiff::Timestamp;
use multi_upload_platforms::{Look, RemotePost};
use sha2::{Digest as _, Sha256};

use super::machine::{MATCH_SKEW_MS, Seen};
use crate::store::{Millis, TargetRow};

/// Ids of posts, hashed: the networks do not allow their data to be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ids(HashSet<u64>);

impl Ids {
    pub(crate) fn of(look: &Look) -> Self {
        Self(look.posts.iter().map(|post| hash(&post.id)).collect())
    }

    pub(crate) fn add(&mut self, id: &str) {
        self.0.insert(hash(id));
    }

    /// The posts that were made before `since` for certain.
    pub(crate) fn add_older(&mut self, look: &Look, since: Millis) {
        let is_older =
            |post: &&RemotePost| made_at(post).is_some_and(|at| at < since - MATCH_SKEW_MS);
        for post in look.posts.iter().filter(is_older) {
            self.add(&post.id);
        }
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.contains(&hash(id))
    }

    /// 8 bytes each, in no order.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|id| id.to_be_bytes()).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(
            bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|id| u64::from_be_bytes(*id))
                .collect(),
        )
    }
}

fn hash(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// What a look says about a target that was sent after the posts in `before` existed. `ours` are posts
/// of other targets; `since` is when it was armed.
pub(crate) fn evaluate(
    look: &Look,
    before: &Ids,
    ours: &HashSet<String>,
    since: Millis,
    begun_at: Millis,
) -> Seen {
    let mut new: Vec<RemotePost> = look
        .posts
        .iter()
        .filter(|post| post.matches && !before.has(&post.id) && !ours.contains(&post.id))
        .filter(|post| made_at(post).is_none_or(|at| at >= since - MATCH_SKEW_MS))
        .cloned()
        .collect();
    if new.is_empty() {
        return Seen::Nothing {
            conclusive: is_controlled(look, before, ours),
            begun_at,
        };
    }
    // A post without a time sorts last: the oldest is taken, and only a known age is an age.
    new.sort_by_key(|post| (made_at(post).unwrap_or(Millis::MAX), post.id.clone()));
    Seen::New(new)
}

/// The same for a target that is published. What stood there before is not known any more, so a post that
/// tells no time may be older than ours: it is no sign of a second one.
pub(crate) fn surplus(seen: Seen) -> Seen {
    let Seen::New(mut posts) = seen else {
        return seen;
    };
    posts.retain(|post| made_at(post).is_some());
    if posts.is_empty() {
        return Seen::Nothing {
            conclusive: false,
            begun_at: 0,
        };
    }
    Seen::New(posts)
}

/// A list proves absence only if it was read to its end and shows a post that must be there, or the
/// network itself says that there is none.
fn is_controlled(look: &Look, before: &Ids, ours: &HashSet<String>) -> bool {
    let shows_a_known_one = look
        .posts
        .iter()
        .any(|post| before.has(&post.id) || ours.contains(&post.id));
    let is_proven_empty = look.posts.is_empty() && look.total == Some(0);
    look.complete && (shows_a_known_one || is_proven_empty)
}

fn made_at(post: &RemotePost) -> Option<Millis> {
    Some(
        post.created_at
            .as_deref()?
            .parse::<Timestamp>()
            .ok()?
            .as_millisecond(),
    )
}

/// Since when a post could be the target's.
pub(crate) fn since(target: &TargetRow) -> Millis {
    target
        .attempt
        .as_ref()
        .map_or(target.scheduled_at, |attempt| {
            attempt.since.unwrap_or(attempt.armed_at)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: &str, at: Option<&str>, matches: bool) -> RemotePost {
        RemotePost {
            id: id.to_owned(),
            url: format!("https://p/{id}"),
            created_at: at.map(str::to_owned),
            matches,
        }
    }

    fn look(posts: Vec<RemotePost>) -> Look {
        Look {
            posts,
            complete: true,
            total: None,
            requests: 1,
        }
    }

    const T: &str = "2026-05-28T20:26:40Z";
    const NOW: Millis = 1_780_000_000_000;

    fn new_ids(look: &Look, before: &[&str], ours: &[&str]) -> Result<Vec<String>, bool> {
        let mut ids = Ids::default();
        for id in before {
            ids.add(id);
        }
        let ours = ours.iter().map(|id| (*id).to_owned()).collect();
        match evaluate(look, &ids, &ours, NOW, NOW) {
            Seen::New(posts) => Ok(posts.into_iter().map(|post| post.id).collect()),
            Seen::Nothing { conclusive, .. } => Err(conclusive),
            Seen::Failed(_) => panic!("an evaluation does not fail"),
        }
    }

    #[test]
    fn only_a_new_post_like_it_is_taken() {
        let seen = look(vec![
            post("1", Some(T), true),
            post("2", Some(T), true),
            post("3", Some(T), false),
        ]);
        assert_eq!(new_ids(&seen, &["1"], &[]), Ok(vec!["2".to_owned()]));
        assert_eq!(
            new_ids(&seen, &["1"], &["2"]),
            Err(true),
            "another target's post is not ours"
        );
        let old = look(vec![
            post("1", None, false),
            post("2", Some("2026-05-28T20:00:00Z"), true),
        ]);
        assert_eq!(
            new_ids(&old, &["1"], &[]),
            Err(true),
            "older than the attempt"
        );
    }

    #[test]
    fn after_a_publication_only_a_post_of_known_age_is_a_second_one() {
        let (dated, undated) = (post("1", Some(T), true), post("2", None, true));
        let seen = surplus(Seen::New(vec![dated.clone(), undated.clone()]));
        assert!(matches!(seen, Seen::New(posts) if posts == [dated]));
        let seen = surplus(Seen::New(vec![undated]));
        assert!(matches!(seen, Seen::Nothing { .. }));
    }

    #[test]
    fn of_several_the_oldest_comes_first() {
        let seen = look(vec![
            post("9", None, true),
            post("2", Some("2026-05-28T20:27:00Z"), true),
            post("5", Some(T), true),
        ]);
        assert_eq!(
            new_ids(&seen, &[], &[]),
            Ok(vec!["5".to_owned(), "2".to_owned(), "9".to_owned()])
        );
    }

    #[test]
    fn absence_is_proven_only_by_a_list_that_shows_what_must_be_there() {
        let known = look(vec![post("1", Some(T), false)]);
        assert_eq!(new_ids(&known, &["1"], &[]), Err(true));
        assert_eq!(
            new_ids(&known, &["7"], &[]),
            Err(false),
            "the known post is missing: a stale or foreign list"
        );
        assert_eq!(
            new_ids(&known, &["7"], &["1"]),
            Err(true),
            "one of ours does as well"
        );
        let cut = Look {
            complete: false,
            ..known
        };
        assert_eq!(new_ids(&cut, &["1"], &[]), Err(false));
        assert_eq!(
            new_ids(&look(vec![]), &[], &[]),
            Err(false),
            "an empty page during an outage looks like this"
        );
        let empty = Look {
            total: Some(0),
            ..look(vec![])
        };
        assert_eq!(new_ids(&empty, &[], &[]), Err(true));
        let hidden = Look {
            total: Some(2),
            ..look(vec![])
        };
        assert_eq!(new_ids(&hidden, &[], &[]), Err(false));
    }

    #[test]
    fn after_a_restore_older_posts_are_the_known_ones() {
        let mut known = Ids::default();
        let seen = look(vec![
            post("1", Some("2026-05-28T20:24:39Z"), true),
            post("2", Some("2026-05-28T20:24:40Z"), true),
            post("3", None, true),
        ]);
        known.add_older(&seen, NOW);
        assert!(known.has("1"), "older by more than clocks differ");
        assert!(!known.has("2") && !known.has("3"), "could be ours");
    }

    #[test]
    fn ids_survive_as_bytes() {
        let ids = Ids::of(&look(vec![post("1", None, true), post("2", None, true)]));
        assert_eq!(Ids::from_bytes(&ids.to_bytes()), ids);
        assert_eq!(ids.to_bytes().len(), 16);
    }
}
