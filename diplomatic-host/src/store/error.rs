//! Errors of stores, and of opening them.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use diplomatic::standard::{PublicKey, Status};

/// Why a store could not read or write. A caller gets [`Status::STORAGE_ERROR`]; the details are for the operator.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The data could not be read.
    #[error("the stored bags could not be read")]
    Read(#[source] Arc<dyn Error + Send + Sync>),
    /// The data could not be written. It may be there nevertheless; writing it again is harmless.
    #[error("the bags could not be stored")]
    Write(#[source] Arc<dyn Error + Send + Sync>),
    /// A part of the data file differs from what was written.
    #[error("the data file is damaged")]
    Corrupted(#[source] Arc<dyn Error + Send + Sync>),
    /// The user has used up all numbers for bags.
    #[error("user {user} has used up every seq")]
    NoSeqLeft {
        /// The user.
        user: PublicKey,
    },
    /// The store is not open yet.
    #[error("the store is not open yet")]
    Starting,
    /// A failure for tests.
    #[error("this write was told to fail")]
    Injected,
    /// The store has stopped, or could not reopen its file after a failure.
    #[error("the store has stopped")]
    Stopped,
}

impl StoreError {
    /// Returns the standard's status for this error.
    pub const fn status(&self) -> Status {
        Status::STORAGE_ERROR
    }
}

/// Why a data file could not be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// Another process has the file open.
    #[error("{} is in use by another process: stop that one, or choose another file", path.display())]
    InUse {
        /// The data file.
        path: PathBuf,
    },
    /// The file is not a data file.
    #[error("{} is not a data file of this program: choose another file", path.display())]
    NotOurs {
        /// The data file.
        path: PathBuf,
    },
    /// The file was written by a version with another format.
    #[error(
        "{} has format {found} and this version reads format {known}: use the version that wrote it, or a newer one",
        path.display()
    )]
    OtherFormat {
        /// The data file.
        path: PathBuf,
        /// The file's format.
        found: String,
        /// This build's format.
        known: &'static str,
    },
    /// The file was changed or truncated.
    #[error(
        "{} is damaged, and was not opened: restore it from a backup, or move it away to start empty (clients then push \
         again what the host lacks)",
        path.display()
    )]
    Damaged {
        /// The data file.
        path: PathBuf,
        /// The damage.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The file or its folder cannot be read or written.
    #[error("{} cannot be opened ({source}): check the folder, its permissions and the free disk space", path.display())]
    Io {
        /// The data file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The address of a database cannot be read.
    #[error("this is no address of a database ({source}): write it like postgres://user:password@server/database")]
    NoDatabaseUrl {
        /// What is wrong.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The database cannot be reached, or does not serve this program.
    #[error("the database cannot be used ({said}): check its address, the user's rights, and its log")]
    Database {
        /// What it said.
        said: String,
    },
    /// The tables were written by a newer version.
    #[error("the database has format {found} and this version reads format {known}: use a newer version")]
    NewerDatabase {
        /// The format of the tables.
        found: i64,
        /// This build's format.
        known: i64,
    },
    /// The writer's thread could not be started.
    #[error("the thread that writes could not be started")]
    Thread(#[source] io::Error),
}
