//! Time as the engine is told it, and what can be tuned.

use std::time::Duration;

use super::PushLimits;
use crate::standard::Timestamp;

/// The time at which something happens to a session, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The device's wall clock, right or wrong. It only goes into requests, corrected by what the host's clock says.
    pub wall: Timestamp,
    /// Time since some fixed moment of the driver's choice, such as its start. It never runs backwards, and every
    /// timer is measured by it.
    pub elapsed: Duration,
}

/// How a session paces itself. The default suits a desktop or a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The most that one PUSH carries.
    pub push: PushLimits,
    /// The most bodies that one PULL asks for, and the most messages that one write to the log takes.
    pub pull_bodies: usize,
    /// The most bytes of bodies that one PULL asks for, as their heads announce them.
    pub pull_bytes: u64,
    /// How many PULLs run at once beside a PEEK.
    pub pulls: usize,
    /// How many listed bags may wait in memory; above that, the list is not read on.
    pub window: usize,
    /// How long the pause after the first failure is at most; it doubles with each further one.
    pub shortest_backoff: Duration,
    /// What no pause after a failure is longer than.
    pub longest_backoff: Duration,
    /// How long a request or a live channel's opening may go without a byte.
    pub request_timeout: Duration,
    /// How long a live channel may be silent before it is pinged.
    pub ping_after: Duration,
    /// How long a live channel may be silent before it counts as dead.
    pub dead_after: Duration,
    /// The shortest and the longest pause between two looks at a host without a live channel.
    pub poll: (Duration, Duration),
    /// How often a host with a live channel is peeked anyway, and one without is asked for it again.
    pub recheck: Duration,
    /// How long a message that the host refused is set aside.
    pub refused_retry: Duration,
    /// How often a body that a host listed and does not deliver is asked for before it is skipped.
    pub body_attempts: u8,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            push: PushLimits { bags: 500, bytes: 1 << 20 },
            pull_bodies: 1000,
            pull_bytes: 4 << 20,
            pulls: 2,
            window: 8192,
            shortest_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            ping_after: Duration::from_secs(30),
            dead_after: Duration::from_secs(60),
            poll: (Duration::from_secs(1), Duration::from_secs(60)),
            recheck: Duration::from_secs(600),
            refused_retry: Duration::from_secs(600),
            body_attempts: 3,
        }
    }
}
