//! The store on disk: one redb file, one thread that writes, a few that read in bounded transactions of their own.

mod damage;
mod keys;
mod lasts;
mod migrate;
mod open;
mod queue;
mod readers;
mod reads;
mod tables;
mod writer;

#[cfg(test)]
mod failing;

use std::any::Any;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadTransaction, ReadableDatabase};
use tokio::sync::{oneshot, watch};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};

pub use self::open::RedbOptions;

use self::damage::contain;
use self::lasts::Lasts;
use self::open::{Medium, Opened};
use self::queue::Job;
use self::readers::Readers;
use self::writer::Task;
use super::{Appended, BagStore, Change, Changes, Feed, OpenStoreError, Readiness, StoreError, StoreFuture, Usage};

/// A store in one file, safe against crashes and power cuts: what it called durable is on disk.
///
/// Writes of many callers share commits. After an I/O error, such as a full disk, the file is opened again, so that
/// reads go on, and writes are tried anew. The file is locked against other processes until the store is dropped;
/// dropping it finishes the writes that wait. The threads are its own: its futures may be polled on any runtime.
///
/// ```
/// use diplomatic_host::{Host, RedbStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let data = folder.path().join("host.redb");
/// let host = Host::new(RedbStore::open(data)?);
/// # let _ = host;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RedbStore {
    shared: Arc<Shared>,
    readers: Readers,
    /// `None` only while the store is being dropped.
    tasks: Option<Sender<Task>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    medium: Medium,
    /// `None` while the file could not be opened again after a failure.
    database: RwLock<Option<Database>>,
    /// Whether what the database shows is on disk for sure.
    confirmed: AtomicBool,
    /// Set once the database met an I/O error, after which redb refuses everything.
    broken: AtomicBool,
    /// Whether a reader has asked the writer already to open the database again.
    asked: AtomicBool,
    feed: Feed,
    /// Whether anything was committed since those who watch heard that anything may have changed.
    fresh: AtomicBool,
    lasts: Lasts,
    /// Set once a thread of this store panicked, except where a damaged page made it.
    dead: watch::Sender<bool>,
}

impl RedbStore {
    /// Opens the data file at `path`, or makes it where there is none.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenStoreError> {
        Self::open_with(path, RedbOptions::default())
    }

    /// Opens the data file at `path`, or makes it where there is none.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`].
    pub fn open_with(path: impl AsRef<Path>, options: RedbOptions) -> Result<Self, OpenStoreError> {
        Self::start(Medium::file(path.as_ref(), options))
    }

    /// Makes a store that keeps its file in memory: every path of the one on disk, without the disk.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`].
    pub fn in_memory() -> Result<Self, OpenStoreError> {
        Self::start(Medium::backend(|| Box::new(redb::backends::InMemoryBackend::new())))
    }

    fn start(medium: Medium) -> Result<Self, OpenStoreError> {
        let Opened { database, confirmed } = medium.open()?;
        let shared = Arc::new(Shared {
            medium,
            database: RwLock::new(Some(database)),
            confirmed: AtomicBool::new(confirmed),
            broken: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            feed: Feed::default(),
            fresh: AtomicBool::new(true),
            lasts: Lasts::default(),
            dead: watch::Sender::new(false),
        });
        let readers = Readers::start().map_err(OpenStoreError::Thread)?;
        let (tasks, waiting) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("bag-writer".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::run(&shared, &waiting)
            })
            .map_err(OpenStoreError::Thread)?;
        Ok(Self { shared, readers, tasks: Some(tasks), writer: Some(writer) })
    }

    /// Waits until the store is of no use any more, and may answer nothing, because a thread panicked within a commit or
    /// redb did not get over a panic: a program does best to abort and start again.
    pub fn died(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut dead = self.shared.dead.subscribe();
        async move {
            if dead.wait_for(|dead| *dead).await.is_err() {
                // The store was closed in good health.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Hands a job to the writer at once, and waits for its outcome when polled.
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<T>) -> Job,
        stopped: fn(StoreError) -> T,
    ) -> StoreFuture<'_, T> {
        let (done, outcome) = oneshot::channel();
        // Without a writer the job is dropped, and `done` with it.
        if let Some(tasks) = &self.tasks {
            let _ = tasks.send(Task::Write(job(done)));
        }
        Box::pin(async move { outcome.await.unwrap_or_else(|_| stopped(StoreError::Stopped)) })
    }

    /// Reads in a transaction of its own, which ends before anything is sent: a slow reader holds no old pages.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, Result<T, StoreError>> {
        let (done, outcome) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        self.readers.submit(move || {
            let outcome = contain(|| shared.read(read));
            if matches!(outcome, Err(StoreError::Corrupted(_)))
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| shared.read(reads::probe)))
            {
                return shared.die(&*panic);
            }
            drop(done.send(outcome));
        });
        Box::pin(async move {
            let outcome = outcome.await.unwrap_or(Err(StoreError::Stopped));
            if matches!(outcome, Err(StoreError::Read(_) | StoreError::Stopped)) {
                self.ask_to_reopen();
            }
            outcome
        })
    }

    fn ask_to_reopen(&self) {
        self.shared.broken.store(true, Ordering::Release);
        if let Some(tasks) = self.tasks.as_ref().filter(|_| !self.shared.asked.swap(true, Ordering::AcqRel)) {
            let _ = tasks.send(Task::Reopen);
        }
    }
}

