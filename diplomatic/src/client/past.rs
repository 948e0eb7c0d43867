//! Transactions, history, undo and compaction, off the async threads.

use super::Client;
use super::files::blocking;
use crate::device::{
    Compacted, EmitError, HistoryEntry, HistoryError, Keep, Page, PageStart, Past, Query, TransactError, Undo,
    UndoError, Undoing,
};
use crate::log::LogError;
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Digest, EntityId, Timestamp};

impl<R: Reducer> Client<R> {
    /// Runs `decide` on the current state and atomically writes the events it returns.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// use std::io;
    ///
    /// # let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// let renamed = client.transact(move |todos| match todos.titles.get(&milk) {
    ///     Some(title) => Ok(vec![TodoEvent::Renamed { todo: milk, title: title.to_uppercase() }]),
    ///     None => Err(io::Error::other("it is gone")),
    /// });
    /// renamed.await?;
    /// assert!(client.read(|todos| todos.titles.values().eq(["MILK"])));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error that `decide` returns, or [`EmitError`]; nothing is stored then.
    pub async fn transact<E: Send + 'static>(
        &self,
        decide: impl FnOnce(&R) -> Result<Vec<R::Event>, E> + Send + 'static,
    ) -> Result<Vec<EntityId>, TransactError<E>> {
        let now = self.shared.now();
        let entities = self.shared.with_device(move |device| device.transact(now, decide)).await;
        let entities = entities.map_err(EmitError::from)??;
        self.shared.something_is_pending(None);
        Ok(entities)
    }

    /// Undoes the last event that this device emitted and has not undone yet.
    ///
    /// # Errors
    ///
    /// [`UndoError`]; nothing is stored then.
    pub async fn undo(&self) -> Result<Vec<EntityId>, UndoError>
    where
        R::Event: Undo<R>,
    {
        let now = self.shared.now();
        loop {
            let undoing: Undoing<R> = self.shared.with_device(|device| device.start_undo()).await??;
            let (undoing, inverse) = blocking(move || {
                let inverse = undoing.inverse();
                (undoing, inverse)
            })
            .await?;
            let finishing = self.shared.with_device(move |device| device.finish_undo(now, &undoing, inverse));
            if let Some(entities) = finishing.await?? {
                self.shared.something_is_pending(None);
                return Ok(entities);
            }
        }
    }

    /// Returns the history of one entity, in the total order.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// use diplomatic::history::Happened;
    ///
    /// let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// client.emit(TodoEvent::Removed { todo: milk.clone() }).await?;
    /// let history = client.history_of(milk.clone()).await?;
    /// assert_eq!(history[0].what, Happened::Event(TodoEvent::Added { title: "milk".into() }));
    /// assert_eq!(history[1].what, Happened::Event(TodoEvent::Removed { todo: milk }));
    /// assert_eq!(history[0].overwritten_by, Some(history[1].position));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn history_of(&self, entity: EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.shared.with_device(move |device| device.history_of(&entity)).await?
    }

    /// Returns up to `limit` entries of the history after `after`, in the total order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn history(
        &self,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.shared.with_device(move |device| device.history(after.as_ref(), limit)).await?
    }

    /// Returns up to `limit` entries like [`history`](Self::history), including the messages that the framework writes
    /// itself.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn full_history(
        &self,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.shared.with_device(move |device| device.full_history(after.as_ref(), limit)).await?
    }

    /// Returns the digest of every message that is here or was. See [`Device::digest`](crate::Device::digest).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn digest(&self) -> Result<Digest, LogError> {
        self.shared.with_device(|device| device.digest()).await?
    }

    /// Returns the state as it is without the messages after `time`. It folds the log from the last snapshot before;
    /// emitting and sync continue meanwhile.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// let then = client.history_of(milk.clone()).await?[0].meta.changed;
    /// # std::thread::sleep(std::time::Duration::from_millis(2));
    /// client.emit(TodoEvent::Removed { todo: milk }).await?;
    /// assert_eq!(client.state_at(then).await?.titles.len(), 1);
    /// assert_eq!(client.read(|todos| todos.titles.len()), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub async fn state_at(&self, time: Timestamp) -> Result<R, HistoryError> {
        let past: Past<R> = self.shared.with_device(|device| device.past()).await??;
        blocking(move || past.state_at(time)).await?
    }

    /// Returns a page of the entities that match a query: the first page, or the one at `start`. See
    /// [`Device::list`](crate::Device::list).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn list(&self, query: Query, start: Option<PageStart>) -> Result<Page<R::Event>, LogError> {
        self.shared.with_device(move |device| device.list(&query, start.as_ref())).await?
    }

    /// Drops overwritten and deleted messages from this device and shrinks the log. See
    /// [`Device::compact`](crate::Device::compact).
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// use diplomatic::compact::Keep;
    ///
    /// # let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// client.emit(TodoEvent::Removed { todo: milk }).await?;
    /// // The addition is dropped. The delete stays, for devices that have not seen it yet.
    /// assert_eq!(client.compact(Keep::Latest).await?.dropped, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn compact(&self, keep: Keep) -> Result<Compacted, LogError> {
        self.shared.with_device(move |device| device.compact(keep)).await?
    }
}
