//! Tokens: the three grants, the client's proof, revocation.

use std::collections::BTreeSet;
use std::fmt;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::form_urlencoded;

use crate::answer::{Answer, ApiError};
use crate::options::{App, Rotation};
use crate::state::{Access, Refresh, State};

/// 30 days.
const ACCESS_LIFE_S: u64 = 2_592_000;
/// 60 days, renewed by each refresh.
const REFRESH_LIFE_S: u64 = 5_184_000;

/// Every scope that an app may ask for.
pub(crate) const SCOPES: [&str; 17] = [
    "ads:read",
    "ads:write",
    "billing:read",
    "billing:write",
    "biz_access:read",
    "biz_access:write",
    "boards:read",
    "boards:read_secret",
    "boards:write",
    "boards:write_secret",
    "catalogs:read",
    "catalogs:write",
    "pins:read",
    "pins:read_secret",
    "pins:write",
    "pins:write_secret",
    "user_accounts:read",
];

/// A pair of tokens made without the consent page, by [`Sandbox::issue_tokens`](crate::Sandbox::issue_tokens).
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// `pina_…`, 30 days.
    pub access_token: String,
    /// `pinr_…`, 60 days.
    pub refresh_token: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// Scopes in a request are separated by commas or spaces.
pub(crate) fn parse_scopes(text: &str) -> Result<BTreeSet<String>, ApiError> {
    let scopes: BTreeSet<_> = text
        .split([',', ' '])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    match scopes
        .iter()
        .find(|scope| !SCOPES.contains(&scope.as_str()))
    {
        Some(unknown) => Err(ApiError::invalid(format_args!("unknown scope '{unknown}'"))),
        None if scopes.is_empty() => Err(ApiError::invalid("'scope' is a required parameter")),
        None => Ok(scopes),
    }
}

/// The token of a Bearer header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    credentials(headers, "bearer")
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (given, rest) = headers
        .get("authorization")?
        .to_str()
        .ok()?
        .split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The client id of a Basic header, where it is one that the sandbox knows.
pub(crate) fn client(app: &Option<App>, headers: &HeaderMap) -> Result<String, ApiError> {
    let pair = credentials(headers, "basic")
        .and_then(|pair| STANDARD.decode(pair).ok())
        .and_then(|pair| String::from_utf8(pair).ok())
        .ok_or_else(ApiError::authentication)?;
    let (id, secret) = pair.split_once(':').ok_or_else(ApiError::authentication)?;
    let is_known = match app {
        Some(app) => app.client_id == id && app.client_secret == secret,
        None => !id.is_empty() && !secret.is_empty(),
    };
    if is_known {
        Ok(id.to_owned())
    } else {
        Err(ApiError::authentication())
    }
}

/// `POST /v5/oauth/token`.
pub(crate) fn exchange(
    state: &mut State,
    now_ms: u64,
    client_id: &str,
    body: &[u8],
) -> Result<Answer, ApiError> {
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let value = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let required = |name: &str| {
        value(name)
            .ok_or_else(|| ApiError::invalid(format_args!("'{name}' is a required parameter")))
    };
    match required("grant_type")? {
        "authorization_code" => by_code(
            state,
            now_ms,
            client_id,
            required("code")?,
            required("redirect_uri")?,
        ),
        "refresh_token" => by_refresh(
            state,
            now_ms,
            client_id,
            required("refresh_token")?,
            value("scope"),
        ),
        "client_credentials" => by_client(state, now_ms, client_id, required("scope")?),
        other => Err(ApiError::invalid(format_args!(
            "'{other}' is not one of ['authorization_code', 'refresh_token', 'client_credentials']"
        ))),
    }
}

fn by_code(
    state: &mut State,
    now_ms: u64,
    client_id: &str,
    code: &str,
    redirect_uri: &str,
) -> Result<Answer, ApiError> {
    let refused = || ApiError::invalid("the authorization code is unknown, used or expired");
    // Taken out even where the rest does not fit: a code is good for one try.
    let code = state
        .codes
        .remove(code)
        .filter(|code| now_ms < code.expires_ms)
        .ok_or_else(refused)?;
    if code.client_id != client_id || code.redirect_uri != redirect_uri {
        return Err(ApiError::invalid(
            "client_id or redirect_uri is not the one of the authorization code",
        ));
    }
    let tokens = issue(state, now_ms, client_id, &code.user, &code.scopes);
    Ok(answer(
        "authorization_code",
        &tokens,
        &code.scopes,
        now_ms,
        REFRESH_LIFE_S,
        false,
    ))
}

