//! The scripted server behind the shared behaviour cases of `tests/spec`.
//!
//! Every language plays the same cases against this one server: it answers as the case's script
//! says, down to cut answers and reset connections, writes down what arrived, and judges what the
//! runner saw. So a runner is a table of operations and one loop, and all languages are measured
//! with the same rod.
//!
//! It knows the words of the API (`wire`) and nothing of the client that it judges.

mod answer;
mod case;
mod control;
mod expand;
mod flip;
mod judge;
mod kit;
mod library;
mod registry;
mod request;
mod session;
mod subset;

pub use case::{
    Cancel, Case, Expect, Fault, Given, KeyRule, Order, Progress, Reply, Requests, RowKeys,
    Service, Step, Then, When,
};
pub use judge::{Outcome, Verdict};
pub use kit::Kit;
pub use library::Library;
pub use session::{OpenSession, Opened};

/// The key that the runners give to the client; it must never turn up in an error.
pub const API_KEY: &str = "mu_test_spec0000000000000000000000000000";

/// The folder of the cases in a checkout.
#[must_use]
pub fn spec_dir() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")
}
