//! When the log is asked for what it holds back until a host has everything else.

use std::time::Duration;

use super::Drained;

/// When the log is asked for what it holds back.
#[derive(Debug, Default)]
pub(super) struct Witnessing {
    /// Something may have changed since the log was asked.
    pub(super) is_asked: bool,
    /// When there will be something if nothing happens before.
    pub(super) again_at: Option<Duration>,
    pub(super) withheld: u64,
}

impl Witnessing {
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.is_asked || self.again_at.is_some_and(|at| at <= now)
    }

    pub(super) fn on_drained(&mut self, now: Duration, drained: Drained) {
        self.is_asked = false;
        self.again_at = drained.again_in.map(|pause| now + pause);
        self.withheld = drained.withheld;
    }
}
