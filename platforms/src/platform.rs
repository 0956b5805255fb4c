//! The trait.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use multi_upload_wire::{Board, CreateBoard, CreateSection, ErrorInfo, Page, Section};
use serde_json::Value;

use crate::{Check, Content, PlatformError, Preparation, Workshop};

/// A network: Pinterest today.
///
/// Calls take the access token as a plain string; implementations must not log it, and put it in
/// headers marked as sensitive.
#[async_trait]
pub trait Platform: Send + Sync + 'static {
    /// `pinterest`.
    fn name(&self) -> &'static str;

    /// How much the network takes from one account.
    fn limits(&self) -> Limits;

    /// What the network would refuse, without asking it. Lengths are counted as the network counts.
    fn check(&self, content: &Content) -> Check;

    /// The same text for two contents whose posts [`Platform::look`] could not tell apart; hashed, opaque. Publishing
    /// such targets at the same time would let one take the other's post for its own, so they go one after the other.
    fn fingerprint(&self, content: &Content) -> String;

    /// Is everything set that connecting an account needs? Asked before a browser is opened.
    ///
    /// # Errors
    /// `CONFIG_INVALID` that names the missing settings and where to get them.
    fn can_connect(&self) -> Result<(), ErrorInfo> {
        Ok(())
    }

    /// The public address of a post, or `None` if this cannot be the id of one.
    fn post_url(&self, remote_id: &str) -> Option<String>;

    /// The consent page to open in a browser.
    fn authorize_url(&self, request: &AuthorizeRequest) -> String;

    /// Trades the code of a finished consent for tokens.
    async fn exchange_code(
        &self,
        code: &str,
        redirect_uri: &str,
    ) -> Result<TokenSet, PlatformError>;

    /// Renews the tokens. Store the answer before its first use: the refresh token may have changed.
    async fn refresh(&self, refresh_token: &str) -> Result<TokenSet, PlatformError>;

    /// Whose account it is.
    async fn profile(&self, access_token: &str) -> Result<Profile, PlatformError>;

    /// One page of boards: own, group and secret.
    async fn boards(
        &self,
        access_token: &str,
        query: &BoardsQuery,
    ) -> Result<Page<Board>, PlatformError>;

    /// Makes a board.
    async fn create_board(
        &self,
        access_token: &str,
        board: &CreateBoard,
    ) -> Result<Board, PlatformError>;

    /// One page of a board's sections.
    async fn sections(
        &self,
        access_token: &str,
        board_id: &str,
        cursor: Option<&str>,
    ) -> Result<Page<Section>, PlatformError>;

    /// Makes a section.
    async fn create_section(
        &self,
        access_token: &str,
        board_id: &str,
        section: &CreateSection,
    ) -> Result<Section, PlatformError>;

    /// *Prepare*: uploads media where the network wants that first, and builds the commit request.
    /// No visible effect, may be repeated. What cost something is kept step by step, so that no call
    /// uploads a file that an earlier one has uploaded.
    async fn prepare(
        &self,
        access_token: &str,
        content: &Content,
        workshop: Workshop<'_>,
    ) -> Result<Preparation, PlatformError>;

    /// *Open*: a connection for exactly one request, with TLS done.
    async fn open(&self) -> Result<Connection, PlatformError>;

    /// *Commit*: the request that makes the post. Consumes the connection; never repeated, never redirected.
    async fn commit(
        &self,
        connection: Connection,
        access_token: &str,
        prepared: &Prepared,
    ) -> CommitAnswer;

    /// *Look*: the posts that exist where `content` would be.
    async fn look(&self, access_token: &str, content: &Content) -> Result<Look, PlatformError>;
}

/// How much a network takes from one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Publishing requests.
    pub writes: Rate,
    /// Looks: the part of the read limit that may be spent on them.
    pub looks: Rate,
}

/// At most `count` in any span of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which span.
    pub per: Duration,
}

/// What the consent page needs.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    /// Where the network sends the browser back, exactly as registered.
    pub redirect_uri: String,
    /// Random text that must come back unchanged.
    pub state: String,
}

/// Tokens of an account. `Debug` shows none of them.
#[derive(Clone)]
pub struct TokenSet {
    /// For calls.
    pub access_token: String,
    /// For the next tokens; `None` keeps the old one.
    pub refresh_token: Option<String>,
    /// Life of the access token from now.
    pub expires_in: Duration,
    /// Life of the refresh token from now, if the network says.
    pub refresh_expires_in: Option<Duration>,
    /// What was granted; empty if the answer does not say.
    pub scopes: Vec<String>,
}

impl std::fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSet")
            .field("expires_in", &self.expires_in)
            .field("refresh_expires_in", &self.refresh_expires_in)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The network's id: stays when the name changes.
    pub id: String,
    /// Name shown to people.
    pub name: Option<String>,
}

/// Which boards.
#[derive(Debug, Clone, Default)]
pub struct BoardsQuery {
    /// From the page before.
    pub cursor: Option<String>,
    /// 1 to 250.
    pub limit: u32,
    /// `PUBLIC`, `PROTECTED`, `SECRET`; all where absent.
    pub privacy: Option<String>,
}

/// A commit request, ready to leave.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The body, as it will be written.
    pub body: Bytes,
    /// What to keep so that a repeated *prepare* uploads nothing twice.
    pub state: Option<Value>,
}

/// A connection that carries one request. What is inside is the implementation's business.
pub struct Connection(pub Box<dyn std::any::Any + Send>);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// What the answer to a commit proves.
#[derive(Debug, Clone)]
pub enum CommitAnswer {
    /// Nothing left this machine.
    NotSent(PlatformError),
    /// The post exists.
    Applied {
        /// Id on the network.
        remote_id: String,
        /// Address on the network.
        remote_url: String,
    },
    /// 2xx without a usable id: the post exists, its id must be found. Never sent again.
    AppliedIdUnknown(PlatformError),
    /// A documented refusal on the network's trusted list: the post does not exist.
    Rejected(PlatformError),
    /// A documented limit: the post does not exist; see [`PlatformError::retry_after`].
    Throttled(PlatformError),
    /// The token was refused before anything happened: refresh, then send once more.
    TokenExpired(PlatformError),
    /// Everything else: cut or missing answer, 5xx, undocumented 4xx. It may exist.
    Unknown(PlatformError),
}

/// What a look saw.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The posts.
    pub posts: Vec<RemotePost>,
    /// True when paging reached the end: only then absence means anything.
    pub complete: bool,
    /// How many posts the network counts there; asked only where the list is empty, since an empty list may
    /// also be a fault.
    pub total: Option<u64>,
    /// Requests that it took, at least 1: they count against the read limit.
    pub requests: u32,
}

/// A post that exists on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePost {
    /// Id on the network.
    pub id: String,
    /// Address on the network.
    pub url: String,
    /// When the network says it was made, RFC 3339 UTC, if it says.
    pub created_at: Option<String>,
    /// True when its text, link and place equal those looked for.
    pub matches: bool,
}
