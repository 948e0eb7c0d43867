//! A client for code that is not async.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::{Changes, ClientBuilder, Feed, OpenError, Projector, StatusChanges, SyncStatus};
use crate::aggregate::Aggregate;
use crate::attachment::Attachment;
use crate::device::{
    Arrived, AttachError, AttachmentError, Batch, Compacted, EmitError, ExportFileError, Exported, HistoryEntry,
    HistoryError, ImportError, ImportReport, Keep, Page, PageStart, Query, RemovedAttachments, Restore, RestoreChange,
    RestoreError, Restored, TransactError, UndoError, Undoable, Undone,
};
use crate::fold::Unread;
use crate::following::FeedCursor;
use crate::log::{LogError, StoreReport};
use crate::order::Position;
use crate::projecting::Projection;
use crate::reducer::Reducer;
use crate::replay::{Progress, Replay};
use crate::standard::{Digest, EntityId, Label, Timestamp};

/// A [`Client`](crate::Client) for code that is not async: graphical interfaces, command line tools, other languages.
///
/// It brings its own async runtime, on a thread of its own; [`ClientBuilder::open_blocking`] opens one. It can be cloned,
/// and used from any thread, also from one that runs async code, which it blocks. Its methods wait for those of the async
/// client with the same names. For the rest, [`wait`](Self::wait) waits for anything that [the async
/// client](Self::as_async) returns.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// use diplomatic::{Client, Seed};
///
/// let client = Client::<Todos>::builder(Seed::random()).in_memory().open_blocking()?;
/// let milk = client.emit(TodoEvent::Added { title: "milk".into() })?;
/// assert_eq!(client.read(|todos| todos.titles[&milk].clone()), "milk");
///
/// // A thread that draws the state whenever it changes, until the client is closed.
/// let drawing = std::thread::spawn({
///     let client = client.clone();
///     let mut changes = client.as_async().changes();
///     move || {
///         while client.wait(changes.next()).is_some() {
///             client.read(|todos| println!("{} todos", todos.titles.len()));
///         }
///     }
/// });
/// client.emit(TodoEvent::Added { title: "bread".into() })?;
/// client.close();
/// drawing.join().expect("drawing does not panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client<R: Reducer> {
    client: super::Client<R>,
    // Dropped after the client.
    runtime: Arc<Runtime>,
}

impl<R: Reducer> ClientBuilder<R> {
    /// Opens a [client for code that is not async](crate::blocking::Client), and starts sync.
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
    /// Calls `look` with the current state, like [`Client::read`](crate::Client::read).
    ///
    /// # Panics
    ///
    /// As there.
    pub fn read<T>(&self, look: impl FnOnce(&R) -> T) -> T {
        self.client.read(look)
    }

    /// Returns the sync status.
    pub fn status(&self) -> SyncStatus {
        self.client.status()
    }

    /// Stops sync, like [`Client::go_offline`](crate::Client::go_offline).
    pub fn go_offline(&self) {
        self.client.go_offline();
    }

    /// Resumes sync.
    pub fn go_online(&self) {
        self.client.go_online();
    }

    /// Returns whether [`go_offline`](Self::go_offline) stopped sync.
    pub fn is_offline(&self) -> bool {
        self.client.is_offline()
    }

    /// Returns a handle that notifies of changes to the state: [`wait`](Self::wait) for its `next`.
    pub fn changes(&self) -> Changes {
        self.client.changes()
    }

    /// Returns a handle that notifies of changes to the sync status: [`wait`](Self::wait) for its `next`.
    pub fn status_changes(&self) -> StatusChanges {
        self.client.status_changes()
    }

    /// Follows the changed entities, like [`Client::changed_entities`](crate::Client::changed_entities): [`wait`](Self::wait)
    /// for the feed's `next`.
    pub fn changed_entities(&self, after: Option<FeedCursor>) -> Feed<EntityId> {
        self.client.changed_entities(after)
    }

    /// Follows what arrives, like [`Client::arrivals`](crate::Client::arrivals): [`wait`](Self::wait) for the feed's `next`.
    pub fn arrivals(&self, after: Option<FeedCursor>) -> Feed<Arrived<R::Event>> {
        self.client.arrivals(after)
    }

    /// Keeps rows elsewhere up to date, like [`Client::projector`](crate::Client::projector): [`wait`](Self::wait) for what the
    /// projector does.
    pub fn projector<P: Projection<Aggregate: Aggregate<Event = R::Event>>>(&self, projection: P) -> Projector<R, P> {
        self.client.projector(projection)
    }

    /// Returns the async client.
    pub const fn as_async(&self) -> &super::Client<R> {
        &self.client
    }

    /// Waits for anything async, on this thread.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.wait(future)
    }
}

