//! The storage of a log.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fmt, io};

use rand_core::CryptoRng;
use redb::backends::FileBackend;
use redb::{Builder, ConcurrencyMode, Database, DatabaseError, StorageBackend, StorageError as RedbError};

use super::database::{Access, AccessKind, Handle};
use super::error::{LogError, OpenLogError};
use super::format::{self, FORMAT, Identity};
use super::memory::Memory;
use super::migrate::migrate;
use super::overlay::Overlay;
use super::stump::Regrown;
use super::vault::Vault;
use crate::standard::Seed;

/// The size of redb's cache.
const CACHE_BYTES: usize = 32 << 20;

/// How long to wait before another attempt to lock a file.
const PAUSE: Duration = Duration::from_millis(10);

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
pub struct Backing {
    kind: Kind,
    watch_repair: Option<Arc<WatchRepair>>,
}

type WatchRepair = dyn Fn(f64) -> ControlFlow<()> + Send + Sync;

#[derive(Clone)]
enum Kind {
    File(PathBuf),
    Storage(Storage),
}

type OpenDatabase = dyn Fn(&Builder, AccessKind) -> Result<Handle, DatabaseError> + Send + Sync;

/// A storage other than a file with a path.
#[derive(Clone)]
struct Storage {
    name: PathBuf,
    open: Arc<OpenDatabase>,
    /// The last known size of the storage in bytes.
    len: Arc<AtomicU64>,
}

impl Backing {
    /// A file, whose folder must exist. In a browser, this is a private file of the page's origin, which only a
    /// [`Client`](crate::Client) in a dedicated worker opens; its name has no slashes.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Kind::File(path.into()))
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

    pub(super) fn named<B: StorageBackend>(
        name: impl Into<PathBuf>,
        open: impl Fn() -> io::Result<B> + Send + Sync + 'static,
    ) -> Self {
        let len = Arc::new(AtomicU64::new(0));
        let seen = len.clone();
        let open = move |builder: &Builder, access: AccessKind| match access {
            AccessKind::Write => builder.create_with_backend(Regrown::new(open()?, seen.clone())).map(Handle::Writable),
            // It is not known to lock: whoever wants to read as well as to write shares one device.
            AccessKind::Read => builder.create_with_backend(Overlay::new(open()?)).map(Handle::Mended),
        };
        Self::new(Kind::Storage(Storage { name: name.into(), open: Arc::new(open), len }))
    }

    const fn new(kind: Kind) -> Self {
        Self { kind, watch_repair: None }
    }

    /// Watches the scan of the whole file that may be needed to open it: after a crash of a version before format 2, or
    /// after damage. `watch` gets the progress from 0 to 1 several times, and can cancel the scan. Opening then fails with
    /// [`OpenLogError::RepairCancelled`], and the file is left as it is.
    ///
    /// A file written by this version is never scanned after a crash.
    #[must_use]
    pub fn watch_repair(mut self, watch: impl Fn(f64) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.watch_repair = Some(Arc::new(watch));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.kind {
            Kind::File(path) => path,
            Kind::Storage(storage) => &storage.name,
        }
    }

