//! CPU time of child processes, and medians.

use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs a program to its end and gives the CPU time it took, user and system, in milliseconds.
///
/// One child at a time: what is counted is the time of all children that have ended.
pub(super) fn cpu_of(command: &mut Command) -> Result<f64, String> {
    let before = of_children()?;
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{} did not start: {error}", shown(command)))?;
    let after = of_children()?;
    if !output.status.success() {
        return Err(format!(
            "{} failed:\n{}",
            shown(command),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok((after - before).as_secs_f64() * 1_000.0)
}

#[cfg(unix)]
fn of_children() -> Result<Duration, String> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(
        u64::try_from(micros.iter().sum::<i64>()).unwrap_or(0),
    ))
}

#[cfg(not(unix))]
fn of_children() -> Result<Duration, String> {
    Err("this bench counts CPU time as Unix does".to_owned())
}

/// CPU time of a running process so far, in milliseconds, in steps of 10 ms.
pub(super) fn cpu_so_far(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name before the last parenthesis may hold anything; user and system time are the 14th and 15th field.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks * 10.0)
}

/// The value in the middle.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

fn shown(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).is_nan());
    }

    #[cfg(unix)]
    #[test]
    fn cpu_time_is_that_of_the_child() {
        let idle = cpu_of(Command::new("true").arg("x")).expect("it runs");
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let busy = cpu_of(Command::new("sh").args(["-c", busy])).expect("it runs");
        assert!(busy > 2.0 * idle && busy > 20.0, "{idle} {busy}");
        assert!(cpu_of(&mut Command::new("false")).is_err());
    }
}
