//! Which calls are sent again here, and when: the product's one table ([`multi_upload_core::retry`]) with small
//! figures. It bridges a hiccup; anything longer is the service's to wait for, which also honours limits.

use std::time::Duration;

use multi_upload_core::retry::{Caller, Class, Decision, Policy, Tried, decide};

use super::api::Kind;
use crate::{FailureClass, PlatformError};

/// Two repeats, within a few seconds. Waits that Pinterest asks for are left to the service.
pub(super) const QUICK: Policy = Policy {
    caller: Caller::PlatformRead,
    max_attempts: 3,
    base: Duration::from_millis(250),
    throttled_base: Duration::from_millis(250),
    cap: Duration::from_secs(5),
    hint_limit: Duration::from_secs(5),
    jitter: true,
};

/// For a call with all its repeats.
pub(super) const TOTAL_LIMIT: Duration = Duration::from_secs(60);

/// The failure as the table sees it.
fn class(error: &PlatformError) -> Class {
    let status = error
        .info
        .platform
        .as_ref()
        .and_then(|platform| platform.http_status);
    match (error.class, status) {
        (FailureClass::NotSent, _) if error.info.detail.contains("certificate") => {
            Class::TlsInvalid
        }
        (FailureClass::NotSent, _) => Class::NotSent,
        // Waiting for a limit is the service's business: it knows what else the account has to do.
        (FailureClass::RateLimited | FailureClass::SpamBlocked, _) => Class::Refused,
        (FailureClass::Unavailable, None) => Class::Cut,
        (FailureClass::Unavailable, Some(status)) => Class::of_status(status),
        _ => Class::Refused,
    }
}

/// May a call that perhaps ran be sent again?
///
/// A read may, and a registration, of which a second one costs nothing. A new board may not: Pinterest would make a second one. A code or a refresh token works once, so after a
/// cut it may be used up, and only looking at the next answer could tell; but a 5xx comes from a server that gave no
/// tokens out, and sending the same code again costs nothing: if it was used up after all, the answer says so.
const fn is_repeatable(kind: Kind, class: Class) -> bool {
    match kind {
        Kind::Read | Kind::Register => true,
        Kind::Create => false,
        Kind::Token => matches!(class, Class::Unavailable),
    }
}

/// What follows a failed attempt.
pub(super) fn next(
    policy: &Policy,
    kind: Kind,
    error: &PlatformError,
    attempt: u32,
    left: Duration,
    random: f64,
) -> Decision {
    let class = class(error);
    let tried = Tried {
        class,
        attempt,
        hint: error.retry_after,
        server_says: None,
        repeatable: is_repeatable(kind, class),
        left: Some(left),
        tokens: None,
        random,
    };
    decide(policy, &tried)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::answer::Answer;
    use super::super::{api, classify};
    use super::*;

    fn answered(status: u16, code: i64) -> PlatformError {
        let body = format!(r#"{{"code":{code},"message":"x"}}"#);
        classify::failure(
            &Answer {
                status,
                headers: &HeaderMap::new(),
                body: body.as_bytes(),
            },
            false,
        )
    }

    fn cut() -> PlatformError {
        let mut error = answered(500, 500);
        error.info.platform = Some(api::no_answer());
        error
    }

    /// Read, create, token: is the first failure followed by another attempt?
    fn repeats(error: &PlatformError) -> [bool; 3] {
        [Kind::Read, Kind::Create, Kind::Token].map(|kind| {
            matches!(
                next(&QUICK, kind, error, 1, TOTAL_LIMIT, 0.5),
                Decision::Wait { .. }
            )
        })
    }

    #[test]
    fn only_hiccups_are_repeated_and_only_where_it_is_safe() {
        for (name, error, expected) in [
            (
                "not sent",
                api::not_sent("connection refused"),
                [true, true, true],
            ),
            (
                "certificate",
                api::not_sent("invalid peer certificate: Expired"),
                [false, false, false],
            ),
            ("cut", cut(), [true, false, false]),
            ("500", answered(500, 500), [true, false, true]),
            ("503", answered(503, 4197), [true, false, true]),
            ("400 hiccup", answered(400, 2787), [false, false, false]),
            ("409", answered(409, 409), [false, false, false]),
            ("429", answered(429, 8), [false, false, false]),
            ("spam", answered(429, 9), [false, false, false]),
            ("401", answered(401, 2), [false, false, false]),
            ("404", answered(404, 40), [false, false, false]),
            ("strange", answered(302, 1), [false, false, false]),
        ] {
            assert_eq!(repeats(&error), expected, "{name}");
        }
    }

    #[test]
    fn it_ends_after_three_attempts_and_with_the_time() {
        let wait = |attempt, left| match next(
            &QUICK,
            Kind::Read,
            &cut(),
            attempt,
            Duration::from_millis(left),
            0.5,
        ) {
            Decision::Wait { delay, .. } => Some(delay),
            Decision::Stop(stop) => {
                assert!(stop.is_exhausted());
                None
            }
        };
        assert_eq!(wait(1, 60_000), Some(Duration::from_millis(125)));
        assert_eq!(wait(2, 60_000), Some(Duration::from_millis(250)));
        assert_eq!(wait(3, 60_000), None);
        assert_eq!(wait(1, 100), None);
    }

    #[test]
    fn a_long_wait_is_left_to_the_service() {
        let mut error = answered(503, 4197);
        error.retry_after = Some(Duration::from_secs(60));
        assert_eq!(repeats(&error), [false, false, false]);
    }
}
