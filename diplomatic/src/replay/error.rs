//! Errors of replay.

use super::Damage;
use crate::system_error::io_is_retryable;

/// Why an export file could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("the export file cannot be read")]
    Io(#[from] std::io::Error),
    /// Nothing in the file can be opened with this seed.
    #[error("the export file was written with another seed")]
    WrongSeed,
    /// The file is not an export file, or so damaged that nothing can be recovered.
    #[error("this is no export file, or nothing of it is left ({0})")]
    NotAnExport(Damage),
    /// The file is damaged.
    #[error("the export file is damaged ({0}): read the rest with `Replay::recover`")]
    Damaged(Damage),
    /// The file holds more messages than a replay can sort.
    #[error("the export file holds more than {most} messages")]
    TooManyMessages {
        /// The maximum.
        most: u64,
    },
}

impl ReplayError {
    /// Returns whether the same file may be read later as it is: once the disk works. Otherwise it needs another seed or another
    /// file.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io(error) => io_is_retryable(error),
            Self::WrongSeed | Self::NotAnExport(_) | Self::Damaged(_) | Self::TooManyMessages { .. } => false,
        }
    }
}
