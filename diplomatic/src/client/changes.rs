//! Waiting for changes.

use tokio::sync::watch;

use super::status::SyncStatus;
use crate::log::LogError;

/// Notifies of changes to the state.
///
/// Several changes between two calls of [`next`](Self::next) are reported as one.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Client, Seed};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
/// let mut changes = client.changes();
/// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
/// // An app draws the state again here, and waits for the next change.
/// changes.next().await;
/// assert_eq!(client.read(|todos| todos.titles.len()), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    pub(super) const fn new(version: watch::Receiver<u64>) -> Self {
        Self(version)
    }

    /// Waits until the state has changed since the last call, or since this handle was made. Returns `None` when the
    /// client is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is missed when the future is dropped.
    pub async fn next(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }
}

/// Notifies of changes to the sync status.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Client, Seed};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let builder = Client::<Todos>::builder(Seed::random()).in_memory();
/// # let client = builder.host("http://localhost:9").open().await?;
/// let mut changes = client.status_changes();
/// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
/// let status = changes.until(|status| status.pending() > 0).await?;
/// println!("{} changes wait to be sent", status.pending());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StatusChanges(watch::Receiver<SyncStatus>);

impl StatusChanges {
    pub(super) const fn new(status: watch::Receiver<SyncStatus>) -> Self {
        Self(status)
    }

    /// Waits until the status changes and returns it, or `None` when the client is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses no change.
    pub async fn next(&mut self) -> Option<SyncStatus> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }

    /// Waits until `is` returns true for the status and returns that status. Checks the current status first.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`] if the client is closed first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses no change.
    pub async fn until(&mut self, is: impl Fn(&SyncStatus) -> bool) -> Result<SyncStatus, LogError> {
        self.0.wait_for(is).await.map(|status| status.clone()).map_err(|_| LogError::Closed)
    }
}
