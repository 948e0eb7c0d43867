//! The log: every message of an account, on this device, in one redb file.
//!
//! It owns the file, its encryption, the order in it, which message of an entity counts, and what waits for each
//! host. Of a message it knows what the standard says of it; it knows nothing of events and states, and nothing of
//! networks: what is noted about a host is bytes to it.
//!
//! A message, its place in the queues and the cursor move in one transaction, which is durable when the call returns.

mod ahead;
mod arrivals;
mod arriving;
mod backing;
mod batch;
mod chunk_reading;
mod chunks;
mod database;
#[cfg(test)]
mod disk;
mod error;
mod feeds;
mod forgetting;
mod format;
mod hearing;
mod index;
mod kept;
mod latest;
mod link;
mod memory;
mod migrate;
mod once;
mod overlay;
mod peer_rows;
mod peers;
mod pieces;
#[cfg(all(feature = "web", target_family = "wasm"))]
mod private_file;
mod read;
mod rows;
mod sealing;
mod stump;
mod tables;
mod transactions;
mod unused;
mod vault;
mod verify;
mod verify_arrivals;
mod verify_chunks;
mod versions;
mod view;
mod wants;
mod witnessed_at;
mod witnesses;
mod write;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

pub(crate) use ahead::Extent;
pub use backing::Backing;
use backing::survive_damage;
pub(crate) use backing::sync_folder;
pub(crate) use chunk_reading::{ChunkCount, Place as ChunkPlace};
pub(crate) use chunks::ChunkKey;
pub(crate) use database::{Access, AccessKind};
use database::{Handle, begin_write};
pub use error::{LogError, OpenLogError, StorageError};
use rand_core::CryptoRng;
use redb::{CompactionError, Savepoint, WriteTransaction};
pub(crate) use vault::EntityKey;
use vault::Vault;

#[cfg(test)]
pub(crate) use disk::Disk;
pub(crate) use index::{Bucket, Order, Place};
pub(crate) use kept::Evicted;
pub(crate) use latest::LatestMessages;
use once::{Failed, Once};
pub(crate) use peers::{Absent, PeerRecord, Waiting};
pub(crate) use pieces::{Pieces, Snapshot};
#[cfg(all(feature = "web", target_family = "wasm"))]
pub(crate) use private_file::{PrivateFile, PrivateFileError};
pub(crate) use read::{LogReader, QueueLimits, Queued, StoredMessage};
pub(crate) use rows::{Link, PieceHash, SnapshotNote, Winner};
pub(crate) use sealing::SealedMessage;
pub(crate) use transactions::{Transaction, Version};
pub(crate) use unused::{ChunkPage, Unused};
pub(crate) use verify::FileCheck;
pub use verify::{StoreProblem, StoreProblemKind, StoreReport};
pub(crate) use view::LogView;
pub(crate) use wants::Answered;
pub(crate) use write::{Change, LogWriter};

use crate::standard::Seed;

/// This device's number among the origins of messages.
pub(crate) const THIS_DEVICE: u32 = 0;

/// The number of all export files among the origins of messages. No link reaches it.
pub(crate) const A_FILE: u32 = u32::MAX;

/// A device's log.
pub(crate) struct Log {
    backing: Backing,
    access: Access,
    /// `None` after the storage failed. The next call reopens it, because redb refuses to work after an I/O error.
    database: RefCell<Option<Handle>>,
    /// Whether the storage has failed since [`recover`](Self::recover). A change whose sync failed may still be there, so
    /// what is in memory may be outdated.
    is_suspect: Cell<bool>,
    vault: Arc<Vault>,
    rng: Box<dyn CryptoRng + Send>,
    links: Vec<Link>,
    makes_witnesses: bool,
    /// How often what is known of other devices has changed.
    peers_version: u64,
    /// How many messages have arrived.
    arrived: u64,
}

impl Log {
    /// Opens the log, or creates one.
    pub(crate) fn open(
        backing: Backing,
        access: Access,
        seed: &Seed,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, OpenLogError> {
        let (database, vault) = backing.open_log(access, seed, &mut *rng)?;
        let (database, is_suspect) = (RefCell::new(Some(database)), Cell::new(false));
        let mut log = Self {
            backing,
            access,
            database,
            is_suspect,
            vault: Arc::new(vault),
            rng,
            links: Vec::new(),
            makes_witnesses: false,
            peers_version: 0,
            arrived: 0,
        };
        (log.links, log.arrived) = match log.read(|reader| Ok((reader.links()?, reader.feed_end()?.number))) {
            Ok(known) => known,
            Err(error) => return Err(log.open_error(error)),
        };
        Ok(log)
    }

    /// Converts a failure to read the log while it is being opened.
    pub(crate) fn open_error(&self, error: LogError) -> OpenLogError {
        self.backing.open_error(error)
    }

    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    pub(crate) fn link(&self, number: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.number == number)
    }

