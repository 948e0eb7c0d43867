//! Removing attachments that nothing refers to.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Device;
use super::attach::body_of;
use crate::attachment::{ChunkName, Leaves, mentions};
use crate::log::{LogError, LogReader, Unused};
use crate::reducer::Reducer;
use crate::standard::Timestamp;

/// What became of attachments that nothing refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RemovedAttachments {
    /// How many parts were removed.
    pub parts: u64,
    /// How many bytes of them were on this device.
    pub bytes: u64,
    /// How many more parts nothing refers to, which have to wait until the grace period is over.
    pub waiting: u64,
    /// How many attachments there are of which it is not known what parts they have, because a list of theirs is not on this
    /// device. Nothing is removed while there are any.
    pub undecided: u64,
}

impl<R: Reducer> Device<R> {
    /// Removes the parts of attachments to which no message in the log refers, if none did for all of `grace`, and tells the
    /// other devices, which keep their own copies until they do the same.
    ///
    /// The grace period runs from the first call that finds a part unused, so that it is called now and then, for example
    /// with [`compact`](Self::compact). Messages that are overwritten or deleted count until compaction drops them: undo and
    /// restore find what they bring back.
    ///
    /// # Errors
    ///
    /// [`LogError`]; nothing is removed then.
    pub fn remove_unused_attachments(
        &mut self,
        now: Timestamp,
        grace: Duration,
    ) -> Result<RemovedAttachments, LogError> {
        self.mend()?;
        let Used { names, undecided } = self.log.read(used)?;
        if undecided > 0 {
            return Ok(RemovedAttachments { undecided, ..RemovedAttachments::default() });
        }
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let removed = self.log.write(|writer| writer.drop_unused(&names, now, grace));
        let Unused { dropped: parts, bytes, waiting } = self.checked(removed)?;
        Ok(RemovedAttachments { parts, bytes, waiting, undecided })
    }
}

/// The parts to which messages refer.
#[derive(Default)]
struct Used {
    names: HashSet<ChunkName>,
    undecided: u64,
}

fn used(reader: &LogReader<'_>) -> Result<Used, LogError> {
    let mut attachments = HashSet::new();
    reader.each(|stored| attachments.extend(stored.message.body().map(mentions).into_iter().flatten()))?;
    let mut used = Used::default();
    for attachment in attachments {
        used.names.extend(attachment.roots());
        let leaves = Leaves::of(&attachment, |name| {
            used.names.insert(*name);
            body_of(reader, name)
        })?;
        match leaves {
            Leaves::All(parts) => used.names.extend(parts.into_iter().map(|(name, _)| name)),
            Leaves::Unknown(_) => used.undecided += 1,
            // It is no address of an attachment.
            Leaves::Mismatch => {}
        }
    }
    Ok(used)
}
