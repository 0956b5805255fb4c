//! What an answer means. Pure: one table from status, code and words to a [`Meaning`], and from there
//! to a [`PlatformError`] (reads, boards, tokens) or a [`CommitAnswer`] (the call that makes a pin).
//!
//! `code` is an internal number on some endpoints and repeats the HTTP status on others, so the
//! status decides first, then the code, then the words.
//!
//! For the commit only a short list is *trusted*: documented refusals that come before anything is
//! created. Everything else, also an undocumented 4xx, means that the pin may exist.

use multi_upload_wire::{ErrorCode, ErrorInfo, Outcome, Retry};
use serde_json::Value;

use super::answer::{Answer, Said};
use super::{pin_url, redact, settings};
use crate::{CommitAnswer, FailureClass, PlatformError};

/// What an answer other than 2xx means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// 401/2: expired, revoked, or made for the other environment.
    TokenExpired,
    /// Any other 401 that does not say more.
    TokenDoubtful,
    /// 401/3: the user did not grant what the call needs.
    ScopesMissing,
    /// 401/3 with other words: Pinterest has not approved the app.
    AppPending,
    /// 403/29 with the words of a Trial app.
    AppTrial,
    /// 403/29: not this user's object.
    NotPermitted,
    /// Any other 401 or 403 with Pinterest's body.
    Forbidden,
    /// 403/233.
    ImageTooSmall,
    /// 403/235.
    ImageBroken,
    /// 404/40.
    BoardMissing,
    /// 404/2031.
    SectionMissing,
    /// Any other 404 with Pinterest's body.
    Missing,
    /// 400 that names a parameter or a rule of the JSON schema.
    InvalidRequest,
    /// Any other 400, 405, 413, 415, 422 with Pinterest's body.
    Refused,
    /// 429/8.
    Throttled,
    /// Any other 429.
    OtherLimit,
    /// Code 9, or words about spam.
    SpamBlock,
    /// Words about a link that may lead to spam.
    LinkBlocked,
    /// Pinterest could not fetch the image or reach the link.
    FetchFailed,
    /// 400 with "something went wrong", code 2787.
    Hiccup,
    /// 408, 409, 425.
    Busy,
    /// 5xx.
    Down,
    /// Anything else: 3xx, pages of a gateway.
    Strange,
}

/// The table.
pub(super) fn meaning(status: u16, said: Option<&Said>) -> Meaning {
    use Meaning as M;
    let Some(said) = said else {
        return match status {
            401 => M::TokenDoubtful,
            408 | 409 | 425 => M::Busy,
            429 => M::OtherLimit,
            500..=599 => M::Down,
            _ => M::Strange,
        };
    };
    let words = said.message.to_ascii_lowercase();
    let has = |text: &str| words.contains(text);
    // Words that the wild uses with more than one status and code come first.
    if (400..500).contains(&status) {
        // Not the bare word: a refusal may quote the user's own text.
        if said.code == Some(9)
            || has("combat spam")
            || has("lead to spam")
            || (status == 429 && has("spam"))
        {
            return if has("link") {
                M::LinkBlocked
            } else {
                M::SpamBlock
            };
        }
        if said.code == Some(2787) || has("something went wrong") {
            return M::Hiccup;
        }
        if has("could not fetch") || has("unable to reach") {
            return M::FetchFailed;
        }
    }
    match (status, said.code) {
        (400, _) if is_about_parameters(&words, said.code) => M::InvalidRequest,
        (400 | 405 | 413 | 415 | 422, _) => M::Refused,
        (401, Some(2)) => M::TokenExpired,
        (401, Some(3)) if has("consumer type") => M::AppPending,
        (401, Some(3)) => M::ScopesMissing,
        (401, Some(7 | 29)) => M::Forbidden,
        (401, _) => M::TokenDoubtful,
        (403, Some(29)) if has("trial") => M::AppTrial,
        (403, Some(29)) => M::NotPermitted,
        (403, Some(233)) => M::ImageTooSmall,
        (403, Some(235)) => M::ImageBroken,
        (403, _) => M::Forbidden,
        (404, Some(40)) => M::BoardMissing,
        (404, Some(2031)) => M::SectionMissing,
        (404, _) => M::Missing,
        (408 | 409 | 425, _) => M::Busy,
        (429, Some(8)) => M::Throttled,
        (429, _) => M::OtherLimit,
        (500..=599, _) => M::Down,
        _ => M::Strange,
    }
}

