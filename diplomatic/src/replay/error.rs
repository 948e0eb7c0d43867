//! Why an export file is not replayed.

use super::Damage;

/// Why an export file cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("the export file cannot be read")]
    Io(#[from] std::io::Error),
    /// Nothing in the file opens under this seed.
    #[error("the export file was written with another seed")]
    WrongSeed,
    /// The file is of another kind, or so damaged that nothing of it is left.
    #[error("this is no export file, or nothing of it is left ({0})")]
    NotAnExport(Damage),
    /// The file is damaged.
    #[error("the export file is damaged ({0}); `Replay::recover` reads the rest")]
    Damaged(Damage),
    /// The file holds more messages than a replay can put in order.
    #[error("the export file holds more than {most} messages")]
    TooManyMessages {
        /// How many a replay can put in order.
        most: u64,
    },
}
