//! Checking the store.

use super::{Device, Progress};
use crate::log::{FileCheck, LogError, LogSnapshot, StoreReport};
use crate::reducer::Reducer;
use crate::standard::{HostKeys, Label, Seed};

impl<R: Reducer> Device<R> {
    /// Checks the store: that every value opens under its key, that every body has its hash and every sealed bag its
    /// signature, and that winners, lists and queues agree with the messages. `watch` learns how far it is.
    ///
    /// # Errors
    ///
    /// [`LogError`], when the store cannot be read at all.
    pub fn verify(&self, seed: &Seed, watch: impl FnMut(Progress)) -> Result<StoreReport, LogError> {
        self.start_verify()?.run(seed, watch)
    }

    /// Checks the database's own pages, and takes the log as of now, to be checked elsewhere while the device goes on.
    pub(crate) fn start_verify(&self) -> Result<Verification, LogError> {
        Ok(Verification { file: self.log.check_file()?, log: self.log.snapshot()? })
    }
}

/// A log as of one moment, to be checked.
#[derive(Debug)]
pub(crate) struct Verification {
    file: FileCheck,
    log: LogSnapshot,
}

impl Verification {
    pub(crate) fn run(self, seed: &Seed, mut watch: impl FnMut(Progress)) -> Result<StoreReport, LogError> {
        let keys = |label: &Label| HostKeys::derive(seed, label);
        let mut report = self.log.read(|reader| reader.verify(keys, |done, total| watch(Progress { done, total })))?;
        report.note_file(self.file);
        Ok(report)
    }
}
