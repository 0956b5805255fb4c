//! The service with nothing to do: how soon it answers, what it holds in memory, how large it is.

use std::time::Duration;

use tempfile::TempDir;

use super::artefacts::Artefacts;
use super::figure::{Figure, Target};
use super::measure::{cpu_so_far, median};
use super::service::{Service, timed_start};
use super::{Effort, note};

const MB: f64 = 1_048_576.0;

pub(super) fn run(artefacts: &Artefacts, effort: Effort) -> Result<Vec<Figure>, String> {
    let rounds = effort.of(7, 3);
    let idle = Duration::from_secs(effort.of(5, 1) as u64);
    note(&format!(
        "idle: {rounds} rounds of two starts, then {} s of nothing",
        idle.as_secs()
    ));
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let data = folder()?;
        // The first start makes the database, the root key and the admin key.
        first.push(timed_start(artefacts, data.path())?.0);
        again.push(timed_start(artefacts, data.path())?.0);
    }
    let data = folder()?;
    let service = Service::start(artefacts, data.path(), &[])?;
    std::thread::sleep(idle);
    let resident = resident_mb(service.pid())?;
    let cpu = cpu_so_far(service.pid())?;
    std::thread::sleep(idle);
    let cpu = cpu_so_far(service.pid())? - cpu;
    let size = std::fs::metadata(artefacts.command())
        .map_err(|error| error.to_string())?
        .len();
    Ok(vec![
        Figure::new("idle, resident memory", "MB", resident).target(Target::AtMost(40.0)),
        Figure::new("idle, CPU per second", "ms CPU", cpu / idle.as_secs_f64()),
        Figure::new(
            "start to first answer, new data folder",
            "ms",
            median(first),
        )
        .target(Target::AtMost(300.0)),
        Figure::new(
            "start to first answer, known data folder",
            "ms",
            median(again),
        )
        .target(Target::AtMost(300.0)),
        Figure::new("size of the binary", "MB", size as f64 / MB),
    ])
}

fn folder() -> Result<TempDir, String> {
    TempDir::new().map_err(|error| error.to_string())
}

pub(super) fn resident_mb(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.map(|kb| kb / 1_024.0)
        .ok_or_else(|| format!("{path} tells no VmRSS"))
}
