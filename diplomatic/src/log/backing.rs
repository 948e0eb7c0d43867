//! The storage of a log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use rand_core::CryptoRng;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError as RedbError};

use super::error::{LogError, OpenLogError};
use super::format::{self, FORMAT, Identity};
use super::memory::Memory;
use super::migrate::migrate;
use super::stump::Regrown;
use super::vault::Vault;
use crate::standard::Seed;

/// The size of redb's cache.
const CACHE_BYTES: usize = 32 << 20;

/// The storage of a log: a file, memory, or any other storage for redb.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Backing, Device, Seed, Timestamp};
/// # let rng = || rand::make_rng::<rand::rngs::StdRng>();
/// # let (seed, now) = (Seed::random(), Timestamp::from_millis(1_764_000_000_000));
/// // A test of a restart. An app uses `Backing::file("todo.redb")`.
/// let backing = Backing::memory();
/// let mut device = Device::<Todos>::open(backing.clone(), &seed, rng())?;
/// device.emit(now, &TodoEvent::Added { title: "milk".into() })?;
/// drop(device);
/// let device = Device::<Todos>::open(backing, &seed, rng())?;
/// assert_eq!(device.read(|todos| todos.titles.len()), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Backing(Kind);

#[derive(Clone)]
enum Kind {
    File(PathBuf),
    Storage(Storage),
}

type OpenDatabase = dyn Fn(&Builder) -> Result<Database, DatabaseError> + Send + Sync;

/// A storage other than a file with a path.
#[derive(Clone)]
struct Storage {
    name: &'static str,
    open: Arc<OpenDatabase>,
    /// The last known size of the storage in bytes.
    len: Arc<AtomicU64>,
}

impl Backing {
    /// A file, whose folder must exist.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// Memory, for tests and throwaway tools. Clones share the memory, so that a log can be reopened after it was
    /// dropped.
    pub fn memory() -> Self {
        let memory = Memory::default();
        Self::named("the log in memory", move || Ok(memory.clone()))
    }

    /// Any other storage, such as a browser's private files.
    ///
    /// `open` is called whenever the log is opened, and again after the storage has failed, because the database stops
    /// working then. Each call must return a storage with the same contents.
    ///
    /// ```
    /// use std::fs::File;
    /// # use diplomatic::Backing;
    /// # let path = "todo.redb";
    ///
    /// let backing = Backing::storage(move || {
    ///     let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    ///     redb::backends::FileBackend::new(file).map_err(std::io::Error::other)
    /// });
    /// # let _ = backing;
    /// ```
    pub fn storage<B: StorageBackend>(open: impl Fn() -> io::Result<B> + Send + Sync + 'static) -> Self {
        Self::named("the log's storage", open)
    }

    /// A disk of a test.
    #[cfg(test)]
    pub(crate) fn disk(disk: super::Disk) -> Self {
        Self::named("the log on the disk of a test", move || Ok(disk.clone()))
    }

    fn named<B: StorageBackend>(name: &'static str, open: impl Fn() -> io::Result<B> + Send + Sync + 'static) -> Self {
        let len = Arc::new(AtomicU64::new(0));
        let seen = len.clone();
        let open = move |builder: &Builder| builder.create_with_backend(Regrown::new(open()?, seen.clone()));
        Self(Kind::Storage(Storage { name, open: Arc::new(open), len }))
    }

    fn path(&self) -> &Path {
        match &self.0 {
            Kind::File(path) => path,
            Kind::Storage(storage) => Path::new(storage.name),
        }
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> u64 {
        match &self.0 {
            Kind::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Kind::Storage(storage) => storage.len.load(Ordering::Relaxed),
        }
    }

    /// Opens the database as it is, or an empty one.
    pub(super) fn open_database(&self) -> Result<Database, DatabaseError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        match &self.0 {
            Kind::File(path) => {
                let mut options = std::fs::OpenOptions::new();
                let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
                builder.create_with_backend(Regrown::new(FileBackend::new(file)?, Arc::default()))
            }
            Kind::Storage(storage) => (storage.open)(&builder),
        }
    }

    /// Opens the database, checks or initialises it as a log, and derives its keys.
    pub(super) fn open_log(&self, seed: &Seed, rng: &mut dyn CryptoRng) -> Result<(Database, Vault), OpenLogError> {
        survive_damage(|| Ok(self.try_open_log(seed, rng))).unwrap_or_else(|error| Err(self.open_error(error)))
    }

    fn try_open_log(&self, seed: &Seed, rng: &mut dyn CryptoRng) -> Result<(Database, Vault), OpenLogError> {
        let is_new = match &self.0 {
            Kind::File(path) => !path.exists(),
            _ => false,
        };
        let database = self.open_database().map_err(|error| self.database_error(error))?;
        let vault = self.identify(&database, seed, rng)?;
        if is_new && let Kind::File(path) = &self.0 {
            sync_folder(path).map_err(|source| OpenLogError::Io { path: path.clone(), source })?;
        }
        Ok((database, vault))
    }

    /// Checks that the file is a log of this seed, makes one of an empty file, and migrates an older one.
    fn identify(&self, database: &Database, seed: &Seed, rng: &mut dyn CryptoRng) -> Result<Vault, OpenLogError> {
        let path = || self.path().to_owned();
        match format::identify(database, seed).map_err(|error| self.open_error(error))? {
            Identity::Log { vault, format } => {
                migrate(database, format, &vault, rng).map_err(|error| self.open_error(error))?;
                Ok(vault)
            }
            Identity::Empty => format::initialize(database, seed, rng).map_err(|error| self.open_error(error)),
            Identity::Foreign => Err(OpenLogError::NotALog { path: path() }),
            Identity::Newer { format } => {
                Err(OpenLogError::NewerFormat { path: path(), found: format, supported: FORMAT })
            }
            Identity::Damaged => Err(OpenLogError::Damaged { path: path(), source: None }),
            Identity::WrongSeed => Err(OpenLogError::WrongSeed { path: path() }),
        }
    }

    fn database_error(&self, error: DatabaseError) -> OpenLogError {
        let path = self.path().to_owned();
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenLogError::InUse { path },
            // redb says this of a file that is not its own.
            DatabaseError::Storage(RedbError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                OpenLogError::NotALog { path }
            }
            DatabaseError::Storage(RedbError::Io(source)) => OpenLogError::Io { path, source },
            DatabaseError::Storage(RedbError::Corrupted(_)) | DatabaseError::RepairAborted => {
                OpenLogError::Damaged { path, source: Some(redb::Error::from(error).into()) }
            }
            error => OpenLogError::Storage { path, source: redb::Error::from(error).into() },
        }
    }

    pub(super) fn open_error(&self, error: LogError) -> OpenLogError {
        let path = self.path().to_owned();
        match error {
            LogError::Storage(source) => OpenLogError::Storage { path, source },
            LogError::Damaged | LogError::DamagedValue { .. } | LogError::Closed => {
                OpenLogError::Damaged { path, source: None }
            }
        }
    }
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backing({})", self.path().display())
    }
}

/// Turns redb's panics, which some kinds of damage cause, into errors.
pub(super) fn survive_damage<T, E: From<LogError>>(act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(LogError::Damaged.into()))
}

/// Makes a new file's name durable.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
