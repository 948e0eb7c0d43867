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

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// How many messages of the file are new in the log.
    pub new: u64,
    /// How many were there before.
    pub known: u64,
    /// What could not be read.
    pub unreadable: DamageReport,
}

/// Why an import stopped. What was stored before stays, and importing again goes on from there.
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
    /// Merges an export file, which `seed` opens, into the log: nothing is written over, and what is new is queued
    /// for every linked host.
    ///
    /// An import that was cut off leaves whole messages behind, and importing again finishes it. A body that is
    /// damaged is reported, and the rest comes in; a file whose header or index is damaged is refused, and comes in by
    /// [`Replay::recover`] and [`import_from`](Self::import_from).
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    pub fn import(&mut self, path: impl AsRef<Path>, seed: &Seed) -> Result<ImportReport, ImportError> {
        self.import_from(Replay::open(path, seed)?, |_| ())
    }

    /// Merges an export file that was opened or [recovered](Replay::recover) before. `watch` is told how far it is.
    ///
    /// The file may be another account's, as when a user moves to a new seed: its messages become this account's.
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

/// An import on its way.
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