/// The checks of parameters and of the JSON schema run before anything is created.
fn is_about_parameters(words: &str, code: Option<i64>) -> bool {
    const BEGINNINGS: [&str; 3] = ["invalid request:", "parameter '", "invalid parameter"];
    const RULES: [&str; 14] = [
        "does not match '",
        "maxitems=",
        "minitems=",
        "maxlength=",
        "minlength=",
        "is too long",
        "is too short",
        "is a required property",
        "is not one of [",
        "is not of type '",
        "is not valid under any of the given schemas",
        "additional properties are not allowed",
        "is not a valid url",
        "cover_image_url or cover_image_content_type",
    ];
    BEGINNINGS.iter().any(|text| words.starts_with(text))
        || RULES.iter().any(|text| words.contains(text))
        || (code == Some(1) && words.starts_with("invalid url"))
}

impl Meaning {
    /// Does the answer to a commit prove that no pin was made?
    pub(super) const fn is_trusted(self) -> bool {
        matches!(
            self,
            Self::TokenExpired
                | Self::ScopesMissing
                | Self::AppPending
                | Self::AppTrial
                | Self::NotPermitted
                | Self::ImageTooSmall
                | Self::ImageBroken
                | Self::BoardMissing
                | Self::SectionMissing
                | Self::InvalidRequest
                | Self::Throttled
        )
    }

    pub(super) const fn class(self) -> FailureClass {
        match self {
            Self::TokenExpired | Self::TokenDoubtful => FailureClass::TokenExpired,
            Self::ScopesMissing => FailureClass::ReconnectRequired,
            Self::AppPending | Self::AppTrial => FailureClass::AppNotAllowed,
            Self::NotPermitted
            | Self::Forbidden
            | Self::ImageTooSmall
            | Self::ImageBroken
            | Self::InvalidRequest
            | Self::Refused
            | Self::LinkBlocked => FailureClass::Rejected,
            Self::BoardMissing | Self::SectionMissing | Self::Missing => FailureClass::NotFound,
            Self::Throttled | Self::OtherLimit => FailureClass::RateLimited,
            Self::SpamBlock => FailureClass::SpamBlocked,
            Self::FetchFailed | Self::Hiccup | Self::Busy | Self::Down => FailureClass::Unavailable,
            Self::Strange => FailureClass::BadAnswer,
        }
    }

    const fn code(self) -> ErrorCode {
        match self {
            Self::FetchFailed => ErrorCode::MediaFetchFailed,
            _ => match self.class() {
                FailureClass::TokenExpired => ErrorCode::TokenExpired,
                FailureClass::ReconnectRequired => ErrorCode::AccountReconnectRequired,
                FailureClass::AppNotAllowed => ErrorCode::PlatformAccessTier,
                FailureClass::NotFound => ErrorCode::NotFound,
                FailureClass::RateLimited => ErrorCode::PlatformRateLimited,
                FailureClass::SpamBlocked => ErrorCode::PlatformSpamBlock,
                FailureClass::Rejected => ErrorCode::PlatformRejected,
                FailureClass::BadAnswer => ErrorCode::PlatformBadResponse,
                FailureClass::NotSent | FailureClass::Unavailable => ErrorCode::PlatformUnavailable,
            },
        }
    }

