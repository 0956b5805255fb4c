//! The fake Pinterest, API v5: who may call, at which rate, and what happens then.

mod boards;
mod draft;
mod fields;
mod media;
mod oauth;
mod operations;
mod pages;
mod pictures;
mod pins;
mod s3;
mod sections;
mod shape;
mod tokens;

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use bytes::Bytes;

use crate::answer::{Answer, ApiError};
use crate::limits::Verdict;
use crate::options::AppState;
use crate::sandbox::Sandbox;
use crate::seed::Privacy;
use crate::state::{Board, State};

pub use operations::{Auth, OPERATIONS, Operation};
pub use tokens::Tokens;

pub(crate) use oauth::{approve, consent};
pub(crate) use operations::{Found, Run, find};
pub(crate) use s3::receive;
pub(crate) use tokens::{expire_all_of, issue, revoke_all_of};

/// One call, ready to be worked on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: &'static Operation,
    /// The ids in the path, in order.
    pub(crate) params: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Number of the request, for the ledger.
    pub(crate) order: u64,
    /// How much later a new pin takes effect.
    pub(crate) late_ms: u64,
    /// Public address of the sandbox.
    pub(crate) base: String,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) client_id: String,
    pub(crate) scopes: BTreeSet<String>,
}

/// Works on a call from the check of its token to its answer.
pub(crate) async fn work(sandbox: &Sandbox, call: &Call) -> Answer {
    if let Some(id) = call.params.iter().find_map(|id| fields::digits(id).err()) {
        return id.into();
    }
    let (caller, verdict) = match admit(sandbox, call) {
        Ok(admitted) => admitted,
        Err((error, verdict)) => return mark(verdict, error.into()),
    };
    let answer = match run(sandbox, &caller, call).await {
        Ok(answer) => answer,
        Err(error) => error.into(),
    };
    mark(Some(verdict), answer)
}

fn mark(verdict: Option<Verdict>, answer: Answer) -> Answer {
    match verdict {
        Some(verdict) => verdict.mark(answer),
        None => answer,
    }
}

/// Checks token, access tier, rate limit and scopes, in this order.
fn admit(sandbox: &Sandbox, call: &Call) -> Result<(Caller, Verdict), (ApiError, Option<Verdict>)> {
    let (mut state, now_ms) = (sandbox.state(), sandbox.now_ms());
    let (caller, is_client) = match call.operation.auth {
        Auth::Basic => {
            let client_id = tokens::client(&sandbox.options().app, &call.headers)
                .map_err(|error| (error, None))?;
            (
                Caller {
                    user: String::new(),
                    client_id,
                    scopes: BTreeSet::new(),
                },
                false,
            )
        }
        Auth::Bearer { .. } => {
            let access = tokens::bearer(&call.headers)
                .and_then(|token| state.access.get(token))
                .filter(|access| now_ms < access.expires_ms)
                .ok_or_else(|| (ApiError::authentication(), None))?;
            let caller = Caller {
                user: access.user.clone(),
                client_id: access.client_id.clone(),
                scopes: access.scopes.clone(),
            };
            (caller, access.is_client)
        }
    };
    let category = call.operation.category;
    let limits = &sandbox.options().limits;
    let verdict = state
        .limiter
        .take(limits, &caller.user, &caller.client_id, category, now_ms);
    if !verdict.allowed {
        return Err((ApiError::rate_limited(), Some(verdict)));
    }
    if let Auth::Bearer { scopes, client } = call.operation.auth {
        if state.switches.app_state == AppState::Pending {
            let message =
                "Your application consumer type is not supported, please contact support.";
            return Err((ApiError::new(401, 3, message), Some(verdict)));
        }
        let missing: Vec<_> = scopes
            .iter()
            .copied()
            .filter(|scope| !caller.scopes.contains(*scope))
            .collect();
        if !missing.is_empty() {
            return Err((ApiError::missing_scopes(&missing), Some(verdict)));
        }
        if is_client && !client {
            return Err((ApiError::not_permitted(), Some(verdict)));
        }
    }
    Ok((caller, verdict))
}

async fn run(sandbox: &Sandbox, caller: &Caller, call: &Call) -> Result<Answer, ApiError> {
    if call.operation.run == Run::CreatePin {
        return pins::create(sandbox, caller, call).await;
    }
    let now_ms = sandbox.now_ms();
    let state = &mut *sandbox.state();
    match call.operation.run {
        Run::CreatePin => Err(ApiError::new(500, 500, "unreachable: handled above")),
        Run::Token => tokens::exchange(state, now_ms, &caller.client_id, &call.body),
        Run::Revoke => tokens::revoke(&call.body),
        Run::UserAccount => boards::user_account(state, now_ms, caller),
        Run::ListBoards => boards::list(state, now_ms, caller, call),
        Run::CreateBoard => boards::create(state, now_ms, caller, call),
        Run::GetBoard => boards::get(state, now_ms, caller, call),
        Run::UpdateBoard => boards::update(state, now_ms, caller, call),
        Run::DeleteBoard => boards::delete(state, caller, call),
        Run::ListSections => sections::list(state, caller, call),
        Run::CreateSection => sections::create(state, caller, call),
        Run::UpdateSection => sections::update(state, caller, call),
        Run::DeleteSection => sections::delete(state, caller, call),
        Run::ListBoardPins => pins::list_board(state, now_ms, caller, call),
        Run::ListSectionPins => pins::list_section(state, now_ms, caller, call),
        Run::ListPins => pins::list(state, now_ms, caller, call),
        Run::GetPin => pins::get(state, now_ms, caller, call),
        Run::UpdatePin => pins::update(state, now_ms, caller, call),
        Run::DeletePin => pins::delete(state, now_ms, caller, call),
        Run::SavePin => pins::save(state, now_ms, caller, call),
        Run::ListMedia => media::list(state, now_ms, caller, call),
        Run::RegisterMedia => media::register(state, now_ms, caller, call),
        Run::GetMedia => media::get(state, now_ms, caller, call),
    }
}

/// What a caller wants to do with a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Read,
    Pin,
    Own,
}

impl Caller {
    /// The board, where the caller may do this with it.
    fn board<'a>(&self, state: &'a State, id: &str, right: Right) -> Result<&'a Board, ApiError> {
        let board = state.board(id).ok_or_else(ApiError::board_not_found)?;
        let may = match right {
            Right::Read | Right::Pin => board.has_member(&self.user),
            Right::Own => board.owner == self.user,
        };
        let secret = match right {
            Right::Read => self.reads_secrets(),
            Right::Pin => self.scopes.contains("pins:write_secret"),
            Right::Own => self.scopes.contains("boards:write_secret"),
        };
        if may && (secret || board.privacy != Privacy::Secret) {
            Ok(board)
        } else {
            Err(ApiError::not_permitted())
        }
    }

    fn reads_secrets(&self) -> bool {
        self.scopes.contains("boards:read_secret")
    }

    /// Whether a board shows up for this caller at all.
    fn sees(&self, board: &Board) -> bool {
        !board.deleted
            && board.has_member(&self.user)
            && (board.privacy != Privacy::Secret || self.reads_secrets())
    }
}

impl Call {
    fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}
