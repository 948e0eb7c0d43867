//! Errors of opening a store.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

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
