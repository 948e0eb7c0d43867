//! A device without a network: the log, and the state that is folded from it.
//!
//! It keeps the two consistent. Time and randomness come from the caller. [`sync`](crate::sync) sessions talk to hosts, and
//! a device lends its log to them.

mod ahead;
mod anew;
mod audit;
mod compact;
#[cfg(all(test, feature = "derive"))]
mod crash;
mod digest;
mod emit;
mod export;
mod fold;
mod history;
mod import;
mod index;
mod keeper;
mod link;
mod mentions;
mod peers;
mod plan;
mod reader;
mod shown;
mod source;
mod undo;
mod verify;
mod want;
mod witness;

use std::cell::Cell;
use std::time::Duration;

pub use ahead::Ahead;
use ahead::Counted;
#[cfg(feature = "client")]
pub(crate) use ahead::InWords;
pub use audit::{Missing, MissingReason};
pub use compact::{Compacted, Keep};
pub use emit::EmitError;
pub use export::{ExportFileError, Exported};
use fold::{Fold, Panicked};
#[cfg(feature = "client")]
pub(crate) use history::Past;
pub use history::{Diff, Happened, HistoryEntry, HistoryError};
#[cfg(feature = "client")]
pub(crate) use import::Import;
pub use import::{ImportError, ImportReport};
pub use index::{Page, PageStart, Query};
pub use link::DeviceLink;
pub use peers::{Fork, Peer, Peers};
use rand_core::CryptoRng;
pub use reader::{DeviceReader, HostProgress};
#[cfg(feature = "client")]
pub(crate) use shown::Shown;
#[cfg(feature = "client")]
pub(crate) use undo::Undoing;
pub use undo::{Undo, UndoError};

use crate::fold::Unread;
use crate::log::{Access, AccessKind, Backing, Change, Log, LogError, LogFailure, LogWriter, OpenLogError};
use crate::order::{Clock, Position};
use crate::reducer::Reducer;
use crate::standard::{Digest, EntityId, HeadHash, Label, Message, Seed, Timestamp};

/// A device without a network.
///
/// Most apps use [`Client`](crate::Client), which adds sync. A device alone suits tools and simulations. It never reads a
/// clock, and blocks while it writes.
///
/// ```
/// use diplomatic::standard::{Seed, Timestamp};
/// use diplomatic::{Backing, Device, DiplomaticEvent, Meta, Reducer};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(DiplomaticEvent)]
/// enum Drink {
///     Drunk { cups: u32 },
/// }
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Day {
///     cups: u32,
/// }
///
/// impl Reducer for Day {
///     type Event = Drink;
///
///     fn apply(&mut self, event: &Drink, _: &Meta) {
///         let Drink::Drunk { cups } = event;
///         self.cups += cups;
///     }
/// }
///
/// let mut rng: rand::rngs::StdRng = rand::make_rng();
/// let seed = Seed::generate(&mut rng);
/// let mut device = Device::<Day>::open(Backing::memory(), &seed, rng)?;
/// device.emit(Timestamp::from_millis(1_764_000_000_000), &Drink::Drunk { cups: 2 })?;
/// assert_eq!(device.read(|day| day.cups), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Device<R: Reducer> {
    log: Log,
    fold: Fold<R>,
    clock: Clock,
    /// What was counted beyond the clock's bound.
    counted: Option<Counted>,
    witness_after: Option<Duration>,
    want_every: Duration,
    /// The digest of what is here, and of how many messages it is.
    digest: Cell<Option<(u64, Digest)>>,
    /// What is known of other devices, as of a version of the log's.
    peers: Option<(u64, Peers)>,
}

/// Settings of a [`Device`].
///
/// ```
/// use diplomatic::DeviceConfig;
///
/// let mut config = DeviceConfig::default();
/// // Opens faster but writes more.
/// config.snapshot_events = 500;
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DeviceConfig {
    /// How far ahead of this device's time something may lie and still be followed, and what if it lies further.
    pub clock: Clock,
    /// The number of events between snapshots of the state, which bounds how many events have to be folded on opening. For a
    /// large state, there are more: as many as make an eighth of its size.
    pub snapshot_events: u64,
    /// How long opening waits for another process that writes to the log, before it fails with
    /// [`OpenLogError::InUse`].
    pub lock_wait: Duration,
    /// How long this device must have emitted nothing before it tells the others what it has emitted, in a small message
    /// that apps do not see (see [`peers`](crate::peers)). `None`: it never tells, and others cannot know when a host
    /// withholds its messages.
    pub witness_after: Option<Duration>,
    /// How often this device changes what it asks others for, while something is missing that a host should have.
    pub want_every: Duration,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            snapshot_events: 2_000,
            lock_wait: Duration::from_secs(10),
            witness_after: Some(Duration::from_secs(5)),
            want_every: Duration::from_secs(600),
        }
    }
}

