//! Arguments and the environment variables behind them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use multi_upload_server::Database;

/// Schedule and publish pins: a service, a client and a sandbox in one command.
#[derive(Debug, Parser)]
#[command(name = "multi-upload", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print JSON instead of text: one object, or one a line for lists
    #[arg(long, global = true, env = "MULTI_UPLOAD_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: API, scheduler, tokens, all in one data folder
    Serve(Serve),
    /// Run the fake networks alone, for tests and demos
    Sandbox(Sandbox),
    /// Connect an account in the browser
    Connect(Connect),
    /// List the boards of an account
    Boards(Boards),
    /// Publish or schedule one pin from a file or an address
    Pin(Box<Pin>),
    /// Weekly posting times, which `pin --next-slot` fills
    #[command(subcommand)]
    Slots(Slots),
    /// List uploads, newest first
    Uploads(Uploads),
    /// Show each change of uploads until they have ended
    Watch(Watch),
    /// Make, list and revoke API keys in a data folder, also while its service runs
    #[command(subcommand)]
    Keys(Keys),
    /// List, make, test and delete webhook endpoints
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Check the log of who did what in a data folder, also while its service runs
    #[command(subcommand)]
    Audit(Audit),
    /// Copy the database of a data folder to one file, also while its service runs
    Backup(Backup),
    /// Put a backup back into a data folder whose service is stopped
    Restore(Restore),
}

/// Where the service keeps everything.
#[derive(Debug, Clone, Group)]
pub(crate) struct Data {
    /// Data folder: database, root key, files
    #[arg(
        long,
        value_name = "DIR",
        env = "MULTI_UPLOAD_DATA",
        default_value = "multi-upload-data"
    )]
    pub(crate) data: PathBuf,

    /// PostgreSQL 15+ instead of SQLite in the data folder: postgres://user:password@host/database
    #[arg(
        long,
        value_name = "URL",
        env = "MULTI_UPLOAD_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<String>,
}

impl Data {
    /// Where the database is.
    pub(crate) fn database(&self) -> Database {
        self.database_url
            .clone()
            .map_or(Database::Folder, Database::Postgres)
    }
}

/// What the service writes about itself.
#[derive(Debug, Clone, Group)]
pub(crate) struct Log {
    /// What is logged to stderr: off, error, warn, info, debug, trace, or a filter such as `multi_upload_server=debug`
    #[arg(
        long,
        value_name = "FILTER",
        env = "MULTI_UPLOAD_LOG",
        default_value = "warn"
    )]
    pub(crate) log: String,

    /// How log lines look
    #[arg(long, value_enum, env = "MULTI_UPLOAD_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

#[derive(Debug, Group)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: Data,

    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MULTI_UPLOAD_LISTEN",
        default_value = "127.0.0.1:8787"
    )]
    pub(crate) listen: SocketAddr,

    /// Address under which browsers reach the service [default: the address it listens on]
    #[arg(long, value_name = "URL", env = "MULTI_UPLOAD_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// Publish to a built-in fake Pinterest under /sandbox; every key and account is then in test mode
    #[arg(long, env = "MULTI_UPLOAD_SANDBOX", value_parser = BoolishValueParser::new())]
    pub(crate) sandbox: bool,

    /// With --sandbox: its consent page answers at once instead of asking
    #[arg(long, requires = "sandbox", env = "MULTI_UPLOAD_SANDBOX_AUTO_APPROVE", value_parser = BoolishValueParser::new())]
    pub(crate) auto_approve: bool,

    /// How long an unclear answer may still turn out to have published: 90s, 15m, 1h
    #[arg(
        long,
        value_name = "TIME",
        env = "MULTI_UPLOAD_QUIET_PERIOD",
        default_value = "15m"
    )]
    pub(crate) quiet_period: String,

    /// Space that must be free in the data folder; with less, nothing is sent: 0, 512MiB, 2GiB
    #[arg(
        long,
        value_name = "SIZE",
        env = "MULTI_UPLOAD_MIN_FREE_DISK",
        default_value = "256MiB"
    )]
    pub(crate) min_free_disk: String,

    #[command(flatten)]
    pub(crate) media: MediaPlace,

    /// Let media addresses be private; for development and tests only
    #[arg(long, env = "MULTI_UPLOAD_ALLOW_PRIVATE_URLS", value_parser = BoolishValueParser::new())]
    pub(crate) allow_private_urls: bool,

    #[command(flatten)]
    pub(crate) log: Log,
}

