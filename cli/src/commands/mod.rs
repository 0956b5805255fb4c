//! The commands: those that run something, those that talk to a service, and those that open a data folder.

mod audit;
mod backup;
mod boards;
mod connect;
mod keys;
mod pin;
mod service;
mod slots;
mod uploads;
mod webhooks;

use multi_upload_wire::ErrorInfo;

use crate::args::Command;
use crate::output::Output;
use crate::{sandbox, serve};

/// Runs a command and returns its exit code.
pub(crate) async fn run(command: Command, output: Output) -> Result<i32, ErrorInfo> {
    match command {
        Command::Serve(args) => serve::run(args, output).await,
        Command::Sandbox(args) => sandbox::run(args, output).await,
        Command::Connect(args) => connect::run(args, output).await,
        Command::Boards(args) => boards::run(args, output).await,
        Command::Pin(args) => pin::run(*args, output).await,
        Command::Slots(args) => slots::run(args, output).await,
        Command::Uploads(args) => uploads::list(args, output).await,
        Command::Watch(args) => uploads::watch(args, output).await,
        Command::Keys(args) => keys::run(args, output).await,
        Command::Audit(args) => audit::run(args, output).await,
        Command::Webhooks(args) => webhooks::run(args, output).await,
        Command::Backup(args) => backup::backup(args, output).await,
        Command::Restore(args) => backup::restore(args, output).await,
    }
}
