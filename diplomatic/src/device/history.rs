//! History, and earlier states.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Device;
use super::authors::Authors;
use super::origin::Origin;
use super::source::LogSource;
use crate::event::DecodeEventError;
use crate::fold::{Cadence, Reading, Unread, compute};
use crate::log::{LogError, LogReader, LogView, StoredMessage};
use crate::order::Position;
use crate::reducer::{Meta, Reducer};
use crate::standard::{EntityId, HeadHash, Timestamp};
use crate::witness::DeviceId;

/// Why an earlier state is unavailable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Compaction dropped messages that the state depends on.
    #[error("compaction dropped what the state is made of; it can be told from {} on", .horizon.changed)]
    BeforeHorizon {
        /// States from this position on are available.
        horizon: Position,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl HistoryError {
    /// Returns whether it may work later, as [`LogError::is_retryable`] says. What compaction dropped does not come back.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_retryable())
    }
}

/// One entry of the history: a message in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryEntry<E> {
    /// The message's place in the total order.
    pub position: Position,
    /// The entity, the time and the type.
    pub meta: Meta,
    /// Where this device got it from.
    pub origin: Origin,
    /// The device that wrote it. Another device's is known once it has told what it wrote, which it does when it has been
    /// quiet for a while.
    pub device: Option<DeviceId>,
    /// What happened.
    pub what: Happened<E>,
    /// The message that overwrote or deleted it; `None` if it is live.
    pub overwritten_by: Option<Position>,
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happened<E> {
    /// An event of this build.
    Event(E),
    /// A delete that is not an event, such as that of a register, or that several variants stand for.
    Deleted,
    /// A message of a type that this build does not know.
    Unknown {
        /// The type's name; empty if the message has none.
        type_name: String,
    },
    /// An event whose payload does not match its variant.
    Unreadable {
        /// Why it does not match; in JSON, its text.
        #[serde(serialize_with = "in_words")]
        error: DecodeEventError,
    },
}

fn in_words<S: Serializer>(error: &DecodeEventError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// The difference between two states; for [`Device::diff`].
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::history::Diff;
/// # use diplomatic::{Backing, Device, Seed, Timestamp};
/// # let rng: rand::rngs::StdRng = rand::make_rng();
/// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
/// impl Diff for Todos {
///     type Difference = Vec<String>;
///
///     fn diff(&self, later: &Self) -> Vec<String> {
///         let new = later.titles.iter().filter(|(todo, _)| !self.titles.contains_key(todo));
///         new.map(|(_, title)| format!("new: {title}")).collect()
///     }
/// }
///
/// let monday = Timestamp::from_millis(1_764_000_000_000);
/// let tuesday = Timestamp::from_millis(1_764_086_400_000);
/// device.emit(monday, &TodoEvent::Added { title: "milk".into() })?;
/// device.emit(tuesday, &TodoEvent::Added { title: "bread".into() })?;
/// assert_eq!(device.diff(monday, tuesday)?, ["new: bread"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Diff {
    /// The app's type for a difference.
    type Difference;

    /// Returns the changes from this state to a later one.
    fn diff(&self, later: &Self) -> Self::Difference;
}

