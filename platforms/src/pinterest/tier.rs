//! Access tiers of a Pinterest app and what they allow.
//!
//! Source: <https://developers.pinterest.com/docs/reference/rate-limits/>. "Subject to change without notice", so a 429
//! always wins over these figures.

use std::time::Duration;

use crate::{Limits, Rate};

/// Access tier of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tier {
    /// Reviewed: 100 writes and 1,000 reads a minute for each user.
    #[default]
    Standard,
    /// Not reviewed yet: 300 writes and 1,000 calls a day for the whole app.
    Trial,
}

impl Tier {
    /// The tier of a word: `standard` or `trial`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "standard" => Some(Self::Standard),
            "trial" => Some(Self::Trial),
            _ => None,
        }
    }

    /// A quarter of the reads may be spent on looks; the rest belongs to boards, tokens and media.
    pub(super) const fn limits(self) -> Limits {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(86_400);
        match self {
            Self::Standard => Limits {
                writes: Rate {
                    count: 100,
                    per: MINUTE,
                },
                looks: Rate {
                    count: 250,
                    per: MINUTE,
                },
            },
            Self::Trial => Limits {
                writes: Rate {
                    count: 300,
                    per: DAY,
                },
                looks: Rate {
                    count: 250,
                    per: DAY,
                },
            },
        }
    }
}
