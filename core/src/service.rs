//! The service itself.

use multi_upload_wire::ErrorInfo;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::request::{Path, Plan};

/// Operations on the service itself. See [`Client::service`].
#[derive(Debug, Clone)]
pub struct Service(Client);

/// That the service runs, and which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, or `degraded` while nothing is sent.
    pub status: String,
    /// Version of the service.
    pub version: String,
    /// What keeps it from sending: a clock that jumped, a full disk, a database that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ErrorInfo>,
}

impl Client {
    /// Operations on the service itself.
    #[must_use]
    pub fn service(&self) -> Service {
        Service(self.clone())
    }
}

impl Service {
    /// Asks whether the service runs.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn health(&self, options: &CallOptions) -> Result<Health, Error> {
        self.0.fetch(health(), options).await
    }
}

pub(crate) fn health() -> Plan {
    Plan::get(Path::new("/healthz"))
}
