//! How a sandbox is set up, and the switches that may change while it runs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock};
use crate::limits::Limits;
use crate::seed::Seed;

/// What a [`Sandbox`](crate::Sandbox) starts with. Two sandboxes are two worlds, as Pinterest's production and its own
/// sandbox are: a token of one is unknown in the other.
#[derive(Clone)]
pub struct Options {
    /// The consent page redirects at once instead of asking. Off by default.
    pub auto_approve: bool,
    /// Users, boards and older pins that exist from the start.
    pub seed: Seed,
    /// The one app the sandbox knows. `None` (the default) accepts any client id, secret and redirect address; a code
    /// and a token still belong to the client id they were made for.
    pub app: Option<App>,
    /// Rate limits; [`Limits::standard`] by default.
    pub limits: Limits,
    /// How the platform behaves until a fault script says otherwise.
    pub switches: Switches,
    /// Where the time comes from; the machine's clock by default.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and tokens repeat from run to run. `None` (the default): different in every run.
    pub random_seed: Option<u64>,
    /// Smallest width and height of an image in pixels; 50 by default (the real number is not published). Smaller
    /// ones get 403 code 233.
    pub min_image_side: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auto_approve: false,
            seed: Seed::default(),
            app: None,
            limits: Limits::standard(),
            switches: Switches::default(),
            clock: Arc::new(SystemClock),
            random_seed: None,
            min_image_side: 50,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("auto_approve", &self.auto_approve)
            .field("app", &self.app)
            .field("limits", &self.limits)
            .field("switches", &self.switches)
            .field("random_seed", &self.random_seed)
            .field("min_image_side", &self.min_image_side)
            .finish_non_exhaustive()
    }
}

/// A registered app. `Debug` leaves the secret out.
#[derive(Clone)]
pub struct App {
    /// The app id, sent as `client_id`.
    pub client_id: String,
    /// The app secret, the password of the Basic header.
    pub client_secret: String,
    /// Registered redirect addresses, compared exactly. Empty: any is accepted.
    pub redirect_uris: Vec<String>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("client_id", &self.client_id)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

/// Behaviour that is not a fault of one request. In JSON every field is optional; what is absent has the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Which access tier Pinterest gave the app.
    pub app_state: AppState,
    /// What happens to a refresh token that was already used.
    pub refresh: Rotation,
    /// Milliseconds until a new pin or board shows up in lists. By id it is there at once.
    pub list_delay_ms: u64,
    /// What lists of pins and boards answer.
    pub lists: Lists,
    /// Lists of boards and pins never give more at once, whatever `page_size` asks for; 250 by default.
    pub longest_page: usize,
    /// Milliseconds between the upload of a video and the end of its processing; 1,000 by default.
    pub media_processing_ms: u64,
    /// How the processing of a video ends.
    pub media_outcome: MediaOutcome,
    /// Milliseconds that the signed form of a registration is good for; an hour by default (the real time is not
    /// published).
    pub media_form_ms: u64,
    /// Added to `created_at` of new pins: the platform's clock is off by so many milliseconds.
    pub clock_skew_ms: i64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            app_state: AppState::default(),
            refresh: Rotation::default(),
            list_delay_ms: 0,
            lists: Lists::default(),
            longest_page: 250,
            media_processing_ms: 1_000,
            media_outcome: MediaOutcome::default(),
            media_form_ms: 3_600_000,
            clock_skew_ms: 0,
        }
    }
}

/// The app's access tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// Everything works.
    #[default]
    Standard,
    /// `POST /v5/pins` answers 403 code 29; reads and board writes work.
    Trial,
    /// The request for access is not decided: every call answers 401 code 3.
    Pending,
}

/// What a used refresh token is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// It is dead once the second in which it was used is over.
    #[default]
    Strict,
    /// It stays valid until it expires.
    Lenient,
}

/// What lists show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lists {
    /// What exists, pins newest first, after the list delay.
    #[default]
    Fresh,
    /// What existed when the switch was set.
    Stale,
    /// Nothing at all.
    Empty,
    /// What exists, in no useful order.
    Shuffled,
}

/// How the processing of an uploaded video ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaOutcome {
    /// `succeeded` for an MP4 or MOV file (it starts with an `ftyp` box), `failed` for anything else.
    #[default]
    ByContent,
    /// `failed`, whatever was uploaded.
    Failed,
    /// It stays at `processing` for ever.
    Stuck,
}