/// Where files are kept, how long and how many.
#[derive(Debug, Group)]
pub(crate) struct MediaPlace {
    /// Where files are kept: file:DIR, or s3://bucket/prefix with the usual AWS_... variables [default: media in the data folder]
    #[arg(long, value_name = "PLACE", env = "MULTI_UPLOAD_BLOBS")]
    pub(crate) blobs: Option<String>,

    /// How long files are kept that no upload uses: 12h, 7d
    #[arg(
        long,
        value_name = "TIME",
        env = "MULTI_UPLOAD_MEDIA_KEEP",
        default_value = "7d"
    )]
    pub(crate) media_keep: String,

    /// Size that a team's files may have together: 500MB, 20GB [default: as much as there is room for]
    #[arg(long, value_name = "SIZE", env = "MULTI_UPLOAD_MEDIA_QUOTA")]
    pub(crate) media_quota: Option<String>,

    /// Room that stays free on the disk of the files
    #[arg(
        long,
        value_name = "SIZE",
        env = "MULTI_UPLOAD_MIN_FREE",
        default_value = "512MiB"
    )]
    pub(crate) min_free: String,
}

#[derive(Debug, Group)]
pub(crate) struct Sandbox {
    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MULTI_UPLOAD_SANDBOX_LISTEN",
        default_value = "127.0.0.1:8788"
    )]
    pub(crate) listen: SocketAddr,

    /// The consent page answers at once instead of asking
    #[arg(long, env = "MULTI_UPLOAD_SANDBOX_AUTO_APPROVE", value_parser = BoolishValueParser::new())]
    pub(crate) auto_approve: bool,

    #[command(flatten)]
    pub(crate) log: Log,
}

/// Which service a command talks to.
#[derive(Debug, Clone, Group)]
pub(crate) struct Service {
    /// Address of the service
    #[arg(
        long,
        value_name = "URL",
        env = "MULTI_UPLOAD_URL",
        default_value = "http://127.0.0.1:8787"
    )]
    pub(crate) url: String,

    /// API key; better in the environment, where other users of the machine do not see it
    #[arg(
        long,
        value_name = "KEY",
        env = "MULTI_UPLOAD_API_KEY",
        hide_env_values = true
    )]
    pub(crate) api_key: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct Connect {
    /// Network to connect
    #[arg(default_value = "pinterest")]
    pub(crate) platform: String,

    /// Only print the link, do not open a browser
    #[arg(long, env = "MULTI_UPLOAD_NO_BROWSER", value_parser = BoolishValueParser::new())]
    pub(crate) no_browser: bool,

    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Group)]
pub(crate) struct Boards {
    /// Account, such as pinterest:549755885175; may be left out where there is only one
    pub(crate) account: Option<String>,

    /// Only PUBLIC, PROTECTED or SECRET ones
    #[arg(long)]
    pub(crate) privacy: Option<String>,

    /// Ask the network again instead of using what is known
    #[arg(long)]
    pub(crate) refresh: bool,

    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Group)]
pub(crate) struct Pin {
    /// Image or video file, or the public address of one; several images make a carousel
    #[arg(required = true, num_args = 1.., value_name = "MEDIA")]
    pub(crate) media: Vec<String>,

    /// Cover of a video: a file, a public address, or a time in seconds [default: its first frame]
    #[arg(long, value_name = "COVER")]
    pub(crate) cover: Option<String>,

    /// Account, such as pinterest:549755885175; may be left out where there is only one
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// Board, by id or by name
    #[arg(long)]
    pub(crate) board: String,

    /// Section of the board, by id
    #[arg(long, value_name = "ID")]
    pub(crate) section: Option<String>,

    /// Title, at most 100 characters
    #[arg(long)]
    pub(crate) title: Option<String>,

    /// Description, at most 800 characters
    #[arg(long)]
    pub(crate) description: Option<String>,

    /// Where the pin leads
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,

    /// Text for people who do not see the image
    #[arg(long, value_name = "TEXT")]
    pub(crate) alt_text: Option<String>,

    /// When to publish: 2026-12-01T20:00:00Z, or local time with --timezone [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,

    /// Zone of a local --at, such as Europe/Paris
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,

    /// Publish at the account's next free slot instead of a time; see `multi-upload slots`
    #[arg(long, conflicts_with_all = ["at", "timezone"])]
    pub(crate) next_slot: bool,

