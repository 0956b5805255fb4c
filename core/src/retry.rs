//! When a call is sent again: the one table of the product, and nothing but decisions.
//!
//! Time, randomness and the state of the budget are arguments, so the table is tested as a table. The client, the
//! platforms and the server use the same function with different [`Policy`] values. A request that makes
//! a post on a network never passes through here: its outcome is reconciled, not repeated.

use std::time::Duration;

/// What went wrong, as far as repeating is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Nothing left this machine: DNS, connect, a reset during the handshake.
    NotSent,
    /// The certificate does not hold. Repeating cannot help.
    TlsInvalid,
    /// It was sent, or may have been: timeout, reset, cut or unreadable answer.
    Cut,
    /// 408, 425.
    TooSlow,
    /// 409: the first request with the same key is still running.
    InProgress,
    /// 409, any other.
    Conflict,
    /// 429.
    Throttled,
    /// 500, 502, 503, 504 and their like.
    Unavailable,
    /// 401.
    Unauthorized,
    /// Any other refusal: 400, 403, 404, 413, 415, 422 and an answer that says that repeating is no use.
    Refused,
}

impl Class {
    /// The class of an HTTP status that is not a success.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            408 | 425 => Self::TooSlow,
            409 => Self::Conflict,
            429 => Self::Throttled,
            501 | 505 => Self::Refused,
            500..=599 => Self::Unavailable,
            _ => Self::Refused,
        }
    }

    /// May it work when it is repeated unchanged?
    #[must_use]
    pub const fn is_passing(self, caller: Caller) -> bool {
        match self {
            Self::NotSent | Self::Cut | Self::TooSlow | Self::Throttled | Self::Unavailable => true,
            // Networks know no idempotency keys, so there this is a refusal like any other.
            Self::InProgress => matches!(caller, Caller::Client),
            Self::TlsInvalid | Self::Conflict | Self::Unauthorized | Self::Refused => false,
        }
    }

    /// Can the failed attempt have had an effect, so that only a request that may run twice is repeated?
    #[must_use]
    pub const fn may_have_run(self) -> bool {
        matches!(
            self,
            Self::Cut | Self::TooSlow | Self::InProgress | Self::Unavailable
        )
    }

    /// Does the other side ask for a slower pace? Then the wait begins at the longer base.
    const fn is_throttle(self) -> bool {
        matches!(self, Self::Throttled | Self::InProgress)
    }
}

/// Who asks: the column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller {
    /// A client of our service.
    Client,
    /// The service, reading from a network.
    PlatformRead,
}

/// The figures of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Column of the table.
    pub caller: Caller,
    /// How often it is sent at most, the first time included.
    pub max_attempts: u32,
    /// Base of the wait after a passing fault.
    pub base: Duration,
    /// Base of the wait after "too many requests" without a hint.
    pub throttled_base: Duration,
    /// The longest wait without a hint.
    pub cap: Duration,
    /// The longest hint that is waited for; beyond it the caller gets the error and the time.
    pub hint_limit: Duration,
    /// Spread waits at random. Off only in tests that compare them.
    pub jitter: bool,
}

impl Policy {
    /// Clients of our service: 3 attempts, 50 ms and 1 s, cap 20 s, hints up to 2 min.
    pub const CLIENT: Self = Self {
        caller: Caller::Client,
        max_attempts: 3,
        base: Duration::from_millis(50),
        throttled_base: Duration::from_secs(1),
        cap: Duration::from_secs(20),
        hint_limit: Duration::from_secs(120),
        jitter: true,
    };

    /// The service reading from a network: 12 attempts, 2 s, cap 5 min, hints of any length up to a day.
    pub const PLATFORM_READ: Self = Self {
        caller: Caller::PlatformRead,
        max_attempts: 12,
        base: Duration::from_secs(2),
        throttled_base: Duration::from_secs(2),
        cap: Duration::from_secs(300),
        hint_limit: Duration::from_secs(24 * 3600),
        jitter: true,
    };
}

