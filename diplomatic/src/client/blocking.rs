//! A client for code that is not async.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::{ClientBuilder, OpenError, SyncStatus};
use crate::aggregate::Aggregate;
use crate::device::{
    EmitError, ExportFileError, Exported, HistoryEntry, ImportError, ImportReport, Page, PageStart, Query,
};
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// A [`Client`](crate::Client) for code that is not async: graphical interfaces, command line tools, other languages.
///
/// It brings its own async runtime, on a thread of its own; [`ClientBuilder::open_blocking`] opens one. Like the other,
/// it can be cloned, and used from any thread. The methods that are not here are those of the other client: what is
/// async among them, [`wait`](Self::wait) waits for.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// use diplomatic::{Client, Seed};
///
/// let client = Client::<Todos>::builder(Seed::random()).in_memory().open_blocking()?;
/// let milk = client.emit(TodoEvent::Added { title: "milk".into() })?;
/// assert_eq!(client.read(|todos| todos.titles[&milk].clone()), "milk");
/// let horizon = client.wait(client.feed_end())?;
///
/// // A thread that draws the state again whenever it changes, until the client is closed.
/// let drawing = std::thread::spawn({
///     let (client, mut changes) = (client.clone(), client.changes());
///     move || {
///         while client.wait(changes.next()).is_some() {
///             client.read(|todos| println!("{} todos", todos.titles.len()));
///         }
///     }
/// });
/// client.emit(TodoEvent::Added { title: "bread".into() })?;
/// client.close();
/// drawing.join().expect("drawing does not panic");
/// # let _ = horizon;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client<R: Reducer> {
    client: super::Client<R>,
    // Dropped after the client.
    runtime: Arc<Runtime>,
}

impl<R: Reducer> ClientBuilder<R> {
    /// Opens a client for code that is not async, and starts sync.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. An unreachable host is not an error.
    pub fn open_blocking(self) -> Result<Client<R>, OpenError> {
        let runtime = Arc::new(Runtime::start().map_err(OpenError::Runtime)?);
        let client = runtime.wait(self.open())?;
        Ok(Client { client, runtime })
    }
}

impl<R: Reducer> Client<R> {
    /// Waits for anything async.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.wait(future)
    }

    /// Writes one event, like [`Client::emit`](crate::Client::emit).
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    pub fn emit(&self, event: R::Event) -> Result<EntityId, EmitError> {
        self.wait(self.client.emit(event))
    }

    /// Writes events in order, in one transaction, like [`Client::emit_all`](crate::Client::emit_all).
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    pub fn emit_all(&self, events: Vec<R::Event>) -> Result<Vec<EntityId>, EmitError> {
        self.wait(self.client.emit_all(events))
    }

    /// Loads an aggregate, like [`Client::load`](crate::Client::load).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn load<A: Aggregate<Event = R::Event>>(&self, root: &EntityId) -> Result<Option<A>, LogError> {
        self.wait(self.client.load(root))
    }

    /// Loads a page of aggregates, like [`Client::list`](crate::Client::list).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn list<A: Aggregate<Event = R::Event>>(
        &self,
        query: Query,
        start: Option<PageStart>,
    ) -> Result<Page<(EntityId, A)>, LogError> {
        self.wait(self.client.list(query, start))
    }

    /// Returns the history of one entity, like [`Client::history_of`](crate::Client::history_of).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn history_of(&self, entity: EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.wait(self.client.history_of(entity))
    }

    /// Syncs with every host now, like [`Client::sync`](crate::Client::sync).
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`] if the client is closed first.
    pub fn sync(&self) -> Result<SyncStatus, LogError> {
        self.wait(self.client.sync())
    }

    /// Waits until `is` returns true for the state, like [`Client::wait_until`](crate::Client::wait_until).
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`] if the client is closed first.
    pub fn wait_until(&self, is: impl Fn(&R) -> bool) -> Result<(), LogError> {
        self.wait(self.client.wait_until(is))
    }

    /// Writes every message to an export file, like [`Client::export`](crate::Client::export).
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export(&self, path: impl Into<PathBuf>) -> Result<Exported, ExportFileError> {
        self.wait(self.client.export(path))
    }

    /// Merges an export file, like [`Client::import`](crate::Client::import).
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    pub fn import(&self, path: impl Into<PathBuf>) -> Result<ImportReport, ImportError> {
        self.wait(self.client.import(path))
    }

    /// Stops sync and closes the log, for all clones, like [`Client::close`](crate::Client::close).
    pub fn close(&self) {
        self.wait(self.client.close());
    }
}

impl<R: Reducer> Deref for Client<R> {
    type Target = super::Client<R>;

    fn deref(&self) -> &super::Client<R> {
        &self.client
    }
}

// A state need not be `Clone` for its client to be.
impl<R: Reducer> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), runtime: self.runtime.clone() }
    }
}

impl<R: Reducer> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.client).finish()
    }
}

/// A runtime on a thread of its own, which ends when this is dropped.
struct Runtime {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new().name("diplomatic".to_owned()).spawn(move || {
            // It is an error that the sender was dropped, and all that ever comes.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, _stop: stop })
    }

    /// Polls a future on this thread, while the runtime's own does whatever it waits for. So this works in async code,
    /// too, though it blocks there.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let _in_runtime = self.handle.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