impl Shared {
    fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let database = self.database();
        let txn = database.as_ref().ok_or(StoreError::Stopped)?.begin_read().map_err(reading)?;
        read(&txn)
    }

    /// Reports a panic in a thread of the store.
    fn die(&self, panic: &(dyn Any + Send)) {
        tracing::error!(panic = damage::message(panic), "the store is out of order");
        self.dead.send_replace(true);
    }

    /// Gives unused room back to the disk. Only the writer calls this; those who read wait.
    fn compact(&self) -> Result<bool, StoreError> {
        self.ensure_open()?;
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let compacted = database.as_mut().ok_or(StoreError::Stopped)?.compact();
        if compacted.is_err() {
            self.broken.store(true, Ordering::Release);
        }
        compacted.map_err(|error| StoreError::Write(Arc::new(error)))
    }

    /// Opens the database again if it broke. Only the writer calls this, so that no write is under way.
    fn ensure_open(&self) -> Result<(), StoreError> {
        if !self.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock on the file.
        *database = None;
        let opened = self.medium.reopen().map_err(|error| StoreError::Write(Arc::new(error)))?;
        *database = Some(opened.database);
        self.confirmed.store(opened.confirmed, Ordering::Release);
        self.lasts.clear();
        self.broken.store(false, Ordering::Release);
        // While the disk fails again and again, those who watch need not start again each time.
        if self.fresh.swap(false, Ordering::AcqRel) {
            self.feed.report(Change::Anything);
        }
        tracing::info!(path = %self.medium.path().display(), "opened the data file again after a failure");
        Ok(())
    }
}

/// Once a thread has panicked in it, the database cannot be closed in order.
impl Drop for Shared {
    fn drop(&mut self) {
        if *self.dead.borrow() {
            let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(database.take());
        }
    }
}

impl BagStore for RedbStore {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        self.write(|done| Job::Register { user, done }, Err)
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        self.write(|done| Job::Append { user, bags, done }, Appended::nothing)
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        let began = match self.shared.lasts.of(&user) {
            Ok(last) => return Box::pin(ready(Ok(Some(last)))),
            Err(began) => began,
        };
        let read = self.read(move |txn| reads::last(txn, &user));
        Box::pin(async move {
            let last = read.await?;
            if let Some(last) = last {
                self.shared.lasts.found(began, user, last);
            }
            Ok(last)
        })
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        self.read(move |txn| reads::heads(txn, &user, after, last, budget))
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        self.read(move |txn| reads::bodies(txn, &user, &seqs, budget))
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        self.read(move |txn| reads::usage(txn, &user))
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        self.read(move |txn| reads::sizes(txn, &user, &signatures))
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.write(|done| Job::Delete { user, done }, Err)
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        self.read(move |txn| reads::accounts(txn, after.as_ref(), count))
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        self.read(move |txn| reads::notes(txn, &prefix))
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.write(|done| Job::SwapNote { name, old, new, done }, Err)
    }

    fn compact(&self) -> StoreFuture<'_, Result<bool, StoreError>> {
        let (done, outcome) = oneshot::channel();
        if let Some(tasks) = &self.tasks {
            let _ = tasks.send(Task::Compact(done));
        }
        Box::pin(async move { outcome.await.unwrap_or(Err(StoreError::Stopped)) })
    }

    fn changes(&self) -> Changes {
        self.shared.feed.watch()
    }

    fn readiness(&self) -> Readiness {
        let failing = self.shared.broken.load(Ordering::Acquire) || *self.shared.dead.borrow();
        if failing { Readiness::Failing } else { Readiness::Ready }
    }
}

/// Finishes the writes that wait, then closes the file.
impl Drop for RedbStore {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn reading(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        error @ redb::Error::Corrupted(_) => StoreError::Corrupted(Arc::new(error)),
        error => StoreError::Read(Arc::new(error)),
    }
}

fn writing(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        error @ redb::Error::Corrupted(_) => StoreError::Corrupted(Arc::new(error)),
        error => StoreError::Write(Arc::new(error)),
    }
}
