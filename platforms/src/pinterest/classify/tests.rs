//! The table of answers, row by row.

use http::HeaderMap;

use super::*;

/// What a commit answer proves, as a word.
fn proves(answer: &CommitAnswer) -> &'static str {
    match answer {
        CommitAnswer::NotSent(_) => "not sent",
        CommitAnswer::Applied { .. } => "applied",
        CommitAnswer::AppliedIdUnknown(_) => "applied, id unknown",
        CommitAnswer::Rejected(_) => "rejected",
        CommitAnswer::Throttled(_) => "throttled",
        CommitAnswer::TokenExpired(_) => "token",
        CommitAnswer::Unknown(_) => "unknown",
    }
}

fn error(answer: &CommitAnswer) -> &PlatformError {
    match answer {
        CommitAnswer::Applied { .. } => panic!("it succeeded"),
        CommitAnswer::NotSent(error)
        | CommitAnswer::AppliedIdUnknown(error)
        | CommitAnswer::Rejected(error)
        | CommitAnswer::Throttled(error)
        | CommitAnswer::TokenExpired(error)
        | CommitAnswer::Unknown(error) => error,
    }
}

fn body(code: i64, message: &str) -> String {
    serde_json::json!({"code": code, "message": message}).to_string()
}

const TRIAL: &str = "Apps with Trial access may not create Pins in production https://api.pinterest.com - use API \
                     Sandbox https://api-sandbox.pinterest.com instead.";
const PENDING: &str = "Your application consumer type is not supported, please contact support.";
const SPAM: &str =
    "Sorry! You've hit a block (Pins) we have in place to combat spam. Please try again later!";
const SPAM_LINK: &str = "Sorry! We blocked this link because it may lead to spam.";
const WENT_WRONG: &str = "Sorry! Something went wrong on our end.";

