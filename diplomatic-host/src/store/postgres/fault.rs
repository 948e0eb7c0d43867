//! What can go wrong with a database, and what to do about it.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the database said: {}", said(.0))]
    Database(#[source] tokio_postgres::Error),
    #[error("there is no connection to the database")]
    NoConnection(#[source] PoolError),
    #[error("the database took too long")]
    TooLong,
    #[error("the database holds what this program did not write: {0}")]
    Strange(&'static str),
    #[error("the account has used up every seq")]
    NoSeqLeft,
    #[error("the account was deleted a moment ago")]
    Deleted,
}

/// What is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The connection is of no use any more; another one may be.
    Reconnect,
    /// Somebody else was quicker.
    Repeat,
    Nothing,
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            // The one rule that the tables have beside being unique: the number of the last seq.
            Some(&SqlState::CHECK_VIOLATION) => Self::NoSeqLeft,
            _ => Self::Database(error),
        }
    }
}

impl Fault {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Database(error) => match error.code() {
                Some(code) if is_passing(code) => Remedy::Reconnect,
                // Another process may have been quicker to make the tables, too.
                Some(
                    &SqlState::UNIQUE_VIOLATION
                    | &SqlState::DUPLICATE_OBJECT
                    | &SqlState::DUPLICATE_TABLE
                    | &SqlState::T_R_SERIALIZATION_FAILURE
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    | &SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN,
                ) => Remedy::Repeat,
                // The tables were changed under a prepared statement.
                Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::FEATURE_NOT_SUPPORTED) => Remedy::Reconnect,
                Some(_) => Remedy::Nothing,
                None if is_lost(error) => Remedy::Reconnect,
                None => Remedy::Nothing,
            },
            Self::NoConnection(PoolError::Backend(error)) if error.code().map_or(is_lost(error), is_passing) => {
                Remedy::Reconnect
            }
            Self::NoConnection(_) | Self::TooLong | Self::Strange(_) | Self::NoSeqLeft | Self::Deleted => {
                Remedy::Nothing
            }
        }
    }

    /// Tells whether the database does not serve at all, which is not so where all connections are busy.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::NoConnection(PoolError::Timeout(TimeoutType::Wait)) => false,
            Self::NoConnection(PoolError::Timeout(_)) | Self::TooLong => true,
            _ => self.remedy() == Remedy::Reconnect,
        }
    }

    /// Tells whether something is there already that was to be new.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    pub(super) fn reading(self) -> StoreError {
        match self {
            Self::Strange(_) => StoreError::Corrupted(Arc::new(self)),
            _ => StoreError::Read(Arc::new(self)),
        }
    }

    pub(super) fn writing(self) -> StoreError {
        match self {
            Self::Strange(_) => StoreError::Corrupted(Arc::new(self)),
            _ => StoreError::Write(Arc::new(self)),
        }
    }
}

/// Tells whether there was no answer, rather than one that makes no sense, such as a certificate of somebody else.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.source().map(|source| source.downcast_ref::<io::Error>()) {
        // Closed, or too late.
        None => true,
        Some(Some(error)) => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput),
        Some(None) => false,
    }
}

/// Tells whether a server that says so will serve again by itself: it starts, stops, or has no seat left.
fn is_passing(code: &SqlState) -> bool {
    let class = code.code().get(..2);
    matches!(class, Some("08" | "57" | "53")) && *code != SqlState::QUERY_CANCELED && *code != SqlState::DISK_FULL
}

/// Returns what the server said, or what the system did.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
