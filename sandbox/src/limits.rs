//! Rate limits: fixed windows per category, with the headers Pinterest documents.
//!
//! A window starts at the first call that falls into it, so a test knows exactly which call is the first one over. (The
//! real windows seem to be aligned to the clock.)

use std::collections::HashMap;

use crate::answer::Answer;

/// Limits of one access tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Reads: boards, sections, pins, media status, user account and the token endpoint.
    pub org_read: Option<Limit>,
    /// Writes: boards, sections, pins, media registration, revocation.
    pub org_write: Option<Limit>,
    /// All calls together.
    pub all: Option<Limit>,
    /// Whether users of one app share the limits.
    pub per: Per,
}

/// So many calls in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls allowed in one window.
    pub max: u32,
    /// Length of the window in seconds.
    pub window_s: u32,
}

/// Who shares a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each user of each app has its own.
    User,
    /// All users of an app share it.
    App,
}

impl Limits {
    /// Standard access: per user and minute 1,000 reads and 100 writes, 100 calls a second.
    pub const fn standard() -> Self {
        Self {
            org_read: Some(Limit {
                max: 1_000,
                window_s: 60,
            }),
            org_write: Some(Limit {
                max: 100,
                window_s: 60,
            }),
            all: Some(Limit {
                max: 100,
                window_s: 1,
            }),
            per: Per::User,
        }
    }

    /// Trial access: per app and day 1,000 calls, of which 300 may be writes.
    pub const fn trial() -> Self {
        const DAY: u32 = 86_400;
        Self {
            org_read: Some(Limit {
                max: 1_000,
                window_s: DAY,
            }),
            org_write: Some(Limit {
                max: 300,
                window_s: DAY,
            }),
            all: Some(Limit {
                max: 1_000,
                window_s: DAY,
            }),
            per: Per::App,
        }
    }

    /// No limit at all, for load tests.
    pub const fn unlimited() -> Self {
        Self {
            org_read: None,
            org_write: None,
            all: None,
            per: Per::User,
        }
    }

    fn of(&self, category: Category) -> Option<Limit> {
        match category {
            Category::OrgRead => self.org_read,
            Category::OrgWrite => self.org_write,
        }
    }
}

/// The rate category of an operation, `x-ratelimit-category` in Pinterest's document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// `org_read`
    OrgRead,
    /// `org_write`
    OrgWrite,
}

impl Category {
    /// The name in Pinterest's document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrgRead => "org_read",
            Self::OrgWrite => "org_write",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    started_ms: u64,
    used: u32,
}

/// The counters of a running sandbox.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    windows: HashMap<(String, Option<Category>), Window>,
}

/// What the limiter says about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    shown: Option<Shown>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    limit: Limit,
    remaining: u32,
    reset_s: u64,
}

impl Limiter {
    /// Counts one call and says whether it may go on.
    pub(crate) fn take(
        &mut self,
        limits: &Limits,
        user: &str,
        app: &str,
        category: Category,
        now_ms: u64,
    ) -> Verdict {
        let key = owner(limits.per, user, app);
        let all = limits
            .all
            .map(|limit| self.count(&key, None, limit, 1, now_ms));
        let own = limits
            .of(category)
            .map(|limit| self.count(&key, Some(category), limit, 1, now_ms));
        let over = [all, own]
            .into_iter()
            .flatten()
            .find(|(allowed, _)| !allowed);
        Verdict {
            allowed: over.is_none(),
            shown: over.or(own).or(all).map(|(_, shown)| shown),
        }
    }

    /// Uses up `calls` of a limit without a call: another app of the same user took them.
    pub(crate) fn spend(
        &mut self,
        limits: &Limits,
        (user, app): (&str, &str),
        category: Category,
        calls: u32,
        now_ms: u64,
    ) {
        if let Some(limit) = limits.of(category) {
            self.count(
                &owner(limits.per, user, app),
                Some(category),
                limit,
                calls,
                now_ms,
            );
        }
    }

