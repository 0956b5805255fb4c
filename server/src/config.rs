//! What an engine needs to know.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use multi_upload_platforms::pinterest::PinterestSettings;
use multi_upload_wire::Mode;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::media::MediaSettings;
use crate::vault::MasterKey;

/// The team of a service that has not been divided into teams.
pub const DEFAULT_TEAM: &str = "team_default";

/// Space that must be free where nothing else is said.
const MIN_FREE_DISK: u64 = 256 << 20;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data folder: database, root key, files, lock. Made with mode 0700 where it is missing.
    pub data: PathBuf,
    /// Where the database is.
    pub database: Database,
    /// Address under which browsers reach the service, without a slash at the end. The OAuth
    /// callback is `{public_url}/oauth/{platform}/callback`.
    pub public_url: String,
    /// Test under the sandbox, else live.
    pub mode: Mode,
    /// The user's own Pinterest app.
    pub pinterest: PinterestSettings,
    /// Root key of the token vault; `None` reads the setting or makes one in the data folder.
    pub master_key: Option<MasterKey>,
    /// How long an unclear commit may still take effect. Default 15 minutes.
    pub quiet_period: Duration,
    /// Bytes that must be free on the disk of the data folder, or nothing is sent: the network's answer has to be stored.
    /// Default 256 MiB.
    pub min_free_disk: u64,
    /// Lets addresses given by users be private: development and tests only.
    pub allow_private_urls: bool,
    /// Where files are kept, how long and how many.
    pub media: MediaSettings,
    /// Who answers the OAuth callback.
    pub redirect: Redirect,
    /// True makes an admin key when there is no key yet; see [`crate::Engine::admin_key_created`].
    pub first_admin_key: bool,
    /// How many targets are worked on at once.
    pub workers: usize,
    /// The time.
    pub clock: Clock,
    /// Chance: spreads what would come at once.
    pub chance: Chance,
}

/// Where the database is.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Database {
    /// SQLite in the data folder: one engine, nothing else to install.
    #[default]
    Folder,
    /// PostgreSQL 15 or newer, by its URL: several engines may share it.
    Postgres(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Folder => "Folder",
            // The URL holds the password.
            Self::Postgres(_) => "Postgres",
        })
    }
}

/// Who answers the OAuth callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirect {
    /// The server that serves [`crate::Engine::router`] at `public_url`.
    Served,
    /// A listener of the engine, open only while a connection is pending. Port 0 takes a free one.
    OnDemand(SocketAddr),
}

impl Config {
    /// Defaults for a data folder: live mode, Pinterest from the environment, served redirect.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            database: Database::Folder,
            public_url: "http://127.0.0.1:8787".to_owned(),
            mode: Mode::Live,
            pinterest: PinterestSettings::from_env(),
            master_key: None,
            quiet_period: Duration::from_secs(15 * 60),
            min_free_disk: MIN_FREE_DISK,
            allow_private_urls: false,
            media: MediaSettings::default(),
            redirect: Redirect::Served,
            first_admin_key: false,
            workers: 64,
            clock: Clock::system(),
            chance: Chance::system(),
        }
    }
}
