//! The client: a transport, its settings and the budget of repeats, shared by all its clones.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use crate::answer;
use crate::config::ClientOptions;
use crate::error::Error;
use crate::options::{CallOptions, Limit};
use crate::request::Plan;
use crate::retry::{Budget, Policy};
use crate::transport::Transport;
use crate::transport_http::HttpTransport;

/// A client of the service. Clones are cheap and share connections: make one for each process, not one for each call.
///
/// Every future it returns may be dropped at any time; then nothing more is sent, but what was sent may take effect.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Arc<dyn Transport>,
    options: ClientOptions,
    budget: Mutex<Budget>,
}

impl Client {
    /// A client that speaks HTTP. Nothing is connected before the first call, which must run on a tokio runtime.
    ///
    /// # Errors
    /// `CONFIG_INVALID` if the address or the key cannot be right.
    pub fn http(options: ClientOptions) -> Result<Self, Error> {
        let transport = HttpTransport::new(&options)?;
        Ok(Self::with_transport(Arc::new(transport), options))
    }

    /// A client on another transport; `url` and `api_key` of the options are not used.
    #[must_use]
    pub fn with_transport(transport: Arc<dyn Transport>, options: ClientOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                transport,
                options,
                budget: Mutex::new(Budget::new()),
            }),
        }
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        self.inner.transport.as_ref()
    }

    /// Reads or changes the budget of repeats; `change` must be short.
    pub(crate) fn budget<R>(&self, change: impl FnOnce(&mut Budget) -> R) -> R {
        change(
            &mut self
                .inner
                .budget
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Sends a plan and reads the object of its answer.
    pub(crate) async fn fetch<T: DeserializeOwned + Send>(
        &self,
        plan: Plan,
        options: &CallOptions,
    ) -> Result<T, Error> {
        let mut object = None;
        self.execute(&plan, options, &mut |response| {
            object = Some(answer::read(response)?);
            Ok(())
        })
        .await?;
        object.ok_or_else(no_object)
    }

    /// The same for one of several requests of a call.
    pub(crate) async fn fetch_part<T: DeserializeOwned + Send>(
        &self,
        plan: &Plan,
        options: &CallOptions,
        limit: Limit,
    ) -> Result<T, Error> {
        let policy = self.policy(options);
        self.fetch_within(plan, options, limit, &policy).await
    }

    /// The same with a policy of its own.
    pub(crate) async fn fetch_within<T: DeserializeOwned + Send>(
        &self,
        plan: &Plan,
        options: &CallOptions,
        limit: Limit,
        policy: &Policy,
    ) -> Result<T, Error> {
        let mut object = None;
        self.execute_part(plan, options, limit, policy, &mut |response| {
            object = Some(answer::read(response)?);
            Ok(())
        })
        .await?;
        object.ok_or_else(no_object)
    }

    /// Sends a plan whose answer holds nothing of interest.
    pub(crate) async fn send(&self, plan: Plan, options: &CallOptions) -> Result<(), Error> {
        self.execute(&plan, options, &mut |_| Ok(())).await?;
        Ok(())
    }
}

/// An accepted answer was always read: this is a fault of ours if it is ever seen.
pub(crate) fn no_object() -> Error {
    Error::new(
        multi_upload_wire::ErrorCode::Internal,
        "an answer was accepted but not read",
    )
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
