//! Connecting an account by OAuth: a consent page, a code, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use multi_upload_platforms::{AuthorizeRequest, Platform, PlatformError};
use multi_upload_wire::{ConnectRequest, ConnectSession, ErrorCode, ErrorInfo, FieldError};
use sha2::{Digest as _, Sha256};

use super::{Accounts, to_info};
use crate::audit::{Actor, Kind, acting};
use crate::clock::rfc3339;
use crate::ids::new_id;
use crate::publish::account_connected;
use crate::store::{AccountRow, ConnectRow, Millis, Owner};

/// How long a consent page may stay open.
const CONSENT_MS: Millis = 10 * 60_000;

/// What the network puts into the callback's address.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallbackQuery {
    /// Single-use code.
    pub(crate) code: Option<String>,
    /// Our random text.
    pub(crate) state: Option<String>,
    /// `access_denied` and others.
    pub(crate) error: Option<String>,
}

/// A finished connection.
#[derive(Debug, Clone)]
pub(crate) struct CallbackDone {
    /// Name of the account, for the page.
    pub(crate) account_name: String,
    /// Where the browser goes: a path of this service.
    pub(crate) return_url: Option<String>,
}

impl Accounts {
    /// Begins a connection: the address of the consent page.
    pub(crate) async fn connect(
        &self,
        owner: &Owner,
        request: ConnectRequest,
    ) -> Result<ConnectSession, ErrorInfo> {
        let platform = self.0.platforms.get(&request.platform)?;
        if let Some(url) = &request.return_url
            && !is_own_path(url)
        {
            return Err(ErrorInfo::new(
                ErrorCode::ValidationFailed,
                "return_url must be a path of this service",
            )
            .with_errors(vec![FieldError {
                pointer: "/return_url".to_owned(),
                code: "invalid".to_owned(),
                detail:
                    "must begin with one slash, as /accounts does; other addresses are not allowed"
                        .to_owned(),
            }]));
        }
        let base = self.0.redirect.open(self, &self.0.public_url).await?;
        let redirect_uri = format!("{base}/oauth/{}/callback", request.platform);
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|_| {
            ErrorInfo::new(ErrorCode::Internal, "the system gives no random numbers")
        })?;
        let state = URL_SAFE_NO_PAD.encode(secret);
        let now = self.0.clock.now();
        let row = ConnectRow {
            id: new_id("oc"),
            owner: owner.clone(),
            platform: request.platform,
            state_hash: hash(&state),
            redirect_uri: redirect_uri.clone(),
            return_url: request.return_url,
            created_at: now,
            expires_at: now + CONSENT_MS,
            status: "pending".to_owned(),
            account_id: None,
            error: None,
        };
        self.0.store.create_connect(row.clone()).await?;
        let authorize_url = platform.authorize_url(&AuthorizeRequest {
            redirect_uri,
            state,
        });
        self.session(row, authorize_url).await
    }

    /// What became of a connection.
    pub(crate) async fn connection(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<ConnectSession, ErrorInfo> {
        let row = self.0.store.connect(owner, id).await?.ok_or_else(|| {
            ErrorInfo::new(
                ErrorCode::NotFound,
                format!("there is no connection {id:?}"),
            )
            .with_remedy("Begin a new one with `POST /v1/accounts/connect`.")
        })?;
        // The address is shown once: its state is stored hashed.
        self.session(row, String::new()).await
    }

    /// The network sent the browser back. Answers once the account is stored.
    ///
    /// Goes on when the browser goes away: the code can be traded only once.
    pub(crate) async fn callback(
        &self,
        platform: &str,
        query: CallbackQuery,
    ) -> Result<CallbackDone, ErrorInfo> {
        let (accounts, platform) = (self.clone(), platform.to_owned());
        let actor = Actor {
            kind: Kind::Consent,
            at: Some(self.0.clock.now()),
            ..Actor::default()
        };
        let work = self.0.tasks.spawn(acting(actor, async move {
            accounts.take_callback(&platform, query).await
        }));
        work.await.unwrap_or_else(|_| {
            Err(ErrorInfo::new(
                ErrorCode::Internal,
                "connecting the account stopped unexpectedly",
            ))
        })
    }

    async fn take_callback(
        &self,
        platform: &str,
        query: CallbackQuery,
    ) -> Result<CallbackDone, ErrorInfo> {
        let Some(state) = query.state.filter(|state| !state.is_empty()) else {
            return Err(bad_state());
        };
        let taken = self
            .0
            .store
            .take_connect(&hash(&state), self.0.clock.now())
            .await?;
        let Some(mut row) = taken.filter(|row| row.platform == platform) else {
            return Err(bad_state());
        };
        let result = match (query.error, query.code) {
            (Some(error), _) => Err(denied(&error)),
            (None, Some(code)) => self.finish(&row, &code).await,
            (None, None) => Err(denied("no code")),
        };
        match &result {
            Ok(account) => {
                row.status = "connected".to_owned();
                row.account_id = Some(account.id.clone());
            }
            Err(error) => {
                row.status = "failed".to_owned();
                row.error = Some(error.clone());
            }
        }
        let return_url = row.return_url.clone();
        self.0.store.finish_connect(row).await?;
        self.0.redirect.close_soon();
        let account = result?;
        // The account is stored whatever happens to what waited for it: that looks again by itself, only later.
        let store = self.0.store.as_ref();
        if let Err(error) =
            account_connected(store, &account.owner, &account.id, self.0.clock.now()).await
        {
            tracing::error!(%error, account = %account.id, "what waited for the account goes on later");
        }
        self.0.wake.wake();
        Ok(CallbackDone {
            account_name: account.name.unwrap_or(account.id),
            return_url,
        })
    }

    async fn finish(&self, row: &ConnectRow, code: &str) -> Result<AccountRow, ErrorInfo> {
        let platform = self.0.platforms.get(&row.platform)?;
        let tokens = platform
            .exchange_code(code, &row.redirect_uri)
            .await
            .map_err(to_info)?;
        let profile = profile(platform.as_ref(), &tokens.access_token)
            .await
            .map_err(to_info)?;
        let now = self.0.clock.now();
        let mut account = AccountRow {
            id: format!("{}:{}", row.platform, profile.id),
            owner: row.owner.clone(),
            platform: row.platform.clone(),
            name: profile.name,
            scopes: Vec::new(),
            usable: true,
            connected_at: now,
            access_sealed: Vec::new(),
            refresh_sealed: None,
            access_expires_at: now,
            refresh_expires_at: None,
            token_version: self.next_token_version(row, &profile.id).await?,
        };
        self.put_tokens(&mut account, &tokens).await?;
        self.0.store.put_account(account.clone()).await?;
        self.0.boards.forget(&super::key(&row.owner, &account.id));
        tracing::info!(account = %account.id, "account connected");
        Ok(account)
    }

    /// Higher than any before, so that a refresh under way cannot overwrite the new tokens.
    async fn next_token_version(
        &self,
        row: &ConnectRow,
        profile_id: &str,
    ) -> Result<u64, ErrorInfo> {
        let id = format!("{}:{profile_id}", row.platform);
        Ok(self
            .0
            .store
            .account(&row.owner, &id)
            .await?
            .map_or(1, |before| before.token_version + 1))
    }

    async fn session(
        &self,
        row: ConnectRow,
        authorize_url: String,
    ) -> Result<ConnectSession, ErrorInfo> {
        let account = match &row.account_id {
            Some(id) => Some(self.get(&row.owner, id).await?),
            None => None,
        };
        let expired = row.status == "pending" && row.expires_at <= self.0.clock.now();
        Ok(ConnectSession {
            id: row.id,
            authorize_url,
            expires_at: rfc3339(row.expires_at),
            status: match row.status.as_str() {
                _ if expired => "failed".to_owned(),
                "exchanging" => "pending".to_owned(),
                status => status.to_owned(),
            },
            account,
            error: row
                .error
                .or_else(|| expired.then(|| denied("nobody confirmed it in time"))),
        })
    }
}

