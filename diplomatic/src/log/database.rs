//! The database of a log, opened for writing or read-only.

use std::time::Duration;

use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::error::LogError;

/// How a log is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) kind: AccessKind,
    /// How long to wait for another process that has the log open.
    pub(crate) wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessKind {
    /// One process at a time.
    Write,
    /// Any number of processes, even while one writes, and on a read-only file system.
    Read,
}

/// An open database.
pub(super) enum Handle {
    Writable(Database),
    /// It follows what another process writes.
    ReadOnly(ReadOnlyDatabase),
    /// It had to be mended first, and stands over an [`Overlay`](super::overlay::Overlay): nobody writes meanwhile.
    Mended(Database),
}

impl Handle {
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, LogError> {
        Ok(match self {
            Self::Writable(database) | Self::Mended(database) => database.begin_read()?,
            Self::ReadOnly(database) => database.begin_read()?,
        })
    }

    /// Returns the database to write to.
    pub(super) const fn writable(&mut self) -> Result<&mut Database, LogError> {
        match self {
            Self::Writable(database) => Ok(database),
            Self::ReadOnly(_) | Self::Mended(_) => Err(LogError::ReadOnly),
        }
    }
}

/// Begins a transaction after whose commit a crash costs no scan of the file: each commit carries the list of free pages.
pub(super) fn begin_write(database: &Database) -> Result<WriteTransaction, LogError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}
