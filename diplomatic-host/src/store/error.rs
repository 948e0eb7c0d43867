//! Why a store fails, and why it does not open.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use diplomatic::standard::{PublicKey, Status};

/// Why a store could not read or write. A caller hears [`Status::STORAGE_ERROR`]; the operator hears the rest.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The data could not be read.
    #[error("the stored bags could not be read")]
    Read(#[source] Arc<dyn Error + Send + Sync>),
    /// The data could not be written. Whether it lies there nevertheless is unknown; to write it again is harmless.
    #[error("the bags could not be stored")]
    Write(#[source] Arc<dyn Error + Send + Sync>),
    /// A part of the data file is not what was written there.
    #[error("the data file is damaged")]
    Corrupted(#[source] Arc<dyn Error + Send + Sync>),
    /// The user has as many bags as there are numbers.
    #[error("user {user} has used up every seq")]
    NoSeqLeft {
        /// Who it is.
        user: PublicKey,
    },
    /// The store is not open yet.
    #[error("the store is not open yet")]
    Starting,
    /// A test asked for this failure.
    #[error("this write was told to fail")]
    Injected,
    /// The store has stopped, or could not open its file again after a failure.
    #[error("the store has stopped")]
    Stopped,
}

impl StoreError {
    /// Returns the standard's status for this error.
    pub const fn status(&self) -> Status {
        Status::STORAGE_ERROR
    }
}

/// Why a data file does not open. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// Another process has the file open.
    #[error("{} is in use by another process: stop that one, or choose another file", path.display())]
    InUse {
        /// The data file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a data file of this program: choose another file", path.display())]
    NotOurs {
        /// The data file.
        path: PathBuf,
    },
    /// The file is by a version that keeps its data in another way.
    #[error(
        "{} has format {found} and this version reads format {known}: use the version that wrote it, or a newer one",
        path.display()
    )]
    OtherFormat {
        /// The data file.
        path: PathBuf,
        /// The format that the file names.
        found: String,
        /// The format that this build reads and writes.
        known: &'static str,
    },
    /// The file was changed or cut short from outside.
    #[error(
        "{} is damaged, and was not opened: restore it from a backup, or move it away to start empty (clients then push \
         again what the host lacks)",
        path.display()
    )]
    Damaged {
        /// The data file.
        path: PathBuf,
        /// What was found.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The file, or its folder, cannot be read or written.
    #[error("{} cannot be opened ({source}): check the folder, its permissions and the room on the disk", path.display())]
    Io {
        /// The data file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The thread that writes could not be started.
    #[error("the thread that writes could not be started")]
    Thread(#[source] io::Error),
}
