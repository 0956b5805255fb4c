//! Connected accounts and the OAuth connections that bring them.

use std::time::Duration;

use multi_upload_wire::{
    Account, AccountLimits, ConnectRequest, ConnectSession, ErrorCode, ErrorInfo,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;
use crate::options::{CallOptions, Limit};
use crate::page::Items;
use crate::request::{Path, Plan};

/// How often a connection is looked at while a person is in the browser.
const LOOK: Duration = Duration::from_secs(1);

/// Operations on accounts. See [`Client::accounts`].
#[derive(Debug, Clone)]
pub struct Accounts(Client);

impl Client {
    /// Operations on accounts.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        Accounts(self.clone())
    }
}

impl Accounts {
    /// All accounts that the key may see.
    #[must_use]
    pub fn list(&self, options: CallOptions) -> Items<Account> {
        self.0.items(Ok(list()), options)
    }

    /// One account.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn get(&self, id: &str, options: &CallOptions) -> Result<Account, Error> {
        self.0.fetch(get(id)?, options).await
    }

    /// What an account may still do: what is left of the network's limits, and how far its slots are filled.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn limits(&self, id: &str, options: &CallOptions) -> Result<AccountLimits, Error> {
        self.0.fetch(limits(id)?, options).await
    }

    /// Forgets an account and its tokens.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn disconnect(&self, id: &str, options: &CallOptions) -> Result<(), Error> {
        self.0.send(disconnect(id)?, options).await
    }

    /// Begins a connection: open `authorize_url` in a browser, then [`Accounts::wait_connected`].
    ///
    /// # Errors
    /// Those of the service.
    pub async fn start_connection(
        &self,
        request: &ConnectRequest,
        options: &CallOptions,
    ) -> Result<ConnectSession, Error> {
        self.0.fetch(start_connection(request)?, options).await
    }

    /// What became of a connection.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn connection(
        &self,
        id: &str,
        options: &CallOptions,
    ) -> Result<ConnectSession, Error> {
        self.0.fetch(connection(id)?, options).await
    }

    /// Waits until a connection is made and gives its account. No limit unless the options set one; a
    /// connection ends by itself when its page was not confirmed in time.
    ///
    /// # Errors
    /// The connection's own error if it failed; `DEADLINE_EXCEEDED`; those of the service.
    pub async fn wait_connected(&self, id: &str, options: &CallOptions) -> Result<Account, Error> {
        wait_connected(&self.0, id, options).await
    }
}

fn accounts() -> Path {
    Path::new("/v1/accounts")
}

pub(crate) fn list() -> Path {
    accounts()
}

pub(crate) fn get(id: &str) -> Result<Plan, Error> {
    Ok(Plan::get(accounts().id("id", id)?))
}

pub(crate) fn limits(id: &str) -> Result<Plan, Error> {
    Ok(Plan::get(accounts().id("id", id)?.then("limits")))
}

pub(crate) fn disconnect(id: &str) -> Result<Plan, Error> {
    Ok(Plan::delete(accounts().id("id", id)?))
}

pub(crate) fn start_connection(request: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(accounts().then("connect"), request)
}

pub(crate) fn connection(id: &str) -> Result<Plan, Error> {
    Ok(Plan::get(accounts().then("connect").id("id", id)?))
}

/// A connection with its account in the form the caller wants: typed, or as JSON.
#[derive(Deserialize)]
struct Connection<T> {
    status: String,
    account: Option<T>,
    error: Option<ErrorInfo>,
}

pub(crate) async fn wait_connected<T: DeserializeOwned + Send>(
    client: &Client,
    id: &str,
    options: &CallOptions,
) -> Result<T, Error> {
    let limit = Limit::of(options);
    let plan = connection(id)?;
    loop {
        let session: Connection<T> = client.fetch_part(&plan, options, limit).await?;
        match session.status.as_str() {
            "connected" => {
                return session.account.ok_or_else(|| {
                    Error::new(
                        ErrorCode::ProtocolError,
                        "the connection is made, but its account is missing in the answer",
                    )
                });
            }
            "failed" => {
                return Err(session
                    .error
                    .unwrap_or_else(|| {
                        ErrorInfo::new(
                            ErrorCode::PlatformRejected,
                            "the connection failed; the network did not say why",
                        )
                    })
                    .into());
            }
            _ => options.pause(LOOK, limit).await?,
        }
    }
}
