//! The `multi-upload` command as a library, and the engine in the caller's own process.
//!
//! [`run`] is the whole command: the binary, the Python package and the Node package start it, so they all have the
//! same one. [`Local`] is the engine without a server, for a script or a notebook.

mod args;
mod commands;
mod http;
mod local;
mod output;
mod sandbox;
mod serve;
mod signals;

use std::ffi::OsString;

use clap::Parser as _;

pub use local::{Local, LocalOptions};

/// Runs the command with these arguments, the first being its own name, and returns its exit code: 0 when it worked, 1
/// when it failed, 2 when the arguments are wrong.
///
/// It starts its own runtime, so it must not be called from inside one.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args = match args::Args::try_parse_from(args) {
        Ok(args) => args,
        Err(message) => {
            // Help and version are no errors; both cannot be shown when the terminal is gone.
            let _ = message.print();
            return message.exit_code();
        }
    };
    let output = output::Output::new(args.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output.note(format!("error: the runtime could not be started: {error}"));
            return 1;
        }
    };
    let code = match runtime.block_on(commands::run(args.command, output)) {
        Ok(code) => code,
        Err(info) => {
            output.error(&info);
            1
        }
    };
    // What still runs in the background (a lookup that cannot be interrupted) must not hold up the end.
    runtime.shutdown_background();
    code
}
