//! A device without a network: the log, and the state that is folded from it.
//!
//! It keeps the two consistent. Time and randomness come from the caller. [`sync`](crate::sync) sessions talk to hosts, and
//! a device lends its log to them.

mod ahead;
mod anew;
mod attach;
mod audit;
mod authors;
mod batch;
mod claims;
mod compact;
#[cfg(all(test, feature = "derive"))]
mod crash;
mod digest;
mod emit;
mod export;
mod feed;
mod fold;
mod history;
mod import;
mod index;
mod keeper;
mod link;
mod load;
#[cfg(feature = "_client")]
mod loader;
mod mentions;
mod origin;
mod peers;
mod plan;
mod project;
mod reader;
mod restore;
mod revert;
mod shown;
mod source;
mod undo;
mod unused;
mod verify;
mod want;
mod witness;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use ahead::Ahead;
use ahead::Counted;
#[cfg(feature = "_client")]
pub(crate) use ahead::InWords;
pub use attach::{AttachError, AttachmentError, AttachmentPart, KeepAttachments, KeptAttachments};
#[cfg(feature = "_client")]
pub(crate) use attach::{Lacking, Part, cut, is_end};
#[cfg(feature = "client")]
pub(crate) use audit::ListNotes;
pub use audit::{Missing, MissingReason};
pub use batch::Batch;
use claims::Claims;
pub use compact::{Compacted, Keep};
pub use emit::EmitError;
pub use export::{ExportFileError, Exported};
pub use feed::{Arrived, FeedPage};
use fold::Fold;
#[cfg(feature = "_client")]
pub(crate) use history::Past;
pub use history::{Diff, Happened, HistoryEntry, HistoryError};
#[cfg(feature = "_client")]
pub(crate) use import::Import;
pub use import::{ImportError, ImportReport};
pub use index::{Page, PageStart, Query};
pub use link::DeviceLink;
pub use origin::Origin;
pub use peers::{Fork, Peer, Peers};
use rand_core::CryptoRng;
pub use reader::{DeviceReader, HostProgress};
pub use restore::{Restore, RestoreChange, RestoreError, Restored};
#[cfg(feature = "_client")]
pub(crate) use shown::Shown;
pub use undo::{UndoError, Undoable, Undone};
use unused::Look;
pub use unused::{RemovedAttachments, Tended};

use crate::fold::Unread;
use crate::log::{Access, AccessKind, Backing, Change, Log, LogError, LogFailure, LogWriter, OpenLogError};
use crate::order::{Clock, Position};
use crate::reducer::Reducer;
use crate::standard::{Digest, EntityId, HeadHash, Label, Message, Seed, Timestamp};
use crate::witness::short_name;

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
///     fn apply(&mut self, event: Drink, _: &Meta) {
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
    name: Option<String>,
    keep_attachments: KeepAttachments,
    remove_after: Option<Duration>,
    /// A look for unused attachments that has not ended.
    look: Option<Look>,
    /// Parts of attachments that were wanted and that no host delivers.
    sought: BTreeSet<Position>,
    /// When the host of a link was last asked again for what it did not deliver.
    asked_again: BTreeMap<u32, Timestamp>,
    /// The digest of what is here, and of how many messages it is.
    digest: Cell<Option<(u64, Digest)>>,
    /// What is known of other devices, as of a version of the log's.
    peers: Option<(u64, Peers)>,
    claims: Claims,
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
#[derive(Debug, Clone)]
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
    /// What the user calls this device, such as "Anna's phone": the others are told with what it has emitted.
    pub name: Option<String>,
    /// Which attachments are fetched before anybody opens them.
    pub attachments: KeepAttachments,
    /// For how long no live message must have referred to an attachment before it is removed (see
    /// [`attachments`](crate::attachments)). `None`: none is removed by itself.
    pub remove_attachments_after: Option<Duration>,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            snapshot_events: 2_000,
            lock_wait: Duration::from_secs(10),
            witness_after: Some(Duration::from_secs(5)),
            want_every: Duration::from_secs(600),
            name: None,
            attachments: KeepAttachments::default(),
            remove_attachments_after: Some(Duration::from_secs(30 * 24 * 3600)),
        }
    }
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

