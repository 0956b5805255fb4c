//! Consent and tokens: the authorization code flow with Basic authentication. Pinterest documents no PKCE.

use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::Value;
use url::Url;

use super::api::Api;
use super::fields;
use super::settings::PinterestSettings;
use crate::{AuthorizeRequest, FailureClass, PlatformError, TokenSet};

/// What the product needs, secret boards and pins included.
pub(super) const SCOPES: [&str; 9] = [
    "boards:read",
    "boards:read_secret",
    "boards:write",
    "boards:write_secret",
    "pins:read",
    "pins:read_secret",
    "pins:write",
    "pins:write_secret",
    "user_accounts:read",
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The consent page with its question.
pub(super) fn authorize_url(page: &Url, app_id: &str, request: &AuthorizeRequest) -> String {
    let mut url = page.clone();
    url.query_pairs_mut()
        .append_pair("client_id", app_id)
        .append_pair("redirect_uri", &request.redirect_uri)
        .append_pair("response_type", "code")
        .append_pair("scope", &SCOPES.join(","))
        .append_pair("state", &request.state);
    url.into()
}

/// `continuous_refresh` matters only for apps made before 2025-09-25 and harms no other.
const fn code_form<'a>(code: &'a str, redirect_uri: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("continuous_refresh", "true"),
    ]
}

/// Trades a code.
pub(super) async fn exchange_code(
    api: &Api,
    settings: &PinterestSettings,
    code: &str,
    redirect_uri: &str,
) -> Result<TokenSet, PlatformError> {
    let form = code_form(code, redirect_uri);
    ask(api, settings, &form, |error| {
        error.class = FailureClass::Rejected;
        error.info = reworded(
            &error.info,
            ErrorCode::PlatformRejected,
            "Pinterest did not accept the sign-in",
            "Start the connection again (a code works once and for a short time). If it stays, compare PINTEREST_APP_ID, \
             PINTEREST_APP_SECRET and the redirect address with your app at https://developers.pinterest.com/apps/.",
        );
    })
    .await
}

/// Renews the tokens.
pub(super) async fn refresh(
    api: &Api,
    settings: &PinterestSettings,
    refresh_token: &str,
) -> Result<TokenSet, PlatformError> {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    ask(api, settings, &form, |error| {
        error.class = FailureClass::ReconnectRequired;
        error.info = reworded(
            &error.info,
            ErrorCode::AccountReconnectRequired,
            "Pinterest did not renew the account's access",
            "Connect the account again; its scheduled uploads are kept and go on. If every account fails, compare \
             PINTEREST_APP_ID and PINTEREST_APP_SECRET with your app at https://developers.pinterest.com/apps/.",
        );
    })
    .await
}

/// `on_refusal` gives a refused grant its meaning: Pinterest answers a wrong app secret, a dead refresh token and a
/// used code alike.
async fn ask(
    api: &Api,
    settings: &PinterestSettings,
    form: &[(&str, &str)],
    on_refusal: impl FnOnce(&mut PlatformError),
) -> Result<TokenSet, PlatformError> {
    settings
        .credentials()
        .map_err(|info| PlatformError::new(FailureClass::AppNotAllowed, info))?;
    match api
        .token(&settings.app_id, &settings.app_secret, form)
        .await
    {
        Ok(answer) => tokens(&answer),
        Err(mut error) => {
            let is_refusal = matches!(
                error.class,
                FailureClass::TokenExpired
                    | FailureClass::ReconnectRequired
                    | FailureClass::Rejected
                    | FailureClass::NotFound
            );
            if is_refusal {
                on_refusal(&mut error);
            }
            Err(error)
        }
    }
}

/// The same failure with another code and remedy; Pinterest's words stay.
fn reworded(info: &ErrorInfo, code: ErrorCode, happened: &str, remedy: &str) -> Box<ErrorInfo> {
    let words = info
        .platform
        .as_ref()
        .and_then(|platform| platform.message.as_deref());
    let detail = match words {
        Some(words) => format!("{happened}: \"{words}\"."),
        None => format!("{happened}."),
    };
    let mut new = ErrorInfo::new(code, detail).with_remedy(remedy);
    new.platform.clone_from(&info.platform);
    Box::new(new)
}

