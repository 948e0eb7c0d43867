//! Errors of stores.

use std::error::Error;
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
