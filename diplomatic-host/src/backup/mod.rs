//! Backups: every account and what the operator decided, in one file that any store takes back.
//!
//! A backup is made while the host serves. Each account in it is whole up to the moment it was read; accounts do not
//! depend on each other, and neither do their moments.

mod file;
mod read;
mod write;

use std::io;

use diplomatic::standard::{DecodeError, PublicKey};

pub use read::{Restored, restore, verify};
pub(crate) use write::Pages;
pub use write::{Scope, Written, write};

use crate::StoreError;

/// Why a backup is not written, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file, or the connection, cannot be read or written.
    #[error("the backup cannot be read or written ({0})")]
    Io(#[from] io::Error),
    /// The file is something else.
    #[error("this is not a backup of a host: choose another file")]
    NotABackup,
    /// The file ends early, or was changed.
    #[error("the backup is cut short or damaged: choose another one")]
    Damaged,
    /// A part of the file does not decode.
    #[error("the backup is damaged ({0}): choose another one")]
    Decode(#[from] DecodeError),
    /// A bag in the file is not of its account.
    #[error("the backup holds a bag that its account {user} did not sign: choose another one")]
    Forged {
        /// The account.
        user: PublicKey,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
