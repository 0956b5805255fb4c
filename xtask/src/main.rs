//! Repository tasks. `cargo xtask --help` lists them.

#![allow(clippy::print_stdout, reason = "the tasks talk to a person or a log")]

mod bench;
mod deps;
#[path = "gen/mod.rs"]
mod generate;
mod lines;
mod root;
mod thin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Repository tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the directions of the dependencies and the third-party crates that are not allowed
    Deps,
    /// Check the line budgets of the bindings and test runners, and the words that do not belong there
    Thin,
    /// Write every generated file
    Gen {
        /// Write nothing; fail if a file is not what it would be
        #[arg(long)]
        check: bool,
    },
    /// Measure what the product costs, each figure beside what it is compared with
    Bench(bench::Args),
    /// The program that `bench create-many` is compared with
    #[command(hide = true)]
    BenchPlain {
        /// Address of the stub
        url: String,
        /// How many uploads
        count: usize,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.task {
        Task::Deps => deps::run(),
        Task::Thin => thin::run(),
        Task::Gen { check } => generate::run(check),
        Task::Bench(args) => bench::run(&args),
        Task::BenchPlain { url, count } => bench::plain(&url, count),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}
