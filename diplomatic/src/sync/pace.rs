//! Whether a request makes progress.

use std::time::Duration;

use super::SessionConfig;

/// How many bytes on their way the buffers of systems and proxies may hold.
const BUFFERED: u64 = 512 << 10;
/// How many bytes a slow line takes in a second.
const SLOW: u64 = 32 << 10;
/// How many bytes the slowest line takes in a second on which an upload without reports may still succeed.
const SLOWEST: u64 = 8 << 10;

/// The progress of one request. A request without any is given up, and so is one with next to none: a host that sends a
/// byte now and then would occupy a device for ever.
#[derive(Debug)]
pub(super) struct Pace {
    began: Duration,
    /// When there was progress last.
    moved: Duration,
    /// The bytes that have arrived since then; `None` until the response begins.
    arrived: Option<u64>,
    sent: u64,
    /// How long sending took.
    sending: Duration,
    /// How long sending may take where its progress cannot be seen.
    unseen: Duration,
}

impl Pace {
    /// Starts with a request of so many bytes.
    pub(super) const fn new(now: Duration, bytes: usize, config: &SessionConfig) -> Self {
        let unseen = if config.transport.reports_sent { 0 } else { bytes as u64 };
        let unseen = Duration::from_millis(unseen * 1000 / SLOWEST);
        Self { began: now, moved: now, arrived: None, sent: 0, sending: Duration::ZERO, unseen }
    }

    /// Notes that bytes of the response have arrived. The first of them count as progress, however few they are.
    pub(super) fn on_arrival(&mut self, now: Duration, bytes: usize, config: &SessionConfig) {
        let arrived = self.arrived.map_or(u64::MAX, |arrived| arrived.saturating_add(bytes as u64));
        self.arrived = Some(arrived);
        if arrived >= config.least_progress {
            self.moved = self.moved.max(now);
            self.arrived = Some(0);
        }
    }

    /// Notes how many bytes of the request have been sent so far.
    pub(super) fn on_sent(&mut self, now: Duration, bytes: u64) {
        if bytes > self.sent {
            self.sent = bytes;
            self.moved = self.moved.max(now);
            self.sending = self.moved - self.began;
        }
    }

    /// Stops the clock: the response is not read at the moment.
    pub(super) fn pause(&mut self, now: Duration) {
        self.moved = self.moved.max(now);
    }

    /// Returns when the request is to be given up.
    ///
    /// What was sent may still wait in buffers on its way, so the answer has more time the longer sending took, and the more
    /// the buffers may hold.
    pub(super) fn deadline(&self, config: &SessionConfig) -> Duration {
        let patience = config.request_timeout;
        if self.arrived.is_some() {
            return self.moved + patience;
        }
        let buffered = Duration::from_millis(self.sent.min(BUFFERED) * 1000 / SLOW);
        self.moved + patience + buffered.max(self.sending.min(patience * 2)).max(self.unseen)
    }

    /// Returns whether the response has begun.
    pub(super) const fn has_response(&self) -> bool {
        self.arrived.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Transport;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_drip_is_no_progress_but_a_slow_line_is() {
        let config = SessionConfig::default();
        let mut drip = Pace::new(Duration::ZERO, 0, &config);
        let mut slow = Pace::new(Duration::ZERO, 0, &config);
        for second in 1..=120 {
            drip.on_arrival(SECOND * second, 1, &config);
            slow.on_arrival(SECOND * second, 300, &config);
        }
        assert_eq!(drip.deadline(&config), SECOND * 31);
        assert!(slow.deadline(&config) > SECOND * 120);
    }

    #[test]
    fn what_was_sent_slowly_has_time_to_arrive() {
        let config = SessionConfig::default();
        let mut pace = Pace::new(Duration::ZERO, 0, &config);
        for second in 1..=45 {
            pace.on_sent(SECOND * second, u64::from(second) * 65_536);
        }
        // The same count again is no progress.
        pace.on_sent(SECOND * 60, 45 * 65_536);
        assert_eq!(pace.deadline(&config), SECOND * (45 + 30 + 45));
        pace.on_arrival(SECOND * 80, 20, &config);
        assert_eq!(pace.deadline(&config), SECOND * 110);
    }

    #[test]
    fn an_upload_whose_progress_cannot_be_seen_has_the_time_of_a_slow_line() {
        let config = SessionConfig { transport: Transport::BROWSER, ..SessionConfig::default() };
        let pace = |bytes| Pace::new(Duration::ZERO, bytes, &config).deadline(&config);
        assert_eq!((pace(0), pace(1 << 20)), (SECOND * 30, SECOND * (30 + 128)));
        let mut answered = Pace::new(Duration::ZERO, 1 << 20, &config);
        answered.on_arrival(SECOND, 20, &config);
        assert_eq!(answered.deadline(&config), SECOND * 31);
    }
}
