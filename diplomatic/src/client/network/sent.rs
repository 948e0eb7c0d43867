//! How far a request has been sent.

use std::sync::{Mutex, PoisonError};

use crate::client::tasks::Instant;

/// How much of a request has been sent, and when the last of it was.
#[derive(Debug, Default)]
pub(in crate::client) struct Sent(Mutex<Option<(u64, Instant)>>);

impl Sent {
    /// Returns how many bytes have been sent, and when the last of them were, if there was progress since the last call.
    pub(in crate::client) fn take_progress(&self) -> Option<(u64, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes progress, which a browser does not tell of.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn note(&self, bytes: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((bytes, Instant::now()));
    }
}