fn by_refresh(
    state: &mut State,
    now_ms: u64,
    client_id: &str,
    token: &str,
    scope: Option<&str>,
) -> Result<Answer, ApiError> {
    let old = state
        .refresh
        .get(token)
        .filter(|old| now_ms < old.expires_ms && old.client_id == client_id);
    let old = old.cloned().ok_or_else(ApiError::authentication)?;
    let scopes = match scope {
        Some(scope) => parse_scopes(scope)?,
        None => old.scopes.clone(),
    };
    if !scopes.is_subset(&old.scopes) {
        return Err(ApiError::invalid("'scope' has more than was granted"));
    }
    if let Some((used_ms, access_token, refresh_token)) = old.used {
        if used_ms / 1_000 == now_ms / 1_000 {
            let tokens = Tokens {
                access_token,
                refresh_token,
            };
            return Ok(answer(
                "refresh_token",
                &tokens,
                &scopes,
                now_ms,
                REFRESH_LIFE_S,
                true,
            ));
        }
        if state.switches.refresh == Rotation::Strict {
            return Err(ApiError::authentication());
        }
    }
    let tokens = issue(state, now_ms, client_id, &old.user, &scopes);
    if let Some(old) = state.refresh.get_mut(token) {
        old.used = Some((
            now_ms,
            tokens.access_token.clone(),
            tokens.refresh_token.clone(),
        ));
    }
    Ok(answer(
        "refresh_token",
        &tokens,
        &scopes,
        now_ms,
        REFRESH_LIFE_S,
        true,
    ))
}

/// Acts as the owner of the app, here the first user.
fn by_client(
    state: &mut State,
    now_ms: u64,
    client_id: &str,
    scope: &str,
) -> Result<Answer, ApiError> {
    let scopes = parse_scopes(scope)?;
    let user = state
        .users
        .first()
        .map(|user| user.id.clone())
        .unwrap_or_default();
    let access_token = format!("pinc_{}", state.random.hex(64));
    state.access.insert(
        access_token.clone(),
        Access {
            client_id: client_id.to_owned(),
            user,
            scopes: scopes.clone(),
            expires_ms: now_ms + ACCESS_LIFE_S * 1_000,
            is_client: true,
        },
    );
    Ok(Answer::json(
        200,
        &json!({
            "response_type": "client_credentials",
            "access_token": access_token,
            "token_type": "bearer",
            "expires_in": ACCESS_LIFE_S,
            "scope": joined(&scopes),
        }),
    ))
}

/// Makes a pair of tokens.
pub(crate) fn issue(
    state: &mut State,
    now_ms: u64,
    client_id: &str,
    user: &str,
    scopes: &BTreeSet<String>,
) -> Tokens {
    let tokens = Tokens {
        access_token: format!("pina_{}", state.random.hex(64)),
        refresh_token: format!("pinr_{}", state.random.hex(64)),
    };
    state.access.insert(
        tokens.access_token.clone(),
        Access {
            client_id: client_id.to_owned(),
            user: user.to_owned(),
            scopes: scopes.clone(),
            expires_ms: now_ms + ACCESS_LIFE_S * 1_000,
            is_client: false,
        },
    );
    state.refresh.insert(
        tokens.refresh_token.clone(),
        Refresh {
            client_id: client_id.to_owned(),
            user: user.to_owned(),
            scopes: scopes.clone(),
            expires_ms: now_ms + REFRESH_LIFE_S * 1_000,
            used: None,
        },
    );
    tokens
}

