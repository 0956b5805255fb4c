//! Who calls, and what they may do.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use multi_upload_wire::{ErrorCode, Mode, Scope};

use super::body::discard;
use super::problem::Problem;
use super::request::RequestId;
use crate::audit::{Actor, Kind, acting};
use crate::config::DEFAULT_TEAM;
use crate::keys::PresentedKey;
use crate::state::App;
use crate::store::Owner;

/// Marks a request that comes from this process: it has every right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local {
    /// Which accounts it sees.
    pub(crate) mode: Mode,
}

/// The caller of a request, checked by the route's guard.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Whose rows it reaches.
    pub(crate) owner: Owner,
    /// The key it came with; `None` for one of this process.
    key: Option<String>,
    /// What it may do; `None` for everything.
    scopes: Option<Vec<Scope>>,
    /// The accounts it may use; `None` for all.
    accounts: Option<Vec<String>>,
}

impl Caller {
    /// May it use this account?
    pub(crate) fn may_use(&self, account: &str) -> bool {
        self.accounts
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|id| id == account))
    }

    /// The account, or `ACCOUNT_NOT_ALLOWED`.
    pub(crate) fn require_account(&self, account: &str) -> Result<(), Problem> {
        if self.may_use(account) {
            return Ok(());
        }
        let shown: String = account.chars().take(100).collect();
        Err(Problem::new(
            ErrorCode::AccountNotAllowed,
            format!("this key may not use {shown:?}"),
        ))
    }

    /// Does it have a scope? `admin` includes all.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|scopes| scopes.contains(&scope) || scopes.contains(&Scope::Admin))
    }

    /// The accounts it is limited to.
    pub(crate) fn accounts(&self) -> Option<&[String]> {
        self.accounts.as_deref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The guard of the route puts it there; a handler on an open route has none.
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

/// The guard of a route: a valid key with the route's scope.
pub(crate) async fn guard(
    State((app, scope)): State<(App, Scope)>,
    mut request: Request,
    next: Next,
) -> Response {
    // Taken out first: a request cannot be shared while the database is asked.
    let local = request.extensions().get::<Local>().copied();
    let outcome = match identify(&app, local, presented(request.headers())).await {
        Ok(caller) if caller.has(scope) => Ok(caller),
        Ok(_) => Err(Problem::new(
            ErrorCode::ScopeMissing,
            format!("this key lacks the scope {}", scope.as_str()),
        )),
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(caller) => {
            let actor = Actor {
                kind: match caller.key {
                    Some(_) => Kind::Key,
                    None => Kind::Local,
                },
                id: caller.key.clone(),
                request_id: request
                    .extensions()
                    .get::<RequestId>()
                    .map(|id| id.0.clone()),
                at: Some(app.clock.now()),
            };
            request.extensions_mut().insert(caller);
            let changes = !request.method().is_safe();
            let answer = acting(actor, next.run(request)).await;
            if changes {
                app.audit_news.notify_one();
            }
            answer
        }
        Err(problem) => {
            let (parts, body) = request.into_parts();
            discard(&parts.headers, body).await;
            problem.into_response()
        }
    }
}

async fn identify(
    app: &App,
    local: Option<Local>,
    presented: Result<PresentedKey, Problem>,
) -> Result<Caller, Problem> {
    if let Some(local) = local {
        return Ok(Caller {
            owner: Owner {
                team: DEFAULT_TEAM.to_owned(),
                mode: local.mode,
            },
            key: None,
            scopes: None,
            accounts: None,
        });
    }
    let presented = presented?;
    let row = app
        .store
        .api_key(&presented.id)
        .await?
        .filter(|row| presented.matches(row))
        .ok_or_else(invalid)?;
    let now = app.clock.now();
    if row.revoked_at.is_some() || row.expires_at.is_some_and(|end| end <= now) {
        let what = if row.revoked_at.is_some() {
            "was revoked"
        } else {
            "has expired"
        };
        return Err(challenge(Problem::new(
            ErrorCode::ApiKeyExpired,
            format!("the key {} {what}", row.id),
        )));
    }
    Ok(Caller {
        owner: row.owner,
        key: Some(row.id),
        scopes: Some(row.scopes),
        accounts: row.accounts,
    })
}

/// The key in the header. Its form and checksum are judged without the database.
fn presented(headers: &HeaderMap) -> Result<PresentedKey, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(invalid());
    }
    let text = value.to_str().map_err(|_| invalid())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    PresentedKey::parse(key.trim()).ok_or_else(invalid)
}

fn missing() -> Problem {
    challenge(Problem::new(
        ErrorCode::ApiKeyMissing,
        "the request carries no API key",
    ))
}

fn invalid() -> Problem {
    challenge(Problem::new(
        ErrorCode::ApiKeyInvalid,
        "the API key is not one of this service",
    ))
}

fn challenge(problem: Problem) -> Problem {
    problem.with_header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"multi-upload\""),
    )
}
