//! Operations that take several requests, by namespace; and the door by name.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on says why and stops"
)]

mod accounts;
mod batches;
mod door;
mod lists;
mod media;
#[path = "../script/mod.rs"]
mod script;
mod waiting;

use std::sync::{Arc, Mutex};

use multi_upload_core::CallOptions;

fn options() -> CallOptions {
    CallOptions::default()
}

/// Every call of the progress observer: done, total.
type Heard = Arc<Mutex<Vec<(u64, u64)>>>;

fn progress() -> (CallOptions, Heard) {
    let heard = Heard::default();
    let options = CallOptions {
        on_progress: Some(Arc::new({
            let heard = Arc::clone(&heard);
            move |step: multi_upload_core::Progress| {
                heard
                    .lock()
                    .expect("no panic")
                    .push((step.done, step.total))
            }
        })),
        ..options()
    };
    (options, heard)
}
