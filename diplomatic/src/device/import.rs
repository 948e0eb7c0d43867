//! Merging an export file into the log.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::{Device, Progress};
use crate::log::{A_FILE, LogError};
use crate::reducer::Reducer;
use crate::replay::{DamageReport, Replay, ReplayError};
use crate::standard::Seed;

/// How many messages are stored in one transaction.
const BATCH: usize = 1_000;

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The number of messages that were new.
    pub new: u64,
    /// The number of messages that the log already had.
    pub known: u64,
    /// The parts of the file that could not be read.
    pub unreadable: DamageReport,
}

/// Why an import stopped. Messages stored before stay, and another import adds the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl<R: Reducer> Device<R> {
    /// Merges an export file, opened with `seed`, into the log. Nothing is overwritten, and new messages are queued for
    /// every linked host.
    ///
    /// If an import is interrupted, complete messages stay, and another import adds the rest. Damaged bodies are reported
    /// and skipped. A file with a damaged header or index is refused; import it with [`Replay::recover`] and
    /// [`import_from`](Self::import_from).
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    pub fn import(&mut self, path: impl AsRef<Path>, seed: &Seed) -> Result<ImportReport, ImportError> {
        self.import_from(Replay::open(path, seed)?, |_| ())
    }

    /// Merges an export file that has been opened or [recovered](Replay::recover), and reports the progress to `watch`.
    ///
    /// The file may belong to another account, for example when a user moves to a new seed. Its messages become this
    /// account's.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    pub fn import_from<F: Read + Seek>(
        &mut self,
        replay: Replay<F>,
        mut watch: impl FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        let mut import = Import::new(replay);
        while import.step(self)? {
            watch(import.progress());
        }
        Ok(import.into_report())
    }
}

/// An import in progress.
#[derive(Debug)]
pub(crate) struct Import<F = File> {
    replay: Replay<F>,
    /// The next message, by its place in the order.
    next: usize,
    report: ImportReport,
}

impl<F: Read + Seek> Import<F> {
    pub(crate) fn new(replay: Replay<F>) -> Self {
        let unreadable = replay.damage().clone();
        Self { replay, next: 0, report: ImportReport { unreadable, ..ImportReport::default() } }
    }

    /// Stores the next messages in one transaction; false at the end.
    pub(crate) fn step<R: Reducer>(&mut self, device: &mut Device<R>) -> Result<bool, ImportError> {
        let positions = self.replay.positions(self.next, BATCH);
        if positions.is_empty() {
            return Ok(false);
        }
        let Device { log, fold, .. } = device;
        fold.mend(log)?;
        let is_known = log.read(|reader| positions.iter().map(|position| reader.knows(position)).collect())?;
        let is_known: Vec<bool> = is_known;
        let first = self.next;
        let places = first..first + positions.len();
        // What is known need not be read again.
        let (fetched, next) = self.replay.fetch(places, |place| !is_known[place - first])?;
        let known = is_known[..next - first].iter().filter(|is_known| **is_known).count();
        let mut messages = Vec::with_capacity(fetched.len());
        for message in fetched {
            match message {
                Ok(message) => messages.push(message),
                Err(damage) => self.report.unreadable.add(damage),
            }
        }
        let new = messages.len();
        if new > 0 {
            let plan = log.write(|writer| {
                let mut changes = Vec::with_capacity(messages.len());
                for message in messages {
                    changes.extend(writer.insert(message, A_FILE)?);
                }
                fold.plan(writer, changes)
            })?;
            fold.carry_out(plan, log);
        }
        self.report.known += known as u64;
        self.report.new += new as u64;
        self.next = next;
        Ok(true)
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress { done: self.next as u64, total: self.replay.len() as u64 }
    }

    pub(crate) fn into_report(self) -> ImportReport {
        self.report
    }
}
