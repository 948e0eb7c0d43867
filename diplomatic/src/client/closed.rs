//! The end of a client.

use tokio::sync::watch;

/// A signal that the client was closed.
#[derive(Debug, Clone)]
pub(super) struct Closed(watch::Receiver<()>);

impl Closed {
    /// Waits for this sender to be dropped.
    pub(super) const fn new(open: watch::Receiver<()>) -> Self {
        Self(open)
    }

    /// Waits until the client is closed.
    pub(super) async fn wait(&mut self) {
        // Nothing is ever sent: this ends when the sender is dropped.
        while self.0.changed().await.is_ok() {}
    }
}