impl<R: Reducer> Device<R> {
    /// Returns the history of one entity, in the total order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn history_of(&self, entity: &EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.log.read(|reader| self.entries(reader, reader.messages_of(entity)?))
    }

    /// Returns the history of a root, an entity with its registers, in the total order. Registers that hung on it once,
    /// and hang elsewhere now, are part of it.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn history_of_root(&self, root: &EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.log.read(|reader| {
            let mut messages = Vec::new();
            for entity in reader.entities_of_root(root)? {
                messages.extend(reader.messages_of(&entity)?);
            }
            messages.sort_unstable_by_key(|stored| stored.position);
            self.entries(reader, messages)
        })
    }

    /// Returns up to `limit` entries of the history after `after`, in the total order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn history(&self, after: Option<&Position>, limit: usize) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.log.read(|reader| self.entries(reader, reader.page_after(after, limit, false)?))
    }

    /// Returns up to `limit` entries like [`history`](Self::history), including the messages that the framework writes
    /// itself. For tools that read [any message](crate::raw).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn full_history(
        &self,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.log.read(|reader| self.entries(reader, reader.page_after(after, limit, true)?))
    }

    pub(super) fn entries(
        &self,
        reader: &LogReader<'_>,
        messages: Vec<StoredMessage>,
    ) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        let mut authors = Authors::of(reader, &messages)?;
        messages.into_iter().map(|stored| self.entry(reader, &mut authors, stored)).collect()
    }

    fn entry(
        &self,
        reader: &LogReader<'_>,
        authors: &mut Authors<'_, '_>,
        stored: StoredMessage,
    ) -> Result<HistoryEntry<R::Event>, LogError> {
        let device = authors.author(&stored)?;
        let StoredMessage { position, message, origin } = stored;
        let (what, event_type) = match Reading::<R::Event>::of_any_kind(&message) {
            Reading::Event { event, event_type } => (Happened::Event(event), event_type),
            Reading::Delete { mut events } if events.len() == 1 => (Happened::Event(events.remove(0)), ""),
            Reading::Delete { .. } | Reading::SilentDelete | Reading::Foreign => (Happened::Deleted, ""),
            Reading::Unknown { type_name } => (Happened::Unknown { type_name }, ""),
            Reading::Unfit { error } => (Happened::Unreadable { error }, ""),
        };
        let entity = message.head().entity();
        let winner = reader.winner(entity)?.map(|winner| winner.position);
        let meta = Meta::of(entity.clone(), position, event_type);
        let origin = Origin::of(self.log.links(), origin);
        let overwritten_by = winner.filter(|winner| *winner != position);
        Ok(HistoryEntry { position, meta, origin, device, what, overwritten_by })
    }

    /// Returns the state as it is without the messages after `time`: what every device that has all the earlier ones
    /// shows by itself. It folds the log from the last snapshot before.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn state_at(&self, time: Timestamp) -> Result<R, HistoryError> {
        self.past()?.state_at(time)
    }

    /// Returns the log as of now, to fold states of the past from it on another thread.
    pub(crate) fn past(&self) -> Result<Past<R>, LogError> {
        Ok(Past { view: self.log.view()?, fingerprint: *self.fold.fingerprint(), state: PhantomData })
    }

    /// Returns the position from which on earlier states are available; `None` if nothing was ever dropped.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn horizon(&self) -> Result<Option<Position>, LogError> {
        self.log.read(|reader| reader.horizon())
    }

    /// Returns the difference of the state between two times.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn diff(&self, from: Timestamp, to: Timestamp) -> Result<R::Difference, HistoryError>
    where
        R: Diff,
    {
        Ok(self.state_at(from)?.diff(&self.state_at(to)?))
    }
}

/// The log of a device as of one moment, from which states of the past are folded while the device goes on.
pub(crate) struct Past<R> {
    view: LogView,
    fingerprint: [u8; 32],
    state: PhantomData<fn() -> R>,
}

impl<R: Reducer> Past<R> {
    pub(super) fn horizon(&self) -> Result<Option<Position>, LogError> {
        self.view.read(|reader| reader.horizon())
    }

    pub(crate) fn state_at(&self, time: Timestamp) -> Result<R, HistoryError> {
        match self.horizon()? {
            Some(horizon) if time < horizon.changed => Err(HistoryError::BeforeHorizon { horizon }),
            _ => {
                let next = time.plus(Duration::from_millis(1));
                let end = Position { changed: next, counter: 0, hash: HeadHash::from_bytes([0; 32]) };
                Ok(self.state_before((next > time).then_some(end))?)
            }
        }
    }

    /// Folds what is before a position, as if nothing else were in the log; all of it without one.
    pub(super) fn state_before(&self, before: Option<Position>) -> Result<R, LogError> {
        let mut source = LogSource::before(&self.view, self.fingerprint, before);
        compute(&mut source, Unread::default(), None, false, Cadence::without_snapshots())
            .map(|computed| computed.state)
    }
}