    fn count(
        &mut self,
        key: &str,
        category: Option<Category>,
        limit: Limit,
        calls: u32,
        now_ms: u64,
    ) -> (bool, Shown) {
        let length_ms = u64::from(limit.window_s) * 1_000;
        let window = self
            .windows
            .entry((key.to_owned(), category))
            .or_insert(Window {
                started_ms: now_ms,
                used: 0,
            });
        if now_ms >= window.started_ms + length_ms {
            *window = Window {
                started_ms: now_ms,
                used: 0,
            };
        }
        let allowed = window.used < limit.max;
        window.used = window.used.saturating_add(calls).min(limit.max);
        let left_ms = (window.started_ms + length_ms).saturating_sub(now_ms);
        (
            allowed,
            Shown {
                limit,
                remaining: limit.max - window.used,
                reset_s: left_ms.div_ceil(1_000),
            },
        )
    }
}

fn owner(per: Per, user: &str, app: &str) -> String {
    match per {
        Per::User => format!("{app}/{user}"),
        Per::App => app.to_owned(),
    }
}

impl Verdict {
    /// Adds the three documented headers. There is no `Retry-After`: Pinterest sends none.
    pub(crate) fn mark(self, answer: Answer) -> Answer {
        let Some(shown) = self.shown else {
            return answer;
        };
        let Limit { max, window_s } = shown.limit;
        let answer = answer
            .header("x-ratelimit-limit", format!("{max}, {max};w={window_s}"))
            .header("x-ratelimit-remaining", shown.remaining.to_string())
            .header("x-ratelimit-reset", shown.reset_s.to_string());
        if self.allowed {
            answer
        } else {
            answer.header("x-envoy-ratelimited", "true")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer
            .headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_hundred_and_first_write_waits_for_the_window() {
        let (mut limiter, mut limits) = (Limiter::default(), Limits::standard());
        limits.all = None;
        for _ in 0..100 {
            assert!(
                limiter
                    .take(&limits, "u", "a", Category::OrgWrite, 5_000)
                    .allowed
            );
        }
        let verdict = limiter.take(&limits, "u", "a", Category::OrgWrite, 64_001);
        assert!(!verdict.allowed);
        let answer = verdict.mark(Answer::empty(429));
        assert_eq!(header(&answer, "x-ratelimit-limit"), Some("100, 100;w=60"));
        assert_eq!(header(&answer, "x-ratelimit-remaining"), Some("0"));
        assert_eq!(header(&answer, "x-ratelimit-reset"), Some("1"));
        assert_eq!(header(&answer, "retry-after"), None);
        assert!(
            limiter
                .take(&limits, "other", "a", Category::OrgWrite, 64_001)
                .allowed,
            "another user"
        );
        assert!(
            limiter
                .take(&limits, "u", "a", Category::OrgRead, 64_001)
                .allowed,
            "another category"
        );
        assert!(
            limiter
                .take(&limits, "u", "a", Category::OrgWrite, 65_000)
                .allowed,
            "the next window"
        );
    }

    #[test]
    fn trial_users_share_the_day_of_their_app() {
        let (mut limiter, limits) = (Limiter::default(), Limits::trial());
        for _ in 0..300 {
            assert!(
                limiter
                    .take(&limits, "one", "a", Category::OrgWrite, 0)
                    .allowed
            );
        }
        assert!(
            !limiter
                .take(&limits, "two", "a", Category::OrgWrite, 86_399_000)
                .allowed
        );
        assert!(
            limiter
                .take(&limits, "two", "a", Category::OrgRead, 86_399_000)
                .allowed
        );
    }

    #[test]
    fn calls_of_another_app_count() {
        let (mut limiter, limits) = (Limiter::default(), Limits::standard());
        limiter.spend(&limits, ("u", "a"), Category::OrgWrite, 500, 0);
        assert!(
            !limiter
                .take(&limits, "u", "a", Category::OrgWrite, 1)
                .allowed
        );
    }
}
