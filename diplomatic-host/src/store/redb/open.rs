//! Opens the data file, and refuses what is not one.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, StorageError};

use super::migrate;
use super::tables::{BODIES, FORMAT, FORMAT_KEY, FORMAT_WITH_BURIALS, HEADS, META, SEQS, USERS};
use crate::store::OpenStoreError;

/// The key in [`META`] of how often the file was opened.
const OPENED_KEY: &str = "opened";

/// How a data file is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedbOptions {
    /// How many bytes of the file are kept in memory, 64 MiB by default.
    pub cache: usize,
    /// Whether the whole file is checked when the store opens, false by default.
    ///
    /// The check reads the file once. Without it a file that was changed from outside is noticed only later, by the
    /// request that meets the damage. A crash or a power cut damages nothing.
    pub check: bool,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache: 64 << 20, check: false }
    }
}

/// What holds the bytes: kept, so that the database can be opened again after an I/O error.
pub(super) struct Medium {
    path: PathBuf,
    options: RedbOptions,
    kind: Kind,
}

/// A data file that is open.
pub(super) struct Opened {
    pub(super) database: Database,
    /// Whether what it shows is on disk for sure.
    pub(super) confirmed: bool,
}

enum Kind {
    File,
    Backend(Box<dyn Fn() -> Box<dyn StorageBackend> + Send + Sync>),
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Medium").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Medium {
    pub(super) fn file(path: &Path, options: RedbOptions) -> Self {
        Self { path: path.to_owned(), options, kind: Kind::File }
    }

    pub(super) fn backend(make: impl Fn() -> Box<dyn StorageBackend> + Send + Sync + 'static) -> Self {
        Self { path: PathBuf::from("memory"), options: RedbOptions::default(), kind: Kind::Backend(Box::new(make)) }
    }

    #[cfg(test)]
    pub(super) fn with_options(self, options: RedbOptions) -> Self {
        Self { options, ..self }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, or makes it where there is none, and checks that it is ours.
    pub(super) fn open(&self) -> Result<Opened, OpenStoreError> {
        let database = self.open_database(self.options.check).map_err(|error| self.explain(error))?;
        self.check_format(&database)?;
        self.sync_folder().map_err(|source| OpenStoreError::Io { path: self.path.clone(), source })?;
        self.try_to_confirm(database)
    }

    /// Opens the file again after a failure; what it is was checked before.
    pub(super) fn reopen(&self) -> Result<Opened, OpenStoreError> {
        self.try_to_confirm(self.open_database(false).map_err(|error| self.explain(error))?)
    }

    /// Confirms what the file shows, or leaves that to the next write, as on a full disk: reads can be served then.
    fn try_to_confirm(&self, database: Database) -> Result<Opened, OpenStoreError> {
        if Self::confirm(&database).is_ok() {
            return Ok(Opened { database, confirmed: true });
        }
        drop(database);
        let database = self.open_database(false).map_err(|error| self.explain(error))?;
        Ok(Opened { database, confirmed: false })
    }

    /// Commits once more what the file shows, before anybody is told that it is stored.
    ///
    /// After a sync that failed, here or in a process before, the system shows what was written and may not have it on
    /// disk. Commits have two phases, so that all that can be missing then is the header that points to the last one;
    /// another commit writes it anew.
    pub(super) fn confirm(database: &Database) -> Result<(), redb::Error> {
        let mut txn = database.begin_write()?;
        txn.set_quick_repair(true);
        {
            let mut meta = txn.open_table(META)?;
            let count = meta.get(OPENED_KEY)?.and_then(|count| count.value().parse::<u64>().ok()).unwrap_or(0);
            meta.insert(OPENED_KEY, count.wrapping_add(1).to_string().as_str())?;
        }
        Ok(txn.commit()?)
    }

    fn open_database(&self, check: bool) -> Result<Database, DatabaseError> {
        let mut builder = Builder::new();
        builder.set_cache_size(self.options.cache).set_check_integrity_on_open(check);
        match &self.kind {
            Kind::File => {
                make_private(&self.path);
                builder.create(&self.path)
            }
            Kind::Backend(make) => builder.create_with_backend(Boxed(make())),
        }
    }

    fn check_format(&self, database: &Database) -> Result<(), OpenStoreError> {
        let txn = database.begin_read().map_err(|error| self.damaged(error))?;
        let fresh = txn.list_tables().map_err(|error| self.damaged(error))?.next().is_none();
        if fresh {
            // Also what a crash leaves behind between the making of the file and this.
            return self.write_format(database);
        }
        let meta = txn.open_table(META).map_err(|_| self.not_ours())?;
        let format = meta.get(FORMAT_KEY).map_err(|error| self.damaged(error))?.ok_or_else(|| self.not_ours())?;
        match format.value() {
            FORMAT | FORMAT_WITH_BURIALS => Ok(()),
            migrate::FIRST | migrate::FIRST_TO_SECOND => {
                tracing::info!(path = %self.path.display(), "migrating the data file to {FORMAT:?}");
                migrate::first_to_second(database).map_err(|error| self.explain_write(error))
            }
            found => {
                Err(OpenStoreError::OtherFormat { path: self.path.clone(), found: found.to_owned(), known: FORMAT })
            }
        }
    }

    fn write_format(&self, database: &Database) -> Result<(), OpenStoreError> {
        let write = || -> Result<(), redb::Error> {
            let mut txn = database.begin_write()?;
            txn.set_quick_repair(true);
            txn.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
            txn.open_table(USERS)?;
            txn.open_table(HEADS)?;
            txn.open_table(BODIES)?;
            txn.open_table(SEQS)?;
            Ok(txn.commit()?)
        };
        write().map_err(|error| self.explain_write(error))
    }

    fn explain_write(&self, error: redb::Error) -> OpenStoreError {
        match error {
            redb::Error::Io(source) => OpenStoreError::Io { path: self.path.clone(), source },
            error => self.damaged(error),
        }
    }

    /// Makes the file's own entry in its folder durable: without it a power cut could take a new file whole.
    fn sync_folder(&self) -> io::Result<()> {
        match self.kind {
            Kind::File if cfg!(unix) => {
                let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
                File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
            }
            _ => Ok(()),
        }
    }

    fn explain(&self, error: DatabaseError) -> OpenStoreError {
        let path = self.path.clone();
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenStoreError::InUse { path },
            DatabaseError::UpgradeRequired(_) => OpenStoreError::NotOurs { path },
            DatabaseError::Storage(StorageError::Io(source)) => match source.kind() {
                io::ErrorKind::InvalidData => OpenStoreError::NotOurs { path },
                io::ErrorKind::UnexpectedEof => self.damaged(source),
                _ => OpenStoreError::Io { path, source },
            },
            error => self.damaged(error),
        }
    }

    fn damaged(&self, source: impl std::error::Error + Send + Sync + 'static) -> OpenStoreError {
        OpenStoreError::Damaged { path: self.path.clone(), source: Arc::new(source) }
    }

    fn not_ours(&self) -> OpenStoreError {
        OpenStoreError::NotOurs { path: self.path.clone() }
    }
}

/// Makes an empty file that only its user may read, where there is none. A failure shows when the file is opened.
#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;

    let _ = File::options().write(true).create_new(true).mode(0o600).open(path);
}

#[cfg(not(unix))]
fn make_private(_: &Path) {}

/// A boxed backend, for redb takes one by its type.
#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