    /// From now on, this device makes witnesses of what it emits, or none.
    pub(crate) const fn make_witnesses(&mut self, makes_witnesses: bool) {
        self.makes_witnesses = makes_witnesses;
    }

    /// Returns a number that differs when what is known of other devices may have changed.
    pub(crate) const fn peers_version(&self) -> u64 {
        self.peers_version
    }

    /// Returns how many messages have arrived.
    #[cfg(feature = "_client")]
    pub(crate) const fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Returns whether the storage has failed, so that the log may hold more than is known about it.
    pub(crate) const fn is_suspect(&self) -> bool {
        self.is_suspect.get()
    }

    /// Reloads what is kept in memory.
    pub(crate) fn recover(&mut self) -> Result<(), LogError> {
        (self.links, self.arrived) = self.read(|reader| Ok((reader.links()?, reader.feed_end()?.number)))?;
        self.peers_version += 1;
        self.is_suspect.set(false);
        Ok(())
    }

    /// Returns how far a link's host has been read; empty at the start.
    pub(crate) fn cursor(&self, number: u32) -> Result<Vec<u8>, LogError> {
        let is_wanted = |link: &&Link| link.number == number;
        let cursor = if self.is_suspect() {
            self.read(|reader| reader.links())?.iter().find(is_wanted).map(|link| link.cursor.clone())
        } else {
            self.links.iter().find(is_wanted).map(|link| link.cursor.clone())
        };
        Ok(cursor.unwrap_or_default())
    }

