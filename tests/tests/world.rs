//! Thousands of simulated worlds: whatever happens, every device and every host ends up with everything.

use std::sync::atomic::{AtomicU64, Ordering};

use diplomatic_tests::world::{self, ModelHost, ModelLog};

/// How many worlds the ordinary tests live through; `WORLDS` overrides it.
const WORLDS: u64 = 2000;

fn run(seed: u64, trace: bool) -> Result<(), world::Broken> {
    world::run(seed, trace, ModelLog::new, ModelHost::new)
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn every_world_heals() {
    if let Some(seed) = variable("WORLD_SEED") {
        run(seed, true).unwrap();
        return;
    }
    let (next, worlds) = (AtomicU64::new(variable("WORLD_FROM").unwrap_or(0)), variable("WORLDS").unwrap_or(WORLDS));
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
