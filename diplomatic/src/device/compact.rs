//! Compaction: dropping overwritten and deleted messages.

use serde::{Deserialize, Serialize};

use super::Device;
use crate::fold::Reading;
use crate::log::{LogError, LogReader, StoredMessage};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Content, Message, Timestamp};

/// How many messages are dropped in one transaction.
const BATCH: usize = 4_096;

/// What compaction keeps.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use diplomatic::compact::Keep;
///
/// // Everything overwritten or deleted in the last year stays available.
/// let a_year_ago = SystemTime::now() - Duration::from_secs(365 * 24 * 3600);
/// let keep = Keep::Since(a_year_ago.into());
/// # let _ = keep;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keep {
    /// Every message; this only frees unused space.
    Everything,
    /// The live messages; everything overwritten or deleted is dropped.
    Latest,
    /// The messages that were live at this time, and everything later.
    Since(Timestamp),
}

/// The result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Compacted {
    /// The number of dropped messages.
    pub dropped: u64,
    /// By how many bytes the log has shrunk.
    pub bytes_freed: u64,
    /// Whether the file could not be shrunk because an export or another process was reading it. The next compaction
    /// makes up for it.
    pub is_busy: bool,
}

impl<R: Reducer> Device<R> {
    /// Drops overwritten and deleted messages from this device and shrinks the log.
    ///
    /// The state stays the same, and so does what hosts and other devices have. A message stays if a host still waits
    /// for it, or if everything that came after it for its entity cannot be applied by this build. The dropped messages
    /// are gone from this device's [history](Self::history) and exports, and hosts linked later do not get them; the log
    /// remembers that it had them, so neither sync nor an import brings them back. States before the horizon (see
    /// [`HistoryError`](crate::error::HistoryError)) can no longer be told. It can take a while.
    ///
    /// Only this build decides what can be applied. If a later build panics over a message that this one applied, what the
    /// message overwrote is gone, and the later build shows nothing in its place.
    ///
    /// # Errors
    ///
    /// [`LogError`]; part of the work may be done then, and calling again continues it.
    pub fn compact(&mut self, keep: Keep) -> Result<Compacted, LogError> {
        // What the reducer panics over hides nothing.
        self.mend()?;
        let dropped = match keep {
            Keep::Everything => 0,
            Keep::Latest => self.drop_superseded(Timestamp::MAX)?,
            Keep::Since(time) => self.drop_superseded(time)?,
        };
        if dropped > 0 {
            self.log.write(|writer| writer.note_dropped_names())?;
        }
        self.fold.rest();
        let freed = self.log.shrink()?;
        Ok(Compacted { dropped, bytes_freed: freed.unwrap_or_default(), is_busy: freed.is_none() })
    }

    /// Drops the messages whose place something took that is not after `until`.
    fn drop_superseded(&mut self, until: Timestamp) -> Result<u64, LogError> {
        let mut dropped = 0;
        let mut after = None;
        loop {
            let page = self.log.read(|reader| reader.superseded_page(after.as_ref(), until, BATCH))?;
            let Some(last) = page.last() else { return Ok(dropped) };
            after = Some(*last);
            let droppable = self.log.read(|reader| {
                let mut droppable = Vec::with_capacity(page.len());
                for position in page {
                    if let Some(successor) = self.successor(reader, &position)?
                        && successor.changed <= until
                    {
                        droppable.push((position, successor, reader.is_own_kind(&position.to_bytes())?));
                    }
                }
                Ok(droppable)
            })?;
            dropped += self.log.write(|writer| {
                let mut dropped = 0;
                for (position, successor, is_own_kind) in &droppable {
                    let is_dropped = writer.forget(position, successor)?;
                    dropped += u64::from(is_dropped && !is_own_kind);
                }
                Ok::<_, LogError>(dropped)
            })?;
        }
    }

    /// Returns the first later message of the entity that can be applied: it counts in the place of this one for
    /// everybody who has both.
    fn successor(&self, reader: &LogReader<'_>, position: &Position) -> Result<Option<Position>, LogError> {
        let Some(hidden) = reader.message(position)? else { return Ok(None) };
        let entity = hidden.message.head().entity();
        reader.version_after(entity, position, |later| self.can_hide(reader, &hidden.message, later))
    }

    /// Tells whether a later version of the entity of `hidden` can be applied, so that it hides that one here.
    pub(super) fn can_hide(
        &self,
        reader: &LogReader<'_>,
        hidden: &Message,
        later: &StoredMessage,
    ) -> Result<bool, LogError> {
        if R::IS_EMPTY {
            // What an app makes of a message is known from its last fold. Of later ones, those of a known type can be
            // taken to read as the ones before.
            return Ok(is_alike(hidden, &later.message) && !reader.is_unapplied(&later.position)?);
        }
        let is_readable =
            !matches!(Reading::<R::Event>::of(&later.message), Reading::Unknown { .. } | Reading::Unfit { .. });
        Ok(is_readable && !self.fold.unread().contains(&later.position))
    }
}

/// Tells whether whoever reads a message reads this later version of its entity, too: one of the same type, or a delete.
pub(super) fn is_alike(message: &Message, later: &Message) -> bool {
    Content::of(later).type_name().is_none_or(|name| Content::of(message).type_name() == Some(name))
}