/// Makes methods that wait for those of the async client with the same names.
macro_rules! wait_for {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        /// These wait for the methods of the async client with the same names, which document them and their errors.
        impl<R: Reducer> Client<R> {$(
            #[doc = concat!("Waits for [`Client::", stringify!($name), "`](crate::Client::", stringify!($name), ").")]
            pub fn $name(&self, $($argument: $type),*) -> $output {
                self.wait(self.client.$name($($argument),*))
            }
        )*}
    };
}

wait_for! {
    attach(bytes: impl io::Read + Send + 'static) -> Result<Attachment, AttachError>;
    holds_attachment(attachment: &Attachment) -> Result<bool, LogError>;
    open_attachment(attachment: &Attachment) -> Result<Vec<u8>, AttachmentError>;
    remove_unused_attachments(grace: Duration) -> Result<RemovedAttachments, LogError>;
    emit(event: R::Event) -> Result<EntityId, EmitError>;
    emit_all(events: Vec<R::Event>) -> Result<Vec<EntityId>, EmitError>;
    undo() -> Result<Undone, UndoError>;
    redo() -> Result<Undone, UndoError>;
    can_undo() -> Result<Option<Undoable<R::Event>>, LogError>;
    can_redo() -> Result<Option<Undoable<R::Event>>, LogError>;
    restore(restore: Restore) -> Result<Restored, RestoreError>;
    restore_preview(restore: Restore) -> Result<Vec<RestoreChange<R::Event>>, HistoryError>;
    history_of(entity: EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError>;
    history_of_root(root: EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError>;
    state_at(time: Timestamp) -> Result<R, HistoryError>;
    history(after: Option<Position>, limit: usize) -> Result<Vec<HistoryEntry<R::Event>>, LogError>;
    full_history(after: Option<Position>, limit: usize) -> Result<Vec<HistoryEntry<R::Event>>, LogError>;
    list_latest(query: Query, start: Option<PageStart>) -> Result<Page<HistoryEntry<R::Event>>, LogError>;
    feed_end() -> Result<FeedCursor, LogError>;
    unread() -> Result<Unread, LogError>;
    unlink_host(label: &Label) -> Result<bool, LogError>;
    verify(watch: impl FnMut(Progress) + Send + 'static) -> Result<StoreReport, LogError>;
    digest() -> Result<Digest, LogError>;
    compact(keep: Keep) -> Result<Compacted, LogError>;
    export(path: impl Into<PathBuf>) -> Result<Exported, ExportFileError>;
    export_with(path: impl Into<PathBuf>, watch: impl FnMut(Progress) + Send + 'static) -> Result<Exported, ExportFileError>;
    export_without_attachments(path: impl Into<PathBuf>) -> Result<Exported, ExportFileError>;
    import(path: impl Into<PathBuf>) -> Result<ImportReport, ImportError>;
    import_from(replay: Replay) -> Result<ImportReport, ImportError>;
    first_sync() -> Result<(), LogError>;
    sync() -> Result<SyncStatus, LogError>;
    wait_until(is: impl Fn(&R) -> bool) -> Result<(), LogError>;
    close() -> ();
}

impl<R: Reducer> Client<R> {
    /// Waits for [`Client::transact`](crate::Client::transact).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn transact<T: Send + 'static, E: Send + 'static>(
        &self,
        decide: impl FnOnce(&R, &mut Batch<R::Event>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, TransactError<E>> {
        self.wait(self.client.transact(decide))
    }

    /// Waits for [`Client::copy_attachment`](crate::Client::copy_attachment).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn copy_attachment<W: io::Write + Send + 'static>(
        &self,
        attachment: &Attachment,
        out: W,
    ) -> Result<W, AttachmentError> {
        self.wait(self.client.copy_attachment(attachment, out))
    }

    /// Waits for [`Client::export_to`](crate::Client::export_to).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn export_to<W: io::Write + Send + 'static>(&self, out: W) -> Result<(W, Exported), ExportFileError> {
        self.wait(self.client.export_to(out))
    }

    /// Waits for [`Client::import_with`](crate::Client::import_with).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn import_with<F: io::Read + io::Seek + Send + 'static>(
        &self,
        replay: Replay<F>,
        watch: impl FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        self.wait(self.client.import_with(replay, watch))
    }

    /// Waits for [`Client::load`](crate::Client::load).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load<A: Aggregate<Event = R::Event>>(&self, root: &EntityId) -> Result<Option<A>, LogError> {
        self.wait(self.client.load(root))
    }

    /// Waits for [`Client::list`](crate::Client::list).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn list<A: Aggregate<Event = R::Event>>(
        &self,
        query: Query,
        start: Option<PageStart>,
    ) -> Result<Page<(EntityId, A)>, LogError> {
        self.wait(self.client.list(query, start))
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
