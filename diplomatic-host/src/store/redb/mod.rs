//! The store on disk: one redb file, one thread that writes, readers in bounded transactions of their own.

mod open;
mod tables;
mod writer;

#[cfg(test)]
mod failing;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadTransaction, ReadableDatabase};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{BagHead, Decode, PublicKey, SealedBody, Seq, VerifiedBag};

pub use self::open::RedbOptions;

use self::open::Medium;
use self::tables::{BODIES, HEADS, USERS, bag_key, seq_from};
use self::writer::Job;
use super::{BagStore, Done, OpenStoreError, Placed, StoreError};

/// A store in one file, safe against crashes and power cuts: what it called durable is on disk.
///
/// Writes of many callers share commits. After an I/O error, such as a full disk, the file is opened again, so that
/// reads go on, and writes are tried anew. The file is locked against other processes until the store is dropped;
/// dropping it finishes the writes that wait.
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
    /// `None` only while the store is being dropped.
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    medium: Medium,
    /// `None` while the file could not be opened again after a failure.
    database: RwLock<Option<Database>>,
    /// Set once the database met an I/O error, after which redb refuses everything.
    broken: AtomicBool,
    /// Whether a reader has asked the writer already to open the database again.
    asked: AtomicBool,
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
        let database = RwLock::new(Some(medium.open()?));
        let shared =
            Arc::new(Shared { medium, database, broken: AtomicBool::new(false), asked: AtomicBool::new(false) });
        let (jobs, waiting) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("bag-writer".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::run(&shared, &waiting)
            })
            .map_err(OpenStoreError::Thread)?;
        Ok(Self { shared, jobs: Some(jobs), writer: Some(writer) })
    }

    fn submit(&self, job: Job) {
        // Without a writer the job is dropped, and its `done` with it, which the caller hears as a failure.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// Reads in a transaction of its own, which ends before anything is sent: a slow reader holds no old pages.
    fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = self.shared.read(read);
        if matches!(outcome, Err(StoreError::Read(_) | StoreError::Stopped)) {
            self.shared.broken.store(true, Ordering::Release);
            if !self.shared.asked.swap(true, Ordering::AcqRel) {
                self.submit(Job::Reopen);
            }
        }
        outcome
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

    /// Opens the database again if it broke. Only the writer calls this, so that no write is under way.
    fn ensure_open(&self) -> Result<(), StoreError> {
        if !self.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock on the file.
        *database = None;
        let opened = self.medium.reopen().map_err(|error| StoreError::Write(Arc::new(error)))?;
        *database = Some(opened);
        self.broken.store(false, Ordering::Release);
        tracing::info!(path = %self.medium.path().display(), "opened the data file again after a failure");
        Ok(())
    }
}

impl BagStore for RedbStore {
    fn register(&self, user: &PublicKey, done: Done<()>) {
        self.submit(Job::Register { user: *user, done });
    }

    fn append(&self, user: &PublicKey, bags: Vec<VerifiedBag>, done: Done<Vec<Placed>>) {
        self.submit(Job::Append { user: *user, bags, done });
    }

    fn last_seq(&self, user: &PublicKey) -> Result<Option<Seq>, StoreError> {
        self.read(|txn| {
            let users = txn.open_table(USERS).map_err(reading)?;
            let last = users.get(user.as_bytes()).map_err(reading)?;
            Ok(last.map(|last| seq_from(*last.value())))
        })
    }

    fn heads(&self, user: &PublicKey, after: Seq, last: Seq, budget: usize) -> Result<Vec<PeekItem>, StoreError> {
        if after >= last {
            return Ok(Vec::new());
        }
        self.read(|txn| {
            let table = txn.open_table(HEADS).map_err(reading)?;
            let (first, last) = (bag_key(user, after.next()), bag_key(user, last));
            let mut items = Vec::new();
            let mut size = 0;
            for entry in table.range::<&[u8; 40]>(&first..=&last).map_err(reading)? {
                let (key, value) = entry.map_err(reading)?;
                let [.., a, b, c, d, e, f, g, h] = *key.value();
                let seq = seq_from([a, b, c, d, e, f, g, h]);
                let head = BagHead::decode(value.value()).map_err(|source| StoreError::Damaged {
                    user: *user,
                    seq,
                    source,
                })?;
                size += head.head.as_bytes().len();
                items.push(PeekItem { head, seq });
                if size > budget {
                    break;
                }
            }
            Ok(items)
        })
    }

    fn bodies(&self, user: &PublicKey, seqs: &[Seq], budget: usize) -> Result<Vec<Option<SealedBody>>, StoreError> {
        self.read(|txn| {
            let table = txn.open_table(BODIES).map_err(reading)?;
            let mut bodies = Vec::new();
            let mut size = 0;
            for &seq in seqs {
                let body = table.get(&bag_key(user, seq)).map_err(reading)?;
                let body = body.map(|body| SealedBody::from_bytes(body.value().to_vec()));
                size += body.as_ref().map_or(0, |body| body.as_bytes().len());
                bodies.push(body);
                if size > budget {
                    break;
                }
            }
            Ok(bodies)
        })
    }
}

/// Finishes the writes that wait, then closes the file.
impl Drop for RedbStore {
    fn drop(&mut self) {
        self.jobs = None;
        // The store may be dropped by the writer itself, in the `done` of its last write; that thread then ends alone.
        if let Some(writer) = self.writer.take_if(|writer| writer.thread().id() != thread::current().id()) {
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
    StoreError::Write(Arc::new(error.into()))
}
