//! Giving a host what the log holds back until the host has everything else.

use super::Session;
use crate::sync::{Now, SyncLog};

impl Session {
    /// Asks the log for more once everything is read and pushed.
    pub(super) fn request_held<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let is_drained = self.pushing.is_drained(now.elapsed) && self.reading.has_caught_up();
        if is_drained && self.witnessing.is_due(now.elapsed) {
            let drained = log.on_drained(now.wall, self.keys.public_key())?;
            self.witnessing.on_drained(now.elapsed, drained);
            if drained.queued {
                self.recount = true;
                self.pushing.on_pending();
                self.request_push(now, log)?;
            }
        }
        Ok(())
    }
}
