//! Giving a host what the log holds back until the host has everything else.

use super::Session;
use crate::order::Position;
use crate::standard::Timestamp;
use crate::sync::{Now, SyncLog, Unread};

impl Session {
    /// Asks the log for more once everything is read and pushed, and looked at again where it could not be read.
    pub(super) fn request_held<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let is_drained = self.pushing.is_drained(now.elapsed) && self.reading.has_caught_up();
        if is_drained && !self.settling.is_busy(now.elapsed) && self.witnessing.is_due(now.elapsed) {
            let drained = log.on_drained(now.wall, self.keys.public_key(), self.unread())?;
            self.witnessing.on_drained(now.elapsed, drained);
            if drained.wants_bodies {
                self.fetching.is_due = true;
                self.request_wanted(now, log)?;
            }
            if drained.compare
                && let Some(cursor) = &mut self.cursor
            {
                cursor.audited_at = Timestamp::EPOCH;
                self.reading.peek_wanted = true;
                self.witnessing.is_asked = true;
            }
            if drained.queued {
                self.recount = true;
                self.pushing.on_pending();
                self.request_push(now, log)?;
            }
        }
        Ok(())
    }

    /// Returns what may be missing here because of what the host lists.
    fn unread(&self) -> Unread {
        let (heads, bags) = self.settling.unread();
        let opened = self.keys.open_heads(&heads);
        Unread { messages: opened.iter().flatten().map(|opened| Position::of(opened.head())).collect(), bags }
    }
}
