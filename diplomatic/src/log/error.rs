//! Errors of opening, reading and writing a log.

use std::path::PathBuf;

use crate::system_error::io_is_retryable;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLogError {
    /// Another process, or another client in this process, has the file open.
    #[error("{} is in use by another process: close it there, or use a file of its own here", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a log.
    #[error("{} is not a diplomatic log: choose another path; the file was left as it is", .path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error(
        "{} has format {found} and this version reads up to {supported}: update the program; \
         the file was left as it is", .path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// The watcher cancelled the repair of the file.
    #[error("the repair of {} was cancelled; the file was left as it is", .path.display())]
    RepairCancelled {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another seed.
    #[error("{} belongs to another seed: use the seed that it was made with, or another path", .path.display())]
    WrongSeed {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged: move it away and open again, and what a host has comes back; \
         keep the old file if some of it was never synced", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The database's error.
        source: Option<StorageError>,
    },
    /// The file or its folder cannot be used.
    #[error("{} cannot be opened", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("{} cannot be opened", .path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// The database's error.
        source: StorageError,
    },
}

/// Why a log could not be read or written. Everything acknowledged before is safe, and a failed change leaves nothing
/// behind.
///
/// There is one exception: if the disk fails while it makes a change durable, the complete change may still be on it. The
/// state then shows it as soon as the disk can be read again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The disk or the database failed, for example because the disk is full.
    #[error("the log's storage failed")]
    Storage(#[from] StorageError),
    /// The database found its file damaged.
    #[error("the log's file is damaged")]
    Damaged,
    /// A stored value cannot be decrypted: the file was damaged or tampered with.
    #[error("a value in the log's table {table} is damaged")]
    DamagedValue {
        /// The table.
        table: &'static str,
    },
    /// The log was opened read-only.
    #[error("the log was opened read-only")]
    ReadOnly,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl OpenLogError {
    /// Returns whether opening may work later as it is: once the other process has closed the file, or the disk works or has
    /// room again. Otherwise something has to be changed first, as the error says.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InUse { .. } | Self::RepairCancelled { .. } => true,
            Self::Io { source, .. } => io_is_retryable(source),
            Self::Storage { source, .. } => source.is_retryable(),
            Self::NotALog { .. } | Self::NewerFormat { .. } | Self::WrongSeed { .. } | Self::Damaged { .. } => false,
        }
    }
}

impl LogError {
    /// Returns whether the same call may work later: once the disk works or has room again. A damaged file, or a log that is
    /// closed or read-only, stays so.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_retryable(),
            Self::Damaged | Self::DamagedValue { .. } | Self::ReadOnly | Self::Closed => false,
        }
    }
}

impl StorageError {
    /// Returns whether the disk failed, or the file is in use, and not the database.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseAlreadyOpen)
    }
}

/// An error of the log's database.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(#[from] redb::Error);

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for LogError {
            fn from(error: redb::$error) -> Self {
                Self::Storage(StorageError(error.into()))
            }
        })*
    };
}

from_redb!(
    CommitError,
    CompactionError,
    DatabaseError,
    SavepointError,
    SetDurabilityError,
    StorageError,
    TableError,
    TransactionError
);
