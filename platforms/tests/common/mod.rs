//! A fake Pinterest on a real listener, and the platform that talks to it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several test binaries, none of which uses all of it"
)]

use multi_upload_platforms::pinterest::{Pinterest, PinterestSettings};
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use multi_upload_platforms::{
    Content, ContentMedia, FailureClass, Fit, MediaSource, Pieces, PlatformError, ReadyImage,
    Steps, StoredFile, Workshop,
};
use multi_upload_sandbox::{Action, Fault, FaultScript, Options, Sandbox, Switches, USERNAME};
use multi_upload_wire::{ErrorCode, ErrorInfo, MediaFacts, MediaKind};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The first board of the seed: two sections, three older pins.
pub(crate) const BOARD: &str = "549755885175000001";
/// The second: empty.
pub(crate) const EMPTY_BOARD: &str = "549755885175000002";

pub(crate) const SCOPES: [&str; 9] = [
    "boards:read",
    "boards:read_secret",
    "boards:write",
    "boards:write_secret",
    "pins:read",
    "pins:read_secret",
    "pins:write",
    "pins:write_secret",
    "user_accounts:read",
];

/// Served until it is dropped.
pub(crate) struct Fake {
    pub(crate) sandbox: Sandbox,
    pub(crate) platform: Pinterest,
    pub(crate) token: String,
    pub(crate) base: String,
    _guard: DropGuard,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::new(options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        tokio::spawn(sandbox.clone().serve(listener, shutdown.clone()));
        let tokens = sandbox.issue_tokens("app", USERNAME, &SCOPES).unwrap();
        Self {
            platform: platform(&base, "app", "secret"),
            token: tokens.access_token,
            sandbox,
            base,
            _guard: shutdown.drop_guard(),
        }
    }

    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.sandbox.set_faults(FaultScript::of(faults));
    }

    pub(crate) fn switch(&self, switches: Switches) {
        self.sandbox.set_faults(FaultScript {
            switches: Some(switches),
            ..FaultScript::default()
        });
    }

    /// How often a call was asked, for example `GET /v5/boards`.
    pub(crate) fn asked(&self, call: &str) -> u64 {
        self.sandbox.ledger().count(call)
    }
}

pub(crate) fn platform(base: &str, app_id: &str, app_secret: &str) -> Pinterest {
    Pinterest::new(PinterestSettings {
        app_id: app_id.to_owned(),
        app_secret: app_secret.to_owned(),
        api_url: format!("{base}/v5"),
        authorize_url: format!("{base}/oauth/"),
        ..PinterestSettings::default()
    })
    .unwrap()
}

/// This answer instead of the real one.
pub(crate) fn answer(status: u16, body: Value) -> Action {
    Action {
        body: Some(body),
        ..Action::status(status)
    }
}

pub(crate) fn pin(board: &str, title: &str) -> Content {
    Content {
        title: Some(title.to_owned()),
        description: Some("With zest".to_owned()),
        link: Some("https://shop.example/cake?ref=1".to_owned()),
        board_id: Some(board.to_owned()),
        media: ContentMedia::ImageUrl {
            url: "https://img.example/cake.png".to_owned(),
        },
        ..Content::default()
    }
}

/// What Pinterest itself said: status and code.
pub(crate) fn said(error: &PlatformError) -> (Option<u16>, Option<&str>) {
    let platform = error.info.platform.as_ref().unwrap();
    (platform.http_status, platform.code.as_deref())
}

/// One stored file, and a place for the steps of *prepare*.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) content: Vec<u8>,
    /// Every state that was kept, in order.
    pub(crate) kept: Mutex<Vec<Value>>,
    /// How many may be kept before the process dies.
    pub(crate) dies_after: Option<usize>,
}

impl Files {
    pub(crate) fn of(content: &[u8]) -> Self {
        Self {
            content: content.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn workshop<'a>(&'a self, state: Option<&'a Value>) -> Workshop<'a> {
        Workshop {
            media: self,
            steps: self,
            state,
        }
    }

    pub(crate) fn last(&self) -> Option<Value> {
        self.kept.lock().unwrap().last().cloned()
    }
}

#[async_trait]
impl MediaSource for Files {
    async fn image(&self, file: &StoredFile, _: Option<&Fit>) -> Result<ReadyImage, PlatformError> {
        Ok(ReadyImage {
            content_type: file.facts.content_type.clone(),
            content: Bytes::copy_from_slice(&self.content),
        })
    }

    async fn video(&self, _: &StoredFile) -> Result<Pieces, PlatformError> {
        let pieces: Vec<_> = self
            .content
            .chunks(1_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Ok(Pieces {
            length: self.content.len() as u64,
            stream: stream::iter(pieces).boxed(),
        })
    }

    async fn fetch(&self, url: &str) -> Result<StoredFile, PlatformError> {
        if url.ends_with(".mp4") {
            Ok(stored(&self.content, "video/mp4"))
        } else {
            Ok(stored(&self.content, "image/png"))
        }
    }
}

#[async_trait]
impl Steps for Files {
    async fn keep(&self, state: &Value) -> Result<(), PlatformError> {
        let mut kept = self.kept.lock().unwrap();
        if self.dies_after == Some(kept.len()) {
            let info = ErrorInfo::new(ErrorCode::StorageFailed, "the process died");
            return Err(PlatformError::new(FailureClass::Unavailable, info));
        }
        kept.push(state.clone());
        Ok(())
    }
}

/// A file as the library describes it.
pub(crate) fn stored(content: &[u8], content_type: &str) -> StoredFile {
    let is_video = content_type.starts_with("video/");
    StoredFile {
        media_id: "md_1".to_owned(),
        sha256: String::new(),
        bytes: content.len() as u64,
        facts: Box::new(MediaFacts {
            kind: if is_video {
                MediaKind::Video
            } else {
                MediaKind::Image
            },
            content_type: content_type.to_owned(),
            width: 1_080,
            height: 1_920,
            rotation: 0,
            duration_ms: is_video.then_some(10_000),
            video_codec: is_video.then(|| "h264".to_owned()),
            audio_codec: None,
            fragmented: None,
            index_first: None,
            colors: None,
            animated: false,
        }),
    }
}
