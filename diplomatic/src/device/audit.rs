//! The differences between a host and this device.

use std::collections::HashSet;

use super::Device;
use crate::log::{LogError, LogReader};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{EntityId, Head, HeadHash, Label, OpenedHead, Timestamp};

/// A message that one side has but the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The message's entity.
    pub entity: EntityId,
    /// When the change was made.
    pub changed: Timestamp,
    /// The message's identity.
    pub hash: HeadHash,
    /// Why it is missing; `None` if there is no good reason.
    pub reason: Option<MissingReason>,
}

/// A good reason for a message to be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingReason {
    /// A later message of the entity is there. Compaction drops such messages.
    Overwritten,
    /// It waits to be sent.
    Queued,
}

impl<R: Reducer> Device<R> {
    /// Returns the messages of a host that this device does not have.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn missing_here(&self, on_host: &[OpenedHead]) -> Result<Vec<Missing>, LogError> {
        self.log.read(|reader| {
            let mut missing = Vec::new();
            for head in on_host.iter().map(OpenedHead::head) {
                if !reader.contains(&Position::of(head))? {
                    missing.push(missing_message(
                        head,
                        is_overwritten(reader, head)?.then_some(MissingReason::Overwritten),
                    ));
                }
            }
            Ok(missing)
        })
    }

    /// Returns the messages of this device that the host with this label does not have.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn missing_there(&self, label: &Label, on_host: &HashSet<HeadHash>) -> Result<Vec<Missing>, LogError> {
        let link = self.log.links().iter().find(|link| *link.label == *label && link.is_linked).map(|link| link.number);
        self.log.read(|reader| {
            let mut missing = Vec::new();
            reader.each_position(|position| {
                if on_host.contains(&position.hash) {
                    return Ok(());
                }
                let Some(stored) = reader.message(&position)? else { return Ok(()) };
                let is_queued = link.map_or(Ok(false), |link| reader.is_queued(link, &position))?;
                missing.push(missing_message(stored.message.head(), is_queued.then_some(MissingReason::Queued)));
                Ok(())
            })?;
            Ok(missing)
        })
    }
}

fn missing_message(head: &Head, reason: Option<MissingReason>) -> Missing {
    Missing { entity: head.entity().clone(), changed: head.changed(), hash: head.hash(), reason }
}

fn is_overwritten(reader: &LogReader<'_>, head: &Head) -> Result<bool, LogError> {
    Ok(reader.winner(head.entity())?.is_some_and(|winner| winner.position > Position::of(head)))
}
