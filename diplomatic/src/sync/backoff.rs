//! Exponential backoff with jitter, so that devices do not all come back at once.

use std::time::Duration;

use super::SessionConfig;
use super::random::Random;
use super::status::Pause;

/// A local change brings the next attempt forward, but not closer to the last failure than this.
const EAGER: Duration = Duration::from_secs(5);
/// The shortest pause, so that jitter cannot cause a busy loop.
const FLOOR: Duration = Duration::from_millis(100);
/// The longest pause that a host may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// Lets one kind of request through, or holds it back for a while.
#[derive(Debug)]
pub(super) struct Gate {
    failures: u32,
    failed_at: Duration,
    shut: Option<(Duration, Pause)>,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self { failures: 0, failed_at: Duration::ZERO, shut: None }
    }

    pub(super) fn is_open(&self, now: Duration) -> bool {
        self.until().is_none_or(|until| until <= now)
    }

    /// Returns until when it is shut and why, even if that time has passed without a success.
    pub(super) fn shut(&self) -> Option<(Duration, Pause)> {
        self.shut.clone()
    }

    /// Returns until when it is shut, even if that time has passed without a success.
    pub(super) fn until(&self) -> Option<Duration> {
        self.shut.as_ref().map(|(until, _)| *until)
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn on_success(&mut self) {
        *self = Self::new();
    }

    /// Shuts for a random part of a pause that doubles with each consecutive failure, or for as long as the host asks.
    pub(super) fn on_failure(&mut self, now: Duration, pause: Pause, config: &SessionConfig, random: &mut Random) {
        let longest = config.shortest_backoff.saturating_mul(1 << self.failures.min(16)).min(config.longest_backoff);
        self.failures = self.failures.saturating_add(1);
        let asked = pause.asked().unwrap_or_default().min(LONGEST_ASKED);
        self.shut_until(now, now + asked + FLOOR.max(random.part_of(longest)), pause);
    }

    pub(super) fn shut_until(&mut self, now: Duration, until: Duration, pause: Pause) {
        self.failed_at = now;
        self.shut = Some((until, pause));
    }

    /// Tries a little sooner, because there is something to do.
    pub(super) fn hurry(&mut self) {
        if let Some((until, pause @ Pause::Trouble(_))) = &mut self.shut
            && pause.asked().is_none()
        {
            *until = (*until).min(self.failed_at + EAGER);
        }
    }

    /// Tries now and resets the count of failures, because circumstances have changed. A host that asked to be left alone
    /// is left alone all the same.
    pub(super) fn open(&mut self, now: Duration) {
        self.failures = 0;
        if let Some((until, pause)) = &mut self.shut
            && pause.asked().is_none()
        {
            *until = now;
        }
    }
}
