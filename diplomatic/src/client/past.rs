//! Transactions, history, undo and compaction, off the async threads.

use super::Client;
use super::tasks::blocking;
use crate::device::{
    Batch, Compacted, Device, EmitError, HistoryEntry, HistoryError, Keep, Past, Restore, RestoreChange, RestoreError,
    Restored, TransactError, UndoError, Undoable, Undone,
};
use crate::log::LogError;
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Digest, EntityId, Timestamp};

impl<R: Reducer> Client<R> {
    /// Runs `decide` on the current state, and atomically writes the events that it adds to the
    /// [`Batch`](crate::Batch). Returns what `decide` returns.
    ///
    /// The batch names the entities of its events before they are written, so that they can refer to each other:
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::convert::Infallible;
    ///
    /// use diplomatic::{Client, DiplomaticEvent, EntityId, Meta, Reducer, Seed};
    ///
    /// #[derive(DiplomaticEvent)]
    /// #[diplomatic(prefix = "bank")]
    /// enum BankEvent {
    ///     Opened { owner: String },
    ///     Deposited { account: EntityId, amount: u64 },
    /// }
    ///
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// struct Bank {
    ///     balances: BTreeMap<EntityId, u64>,
    /// }
    ///
    /// impl Reducer for Bank {
    ///     type Event = BankEvent;
    ///
    ///     fn apply(&mut self, event: BankEvent, at: &Meta) {
    ///         match event {
    ///             BankEvent::Opened { .. } => drop(self.balances.insert(at.entity.clone(), 0)),
    ///             BankEvent::Deposited { account, amount } => *self.balances.entry(account).or_default() += amount,
    ///         }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Bank>::builder(Seed::random()).in_memory().open().await?;
    /// let opened = client.transact(|_, batch| {
    ///     let account = batch.push(BankEvent::Opened { owner: "Anna".into() });
    ///     batch.push(BankEvent::Deposited { account: account.clone(), amount: 10 });
    ///     Ok::<_, Infallible>(account)
    /// });
    /// let account = opened.await?;
    /// assert_eq!(client.read(|bank| bank.balances[&account]), 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It decides on a state that nobody changes meanwhile:
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
    /// let renamed = client.transact(move |todos, batch| {
    ///     let title = todos.titles.get(&milk).ok_or_else(|| io::Error::other("it is gone"))?.to_uppercase();
    ///     batch.push(TodoEvent::Renamed { todo: milk, title });
    ///     Ok::<_, io::Error>(())
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
    pub async fn transact<T: Send + 'static, E: Send + 'static>(
        &self,
        decide: impl FnOnce(&R, &mut Batch<R::Event>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, TransactError<E>> {
        let now = self.shared.now();
        let decided = self.shared.with_device(move |device| device.transact(now, decide)).await;
        let decided = decided.map_err(EmitError::from)??;
        self.shared.something_is_pending(None);
        Ok(decided)
    }

    /// Undoes the last transaction of this device that still counts and is not undone. See
    /// [`Device::undo`](crate::Device::undo).
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let todos = ["milk", "bread"].map(|title| TodoEvent::Added { title: title.into() });
    /// client.emit_all(todos.to_vec()).await?;
    /// client.undo().await?;
    /// assert_eq!(client.read(|todos| todos.titles.len()), 0);
    /// client.redo().await?;
    /// assert_eq!(client.read(|todos| todos.titles.len()), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UndoError`]; nothing is stored then.
    pub async fn undo(&self) -> Result<Undone, UndoError> {
        self.shared.write(Device::undo).await
    }

    /// Redoes what was [undone](Self::undo) last, if this device has done nothing else since.
    ///
    /// # Errors
    ///
    /// [`UndoError`]; nothing is stored then.
    pub async fn redo(&self) -> Result<Undone, UndoError> {
        self.shared.write(Device::redo).await
    }

    /// Returns what [`undo`](Self::undo) would undo, for a menu.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn can_undo(&self) -> Result<Option<Undoable<R::Event>>, LogError> {
        self.shared.with_device(|device| device.can_undo()).await?
    }

    /// Returns what [`redo`](Self::redo) would redo.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn can_redo(&self) -> Result<Option<Undoable<R::Event>>, LogError> {
        self.shared.with_device(|device| device.can_redo()).await?
    }

    /// Brings the account, an entity or a subtree back to what it was at a point in time, in one transaction that can be
    /// [undone](Self::undo). See [`Device::restore`](crate::Device::restore).
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed, Timestamp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// use diplomatic::history::Restore;
    ///
    /// # let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// let then = Timestamp::now();
    /// # std::thread::sleep(std::time::Duration::from_millis(2));
    /// client.emit(TodoEvent::Removed { todo: milk }).await?;
    /// client.restore(Restore::to(then)).await?;
    /// assert_eq!(client.read(|todos| todos.titles.len()), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RestoreError`]; nothing is stored then.
    pub async fn restore(&self, restore: Restore) -> Result<Restored, RestoreError> {
        self.shared.write(move |device, now| device.restore(now, &restore)).await
    }

    /// Returns what [`restore`](Self::restore) would change, without changing it.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub async fn restore_preview(&self, restore: Restore) -> Result<Vec<RestoreChange<R::Event>>, HistoryError> {
        self.shared.with_device(move |device| device.restore_preview(&restore)).await?
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

    /// Returns the history of a root, an entity with its registers, in the total order. Registers that hung on it once,
    /// and hang elsewhere now, are part of it.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// client.emit(TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() }).await?;
    /// assert_eq!(client.history_of(milk.clone()).await?.len(), 1);
    /// assert_eq!(client.history_of_root(milk).await?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn history_of_root(&self, root: EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.shared.with_device(move |device| device.history_of_root(&root)).await?
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