/// The progress of an import, an export or a check, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many messages have been processed. Those of an import are durable.
    pub done: u64,
    /// How many messages there are.
    pub total: u64,
}

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactError<E> {
    /// The decision returned an error.
    #[error(transparent)]
    Refused(E),
    /// The events could not be emitted.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl<R: Reducer> Drop for Device<R> {
    fn drop(&mut self) {
        self.fold.close(&mut self.log);
    }
}

impl<R: Reducer> Device<R> {
    /// Opens or creates a device, and folds its state.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`].
    pub fn open(backing: Backing, seed: &Seed, rng: impl CryptoRng + Send + 'static) -> Result<Self, OpenLogError> {
        Self::open_with(backing, seed, rng, DeviceConfig::default())
    }

    /// Opens a device like [`open`](Self::open), with settings.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`].
    pub fn open_with(
        backing: Backing,
        seed: &Seed,
        rng: impl CryptoRng + Send + 'static,
        config: DeviceConfig,
    ) -> Result<Self, OpenLogError> {
        Self::open_as(AccessKind::Write, backing, seed, Box::new(rng), config)
    }

    fn open_as(
        kind: AccessKind,
        backing: Backing,
        seed: &Seed,
        rng: Box<dyn CryptoRng + Send>,
        config: DeviceConfig,
    ) -> Result<Self, OpenLogError> {
        let access = Access { kind, wait: config.lock_wait };
        let mut log = Log::open(backing, access, seed, rng)?;
        log.make_witnesses(config.witness_after.is_some());
        let fold = Fold::open(&mut log, config.snapshot_events).map_err(|error| log.open_error(error))?;
        let DeviceConfig { clock, witness_after, want_every, .. } = config;
        let digest = Cell::new(None);
        Ok(Self { log, fold, clock, counted: None, witness_after, want_every, digest, peers: None })
    }

    /// Shows the state to `look`, which may call this again.
    ///
    /// # Panics
    ///
    /// If it is called while an event is applied to the state, as by a reducer.
    pub fn read<T>(&self, look: impl FnOnce(&R) -> T) -> T {
        look(&self.fold.state().read())
    }

    /// Returns a handle to the state, to read it from other threads.
    #[cfg(feature = "client")]
    pub(crate) fn state(&self) -> std::sync::Arc<Shown<R>> {
        self.fold.state().clone()
    }

    /// Writes one event. When this returns, it is durable, applied, and queued for every linked host.
    ///
    /// Returns the ID of the event's entity, which is new for a fact.
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    pub fn emit(&mut self, now: Timestamp, event: &R::Event) -> Result<EntityId, EmitError> {
        let entities = self.emit_all(now, std::slice::from_ref(event))?;
        Ok(entities.into_iter().next().expect("every event is about one entity"))
    }

    /// Writes events in order, in one transaction: either all of them or none.
    ///
    /// The events are applied after they are durable, so that nobody reads an event that is not durable, and readers never
    /// wait for the disk. If the reducer panics, a second transaction removes the events before this returns, and the
    /// state is folded again. (If the power fails between the two transactions, the events stay quarantined, as if another
    /// device had written them.)
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    pub fn emit_all(&mut self, now: Timestamp, events: &[R::Event]) -> Result<Vec<EntityId>, EmitError> {
        self.emit_by(|writer, clock| emit::write_events(writer, clock, now, events))
    }