    /// Returns whether it is a file with a path.
    #[cfg(all(feature = "web", target_family = "wasm"))]
    pub(crate) const fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Kind::Storage(storage) => storage.len.load(Ordering::Relaxed),
        }
    }

    /// Opens the database, or creates an empty one. Waits for another process that has it open.
    pub(super) fn open_database(&self, access: Access) -> Result<Handle, DatabaseError> {
        let mut builder = builder();
        if let Some(watch) = self.watch_repair.clone() {
            builder.set_repair_callback(move |repair| {
                if watch(repair.progress()).is_break() {
                    repair.abort();
                }
            });
        }
        let mut waited = Duration::ZERO;
        loop {
            let opened = match &self.kind {
                Kind::File(path) => open_file(&mut builder, path, access.kind),
                Kind::Storage(storage) => (storage.open)(&builder, access.kind),
            };
            match opened {
                Err(DatabaseError::DatabaseAlreadyOpen) if waited < access.wait && pause(PAUSE) => waited += PAUSE,
                opened => return opened,
            }
        }
    }

    /// Opens the database, checks or initialises it as a log, and derives its keys.
    pub(super) fn open_log(
        &self,
        access: Access,
        seed: &Seed,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Handle, Vault), OpenLogError> {
        survive_damage(|| Ok(self.try_open_log(access, seed, rng))).unwrap_or_else(|error| Err(self.open_error(error)))
    }

    fn try_open_log(
        &self,
        access: Access,
        seed: &Seed,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Handle, Vault), OpenLogError> {
        let new_file = match &self.kind {
            Kind::File(path) if !path.exists() => Some(path),
            _ => None,
        };
        let mut handle = self.open_database(access).map_err(|error| self.database_error(error))?;
        let read_identity = |handle: &Handle| handle.begin_read().and_then(|reading| format::identify(&reading, seed));
        let identity = read_identity(&handle).map_err(|error| self.open_error(error))?;
        if matches!(identity, Identity::Log { format, .. } if format < FORMAT)
            && let (Handle::ReadOnly(_), Kind::File(path)) = (&handle, &self.kind)
        {
            // Whoever only reads cannot migrate the file, but a copy in memory.
            drop(handle);
            handle = open_mended(&builder(), path).map_err(|error| self.database_error(error))?;
        }
        let vault = self.adopt(&handle, identity, seed, rng)?;
        if let Some(path) = new_file {
            sync_folder(path).map_err(|source| OpenLogError::Io { path: path.clone(), source })?;
        }
        Ok((handle, vault))
    }

    /// Refuses a file that is not a log of this seed, initialises an empty one, and migrates an older one.
    fn adopt(
        &self,
        handle: &Handle,
        identity: Identity,
        seed: &Seed,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vault, OpenLogError> {
        let path = || self.path().to_owned();
        match (identity, handle) {
            (Identity::Log { vault, format }, Handle::Writable(database) | Handle::Mended(database)) => {
                migrate(database, format, &vault, rng).map_err(|error| self.open_error(error))?;
                Ok(vault)
            }
            (Identity::Log { vault, .. }, Handle::ReadOnly(_)) => Ok(vault),
            (Identity::Empty, Handle::Writable(database)) => {
                format::initialize(database, seed, rng).map_err(|error| self.open_error(error))
            }
            (Identity::Empty | Identity::Foreign, _) => Err(OpenLogError::NotALog { path: path() }),
            (Identity::Newer { format }, _) => {
                Err(OpenLogError::NewerFormat { path: path(), found: format, supported: FORMAT })
            }
            (Identity::Damaged, _) => Err(OpenLogError::Damaged { path: path(), source: None }),
            (Identity::WrongSeed, _) => Err(OpenLogError::WrongSeed { path: path() }),
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
            DatabaseError::RepairAborted if self.watch_repair.is_some() => OpenLogError::RepairCancelled { path },
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
            LogError::ReadOnly => OpenLogError::Io { path, source: io::ErrorKind::PermissionDenied.into() },
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

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens a file so that other processes can read it meanwhile, if the system supports the necessary locks.
fn open_file(builder: &mut Builder, path: &Path, access: AccessKind) -> Result<Handle, DatabaseError> {
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
    match try_open_file(builder, path, access) {
        Err(DatabaseError::Storage(RedbError::Unsupported)) => {
            builder.set_concurrency_mode(ConcurrencyMode::ExclusiveWriter);
            try_open_file(builder, path, access)
        }
        opened => opened,
    }
}

fn try_open_file(builder: &Builder, path: &Path, access: AccessKind) -> Result<Handle, DatabaseError> {
    match access {
        AccessKind::Write => {
            let mut options = std::fs::OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
            let backend = Regrown::new(FileBackend::new(file)?, Arc::default());
            builder.create_with_backend(backend).map(Handle::Writable)
        }
        AccessKind::Read => {
            let file = FileBackend::new(std::fs::File::open(path)?)?;
            match builder.open_read_only_with_backend(file) {
                // A crash left it, and nobody has opened it for writing since.
                Err(DatabaseError::RepairAborted) => open_mended(builder, path),
                opened => opened.map(Handle::ReadOnly),
            }
        }
    }
}

/// Opens a file that must be changed before it can be read, and changes it only in memory.
fn open_mended(builder: &Builder, path: &Path) -> Result<Handle, DatabaseError> {
    let file = FileBackend::new(std::fs::File::open(path)?)?;
    builder.create_with_backend(Overlay::new(file)).map(Handle::Mended)
}

/// Waits before another attempt; returns false if waiting is impossible.
fn pause(time: Duration) -> bool {
    if cfg!(target_family = "wasm") {
        return false;
    }
    std::thread::sleep(time);
    true
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
