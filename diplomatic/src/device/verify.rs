//! Checking the store.

use super::Device;
use crate::log::{FileCheck, LogError, LogView, StoreReport};
use crate::reducer::Reducer;
use crate::replay::Progress;

impl<R: Reducer> Device<R> {
    /// Checks the store: the encryption of every value, the hash of every body, and the indexes, lists and queues. Reports
    /// the progress to `watch`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store cannot be read at all.
    pub fn verify(&self, watch: impl FnMut(Progress)) -> Result<StoreReport, LogError> {
        self.start_verify()?.run(watch)
    }

    /// Checks the database's pages, and takes a snapshot of the log, to be checked on another thread while the device
    /// continues.
    pub(crate) fn start_verify(&self) -> Result<Verification, LogError> {
        Ok(Verification { file: self.log.check_file()?, log: self.log.view()? })
    }
}

/// A snapshot of a log to check.
#[derive(Debug)]
pub(crate) struct Verification {
    file: FileCheck,
    log: LogView,
}

impl Verification {
    pub(crate) fn run(self, mut watch: impl FnMut(Progress)) -> Result<StoreReport, LogError> {
        let mut report = self.log.read(|reader| reader.verify(|done, total| watch(Progress { done, total })))?;
        report.note_file(self.file);
        Ok(report)
    }
}
