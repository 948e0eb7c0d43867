//! What happened, and what the state was.

use std::time::Duration;

use super::Device;
use super::source::{LogSource, origin_of};
use crate::fold::{Cadence, Reading, Unread, compute};
use crate::log::{LogError, LogReader, StoredMessage};
use crate::order::Position;
use crate::reducer::{Meta, Reducer};
use crate::standard::{EntityId, HeadHash, Timestamp};

/// Why a state of the past cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Compaction dropped messages that the state is made of.
    #[error("compaction dropped what the state is made of; it can be told from {} ms after 1970 on", .horizon.changed.as_millis())]
    BeforeHorizon {
        /// From this position on, states are what they were.
        horizon: Position,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// One message of the log, as an app tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry<E> {
    /// The message's place in the one order.
    pub position: Position,
    /// What it is about, when it happened, of which type, and where it came from.
    pub meta: Meta,
    /// What happened.
    pub what: Happened<E>,
    /// The message that counts for the entity in its place; `None` if it counts itself.
    pub overwritten_by: Option<Position>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened<E> {
    /// An event of this build.
    Event(E),
    /// A delete that no event stands for, as that of a register.
    Deleted,
    /// Something of a type that this build does not know.
    Unknown {
        /// The type's name; empty when the message has none.
        type_name: String,
    },
    /// An event whose payload does not fit its variant.
    Unreadable {
        /// Why it does not.
        reason: String,
    },
}

/// What lies between two states; for [`Device::diff`].
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
    /// What differs, in the app's words.
    type Difference;

    /// Returns what leads from this state to a later one.
    fn diff(&self, later: &Self) -> Self::Difference;
}

impl<R: Reducer> Device<R> {
    /// Returns everything that happened to one entity, in the one order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn history_of(&self, entity: &EntityId) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.log.read(|reader| {
            let messages = reader.messages_of(entity)?;
            messages.into_iter().map(|stored| self.entry(reader, stored)).collect()
        })
    }

    /// Returns up to `limit` entries of everything that happened after `after`, in the one order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn history(&self, after: Option<&Position>, limit: usize) -> Result<Vec<HistoryEntry<R::Event>>, LogError> {
        self.log.read(|reader| {
            let messages = reader.page_after(after, limit)?;
            messages.into_iter().map(|stored| self.entry(reader, stored)).collect()
        })
    }

    pub(super) fn entry(
        &self,
        reader: &LogReader<'_>,
        stored: StoredMessage,
    ) -> Result<HistoryEntry<R::Event>, LogError> {
        let StoredMessage { position, message, origin } = stored;
        let (what, event_type) = match Reading::<R::Event>::of(&message) {
            Reading::Event { event, event_type } => (Happened::Event(event), event_type),
            Reading::Delete { event } => (Happened::Event(event), ""),
            Reading::SilentDelete => (Happened::Deleted, ""),
            Reading::Unknown { type_name } => (Happened::Unknown { type_name }, ""),
            Reading::Unfit { reason } => (Happened::Unreadable { reason }, ""),
        };
        let entity = message.head().entity();
        let winner = reader.winner(entity)?.map(|winner| winner.position);
        let meta = Meta::new(entity.clone(), position.changed, event_type, origin_of(self.log.links(), origin));
        Ok(HistoryEntry { position, meta, what, overwritten_by: winner.filter(|winner| *winner != position) })
    }

    /// Returns the state as it is without the messages after `time`: what every device that has all the earlier ones
    /// shows by itself. It folds the log from the start.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn state_at(&self, time: Timestamp) -> Result<R, HistoryError> {
        match self.horizon()? {
            Some(horizon) if time < horizon.changed => Err(HistoryError::BeforeHorizon { horizon }),
            _ => {
                let next = time.plus(Duration::from_millis(1));
                let end = Position { changed: next, counter: 0, hash: HeadHash::from_bytes([0; 32]) };
                Ok(self.state_before((next > time).then_some(end))?)
            }
        }
    }

    /// Returns from where on the states of the past can be told; `None` if nothing was ever dropped.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn horizon(&self) -> Result<Option<Position>, LogError> {
        self.log.read(|reader| reader.horizon())
    }

    /// Returns what happened to the state between two moments.
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

    /// Folds what is before a position, as if nothing else were in the log; all of it without one.
    pub(super) fn state_before(&self, before: Option<Position>) -> Result<R, LogError> {
        let mut source = LogSource::before(&self.log, before);
        compute(&mut source, Unread::default(), None, false, Cadence::without_snapshots())
            .map(|computed| computed.state)
    }
}
