//! The fuzz targets on the stable toolchain: real files, damaged in many ways.
//!
//! More of it: `PROPTEST_CASES=20000 cargo test -p multi-upload-media --test mutations -- --nocapture`.

mod common;
#[path = "../fuzz/targets.rs"]
mod targets;

use common::all;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Cases of each target, unless `PROPTEST_CASES` says otherwise: about ten seconds in all.
const CASES: u32 = 400;

/// One way of damaging a file.
#[derive(Debug, Clone)]
enum Damage {
    Bit(Index, u8),
    Byte(Index, u8),
    /// A number where one may stand, of the kind that parsers trip over.
    Number(Index, u32),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    /// A part of another file.
    Graft(Index, Index, Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || any::<Index>();
    let number = prop::sample::select(vec![
        0,
        1,
        2,
        7,
        8,
        9,
        16,
        0x7F,
        0xFF,
        0x100,
        0xFFFF,
        0x1_0000,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFF0,
        u32::MAX,
    ]);
    prop_oneof![
        3 => (at(), 0_u8..8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        3 => (at(), number).prop_map(|(at, number)| Damage::Number(at, number)),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), 1_usize..64).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => (at(), 1_usize..64, 1_usize..40).prop_map(|(at, count, times)| Damage::Repeat(at, count, times)),
        1 => (at(), at(), at(), 1_usize..512).prop_map(|(at, file, from, count)| Damage::Graft(at, file, from, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage, files: &[(String, Vec<u8>)]) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match damage {
        Damage::Bit(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Damage::Byte(at, byte) => bytes[at.index(len)] = *byte,
        Damage::Number(at, number) => {
            let at = at.index(len);
            for (place, byte) in bytes[at..].iter_mut().zip(number.to_be_bytes()) {
                *place = byte;
            }
        }
        Damage::Cut(at) => bytes.truncate(at.index(len)),
        Damage::Remove(at, count) => {
            let at = at.index(len);
            bytes.drain(at..len.min(at + count));
        }
        Damage::Repeat(at, count, times) => {
            let at = at.index(len);
            let part = bytes[at..len.min(at + count)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Damage::Graft(at, file, from, count) => {
            let other = &files[file.index(files.len())].1;
            let from = from.index(other.len());
            let part = other[from..other.len().min(from + count)].to_vec();
            let at = at.index(len);
            bytes.splice(at..len.min(at + part.len()), part);
        }
    }
}

/// The time of a processor that this thread has had, where the system tells: other work on the machine is not in it.
fn processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[allow(clippy::print_stdout, reason = "the figures of a longer run")]
/// Runs `target` on damaged files whose names pass `wanted`.
fn run(name: &str, wanted: fn(&str) -> bool, target: fn(&[u8])) {
    let files = all();
    let seeds: Vec<&(String, Vec<u8>)> = files.iter().filter(|(name, _)| wanted(name)).collect();
    assert!(!seeds.is_empty());
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(CASES);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    });
    let slowest: Cell<(Duration, usize)> = Cell::default();
    let strategy = (any::<Index>(), prop::collection::vec(damage(), 1..6));
    let outcome = runner.run(&strategy, |(seed, damages)| {
        let mut bytes = seeds[seed.index(seeds.len())].1.clone();
        for damage in &damages {
            apply(&mut bytes, damage, &files);
        }
        let (began, used) = (Instant::now(), processor());
        target(&bytes);
        let took = match (used, processor()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => began.elapsed(),
        };
        slowest.set(slowest.get().max((took, bytes.len())));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
    let (time, bytes) = slowest.get();
    println!("{name}: {cases} damaged files, the slowest took {time:?} ({bytes} bytes)");
}

fn is_video(name: &str) -> bool {
    name.ends_with(".mp4") || name.ends_with(".mov")
}

#[test]
fn probe_withstands_damage() {
    run("probe", |_| true, targets::probe_target);
}

#[test]
fn convert_withstands_damage() {
    run("convert", |name| !is_video(name), targets::convert_target);
}

#[test]
fn thumbnail_withstands_damage() {
    run(
        "thumbnail",
        |name| !is_video(name),
        targets::thumbnail_target,
    );
}

#[test]
fn faststart_withstands_damage() {
    run("faststart", is_video, targets::faststart_target);
}
