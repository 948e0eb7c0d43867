//! The index of many accounts, made from their export files. This needs no store, no network and no terminal.

use std::error::Error;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use diplomatic::{Replay, Seed};

use crate::index::Index;

type Failure = Box<dyn Error + Send + Sync>;

/// What became of a file.
#[derive(Debug)]
pub struct Replayed {
    /// The export file.
    pub file: PathBuf,
    /// How many messages it has, or why it could not be replayed.
    pub outcome: Result<u64, Failure>,
}

/// Writes the notes of export files to one index, several files at a time. Each is an account of its own, under the name of the
/// file, and its seed stands in a file of the same name that ends in `.seed`, beside it or in `seeds`. Files that have not changed
/// since they were replayed last cost next to nothing.
///
/// Reports to `watch` how many messages of all files are done. A file that fails does not stop the others.
pub fn replay(files: &[PathBuf], seeds: Option<&Path>, to: &Path, watch: impl Fn(u64) + Sync) -> Vec<Replayed> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(files.len());
    let (waiting, done) = (Mutex::new(files.iter().enumerate()), AtomicU64::new(0));
    let add = |messages: u64| watch(done.fetch_add(messages, Ordering::Relaxed) + messages);
    let mut replayed: Vec<(usize, Replayed)> = thread::scope(|scope| {
        let work = || {
            let mut replayed = Vec::new();
            loop {
                let next = waiting.lock().map_or(None, |mut waiting| waiting.next());
                let Some((place, file)) = next else { return replayed };
                let outcome = replay_one(file, seeds, to, &add);
                replayed.push((place, Replayed { file: file.clone(), outcome }));
            }
        };
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        working.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    replayed.sort_unstable_by_key(|(place, _)| *place);
    replayed.into_iter().map(|(_, replayed)| replayed).collect()
}

fn replay_one(file: &Path, seeds: Option<&Path>, to: &Path, add: &dyn Fn(u64)) -> Result<u64, Failure> {
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_extension("seed");
    let seed = match (seeds, beside.file_name()) {
        (Some(seeds), Some(name)) => Seed::load(seeds.join(name))?,
        _ => Seed::load(beside)?,
    };
    let mut replay = Replay::open(file, &seed)?.with_threads(NonZero::<usize>::MIN);
    let mut index = Index::open(to, &name)?;
    let mut before = 0;
    replay.project(&mut index, |progress| {
        add(progress.done - before);
        before = progress.done;
    })?;
    let total = replay.len() as u64;
    add(total.saturating_sub(before));
    Ok(total)
}
