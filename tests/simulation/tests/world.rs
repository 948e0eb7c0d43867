//! Thousands of simulated worlds: whatever happens, every device and every host ends up with everything.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::sync::atomic::{AtomicU64, Ordering};

use diplomatic_simulation::world::{self, Broken, LongLivedLog, LyingHost, ModelHost, ModelLog, RealHost, RealLog};

/// How many worlds the ordinary tests live through; `WORLDS` overrides it. A world of real ones takes some 10 ms, half
/// of them for signatures.
const MODEL_WORLDS: u64 = 1000;
const REAL_WORLDS: u64 = 350;
const LONG_WORLDS: u64 = 75;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn live_through(worlds: u64, run: impl Fn(u64, bool) -> Result<(), Broken> + Sync + std::panic::RefUnwindSafe) {
    if let Some(seed) = variable("WORLD_SEED") {
        run(seed, true).unwrap();
        return;
    }
    let (next, worlds) = (AtomicU64::new(variable("WORLD_FROM").unwrap_or(0)), variable("WORLDS").unwrap_or(worlds));
    let end = next.load(Ordering::Relaxed) + worlds;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let live = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return Vec::new();
            }
            let outcome = std::panic::catch_unwind(|| run(seed, false));
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => return vec![broken.to_string()],
                Err(_) => return vec![format!("seed {seed}: panicked")],
            }
        }
    };
    let broken: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(live)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(broken.is_empty(), "run it again with WORLD_SEED=<seed> for a trace: {broken:?}");
}

#[test]
fn every_world_of_models_heals() {
    live_through(MODEL_WORLDS, |seed, trace| world::run(seed, trace, ModelLog::new, ModelHost::new));
}

#[test]
fn every_world_of_lying_hosts_heals_once_they_are_honest() {
    live_through(MODEL_WORLDS, |seed, trace| world::run(seed + 2_000_000, trace, ModelLog::new, LyingHost::new));
}

#[test]
fn every_device_says_what_is_withheld_from_it_and_gets_it_from_another() {
    // In this one, the host has one of the messages twice.
    world::withhold(3_020_693, false).unwrap();
    live_through(REAL_WORLDS, |seed, trace| world::withhold(seed + 3_000_000, trace));
}

#[test]
fn every_world_of_real_logs_and_lying_hosts_heals_to_one_state() {
    live_through(REAL_WORLDS, |seed, trace| world::run(seed + 4_000_000, trace, RealLog::new, LyingHost::new));
}

#[test]
fn every_world_of_real_logs_and_hosts_heals_to_one_state() {
    // In these, the host announces a part of an attachment while it is being audited.
    for seed in [102_176, 102_747] {
        world::run(seed, false, RealLog::new, RealHost::new).unwrap();
    }
    live_through(REAL_WORLDS, |seed, trace| world::run(seed, trace, RealLog::new, RealHost::new));
}

#[test]
fn every_world_of_real_logs_and_quirky_hosts_heals_to_one_state() {
    live_through(REAL_WORLDS, |seed, trace| world::run(seed + 1_000_000, trace, RealLog::new, ModelHost::new));
}

#[test]
fn every_world_of_old_and_new_builds_that_undo_compact_and_import_heals_to_one_state() {
    live_through(LONG_WORLDS, |seed, trace| world::run(seed + 5_000_000, trace, LongLivedLog::new, RealHost::new));
}

#[test]
fn every_world_of_long_lived_devices_and_lying_hosts_heals_to_one_state() {
    live_through(LONG_WORLDS, |seed, trace| world::run(seed + 6_000_000, trace, LongLivedLog::new, LyingHost::new));
}