fn answer(
    response_type: &str,
    tokens: &Tokens,
    scopes: &BTreeSet<String>,
    now_ms: u64,
    refresh_life_s: u64,
    with_time: bool,
) -> Answer {
    let mut body = json!({
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "response_type": response_type,
        "token_type": "bearer",
        "expires_in": ACCESS_LIFE_S,
        "refresh_token_expires_in": refresh_life_s,
        "scope": joined(scopes),
    });
    // The real code exchange does not say the moment, only the refresh does.
    if with_time {
        body["refresh_token_expires_at"] = json!(now_ms / 1_000 + refresh_life_s);
    }
    Answer::json(200, &body)
}

fn joined(scopes: &BTreeSet<String>) -> String {
    scopes
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `POST /v5/oauth/token/revoke`. Only tokens of system users can be revoked, and the sandbox has none.
pub(crate) fn revoke(body: &[u8]) -> Result<Answer, ApiError> {
    if form_urlencoded::parse(body).any(|(name, value)| name == "token" && !value.is_empty()) {
        Err(ApiError::not_permitted())
    } else {
        Err(ApiError::invalid("'token' is a required parameter"))
    }
}

/// Ends every access token that a user gave to an app.
pub(crate) fn expire_all_of(state: &mut State, client_id: &str, user: &str) {
    state
        .access
        .retain(|_, access| access.client_id != client_id || access.user != user);
}

/// Kills every token that a user gave to an app: the user took the permission back.
pub(crate) fn revoke_all_of(state: &mut State, client_id: &str, user: &str) {
    expire_all_of(state, client_id, user);
    state
        .refresh
        .retain(|_, refresh| refresh.client_id != client_id || refresh.user != user);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn refresh(state: &mut State, now_ms: u64, token: &str) -> Result<(String, String), ApiError> {
        let body = format!("grant_type=refresh_token&refresh_token={token}");
        let answer = exchange(state, now_ms, "app", body.as_bytes())?;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let text = |name: &str| body[name].as_str().expect(name).to_owned();
        Ok((text("access_token"), text("refresh_token")))
    }

    fn start() -> (State, Tokens) {
        let mut state = State::new(&Options {
            random_seed: Some(1),
            ..Options::default()
        });
        let scopes = ["pins:read".to_owned()].into();
        let tokens = issue(&mut state, 0, "app", "1", &scopes);
        (state, tokens)
    }

    #[test]
    fn a_strict_refresh_token_dies_with_its_second() {
        let (mut state, tokens) = start();
        let first = refresh(&mut state, 10_000, &tokens.refresh_token).expect("first");
        assert_ne!(first.0, tokens.access_token);
        let again = refresh(&mut state, 10_999, &tokens.refresh_token).expect("same second");
        assert_eq!(first, again);
        assert_eq!(
            refresh(&mut state, 11_000, &tokens.refresh_token),
            Err(ApiError::authentication())
        );
        assert!(
            refresh(&mut state, 11_000, &first.1).is_ok(),
            "the new one works"
        );
        assert!(
            state.access.contains_key(&tokens.access_token),
            "the old access token lives on"
        );
    }

    #[test]
    fn a_lenient_one_lives_until_it_expires() {
        let (mut state, tokens) = start();
        state.switches.refresh = Rotation::Lenient;
        assert!(refresh(&mut state, 10_000, &tokens.refresh_token).is_ok());
        assert!(refresh(&mut state, 20_000, &tokens.refresh_token).is_ok());
        assert!(refresh(&mut state, REFRESH_LIFE_S * 1_000, &tokens.refresh_token).is_err());
    }

    #[test]
    fn tokens_belong_to_their_client_and_scopes_cannot_grow() {
        let (mut state, tokens) = start();
        let body = |scope: &str| {
            format!(
                "grant_type=refresh_token&refresh_token={}{scope}",
                tokens.refresh_token
            )
        };
        assert!(exchange(&mut state, 0, "other", body("").as_bytes()).is_err());
        assert!(exchange(&mut state, 0, "app", body("&scope=pins:write").as_bytes()).is_err());
        assert!(exchange(&mut state, 0, "app", body("&scope=pins:read").as_bytes()).is_ok());
    }

    #[test]
    fn scopes_take_commas_and_spaces() {
        assert_eq!(
            parse_scopes("pins:read, boards:read").expect("valid").len(),
            2
        );
        assert!(parse_scopes("pins:fly").is_err());
        assert!(parse_scopes("").is_err());
    }
}