#[test]
fn every_documented_and_reported_answer_has_its_place() {
    use FailureClass as C;
    // status, code, message, what a commit proves, class, code of another call's error
    #[rustfmt::skip]
    let table: &[(u16, i64, &str, &str, FailureClass, ErrorCode)] = &[
        // Trusted: refused before anything was created.
        (401, 2, "Authentication failed.", "token", C::TokenExpired, ErrorCode::TokenExpired),
        (401, 3, "Missing scopes: pins:write", "rejected", C::ReconnectRequired, ErrorCode::AccountReconnectRequired),
        (401, 3, PENDING, "rejected", C::AppNotAllowed, ErrorCode::PlatformAccessTier),
        (403, 29, TRIAL, "rejected", C::AppNotAllowed, ErrorCode::PlatformAccessTier),
        (403, 29, "You are not permitted to access that resource.", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (403, 233, "Sorry, this image is too small.", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (403, 235, "Sorry, this image is broken.", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (404, 40, "Board not found.", "rejected", C::NotFound, ErrorCode::NotFound),
        (404, 2031, "Section not found.", "rejected", C::NotFound, ErrorCode::NotFound),
        (429, 8, "This request exceeded a rate limit.", "throttled", C::RateLimited, ErrorCode::PlatformRateLimited),
        (400, 1, "Invalid request: 'board_id' is a required property", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 1, "Invalid URL or URL doesn't exist", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, r"'abc' does not match '^\d+$'", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, "[1, 2, 3, 4, 5, 6] is too long, maxItems=5", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, "'x' is not one of ['image/jpeg', 'image/png']", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, "5 is not of type 'string'", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, "{} is not valid under any of the given schemas", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, "Parameter 'link' with the value 'abc' is not a valid URL format.", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        (400, 7, "a video needs cover_image_url or cover_image_content_type", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        // A refusal that quotes the user's words about spam is still a refusal.
        (400, 7, "'No more spam!' is too long", "rejected", C::Rejected, ErrorCode::PlatformRejected),
        // Not trusted: the pin may exist.
        (400, 9, SPAM, "unknown", C::SpamBlocked, ErrorCode::PlatformSpamBlock),
        (429, 9, SPAM, "unknown", C::SpamBlocked, ErrorCode::PlatformSpamBlock),
        (429, 9, "Try later.", "unknown", C::SpamBlocked, ErrorCode::PlatformSpamBlock),
        (429, 8, "Too many calls look like spam.", "unknown", C::SpamBlocked, ErrorCode::PlatformSpamBlock),
        (400, 9, SPAM_LINK, "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (429, 9, SPAM_LINK, "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (429, 2, SPAM_LINK, "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (400, 2787, "Unexpected.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (400, 1, WENT_WRONG, "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (400, 1, "Invalid request: Something went wrong.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (403, 29, WENT_WRONG, "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (400, 1, "Sorry we could not fetch the image.", "unknown", C::Unavailable, ErrorCode::MediaFetchFailed),
        (400, 1, "Unable to reach the URL", "unknown", C::Unavailable, ErrorCode::MediaFetchFailed),
        (400, 1, "Something unheard of.", "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (400, 400, "You already have a board with this name.", "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (401, 7, "Not authorised for the board.", "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (401, 29, "Not authorised.", "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (401, 99, "Unheard of.", "unknown", C::TokenExpired, ErrorCode::TokenExpired),
        (403, 403, "Not authorised.", "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (404, 30, "User not found.", "unknown", C::NotFound, ErrorCode::NotFound),
        (404, 50, "Pin not found.", "unknown", C::NotFound, ErrorCode::NotFound),
        (404, 404, "Not found.", "unknown", C::NotFound, ErrorCode::NotFound),
        (405, 5, "Method not allowed.", "unknown", C::Rejected, ErrorCode::PlatformRejected),
        (408, 1, "Timeout.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (409, 409, "Could not get exclusive access.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (425, 1, "Too early.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (429, 7, "Slow down.", "unknown", C::RateLimited, ErrorCode::PlatformRateLimited),
        (500, 500, "Server error.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (500, 40, "Board not found.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (503, 4197, "Ramped down.", "unknown", C::Unavailable, ErrorCode::PlatformUnavailable),
        (307, 40, "Board not found.", "unknown", C::BadAnswer, ErrorCode::PlatformBadResponse),
        (418, 40, "Board not found.", "unknown", C::BadAnswer, ErrorCode::PlatformBadResponse),
    ];
    for &(status, code, message, proof, class, other) in table {
        let name = format!("{status}/{code} {message}");
        let body = body(code, message);
        let answer = Answer {
            status,
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        };
        let committed = commit(&answer);
        assert_eq!(proves(&committed), proof, "{name}");
        let commit_error = error(&committed);
        assert_eq!(commit_error.class, class, "{name}");
        if proof == "unknown" {
            assert!(
                commit_error.info.is(ErrorCode::OutcomeUnknown),
                "{name}: {commit_error}"
            );
            assert_eq!(commit_error.info.outcome, Outcome::Unknown, "{name}");
            assert_eq!(commit_error.info.retry, Retry::AfterReconcile, "{name}");
        } else {
            assert!(commit_error.info.is(other), "{name}: {commit_error}");
            assert_eq!(commit_error.info.outcome, Outcome::None, "{name}");
        }
        let failed = failure(&answer, false);
        assert_eq!(failed.class, class, "{name}");
        assert!(failed.info.is(other), "{name}: {failed}");
        assert_ne!(failed.info.outcome, Outcome::Applied, "{name}");
        for error in [commit_error, &failed] {
            let platform = error
                .info
                .platform
                .as_ref()
                .map(|p| (p.name.as_str(), p.http_status, p.code.clone()));
            assert_eq!(
                platform,
                Some(("pinterest", Some(status), Some(code.to_string()))),
                "{name}"
            );
            assert!(
                error.info.detail.contains(&status.to_string()),
                "{name}: {error}"
            );
            assert!(error.info.remedy.ends_with('.'), "{name}: {error}");
        }
    }
}

#[test]
fn pages_of_a_gateway_prove_nothing() {
    for (status, class) in [
        (400, FailureClass::BadAnswer),
        (401, FailureClass::TokenExpired),
        (403, FailureClass::BadAnswer),
        (404, FailureClass::BadAnswer),
        (409, FailureClass::Unavailable),
        (429, FailureClass::RateLimited),
        (502, FailureClass::Unavailable),
        (307, FailureClass::BadAnswer),
    ] {
        for body in [
            "",
            "<html>Board not found</html>",
            "[]",
            r#"{"code":40}"#,
            r#"{"code":40,"message""#,
        ] {
            let answer = Answer {
                status,
                headers: &HeaderMap::new(),
                body: body.as_bytes(),
            };
            let committed = commit(&answer);
            assert_eq!(proves(&committed), "unknown", "{status} {body}");
            assert_eq!(error(&committed).class, class, "{status} {body}");
            assert_eq!(failure(&answer, false).class, class, "{status} {body}");
        }
    }
}

#[test]
fn success_needs_an_id_of_digits() {
    for (status, body, id) in [
        (
            201,
            r#"{"id":"813744226420795884","new":[null]}"#,
            Some("813744226420795884"),
        ),
        (
            200,
            r#"{"id":813744226420795884}"#,
            Some("813744226420795884"),
        ),
        (201, r#"{"id":""}"#, None),
        (201, r#"{"id":null}"#, None),
        (201, r#"{"id":"1/../2"}"#, None),
        (201, r#"{"id":-1}"#, None),
        (201, r#"{"id":1.5}"#, None),
        (201, r#"{"pin":{"id":"1"}}"#, None),
        (201, r#"{"id":"81"#, None),
        (204, "", None),
        (200, "<html>Sign in</html>", None),
    ] {
        let committed = commit(&Answer {
            status,
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        });
        match (&committed, id) {
            (
                CommitAnswer::Applied {
                    remote_id,
                    remote_url,
                },
                Some(id),
            ) => {
                assert_eq!(remote_id, id);
                assert_eq!(*remote_url, format!("https://www.pinterest.com/pin/{id}/"));
            }
            (CommitAnswer::AppliedIdUnknown(error), None) => {
                assert_eq!(error.info.outcome, Outcome::Applied, "{body}");
                assert_eq!(error.info.retry, Retry::No, "{body}");
            }
            other => panic!("{status} {body}: {other:?}"),
        }
    }
}

#[test]
fn waits_go_with_limits_only() {
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-reset", http::HeaderValue::from_static("67150"));
    let ask = |status, code, message: &str| {
        let body = body(code, message);
        failure(
            &Answer {
                status,
                headers: &headers,
                body: body.as_bytes(),
            },
            false,
        )
    };
    let limited = ask(429, 8, "Slow down.");
    assert_eq!(limited.retry_after.map(|wait| wait.as_secs()), Some(67_150));
    assert_eq!(limited.info.retry_after_ms, Some(67_150_000));
    // The headers stand on every answer, also on refusals that no waiting helps.
    let refused = ask(404, 40, "Board not found.");
    assert_eq!(
        (refused.retry_after, refused.info.retry_after_ms),
        (None, None)
    );
}

#[test]
fn a_create_that_failed_in_the_middle_stays_open() {
    let down = Answer {
        status: 500,
        headers: &HeaderMap::new(),
        body: b"",
    };
    let error = failure(&down, true);
    assert_eq!(
        (error.info.outcome, error.info.retry),
        (Outcome::Unknown, Retry::AfterReconcile)
    );
    assert_eq!(failure(&down, false).info.outcome, Outcome::None);
    let body = body(400, "You already have a board with this name.");
    let refused = Answer {
        status: 400,
        headers: &HeaderMap::new(),
        body: body.as_bytes(),
    };
    assert_eq!(failure(&refused, true).info.outcome, Outcome::None);
}

#[test]
fn a_trial_app_is_told_where_to_go() {
    let body = body(29, TRIAL);
    let committed = commit(&Answer {
        status: 403,
        headers: &HeaderMap::new(),
        body: body.as_bytes(),
    });
    let remedy = &error(&committed).info.remedy;
    assert!(
        remedy.contains("https://api-sandbox.pinterest.com/v5"),
        "{remedy}"
    );
    assert!(
        remedy.contains("MULTI_UPLOAD_PINTEREST_API_URL"),
        "{remedy}"
    );
}

#[test]
fn pinterests_words_are_shown_without_tokens() {
    let body = body(2, "Token pina_abc is dead, see https://a.example/?key=hush");
    let answer = Answer {
        status: 401,
        headers: &HeaderMap::new(),
        body: body.as_bytes(),
    };
    let shown = format!("{:?} {}", failure(&answer, false), failure(&answer, false));
    assert!(shown.contains("is dead"), "{shown}");
    assert!(
        !shown.contains("pina_abc") && !shown.contains("hush"),
        "{shown}"
    );
}
