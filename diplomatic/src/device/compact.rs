//! Dropping what does not count any more.

use super::Device;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::Timestamp;

/// How many messages are dropped in one transaction.
const BATCH: usize = 4_096;

/// What compacting leaves.
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// use diplomatic::compact::Keep;
/// use diplomatic::Timestamp;
///
/// // What was overwritten or deleted in the last year can still be looked up.
/// let a_year_ago = SystemTime::now() - Duration::from_secs(365 * 24 * 3600);
/// let keep = Keep::Since(Timestamp::EPOCH.plus(a_year_ago.duration_since(UNIX_EPOCH)?));
/// # let _ = keep;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keep {
    /// Every message; only unused space goes.
    Everything,
    /// What counts; everything that was overwritten or deleted goes.
    Latest,
    /// What counts, and what happened at this time or later.
    Since(Timestamp),
}

/// What compacting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// How many messages were dropped.
    pub dropped: u64,
    /// How many bytes smaller the log is.
    pub bytes_freed: u64,
}

impl<R: Reducer> Device<R> {
    /// Drops overwritten and deleted messages from this device, and makes the log smaller.
    ///
    /// The state stays the same, and so does what hosts and other devices have. A message that a host still waits for
    /// stays. What is dropped is gone from this device's [history](Self::history) and exports, and from
    /// what hosts linked later get. It can take a while.
    ///
    /// # Errors
    ///
    /// [`LogError`]; some of it may be done then, and calling again goes on.
    pub fn compact(&mut self, keep: Keep) -> Result<Compacted, LogError> {
        let until = match keep {
            Keep::Everything => Timestamp::EPOCH,
            Keep::Latest => Timestamp::MAX,
            Keep::Since(time) => time,
        };
        let mut dropped = 0;
        let mut after = None;
        loop {
            let page = self.log.read(|reader| reader.superseded_page(after.as_ref(), until, BATCH))?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            dropped += self.log.write(|writer| {
                let mut dropped = 0;
                for position in &page {
                    dropped += u64::from(writer.forget(position)?);
                }
                Ok::<_, LogError>(dropped)
            })?;
        }
        let (before, size) = self.log.shrink()?;
        Ok(Compacted { dropped, bytes_freed: before.saturating_sub(size) })
    }
}
