//! The `multi-upload` command.

fn main() {
    std::process::exit(multi_upload_cli::run(std::env::args_os()));
}