/// The token is seconds old and its code is spent: a failing profile call is worth a second try.
async fn profile(
    platform: &dyn Platform,
    token: &str,
) -> Result<multi_upload_platforms::Profile, PlatformError> {
    match platform.profile(token).await {
        Err(_) => platform.profile(token).await,
        done => done,
    }
}

/// A path of this service, not an address elsewhere: browsers read `//` and `/\` as another host.
fn is_own_path(url: &str) -> bool {
    url.starts_with('/')
        && !url.starts_with("//")
        && !url.contains('\\')
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn hash(state: &str) -> Vec<u8> {
    Sha256::digest(state.as_bytes()).to_vec()
}

fn bad_state() -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::ValidationFailed,
        "this link was already used, has expired or was not made here",
    )
    .with_remedy("Begin the connection again.")
}

fn denied(why: &str) -> ErrorInfo {
    let why: String = why.chars().filter(|c| !c.is_control()).take(100).collect();
    ErrorInfo::new(
        ErrorCode::AccountReconnectRequired,
        format!("the account was not connected: {why}"),
    )
    .with_remedy("Begin the connection again and allow the access that the page asks for.")
}

#[cfg(test)]
mod tests {
    use super::is_own_path;

    #[test]
    fn only_paths_of_this_service_are_returned_to() {
        assert!(is_own_path("/accounts"));
        assert!(is_own_path("/accounts?tab=1"));
        for bad in [
            "",
            "accounts",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\nb",
            "/\t/x",
        ] {
            assert!(!is_own_path(bad), "{bad:?}");
        }
    }
}
