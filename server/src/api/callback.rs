//! Where a network sends the browser back: `/oauth/{platform}/callback`.
//!
//! The answer is a page for a person. It is sent once the account is stored.

use axum::extract::{FromRef, OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use multi_upload_wire::ErrorInfo;

use super::request::ForBrowsers;
use crate::accounts::{Accounts, CallbackQuery};
use crate::state::App;

impl FromRef<App> for Accounts {
    fn from_ref(app: &App) -> Self {
        app.accounts.clone()
    }
}

/// Only the page itself with its one style; no script, no frame, no form.
const POLICY: &str = "default-src 'none'; style-src 'sha256-STYLE'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;color:#1f2328;background:#fff}h1{font-size:1.4rem}code{background:#f2f3f5;padding:.1em .3em}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}code{background:#2a2d33}}";

/// Ends a connection. Called by the browser, which brings no key: the state in the address is the proof.
#[utoipa::path(
    get, path = "/oauth/{platform}/callback", tag = "accounts", operation_id = "oauth_callback", security(()),
    params(
        ("platform" = String, Path, description = "`pinterest`."),
        ("code" = Option<String>, Query, description = "Single-use code of the network."),
        ("state" = Option<String>, Query, description = "The text that the connection began with."),
        ("error" = Option<String>, Query, description = "Why the user did not consent.")
    ),
    responses(
        (status = 200, description = "The account is stored: a page that says so.", content_type = "text/html", body = String),
        (status = 303, description = "The account is stored, and the connection asked for a page of this service."),
        (status = "4XX", description = "A page that says what went wrong.", content_type = "text/html", body = String)
    )
)]
pub(crate) async fn callback(
    State(accounts): State<Accounts>,
    Path(platform): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let mut query = CallbackQuery::default();
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "code" => query.code = Some(value.into_owned()),
            "state" => query.state = Some(value.into_owned()),
            "error" => query.error = Some(value.into_owned()),
            // Networks add parameters of their own.
            _ => {}
        }
    }
    match accounts.callback(&platform, query).await {
        Ok(done) => match done.return_url.as_deref().and_then(own_path) {
            Some(location) => {
                let mut response = page(StatusCode::SEE_OTHER, "Connected", "");
                response.headers_mut().insert(LOCATION, location);
                response
            }
            None => page(
                StatusCode::OK,
                &format!("{} is connected", shown_name(&platform)),
                &format!(
                    "<p>The account <code>{}</code> can be published to now. You can close this page.</p>",
                    escape(&done.account_name)
                ),
            ),
        },
        Err(info) => error_page(&platform, &info),
    }
}

fn error_page(platform: &str, info: &ErrorInfo) -> Response {
    let status = StatusCode::from_u16(info.status)
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    page(
        status,
        &format!("{} was not connected", shown_name(platform)),
        &format!(
            "<p>{}</p><p>{}</p><p><code>{}</code></p>",
            escape(&info.detail),
            escape(&info.remedy),
            escape(&info.code)
        ),
    )
}

/// A place to go to that is certainly a path of this service.
fn own_path(url: &str) -> Option<HeaderValue> {
    let is_own = url.starts_with('/')
        && !url.starts_with("//")
        && !url.contains('\\')
        && !url.chars().any(char::is_control);
    is_own.then(|| HeaderValue::from_str(url).ok()).flatten()
}

fn shown_name(platform: &str) -> String {
    let mut letters = platform
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(30);
    letters.next().map_or_else(
        || "The account".to_owned(),
        |first| first.to_ascii_uppercase().to_string() + &letters.collect::<String>(),
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    );
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // The address holds the network's code.
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response.extensions_mut().insert(ForBrowsers);
    response
}

fn policy() -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(STYLE.as_bytes());
    POLICY.replace(
        "STYLE",
        &base64::engine::general_purpose::STANDARD.encode(hash),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_accounts_are_text_not_markup() {
        assert_eq!(escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
        assert_eq!(shown_name("pinterest"), "Pinterest");
        assert_eq!(shown_name("<script>"), "Script");
        assert_eq!(shown_name("<>"), "The account");
    }

    #[test]
    fn the_browser_is_only_sent_to_paths_of_this_service() {
        assert!(own_path("/accounts?x=1").is_some());
        for elsewhere in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "",
            "/\n",
        ] {
            assert!(own_path(elsewhere).is_none(), "{elsewhere:?}");
        }
    }
}
