//! `cargo xtask bench`: what the product costs, each figure beside what it is compared with, in one run.
//!
//! A figure is the median of several rounds, and the two sides of a comparison take turns within each round, so that a
//! machine that is busy for a moment is busy for both. Work is counted in CPU time where that is what it costs; time
//! on the clock is used only where somebody waits for it. `docs/benchmarks.md` explains each bench.

mod artefacts;
mod callers;
mod cluster;
mod create_many;
mod dispatch;
mod durable;
mod figure;
mod idle;
mod import;
mod lateness;
mod measure;
mod peers;
mod plain;
mod seed;
mod service;
mod stub;

use std::path::PathBuf;
use std::process::Command;

use artefacts::{Artefacts, Profile};
use figure::Figure;

use crate::root::root;

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which benches to run: import, create-many, durable, idle, dispatch, lateness; none means all
    names: Vec<Name>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Fewer rounds and rows: to see that it works, not to believe it
    #[arg(long)]
    quick: bool,
    /// Fail if a target is missed
    #[arg(long)]
    gate: bool,
    /// What is measured: `dev` is for working on the benches themselves
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// The artefacts are built, and this is the program among them
    #[arg(long, hide = true)]
    built: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    Import,
    CreateMany,
    Durable,
    Idle,
    Dispatch,
    Lateness,
}

impl Name {
    const ALL: [Self; 6] = [
        Self::Import,
        Self::CreateMany,
        Self::Durable,
        Self::Idle,
        Self::Dispatch,
        Self::Lateness,
    ];
}

/// How much is done.
#[derive(Clone, Copy)]
struct Effort {
    quick: bool,
}

impl Effort {
    /// `full`, or `quick` where only the workings are of interest.
    const fn of(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// Builds what is measured and hands over to the program that was built with it, since the benches themselves do part
/// of the work they compare with; there, runs them.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let Some(folder) = &args.built else {
        let folder = artefacts::build(args.profile)?;
        let status = Command::new(folder.join("xtask"))
            .args(std::env::args_os().skip(1))
            .arg("--built")
            .arg(&folder)
            .current_dir(root())
            .status()
            .map_err(|error| format!("the benches did not start: {error}"))?;
        // It has said everything.
        std::process::exit(status.code().unwrap_or(1));
    };
    let artefacts = Artefacts::stage(folder)?;
    let effort = Effort { quick: args.quick };
    let names = if args.names.is_empty() {
        Name::ALL.to_vec()
    } else {
        args.names.clone()
    };
    let mut figures: Vec<Figure> = Vec::new();
    for name in names {
        figures.extend(match name {
            Name::Import => import::run(&artefacts, effort)?,
            Name::CreateMany => create_many::run(&artefacts, effort)?,
            Name::Durable => durable::run(&artefacts, effort)?,
            Name::Idle => idle::run(&artefacts, effort)?,
            Name::Dispatch => dispatch::run(&artefacts, effort)?,
            Name::Lateness => lateness::run(&artefacts, effort)?,
        });
    }
    if args.json {
        println!("{}", figure::json(&figures));
    } else {
        println!("{}", figure::table(&figures));
    }
    let missed: Vec<&str> = figures
        .iter()
        .filter(|figure| figure.met() == Some(false))
        .map(|figure| figure.name.as_str())
        .collect();
    if args.gate && !missed.is_empty() {
        // Not on stdout, which may be JSON.
        note(&format!("targets missed: {}", missed.join(", ")));
        std::process::exit(1);
    }
    Ok(())
}

/// The program that `create-many` is compared with; see [`plain`].
pub(crate) fn plain(url: &str, count: usize) -> Result<(), String> {
    plain::run(url, count)
}

/// What is going on, for people who wait.
fn note(text: &str) {
    #[expect(clippy::print_stderr, reason = "stdout is for the figures")]
    {
        eprintln!("bench: {text}");
    }
}
