//! Merging an export file into the log.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use serde::Serialize;

use super::Device;
use crate::log::{A_FILE, Log, LogError, SealedMessage};
use crate::parallel;
use crate::reducer::Reducer;
use crate::replay::{Damage, DamageReport, Progress, Replay, ReplayError, SealedMessages};
use crate::standard::Seed;

/// How many messages are stored in one transaction, and how many are opened together.
const BATCH: usize = 4_000;

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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

impl ImportError {
    /// Returns whether the same import may work later: once the disks work or have room again. It then goes on where it
    /// stopped.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Replay(error) => error.is_retryable(),
            Self::Log(error) => error.is_retryable(),
        }
    }
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
        let outcome = loop {
            match import.step(self) {
                Ok(true) => watch(import.progress()),
                Ok(false) => break Ok(import.into_report()),
                Err(error) => break Err(error),
            }
        };
        self.after_import();
        outcome
    }
}

impl<R: Reducer> Device<R> {
    /// Brings the state up to date with what an import has stored.
    pub(crate) fn after_import(&mut self) {
        if let Err(error) = self.mend() {
            tracing::error!(%error, "the state could not be folded after an import; it is tried before the next change");
        }
    }
}

/// An import in progress. The state may stay behind the log until [`Device::after_import`].
#[derive(Debug)]
pub(crate) struct Import<F = File> {
    replay: Replay<F>,
    /// What was opened while the last messages were stored.
    opened: Option<Opened>,
    /// The next message to be stored, by its place in the order.
    next: usize,
    report: ImportReport,
}

/// The next messages of a file.
#[derive(Debug)]
struct Opened {
    messages: Vec<Result<SealedMessage, Damage>>,
    /// How many more there are, which the log had before.
    known: usize,
    /// The place in the order after the last of them.
    next: usize,
}

impl<F: Read + Seek> Import<F> {
    pub(crate) fn new(replay: Replay<F>) -> Self {
        let unreadable = replay.damage().clone();
        Self { replay, opened: None, next: 0, report: ImportReport { unreadable, ..ImportReport::default() } }
    }

    /// Stores the next messages in one transaction, while those after them are opened; false at the end.
    pub(crate) fn step<R: Reducer>(&mut self, device: &mut Device<R>) -> Result<bool, ImportError> {
        device.recover()?;
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => {
                let (sealed, known, next) = self.read(self.next, &device.log)?;
                let sealer = device.log.row_sealer(A_FILE);
                let messages = self.replay.opener().open(&sealed, |message| sealer.seal(message));
                Opened { messages, known, next }
            }
        };
        if opened.next == self.next {
            return Ok(false);
        }
        let (sealed, known, next) = self.read(opened.next, &device.log)?;
        let (opener, sealer) = (self.replay.opener(), device.log.row_sealer(A_FILE));
        let report = &mut self.report;
        let (stored, messages) = parallel::join(
            parallel::usual_threads(),
            || store(device, opened.messages, report),
            || opener.open(&sealed, |message| sealer.seal(message)),
        );
        stored?;
        self.report.known += opened.known as u64;
        self.next = opened.next;
        self.opened = Some(Opened { messages, known, next });
        Ok(true)
    }

    /// Reads the messages from a place on, but for those that are in the log; returns how many those are, and the place
    /// after them all.
    fn read(&mut self, from: usize, log: &Log) -> Result<(SealedMessages, usize, usize), ImportError> {
        let positions = self.replay.positions(from, BATCH);
        let is_known: Vec<bool> =
            log.read(|reader| positions.iter().map(|position| reader.lacks_nothing_of(position)).collect())?;
        let (sealed, next) = self.replay.read(from..from + is_known.len(), |place| !is_known[place - from])?;
        let known = is_known[..next - from].iter().filter(|is_known| **is_known).count();
        Ok((sealed, known, next))
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress { done: self.next as u64, total: self.replay.len() as u64 }
    }

    pub(crate) fn into_report(self) -> ImportReport {
        self.report
    }
}

fn store<R: Reducer>(
    device: &mut Device<R>,
    messages: Vec<Result<SealedMessage, Damage>>,
    report: &mut ImportReport,
) -> Result<(), LogError> {
    let Device { log, fold, .. } = device;
    let mut readable = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Ok(message) => readable.push(message),
            Err(damage) => report.unreadable.add(damage),
        }
    }
    let all = readable.len() as u64;
    if all == 0 {
        return Ok(());
    }
    let (new, plan) = log.write(|writer| {
        let mut changes = Vec::with_capacity(readable.len());
        for message in readable {
            changes.extend(writer.insert_sealed(message)?);
        }
        let new = changes.len() as u64 + writer.new_chunks;
        let plan = fold.plan(writer, changes)?;
        fold.go_on(writer, &plan)?;
        Ok::<_, LogError>((new, plan))
    })?;
    fold.carry_out(plan, log, true);
    report.new += new;
    // A host may have brought some of them since they were looked up.
    report.known += all - new;
    Ok(())
}