/// What happened on the last attempt, and what is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// What went wrong.
    pub class: Class,
    /// Number of the attempt that failed, from 1.
    pub attempt: u32,
    /// How long the other side asks to wait.
    pub hint: Option<Duration>,
    /// `X-Should-Retry`: the other side's word counts more than the table.
    pub server_says: Option<bool>,
    /// May it run twice? True for reads, deletes and whatever carries an idempotency key.
    pub repeatable: bool,
    /// Time left for the whole call; `None` means no limit.
    pub left: Option<Duration>,
    /// Tokens in the [`Budget`]; `None` means no budget.
    pub tokens: Option<u32>,
    /// Uniform in `[0, 1)`.
    pub random: f64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send again after `delay`; take `cost` from the budget.
    Wait {
        /// How long to wait.
        delay: Duration,
        /// Tokens that the next attempt costs.
        cost: u32,
    },
    /// Give the error to the caller.
    Stop(Stop),
}

/// Why it is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The same request would fail again.
    Final,
    /// It may have run, and nothing makes a second time safe.
    NotSafe,
    /// All attempts are used.
    Attempts,
    /// The other side asks for a longer wait than a call lasts.
    HintTooLong,
    /// The wait would outlast the time allowed.
    Deadline,
    /// Too many calls failed lately.
    Budget,
}

impl Stop {
    /// True when it was worth repeating but tries, time or budget ran out.
    #[must_use]
    pub const fn is_exhausted(self) -> bool {
        !matches!(self, Self::Final | Self::NotSafe)
    }
}

/// Decides whether a failed attempt is followed by another, and when.
#[must_use]
pub fn decide(policy: &Policy, tried: &Tried) -> Decision {
    let passing = tried
        .server_says
        .unwrap_or_else(|| tried.class.is_passing(policy.caller));
    if !passing {
        return Decision::Stop(Stop::Final);
    }
    if tried.class.may_have_run() && !tried.repeatable && tried.server_says != Some(true) {
        return Decision::Stop(Stop::NotSafe);
    }
    if tried.attempt >= policy.max_attempts {
        return Decision::Stop(Stop::Attempts);
    }
    if tried.hint.is_some_and(|hint| hint > policy.hint_limit) {
        return Decision::Stop(Stop::HintTooLong);
    }
    let delay = delay(policy, tried);
    if tried.left.is_some_and(|left| delay >= left) {
        return Decision::Stop(Stop::Deadline);
    }
    let cost = if tried.class.is_throttle() {
        Budget::THROTTLED_COST
    } else {
        Budget::TRANSIENT_COST
    };
    if tried.tokens.is_some_and(|tokens| tokens < cost) {
        return Decision::Stop(Stop::Budget);
    }
    Decision::Wait { delay, cost }
}

/// A hint plus up to a tenth, so that callers do not come back together; else full jitter.
fn delay(policy: &Policy, tried: &Tried) -> Duration {
    if let Some(hint) = tried.hint.filter(|hint| !hint.is_zero()) {
        return if policy.jitter {
            hint.mul_f64(1.0 + tried.random * 0.1)
        } else {
            hint
        };
    }
    let base = if tried.class.is_throttle() {
        policy.throttled_base
    } else {
        policy.base
    };
    let bound = 2_u32
        .checked_pow(tried.attempt.saturating_sub(1))
        .and_then(|factor| base.checked_mul(factor))
        .map_or(policy.cap, |bound| bound.min(policy.cap));
    if policy.jitter {
        bound.mul_f64(tried.random)
    } else {
        bound
    }
}

/// Tokens that repeating costs, so that an outage is not made worse by its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    tokens: u32,
}

impl Budget {
    /// Tokens of a full budget.
    pub const FULL: u32 = 500;
    /// Price of repeating after a passing fault.
    pub const TRANSIENT_COST: u32 = 14;
    /// Price of repeating after "too many requests".
    pub const THROTTLED_COST: u32 = 5;

    /// A full budget.
    #[must_use]
    pub const fn new() -> Self {
        Self { tokens: Self::FULL }
    }

    /// What is left.
    #[must_use]
    pub const fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Pays for an attempt that [`decide`] allowed.
    pub fn pay(&mut self, cost: u32) {
        self.tokens = self.tokens.saturating_sub(cost);
    }

    /// A success: a repeated attempt gives its price back, a first one earns a single token.
    pub fn succeed(&mut self, paid: Option<u32>) {
        self.tokens = self
            .tokens
            .saturating_add(paid.unwrap_or(1))
            .min(Self::FULL);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}