    /// Returns random bytes.
    pub(crate) fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Runs one transaction. If this returns `Ok`, everything that `act` did is durable; otherwise, nothing of it remains,
    /// with one exception: if the final sync fails, the storage may have all of it or nothing.
    pub(crate) fn write<T, E: LogFailure>(
        &mut self,
        act: impl FnOnce(&mut LogWriter<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut once = Once::new(act);
        let done = self.try_write(&mut |writer| once.run(|act| act(writer)), false);
        once.outcome(done).map(|(value, _)| value)
    }

    /// Runs one transaction like [`write`](Self::write), and returns a point to roll back to.
    pub(crate) fn write_undoably<T, E: LogFailure>(
        &mut self,
        act: impl FnOnce(&mut LogWriter<'_>) -> Result<T, E>,
    ) -> Result<(T, Rollback), E> {
        let mut once = Once::new(act);
        let done = self.try_write(&mut |writer| once.run(|act| act(writer)), true);
        let (value, rollback) = once.outcome(done)?;
        rollback.map(|rollback| (value, rollback)).ok_or_else(|| LogError::Damaged.into())
    }

    fn try_write(
        &mut self,
        act: &mut dyn FnMut(&mut LogWriter<'_>) -> Result<(), Failed>,
        is_undoable: bool,
    ) -> Result<Option<Rollback>, Failed> {
        let Self { backing, access, database, is_suspect, vault, rng, links, makes_witnesses, arrived, .. } = self;
        let mut written = None;
        with_handle(backing, *access, database, is_suspect, &mut |handle| {
            let transaction = begin_write(handle.writable()?)?;
            let savepoint =
                is_undoable.then(|| transaction.ephemeral_savepoint()).transpose().map_err(LogError::from)?;
            let done = run(transaction, vault, &mut **rng, links, *makes_witnesses, act)?;
            written = Some((done, savepoint.map(|savepoint| Rollback { savepoint, arrived: *arrived })));
            Ok(())
        })?;
        Ok(written.and_then(|(done, rollback)| {
            self.note_done(done);
            rollback
        }))
    }

    fn note_done(&mut self, Done { are_peers_changed, arrived }: Done) {
        self.peers_version += u64::from(are_peers_changed);
        self.arrived = arrived.unwrap_or(self.arrived);
    }

    /// Rolls the log back to before a transaction, which must be the last one, in another durable transaction.
    pub(crate) fn undo(&mut self, Rollback { savepoint, arrived }: Rollback) -> Result<(), LogError> {
        self.with_handle(|handle| {
            let mut transaction = begin_write(handle.writable()?)?;
            transaction.restore_savepoint(&savepoint)?;
            Ok::<_, LogError>(transaction.commit()?)
        })?;
        self.arrived = arrived;
        Ok(())
    }

    /// Reads one consistent state of the log.
    pub(crate) fn read<T>(&self, act: impl FnOnce(&LogReader<'_>) -> Result<T, LogError>) -> Result<T, LogError> {
        let mut once = Once::new(act);
        let done = self.try_read(&mut |reader| once.run(|act| act(reader)));
        once.outcome(done).map(|(value, ())| value)
    }

    fn try_read(&self, act: &mut dyn FnMut(&LogReader<'_>) -> Result<(), Failed>) -> Result<(), Failed> {
        let Self { backing, access, database, is_suspect, vault, .. } = self;
        with_handle(backing, *access, database, is_suspect, &mut |handle| {
            act(&LogReader::new(&handle.begin_read()?, vault)?)
        })
    }

    /// Returns whether the log was opened read-only.
    pub(crate) const fn is_read_only(&self) -> bool {
        matches!(self.access.kind, AccessKind::Read)
    }

    /// Frees the space of dropped messages, and returns by how many bytes the log has shrunk; `None` while somebody reads
    /// an earlier state of the log, in this process or another.
    pub(crate) fn shrink(&mut self) -> Result<Option<u64>, LogError> {
        let before = self.backing.size();
        let is_done = self.with_handle(|handle| {
            let database = handle.writable()?;
            match database.compact() {
                Err(CompactionError::TransactionInProgress | CompactionError::EphemeralSavepointExists) => Ok(false),
                Err(error) => Err(LogError::from(error)),
                Ok(_) => {
                    // Compacting leaves out what makes opening quick after a crash.
                    begin_write(database)?.commit()?;
                    Ok(true)
                }
            }
        })?;
        Ok(is_done.then(|| before.saturating_sub(self.backing.size())))
    }

    fn with_handle<T, E: LogFailure>(&self, act: impl FnOnce(&mut Handle) -> Result<T, E>) -> Result<T, E> {
        let mut once = Once::new(act);
        let done = with_handle(&self.backing, self.access, &self.database, &self.is_suspect, &mut |handle| {
            once.run(|act| act(handle))
        });
        once.outcome(done).map(|(value, ())| value)
    }
}

/// Reopens the database if it failed before, and records if it fails now.
fn with_handle(
    backing: &Backing,
    access: Access,
    slot: &RefCell<Option<Handle>>,
    is_suspect: &Cell<bool>,
    act: &mut dyn FnMut(&mut Handle) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut slot = slot.borrow_mut();
    let outcome = survive_damage(|| {
        let handle = match slot.as_mut() {
            Some(handle) => handle,
            None => slot.insert(backing.open_database(access).map_err(LogError::from)?),
        };
        act(handle)
    });
    if outcome.as_ref().is_err_and(LogFailure::is_storage) {
        *slot = None;
        is_suspect.set(true);
    }
    outcome
}

fn run(
    transaction: WriteTransaction,
    vault: &Vault,
    rng: &mut dyn CryptoRng,
    links: &[Link],
    makes_witnesses: bool,
    act: &mut dyn FnMut(&mut LogWriter<'_>) -> Result<(), Failed>,
) -> Result<Done, Failed> {
    let mut writer = LogWriter::new(&transaction, vault, rng, links, makes_witnesses)?;
    act(&mut writer)?;
    let done = Done { arrived: writer.finish_arrivals()?, are_peers_changed: writer.are_peers_changed };
    drop(writer);
    transaction.commit().map_err(LogError::from)?;
    Ok(done)
}

/// What a transaction changed of what is kept in memory.
struct Done {
    are_peers_changed: bool,
    /// How many messages have arrived, if any did.
    arrived: Option<u64>,
}

/// How the log was before a transaction.
pub(crate) struct Rollback {
    savepoint: Savepoint,
    arrived: u64,
}

/// The error of an operation inside a transaction.
pub(crate) trait LogFailure: From<LogError> {
    /// Returns whether the storage failed, after which the database must be reopened.
    fn is_storage(&self) -> bool;
}

impl LogFailure for LogError {
    fn is_storage(&self) -> bool {
        matches!(self, Self::Storage(_) | Self::Damaged)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("backing", &self.backing).field("links", &self.links).finish_non_exhaustive()
    }
}