impl<E> TransactError<E> {
    /// Returns whether the same transaction may work later, as [`EmitError::is_retryable`] says. It does not know about the
    /// errors of the decision.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Emit(error) if error.is_retryable())
    }
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
        let DeviceConfig { clock, witness_after, want_every, name, .. } = config;
        let mut device = Self {
            log,
            fold,
            clock,
            counted: None,
            witness_after,
            want_every,
            name: name.as_deref().and_then(short_name),
            keep_attachments: config.attachments,
            remove_after: config.remove_attachments_after,
            look: None,
            sought: BTreeSet::new(),
            asked_again: BTreeMap::new(),
            digest: Cell::new(None),
            peers: None,
            claims: Claims::default(),
        };
        device.want_what_is_kept().map_err(|error| device.log.open_error(error))?;
        Ok(device)
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
    #[cfg(feature = "_client")]
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
        self.mend()?;
        let mut batch = self.begin_batch(now)?;
        let entities = events.iter().map(|event| batch.push_ref(event)).collect();
        self.emit_batch(now, batch)?;
        Ok(entities)
    }

    fn begin_batch(&mut self, now: Timestamp) -> Result<Batch<R::Event>, EmitError> {
        let followed = self.log.read(|reader| reader.latest_at(self.clock.bound(now.min(Timestamp::MAX))))?;
        let time = followed.map_or(now, |tick| tick.changed.max(now)).min(Timestamp::MAX);
        Ok(Batch::new(time, &self.log.random()))
    }

    fn emit_batch(&mut self, now: Timestamp, batch: Batch<R::Event>) -> Result<(), EmitError> {
        let events = batch.finish()?;
        self.write_by(true, |writer, clock| {
            let changes = emit::write_events::<R::Event>(writer, clock, now, events)?;
            let emitted: Vec<Position> = changes.iter().map(|change| change.position).collect();
            writer.note_transaction(&emitted)?;
            Ok(changes)
        })
    }

    /// Writes new messages in one transaction, and applies them. If they are events of this build, all of them have to be
    /// readable.
    fn write_by(
        &mut self,
        are_events: bool,
        write: impl FnOnce(&mut LogWriter<'_>, Clock) -> Result<Vec<Change>, EmitError>,
    ) -> Result<(), EmitError> {
        self.mend()?;
        let Self { log, fold, clock, .. } = self;
        let written = log.write_undoably(|writer| {
            let changes = write(writer, *clock)?;
            let plan = fold.plan(writer, changes)?;
            if let Some(error) = plan.unfit.as_ref().filter(|_| are_events) {
                return Err(EmitError::Unreadable(error.clone()));
            }
            fold.go_on(writer, &plan)?;
            Ok(plan)
        });
        let (plan, undo) = self.checked(written)?;
        Ok(self.fold.carry_out_or_undo::<EmitError>(plan, &mut self.log, Some(undo))??)
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

    /// Runs `decide` on the current state, and atomically writes the events that it adds to the [`Batch`]. Returns what
    /// `decide` returns.
    ///
    /// # Errors
    ///
    /// The error that `decide` returns, or [`EmitError`]; nothing is stored then.
    pub fn transact<T, E>(
        &mut self,
        now: Timestamp,
        decide: impl FnOnce(&R, &mut Batch<R::Event>) -> Result<T, E>,
    ) -> Result<T, TransactError<E>> {
        self.mend().map_err(EmitError::from)?;
        let mut batch = self.begin_batch(now)?;
        let decided = self.read(|state| decide(state, &mut batch)).map_err(TransactError::Refused)?;
        self.emit_batch(now, batch)?;
        Ok(decided)
    }

    /// Links a host: queues everything that the device has, and everything it gets later, for that host.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn link_host(&mut self, label: &Label) -> Result<u32, LogError> {
        self.recover()?;
        let link = self.log.link_host(label)?;
        self.want_what_is_kept()?;
        Ok(link)
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