    /// What happened, for people; Pinterest's own words are added behind it.
    const fn happened(self) -> &'static str {
        match self {
            Self::TokenExpired | Self::TokenDoubtful => {
                "Pinterest no longer accepts the account's access token"
            }
            Self::ScopesMissing => "The account did not grant everything that this call needs",
            Self::AppPending => "Pinterest has not approved the app yet",
            Self::AppTrial => {
                "The app has Trial access, which may not create pins on the real Pinterest"
            }
            Self::NotPermitted | Self::Forbidden => {
                "Pinterest says that the account may not do this"
            }
            Self::ImageTooSmall => "Pinterest says that the image is too small",
            Self::ImageBroken => "Pinterest says that the image is broken",
            Self::BoardMissing => "Pinterest does not know the board",
            Self::SectionMissing => "Pinterest does not know the section on this board",
            Self::Missing => "Pinterest does not know the object",
            Self::InvalidRequest | Self::Refused => "Pinterest refused the request",
            Self::Throttled | Self::OtherLimit => "Pinterest's limit on calls is reached",
            Self::SpamBlock => "Pinterest blocks the account for a while, to combat spam",
            Self::LinkBlocked => "Pinterest blocked the link, because it may lead to spam",
            Self::FetchFailed => "Pinterest could not fetch the image or reach the link",
            Self::Hiccup => "Pinterest says that something went wrong on its side",
            Self::Busy => "Pinterest is busy with the same object",
            Self::Down => "Pinterest failed",
            Self::Strange => "Pinterest's answer makes no sense",
        }
    }

    /// What to do, where the registry's sentence is too general.
    fn remedy(self) -> Option<String> {
        Some(match self {
            Self::AppPending => "Wait until Pinterest has approved your app (https://developers.pinterest.com/apps/ shows its state); \
                the account stays connected."
                .to_owned(),
            Self::AppTrial => format!(
                "To try it out, set {}=https://api-sandbox.pinterest.com/v5 and connect the account again; to publish, ask \
                 Pinterest for Standard access at https://developers.pinterest.com/apps/. The account stays connected.",
                settings::API_URL
            ),
            Self::NotPermitted | Self::Forbidden => {
                "Check that the board belongs to the account or that it collaborates on it, and that secret boards were \
                 granted when it was connected."
                    .to_owned()
            }
            Self::ImageTooSmall => "Use an image with more pixels; 1000 x 1500 is recommended.".to_owned(),
            Self::ImageBroken => "Save the image again as JPEG or PNG and upload that file.".to_owned(),
            Self::BoardMissing => "Choose a board from the account's board list. A board of the real Pinterest does not exist \
                on its sandbox host, and the other way round."
                .to_owned(),
            Self::SectionMissing => "Choose a section from the board's section list, or leave it out.".to_owned(),
            Self::LinkBlocked => "Use another link: the full address of the page rather than a short one.".to_owned(),
            Self::InvalidRequest | Self::Refused => "Read Pinterest's words, correct the field they name and try again.".to_owned(),
            _ => return None,
        })
    }
}

/// The failure of a call that is not the commit. `may_have_acted`: the call creates something, so a failure in the
/// middle leaves that open.
pub(super) fn failure(answer: &Answer<'_>, may_have_acted: bool) -> PlatformError {
    let said = answer.said();
    let meaning = meaning(answer.status, said.as_ref());
    let mut info = describe(meaning, meaning.code(), answer, said.as_ref());
    let is_open = matches!(
        meaning.class(),
        FailureClass::Unavailable | FailureClass::BadAnswer
    );
    if may_have_acted && is_open && meaning != Meaning::FetchFailed {
        info.outcome = Outcome::Unknown;
        info.retry = Retry::AfterReconcile;
        "Look at the account on Pinterest before you send it again: it may have been created."
            .clone_into(&mut info.remedy);
    }
    finish(meaning.class(), answer, info)
}

