//! Talking to a service.

use multi_upload_core::{CallOptions, Client, ClientOptions};
use multi_upload_wire::{Account, ErrorCode, ErrorInfo};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args;
use crate::signals::Signals;

/// A client whose calls end when the user presses Ctrl-C.
pub(super) struct Service {
    client: Client,
    options: CallOptions,
}

impl Service {
    pub(super) fn new(args: &args::Service) -> Result<Self, ErrorInfo> {
        let Some(key) = args.api_key.clone().filter(|key| !key.trim().is_empty()) else {
            return Err(ErrorInfo::new(
                ErrorCode::ApiKeyMissing,
                "no API key was given",
            )
            .with_remedy(
                "Set MULTI_UPLOAD_API_KEY to a key of the service; `multi-upload keys create` makes one.",
            ));
        };
        let client = Client::http(ClientOptions::new(&args.url, key))?;
        let options = CallOptions::default();
        let cancel = options.cancel.clone();
        let mut signals = Signals::listen();
        tokio::spawn(async move {
            signals.next().await;
            cancel.cancel();
        });
        Ok(Self { client, options })
    }

    /// Options of a call, to be changed.
    pub(super) fn options(&self) -> CallOptions {
        self.options.clone()
    }

    /// True once the user has asked to stop.
    pub(super) fn is_cancelled(&self) -> bool {
        self.options.cancel.is_cancelled()
    }

    /// Calls an operation.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        arguments: Value,
    ) -> Result<T, ErrorInfo> {
        self.call_with(operation, arguments, self.options()).await
    }

    /// Calls an operation with options of its own.
    pub(super) async fn call_with<T: DeserializeOwned>(
        &self,
        operation: &str,
        arguments: Value,
        options: CallOptions,
    ) -> Result<T, ErrorInfo> {
        read(self.client.call(operation, arguments, options).await?)
    }

    /// Reads a list, but at most so many of it.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        operation: &str,
        arguments: Value,
        most: usize,
    ) -> Result<Vec<T>, ErrorInfo> {
        let mut items = Vec::new();
        self.each(operation, arguments, |item| {
            items.push(item);
            items.len() < most
        })
        .await?;
        Ok(items)
    }

    /// Hands each item over as it comes, for as long as `take` wants more.
    pub(super) async fn each<T: DeserializeOwned>(
        &self,
        operation: &str,
        arguments: Value,
        mut take: impl FnMut(T) -> bool,
    ) -> Result<(), ErrorInfo> {
        let mut items = self.client.stream(operation, arguments, self.options());
        while let Some(item) = items.next().await {
            if !take(read(item?)?) {
                break;
            }
        }
        Ok(())
    }

    /// The account that was named, or the only one there is.
    pub(super) async fn account(&self, named: Option<String>) -> Result<String, ErrorInfo> {
        if let Some(account) = named {
            return Ok(account);
        }
        let accounts: Vec<Account> = self.list("accounts.list", json!({}), usize::MAX).await?;
        let detail = match accounts.as_slice() {
            [only] => return Ok(only.id.clone()),
            [] => "no account is connected".to_owned(),
            several => {
                let ids: Vec<&str> = several.iter().map(|account| account.id.as_str()).collect();
                format!("there are several accounts: {}", ids.join(", "))
            }
        };
        Err(ErrorInfo::new(ErrorCode::ValidationFailed, detail)
            .with_remedy("Name the account, or connect one with `multi-upload connect pinterest`."))
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, ErrorInfo> {
    serde_json::from_value(value).map_err(|error| {
        ErrorInfo::new(
            ErrorCode::ProtocolError,
            format!("the service's answer could not be read: {error}"),
        )
    })
}
