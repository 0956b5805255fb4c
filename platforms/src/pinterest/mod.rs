//! Pinterest, API v5.
//!
//! Written against version 5.23 of Pinterest's OpenAPI document and tolerant of what 5.28 adds. The
//! module is laid out by subject: [`settings`](PinterestSettings) and the HTTP client (`api`); consent and tokens
//! (`oauth`), `account`, `boards`, `sections`; and the verbs of publishing: `check` by the table in `media_rules`, `pins`,
//! `video` and `s3` (*prepare*), `commit` (*open* and *commit*), `look`. What an answer means is decided in one pure place, `classify`.
//!
//! Pinterest has no idempotency key. That is why the commit call has its own connection, is never
//! repeated and never redirected, and why only a short list of refusals counts as proof that no pin was made.

mod account;
mod answer;
mod api;
mod boards;
mod check;
mod check_media;
mod classify;
mod commit;
mod exchange;
mod fields;
mod fingerprint;
mod look;
mod media_rules;
mod oauth;
mod pins;
mod redact;
mod repeat;
mod s3;
mod sections;
mod settings;
mod tier;
mod video;

use std::sync::Arc;

use async_trait::async_trait;
use multi_upload_wire::{
    Board, CreateBoard, CreateSection, ErrorCode, ErrorInfo, FieldError, Outcome, Page, Section,
};
use url::Url;

pub use settings::PinterestSettings;
pub use tier::Tier;

use crate::{
    AuthorizeRequest, BoardsQuery, Check, CommitAnswer, Connection, Content, FailureClass, Limits,
    Look, Outside, Platform, PlatformError, Preparation, Prepared, Profile, System, TokenSet,
    Workshop,
};

/// The word for this network.
const NAME: &str = "pinterest";

/// Pinterest, for one app.
#[derive(Debug)]
pub struct Pinterest {
    settings: PinterestSettings,
    authorize_page: Url,
    api: api::Api,
    outside: Arc<dyn Outside>,
    limits: commit::Limits,
}

impl Pinterest {
    /// Without app id and secret checks, boards and pins work; OAuth calls fail with `CONFIG_INVALID`.
    ///
    /// # Errors
    /// `CONFIG_INVALID` that names the setting when an address or a number is wrong.
    pub fn new(settings: PinterestSettings) -> Result<Self, ErrorInfo> {
        let (base, authorize_page) = settings.addresses()?;
        Ok(Self {
            api: api::Api::new(base)?,
            settings,
            authorize_page,
            outside: Arc::new(System),
            limits: commit::Limits::default(),
        })
    }

    const fn choices(&self) -> check_media::MediaChoices {
        check_media::MediaChoices {
            max_video_seconds: self.settings.max_video_seconds,
            convert_images: self.settings.convert_images,
        }
    }

    /// The same in a world of its own, over plain HTTP: for simulations.
    ///
    /// # Errors
    /// As [`Pinterest::new`].
    pub fn within(
        settings: PinterestSettings,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, ErrorInfo> {
        let mut pinterest = Self::new(settings)?;
        pinterest.api = pinterest.api.within(Arc::clone(&outside));
        pinterest.outside = outside;
        Ok(pinterest)
    }
}

#[async_trait]
impl Platform for Pinterest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn can_connect(&self) -> Result<(), ErrorInfo> {
        self.settings.credentials()
    }

    fn limits(&self) -> Limits {
        self.settings.tier.unwrap_or_default().limits()
    }

    fn check(&self, content: &Content) -> Check {
        check::check(content, self.choices())
    }

    fn fingerprint(&self, content: &Content) -> String {
        fingerprint::fingerprint(content)
    }

    fn post_url(&self, remote_id: &str) -> Option<String> {
        check::is_id(remote_id).then(|| pin_url(remote_id))
    }

    fn authorize_url(&self, request: &AuthorizeRequest) -> String {
        oauth::authorize_url(&self.authorize_page, &self.settings.app_id, request)
    }

    async fn exchange_code(
        &self,
        code: &str,
        redirect_uri: &str,
    ) -> Result<TokenSet, PlatformError> {
        oauth::exchange_code(&self.api, &self.settings, code, redirect_uri).await
    }

    async fn refresh(&self, refresh_token: &str) -> Result<TokenSet, PlatformError> {
        oauth::refresh(&self.api, &self.settings, refresh_token).await
    }

    async fn profile(&self, access_token: &str) -> Result<Profile, PlatformError> {
        account::profile(&self.api, access_token).await
    }

    async fn boards(
        &self,
        access_token: &str,
        query: &BoardsQuery,
    ) -> Result<Page<Board>, PlatformError> {
        boards::list(&self.api, access_token, query).await
    }

    async fn create_board(
        &self,
        access_token: &str,
        board: &CreateBoard,
    ) -> Result<Board, PlatformError> {
        boards::create(&self.api, access_token, board).await
    }

    async fn sections(
        &self,
        access_token: &str,
        board_id: &str,
        cursor: Option<&str>,
    ) -> Result<Page<Section>, PlatformError> {
        sections::list(&self.api, access_token, board_id, cursor).await
    }

    async fn create_section(
        &self,
        access_token: &str,
        board_id: &str,
        section: &CreateSection,
    ) -> Result<Section, PlatformError> {
        sections::create(&self.api, access_token, board_id, section).await
    }

    async fn prepare(
        &self,
        access_token: &str,
        content: &Content,
        workshop: Workshop<'_>,
    ) -> Result<Preparation, PlatformError> {
        pins::prepare(&self.api, access_token, self.choices(), content, workshop).await
    }

    async fn open(&self) -> Result<Connection, PlatformError> {
        let opened = commit::open(self.api.base(), self.outside.as_ref(), self.limits).await?;
        Ok(Connection(Box::new(opened)))
    }

    async fn commit(
        &self,
        connection: Connection,
        access_token: &str,
        prepared: &Prepared,
    ) -> CommitAnswer {
        commit::commit(
            connection,
            self.api.base(),
            self.limits,
            access_token,
            prepared,
        )
        .await
    }

    async fn look(&self, access_token: &str, content: &Content) -> Result<Look, PlatformError> {
        look::look(&self.api, access_token, content).await
    }
}

/// The public address of a pin; Pinterest's answers have no such field.
fn pin_url(id: &str) -> String {
    format!("https://www.pinterest.com/pin/{id}/")
}

/// A 2xx answer without what the call is for.
fn misfit(what: &str, has_acted: bool) -> PlatformError {
    let mut info = ErrorInfo::new(
        ErrorCode::PlatformBadResponse,
        format!("Pinterest answered with success, but {what}."),
    )
    .with_platform(api::no_answer());
    info.outcome = if has_acted {
        Outcome::Applied
    } else {
        Outcome::None
    };
    PlatformError::new(FailureClass::BadAnswer, info)
}

/// Ids become part of a path: nothing but digits gets there.
fn require_digits(field: &str, id: &str) -> Result<(), PlatformError> {
    if check::is_id(id) {
        return Ok(());
    }
    let detail = format!("`{field}` is not a Pinterest id: a string of digits.");
    let error = FieldError {
        pointer: format!("/{field}"),
        code: "invalid".to_owned(),
        detail: detail.clone(),
    };
    let info = ErrorInfo::new(ErrorCode::ValidationFailed, detail).with_errors(vec![error]);
    Err(PlatformError::new(FailureClass::Rejected, info))
}