/// What an answer to the commit proves. `body` of a 2xx may be cut: the status alone says that the pin exists.
pub(super) fn commit(answer: &Answer<'_>) -> CommitAnswer {
    if answer.is_success() {
        return match pin_id(answer.body) {
            Some(remote_id) => {
                let remote_url = pin_url(&remote_id);
                CommitAnswer::Applied {
                    remote_id,
                    remote_url,
                }
            }
            None => applied_without_id(answer, "its answer holds no usable id"),
        };
    }
    let said = answer.said();
    let meaning = meaning(answer.status, said.as_ref());
    let code = if meaning.is_trusted() {
        meaning.code()
    } else {
        ErrorCode::OutcomeUnknown
    };
    let mut info = describe(meaning, code, answer, said.as_ref());
    if code == ErrorCode::OutcomeUnknown {
        info.detail
            .push_str(" It is not known whether the pin exists.");
    }
    let error = finish(meaning.class(), answer, info);
    match meaning {
        Meaning::TokenExpired => CommitAnswer::TokenExpired(error),
        Meaning::Throttled => CommitAnswer::Throttled(error),
        _ if meaning.is_trusted() => CommitAnswer::Rejected(error),
        _ => CommitAnswer::Unknown(error),
    }
}

/// 2xx, but the id must be found by looking.
pub(super) fn applied_without_id(answer: &Answer<'_>, why: &str) -> CommitAnswer {
    let mut info = ErrorInfo::new(
        ErrorCode::PlatformBadResponse,
        format!(
            "Pinterest created the pin (HTTP {}), but {why}.",
            answer.status
        ),
    )
    .with_remedy("Nothing to do: the pin is looked up on its board and never sent again.")
    .with_platform(answer.facts(None));
    info.outcome = Outcome::Applied;
    info.retry = Retry::No;
    CommitAnswer::AppliedIdUnknown(PlatformError::new(FailureClass::BadAnswer, info))
}

/// A 2xx whose body is not what the document says.
pub(super) fn bad_answer(answer: &Answer<'_>, what: &str, may_have_acted: bool) -> PlatformError {
    let mut info = ErrorInfo::new(
        ErrorCode::PlatformBadResponse,
        format!(
            "Pinterest answered with HTTP {}, but {what}.",
            answer.status
        ),
    )
    .with_platform(answer.facts(None));
    info.outcome = if may_have_acted {
        Outcome::Applied
    } else {
        Outcome::None
    };
    if !may_have_acted {
        "Try again later; if it stays, report it with Pinterest's request id."
            .clone_into(&mut info.remedy);
    }
    PlatformError::new(FailureClass::BadAnswer, info)
}

fn describe(
    meaning: Meaning,
    code: ErrorCode,
    answer: &Answer<'_>,
    said: Option<&Said>,
) -> ErrorInfo {
    let words = said
        .map(|said| redact::clean(&said.message))
        .filter(|words| !words.is_empty());
    let number = said
        .and_then(|said| said.code)
        .map_or(String::new(), |code| format!(", code {code}"));
    let detail = match words {
        Some(words) => format!(
            "{}: \"{words}\" (HTTP {}{number}).",
            meaning.happened(),
            answer.status
        ),
        None => format!("{} (HTTP {}{number}).", meaning.happened(), answer.status),
    };
    let info = ErrorInfo::new(code, detail).with_platform(answer.facts(said));
    match meaning
        .remedy()
        .filter(|_| code != ErrorCode::OutcomeUnknown)
    {
        Some(remedy) => info.with_remedy(remedy),
        None => info,
    }
}

fn finish(class: FailureClass, answer: &Answer<'_>, mut info: ErrorInfo) -> PlatformError {
    let waits = matches!(
        class,
        FailureClass::RateLimited | FailureClass::SpamBlocked | FailureClass::Unavailable
    );
    let retry_after = answer.retry_after().filter(|_| waits);
    info.retry_after_ms =
        retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let mut error = PlatformError::new(class, info);
    error.retry_after = retry_after;
    error
}

/// Ids are strings of digits, longer than 2^53; a whole number is taken too.
pub(super) fn digits(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn pin_id(body: &[u8]) -> Option<String> {
    digits(serde_json::from_slice::<Value>(body).ok()?.get("id"))
}

#[cfg(test)]
mod tests;
