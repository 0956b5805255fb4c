//! Fake networks that behave like the real ones, for tests and demos: today Pinterest, API v5.
//!
//! [`Sandbox`] answers `/v5/…` as Pinterest does (limits, error bodies, scopes, paging, slow video processing, lists that
//! lag), shows a consent page at `/oauth/`, takes videos at `/s3/…`, keeps a [`Ledger`] of what was really created, and
//! goes wrong on demand by a [fault script](faults). Nothing leaves the machine: media on loopback addresses is
//! really fetched, other hosts are accepted unread, and hosts under `.invalid` fail.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use multi_upload_sandbox::{Action, Fault, FaultScript, Options, Sandbox};
//! use tokio_util::sync::CancellationToken;
//!
//! let sandbox = Sandbox::new(Options::default());
//! sandbox.set_faults(FaultScript::of([Fault::on("POST", "/v5/pins", Action::cut()).after()]));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! sandbox.clone().serve(listener, CancellationToken::new()).await?;
//! assert_eq!(sandbox.ledger().pins.len(), 0);
//! # Ok(())
//! # }
//! ```

mod admin;
mod answer;
mod clock;
pub mod faults;
mod http;
mod ledger;
mod limits;
mod options;
pub mod pinterest;
mod random;
mod sandbox;
mod seed;
mod serve;
mod state;

pub use clock::{Clock, ManualClock, SystemClock};
pub use faults::{Action, Cut, Drip, Fault, FaultScript, Hang, Match, When};
pub use ledger::{Ledger, LedgerBoard, LedgerMedia, LedgerPin, LedgerRequest, LedgerUpload};
pub use limits::{Category, Limit, Limits, Per};
pub use options::{App, AppState, Lists, MediaOutcome, Options, Rotation, Switches};
pub use pinterest::Tokens;
pub use sandbox::Sandbox;
pub use seed::{Privacy, Seed, SeedBoard, SeedUser, USER_ID, USERNAME};
