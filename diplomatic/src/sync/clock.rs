//! An estimate of the host's clock, from its answers.

use std::time::Duration;

use super::Now;
use crate::standard::calls::ResponseHead;
use crate::standard::{ClockOffset, Timestamp};

/// Smaller offsets are not reported.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// The offset of the host's clock from the device's.
#[derive(Debug, Default)]
pub(super) struct HostClock {
    offset: ClockOffset,
}

impl HostClock {
    /// Returns the host's time, for an auth timestamp.
    pub(super) fn time(&self, now: Now) -> Timestamp {
        self.offset.apply(now.wall)
    }

    /// Takes a measurement from one exchange, and returns whether it changed anything.
    ///
    /// The true offset is within half the exchange's travel time of the measurement. So the estimate moves only as far
    /// as it must, and a slow exchange says little.
    pub(super) fn measure(&mut self, sent: Timestamp, head: &ResponseHead, got: Timestamp) -> bool {
        let before = self.offset;
        let measured = ClockOffset::measure(sent, head.received, head.sent, got).as_millis();
        let travelled = got.since(sent).saturating_sub(head.sent.since(head.received));
        let doubt = i64::try_from(travelled.as_millis() / 2).unwrap_or(i64::MAX);
        let offset = before.as_millis().clamp(measured.saturating_sub(doubt), measured.saturating_add(doubt));
        self.offset = ClockOffset::from_millis(offset);
        self.offset != before
    }

    pub(super) fn worth_telling(&self) -> Option<ClockOffset> {
        let distance = Duration::from_millis(self.offset.as_millis().unsigned_abs());
        (distance > WORTH_TELLING).then_some(self.offset)
    }
}