    /// Emits the events that `write` writes.
    fn emit_by(
        &mut self,
        write: impl FnOnce(&mut LogWriter<'_>, Clock) -> Result<(Vec<EntityId>, Vec<Change>), EmitError>,
    ) -> Result<Vec<EntityId>, EmitError> {
        self.mend()?;
        let Self { log, fold, clock, .. } = self;
        let written = log.write_undoably(|writer| {
            let (entities, changes) = write(writer, *clock)?;
            let emitted: Vec<Position> = changes.iter().map(|change| change.position).collect();
            let plan = fold.plan(writer, changes)?;
            if let Some(reason) = &plan.unfit {
                return Err(EmitError::Unreadable { reason: reason.clone() });
            }
            writer.note_undoable(&emitted)?;
            fold.go_on(writer, &plan)?;
            Ok((entities, plan))
        });
        let ((entities, plan), undo) = self.checked(written)?;
        match self.fold.carry_out_or_undo::<EmitError>(plan, &mut self.log, Some(undo))? {
            Ok(()) => Ok(entities),
            Err(Panicked { reason }) => Err(EmitError::Panicked { reason }),
        }
    }

    /// Brings memory up to date with the log: after a failure, or after messages that were stored only.
    fn mend(&mut self) -> Result<(), LogError> {
        self.fold.mend(&mut self.log)
    }

    /// Brings memory up to date with the log after a failure.
    fn recover(&mut self) -> Result<(), LogError> {
        self.fold.recover(&mut self.log)
    }

    /// Returns the outcome of a change. After a failure, it first brings the state up to date with the log, if possible.
    fn checked<T, E: LogFailure>(&mut self, outcome: Result<T, E>) -> Result<T, E> {
        if outcome.as_ref().is_err_and(LogFailure::is_storage)
            && let Err(error) = self.mend()
        {
            tracing::warn!(%error, "the log cannot be read after a failure; it is tried before the next change");
        }
        outcome
    }

    /// Runs `decide` on the current state and atomically writes the events it returns.
    ///
    /// # Errors
    ///
    /// The error that `decide` returns, or [`EmitError`]; nothing is stored then.
    pub fn transact<E>(
        &mut self,
        now: Timestamp,
        decide: impl FnOnce(&R) -> Result<Vec<R::Event>, E>,
    ) -> Result<Vec<EntityId>, TransactError<E>> {
        self.mend().map_err(EmitError::from)?;
        let events = self.read(decide).map_err(TransactError::Refused)?;
        Ok(self.emit_all(now, &events)?)
    }

    /// Links a host: queues everything that the device has, and everything it gets later, for that host.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn link_host(&mut self, label: &Label) -> Result<u32, LogError> {
        self.recover()?;
        self.log.link_host(label)
    }

    /// Unlinks a host: its queue, how far it was read and its skipped bags are forgotten, and messages that waited only for
    /// it no longer stop [`compact`](Self::compact) from dropping them. Messages from there stay. Returns whether it was
    /// linked.
    ///
    /// What the host did not get yet is not lost: this device has it. A host that is linked again gets everything.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn unlink_host(&mut self, label: &Label) -> Result<bool, LogError> {
        self.mend()?;
        self.log.unlink_host(label)
    }

    /// Returns whether everything at a linked host has been read at least once.
    pub fn is_first_synced(&self, link: u32) -> bool {
        let link = self.log.link(link);
        link.is_some_and(|link| link::decode_cursor(&link.cursor).is_ok_and(|cursor| cursor.caught_up))
    }

    /// Lends the log to a linked host's session.
    pub fn session_log(&mut self, link: u32) -> DeviceLink<'_, R> {
        DeviceLink::new(self, link)
    }

    /// Returns the number of messages in the log, but for those that the framework writes itself.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn message_count(&self) -> Result<u64, LogError> {
        self.log.read(|reader| reader.message_count())
    }

    /// Returns the messages that this build cannot apply.
    pub const fn unread(&self) -> &Unread {
        self.fold.unread()
    }

    /// Returns the number of changes to the state since the device was opened.
    pub const fn version(&self) -> u64 {
        self.fold.version()
    }

    /// Returns every message in the log, in the total order.
    #[cfg(any(feature = "testing", all(test, feature = "derive")))]
    pub(crate) fn stored(&self) -> Result<Vec<crate::standard::Message>, LogError> {
        self.log.read(|reader| {
            let mut messages = Vec::new();
            reader.each(|stored| messages.push(stored.message))?;
            Ok(messages)
        })
    }

    /// Returns the identity of every message in the log, in the total order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn messages(&self) -> Result<Vec<HeadHash>, LogError> {
        let mut hashes = Vec::new();
        self.each_message(|message| hashes.push(message.head().hash()))?;
        Ok(hashes)
    }

    /// Calls `look` with every message in the log, in the total order, including overwritten and deleted ones.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn each_message(&self, mut look: impl FnMut(&Message)) -> Result<(), LogError> {
        self.log.read(|reader| reader.each(|stored| look(&stored.message)))
    }
}