/// Only the access token is required; the rest has the documented values where it is missing.
fn tokens(answer: &Value) -> Result<TokenSet, PlatformError> {
    let Some(access_token) = fields::text(answer, "access_token") else {
        let info = ErrorInfo::new(
            ErrorCode::PlatformBadResponse,
            "Pinterest's answer holds no access token.",
        )
        .with_remedy("Start again; if it stays, check MULTI_UPLOAD_PINTEREST_API_URL.")
        .with_platform(super::api::no_answer());
        return Err(PlatformError::new(FailureClass::BadAnswer, info));
    };
    let life = |name| {
        fields::whole(answer, name)
            .filter(|&life| life > 0)
            .map(Duration::from_secs)
    };
    let refresh_token = fields::text(answer, "refresh_token");
    let refresh_expires_in =
        life("refresh_token_expires_in").or_else(|| refresh_token.is_some().then_some(60 * DAY));
    let scopes = fields::text(answer, "scope").unwrap_or_default();
    Ok(TokenSet {
        access_token,
        refresh_token,
        expires_in: life("expires_in").unwrap_or(30 * DAY),
        refresh_expires_in,
        scopes: scopes
            .split([' ', ','])
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_consent_page_is_asked_exactly() {
        let request = AuthorizeRequest {
            redirect_uri: "http://127.0.0.1:8787/oauth/pinterest/callback?a=1&b".to_owned(),
            state: "s+/ =&".to_owned(),
        };
        let url = authorize_url(
            &Url::parse("https://www.pinterest.com/oauth/?x=1").unwrap(),
            "1234",
            &request,
        );
        let url = Url::parse(&url).unwrap();
        assert_eq!(url.path(), "/oauth/");
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [
            ("x", "1"),
            ("client_id", "1234"),
            ("redirect_uri", request.redirect_uri.as_str()),
            ("response_type", "code"),
            (
                "scope",
                "boards:read,boards:read_secret,boards:write,boards:write_secret,pins:read,pins:read_secret,pins:write,\
                 pins:write_secret,user_accounts:read",
            ),
            ("state", "s+/ =&"),
        ];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_code_is_traded_for_tokens_that_can_be_renewed_without_end() {
        assert!(code_form("c", "r").contains(&("continuous_refresh", "true")));
    }

    #[test]
    fn a_full_answer() {
        let set = tokens(&json!({
            "access_token": "pina_1", "refresh_token": "pinr_1", "response_type": "authorization_code",
            "token_type": "bearer", "expires_in": 100, "refresh_token_expires_in": 200,
            "refresh_token_expires_at": 1_800_000_000, "scope": "boards:read pins:read,pins:write"
        }))
        .unwrap();
        assert_eq!(
            (set.access_token.as_str(), set.refresh_token.as_deref()),
            ("pina_1", Some("pinr_1"))
        );
        assert_eq!(set.expires_in, Duration::from_secs(100));
        assert_eq!(set.refresh_expires_in, Some(Duration::from_secs(200)));
        assert_eq!(set.scopes, ["boards:read", "pins:read", "pins:write"]);
        let shown = format!("{set:?}");
        assert!(
            !shown.contains("pina_1") && !shown.contains("pinr_1"),
            "{shown}"
        );
    }

    #[test]
    fn missing_and_odd_fields_have_the_documented_values() {
        let set = tokens(&json!({"access_token": "a", "refresh_token": "r"})).unwrap();
        assert_eq!(
            (set.expires_in, set.refresh_expires_in),
            (30 * DAY, Some(60 * DAY))
        );
        assert!(set.scopes.is_empty());
        let set = tokens(&json!({
            "access_token": "a", "refresh_token": null, "expires_in": "60", "scope": null,
            "refresh_token_expires_in": null, "new": {}
        }))
        .unwrap();
        assert_eq!(
            (set.expires_in, set.refresh_expires_in),
            (Duration::from_secs(60), None)
        );
        assert_eq!(
            tokens(&json!({"access_token": "a", "expires_in": -5}))
                .unwrap()
                .expires_in,
            30 * DAY
        );
    }

    #[test]
    fn without_an_access_token_nothing_is_shown_of_the_answer() {
        for answer in [
            json!({"refresh_token": "pinr_1"}),
            json!({"access_token": "", "refresh_token": "pinr_1"}),
        ] {
            let error = tokens(&answer).unwrap_err();
            assert_eq!(error.class, FailureClass::BadAnswer);
            assert!(!format!("{error:?}").contains("pinr_1"));
        }
    }
}
