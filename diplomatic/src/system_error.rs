//! Errors of the system, and whether they may pass.

use std::io::{self, ErrorKind};

/// Returns whether what the system refused may work later as it is: not if the path or its permissions have to be changed.
pub(crate) fn io_is_retryable(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::Unsupported
    )
}
