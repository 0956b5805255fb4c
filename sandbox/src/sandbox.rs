//! The handle to a running sandbox.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::faults::{FaultScript, Plan};
use crate::ledger::{self, Ledger};
use crate::options::Options;
use crate::pinterest::{self, Tokens};
use crate::state::State;
use crate::{http, serve};

/// A fake Pinterest. Cloning is cheap; clones share everything.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    state: Mutex<State>,
}

impl Sandbox {
    /// A sandbox with nothing but its seed in it.
    pub fn new(options: Options) -> Self {
        let state = Mutex::new(State::new(&options));
        Self(Arc::new(Inner { options, state }))
    }

    /// Routes at the root: `/v5/…`, `/oauth/`, `/s3/…`, `GET /_sandbox/ledger`, `GET`, `PUT` and `DELETE
    /// /_sandbox/faults`. `base` is the public address they are reached at, without a slash at the end
    /// (`http://127.0.0.1:8788`, `http://127.0.0.1:8787/sandbox`); upload addresses and forms are built from it.
    pub fn router(&self, base: &str) -> Router {
        http::router(self, base)
    }

    /// Serves on a listener until `shutdown` fires; open connections are then closed.
    ///
    /// # Errors
    ///
    /// Where the listener has no address or cannot accept any more.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        serve::serve(self, listener, shutdown).await
    }

    /// Replaces the fault script and starts its counters anew. An empty script takes all faults away.
    ///
    /// # Panics
    ///
    /// Where the script contradicts itself, see [`FaultScript::check`].
    pub fn set_faults(&self, script: FaultScript) {
        if let Err(problem) = self.try_set_faults(script) {
            panic!("the fault script contradicts itself: {problem}");
        }
    }

    pub(crate) fn try_set_faults(&self, script: FaultScript) -> Result<(), String> {
        script.check()?;
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.switches = script.switches.unwrap_or(self.options().switches);
        state.switched_ms = now_ms;
        state.plan = Plan::new(script);
        Ok(())
    }

    /// What was created and asked so far.
    pub fn ledger(&self) -> Ledger {
        ledger::snapshot(&self.state(), self.now_ms())
    }

    /// Tokens without a consent page, for a user of the seed and these scopes; `None` where there is no such user.
    pub fn issue_tokens(&self, client_id: &str, username: &str, scopes: &[&str]) -> Option<Tokens> {
        let now_ms = self.now_ms();
        let state = &mut *self.state();
        let user = state
            .users
            .iter()
            .find(|user| user.username == username)?
            .id
            .clone();
        let scopes: BTreeSet<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Some(pinterest::issue(state, now_ms, client_id, &user, &scopes))
    }

    /// Kills every token at once, as when a user changes the password.
    pub fn revoke_tokens(&self) {
        let state = &mut *self.state();
        state.access.clear();
        state.refresh.clear();
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.options.clock.now_ms()
    }

    /// A panic in one request must not take the sandbox away from all others.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new(Options::default())
    }
}
