//! A future that is kept between polls.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

/// A future that is kept between polls, so that whoever waits for it may give up and try again without missing anything.
///
/// It is never polled through a shared reference: the lock only makes it `Sync`.
pub(super) struct Waiting<T>(Mutex<Option<Pin<Box<dyn Future<Output = T> + Send>>>>);

impl<T> Waiting<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Polls the future, or the one that `start` makes if there is none.
    pub(super) fn poll<F: Future<Output = T> + Send + 'static>(
        &mut self,
        context: &mut Context<'_>,
        start: impl FnOnce() -> F,
    ) -> Poll<T> {
        let slot = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let outcome = slot.get_or_insert_with(|| Box::pin(start())).as_mut().poll(context);
        if outcome.is_ready() {
            *slot = None;
        }
        outcome
    }

    /// Forgets the future.
    pub(super) fn give_up(&mut self) {
        *self.0.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<T> fmt::Debug for Waiting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting(..)")
    }
}
