//! Waiting for changes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::watch;

use super::closed::Closed;
use super::status::SyncStatus;
use super::waiting::Waiting;
use crate::log::LogError;

/// Notifies of changes to the state. It is a [`Stream`], too.
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
pub struct Changes(Watched<u64>);

impl Changes {
    pub(super) const fn new(version: watch::Receiver<u64>, closed: Closed) -> Self {
        Self(Watched::new(version, closed))
    }

    /// Waits until the state has changed since the last call, or since this handle was made. Returns `None` when the
    /// client is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is missed when the future is dropped.
    pub async fn next(&mut self) -> Option<()> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Changes {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.poll_changed(context)
    }
}

/// Notifies of changes to the sync status. It is a [`Stream`], too.
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
pub struct StatusChanges(Watched<SyncStatus>);

impl StatusChanges {
    pub(super) const fn new(status: watch::Receiver<SyncStatus>, closed: Closed) -> Self {
        Self(Watched::new(status, closed))
    }

    /// Waits until the status changes and returns it, or `None` when the client is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses no change.
    pub async fn next(&mut self) -> Option<SyncStatus> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
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
        let Watched { receiver, closed, waiting } = &mut self.0;
        waiting.give_up();
        tokio::select! {
            biased;
            status = receiver.wait_for(is) => status.map(|status| status.clone()).map_err(|_| LogError::Closed),
            () = closed.wait() => Err(LogError::Closed),
        }
    }
}

impl Stream for StatusChanges {
    type Item = SyncStatus;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<SyncStatus>> {
        let changed = ready!(self.0.poll_changed(context));
        Poll::Ready(changed.map(|()| self.0.receiver.borrow_and_update().clone()))
    }
}

/// A value that is watched, for streams.
#[derive(Debug)]
struct Watched<T> {
    receiver: watch::Receiver<T>,
    closed: Closed,
    /// Waits for a change, and returns the receiver that has seen it; `None` at the end.
    waiting: Waiting<Option<watch::Receiver<T>>>,
}

impl<T> Watched<T> {
    const fn new(receiver: watch::Receiver<T>, closed: Closed) -> Self {
        Self { receiver, closed, waiting: Waiting::new() }
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        let Self { receiver, closed, waiting } = self;
        let changed = ready!(waiting.poll(context, || {
            let (mut receiver, mut closed) = (receiver.clone(), closed.clone());
            async move {
                tokio::select! {
                    biased;
                    changed = receiver.changed() => changed.ok().map(|()| receiver),
                    () = closed.wait() => None,
                }
            }
        }));
        Poll::Ready(changed.map(|changed| *receiver = changed))
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self::new(self.receiver.clone(), self.closed.clone())
    }
}