    /// Your own label
    #[arg(long, value_name = "TEXT")]
    pub(crate) external_id: Option<String>,

    /// Makes the command safe to repeat: the same key and content publishes nothing twice
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    /// Check only, store nothing
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,

    /// Wait until it is published
    #[arg(long)]
    pub(crate) wait: bool,

    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Slots {
    /// List the slots and how far each is filled
    List {
        /// Only those of this account
        account: Option<String>,

        #[command(flatten)]
        service: Service,
    },
    /// Add a slot: on each of its days it takes one upload
    Add(SlotsAdd),
    /// Remove a slot; what waits in it keeps its time
    Remove {
        /// slot_...
        id: String,

        #[command(flatten)]
        service: Service,
    },
}

#[derive(Debug, Group)]
pub(crate) struct SlotsAdd {
    /// Account, such as pinterest:549755885175; may be left out where there is only one
    pub(crate) account: Option<String>,

    /// Local time of day, such as 09:30
    #[arg(long, value_name = "HH:MM")]
    pub(crate) time: String,

    /// Its zone, such as Europe/Paris
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: String,

    /// Days, separated by commas: mon, tue, wed, thu, fri, sat, sun [default: every day]
    #[arg(long, value_delimiter = ',')]
    pub(crate) weekdays: Option<Vec<String>>,

    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Group)]
pub(crate) struct Uploads {
    /// Only those in this state: draft, scheduled, queued, publishing, published, partial, failed, canceled, missed
    #[arg(long)]
    pub(crate) status: Option<String>,

    /// Only those for this account
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// Only those with this label
    #[arg(long, value_name = "TEXT")]
    pub(crate) external_id: Option<String>,

    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Group)]
pub(crate) struct Watch {
    /// Uploads, up_...; none watches all, until Ctrl-C
    pub(crate) ids: Vec<String>,

    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key; its secret is shown this once
    Create(KeysCreate),
    /// List the keys
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Make a key useless at once
    Revoke {
        /// key_...
        id: String,

        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find every row that was changed, removed, swapped or cut off; exit code 1 if there is one
    Verify {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List the endpoints
    List {
        #[command(flatten)]
        service: Service,
    },
    /// Make an endpoint; its secret is shown this once
    Create {
        /// Where events are posted
        address: String,

        /// Only these events, with commas: upload.published,upload.failed,... [default: all]
        #[arg(long, value_delimiter = ',')]
        events: Option<Vec<String>>,

        #[command(flatten)]
        service: Service,
    },
    /// Send a test event
    Test {
        /// wh_...
        id: String,

        #[command(flatten)]
        service: Service,
    },
    /// Show what was sent, newest first
    Deliveries {
        /// wh_...
        id: String,

        /// Show at most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,

        #[command(flatten)]
        service: Service,
    },
    /// Delete an endpoint with its deliveries
    Delete {
        /// wh_...
        id: String,

        #[command(flatten)]
        service: Service,
    },
}

#[derive(Debug, Group)]
pub(crate) struct Backup {
    /// File to write, mode 0600
    pub(crate) file: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Group)]
pub(crate) struct Restore {
    /// File that `multi-upload backup` wrote
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Group)]
pub(crate) struct KeysCreate {
    #[command(flatten)]
    pub(crate) data: Data,

    /// For sandbox accounts only: mu_test_... instead of mu_live_...
    #[arg(long, env = "MULTI_UPLOAD_TEST_KEY", value_parser = BoolishValueParser::new())]
    pub(crate) test: bool,

    /// Name for people
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// What it may do, separated by commas: uploads:read, uploads:write, accounts:read, accounts:write, media:write,
    /// webhooks:write, audit:read, admin [default: everything but admin]
    #[arg(long, value_delimiter = ',')]
    pub(crate) scopes: Option<Vec<String>>,

    /// Accounts it may use, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) accounts: Option<Vec<String>>,

    /// When it stops working, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_shows_variables_and_defaults() {
        let mut command = Args::command();
        let serve = command.find_subcommand_mut("serve").expect("it exists");
        let help = serve.render_long_help().to_string();
        for text in [
            "MULTI_UPLOAD_DATA",
            "127.0.0.1:8787",
            "MULTI_UPLOAD_QUIET_PERIOD",
            "15m",
        ] {
            assert!(help.contains(text), "{text} is missing in:\n{help}");
        }
    }
}
