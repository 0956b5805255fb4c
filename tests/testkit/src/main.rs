//! `multi-upload-testkit [--port 0] [--spec DIR]`: prints `{"url": …}` once it listens.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use multi_upload_testkit::{Kit, spec_dir};

/// Scripted server for the shared behaviour cases.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Folder with `cases/`, `fixtures.json` and `surface.json` [default: tests/spec of the checkout].
    #[arg(long)]
    spec: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let spec = args.spec.unwrap_or_else(spec_dir);
    let kit = match Kit::start(&spec, args.port).await {
        Ok(kit) => kit,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "multi-upload-testkit: {message}");
            return ExitCode::FAILURE;
        }
    };
    let ready = serde_json::json!({ "url": kit.url() });
    let mut stdout = std::io::stdout();
    if writeln!(stdout, "{ready}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    kit.serve().await;
    ExitCode::SUCCESS
}
