//! The engine's notion of time, and its settings.

use std::time::Duration;

use super::PushLimits;
use crate::standard::Timestamp;

/// The current time, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The device's wall clock, right or wrong. It is only used in requests, corrected by the host's clock.
    pub wall: Timestamp,
    /// The time since a fixed moment of the driver's choice, such as its start. It must never run backwards; all timers
    /// use it.
    pub elapsed: Duration,
}

/// The timing and limits of a session. The defaults suit desktops and phones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The limits of one PUSH.
    pub push: PushLimits,
    /// The maximum number of bodies in one PULL, and of messages in one write to the log.
    pub pull_bodies: usize,
    /// The maximum total size of the bodies in one PULL, according to their heads.
    pub pull_bytes: u64,
    /// How many PULLs may run at once, in addition to a PEEK.
    pub pulls: usize,
    /// How many listed bags may wait in memory before reading of the list pauses.
    pub window: usize,
    /// The maximum pause after the first failure. It doubles with each further failure.
    pub shortest_backoff: Duration,
    /// The maximum pause after any failure.
    pub longest_backoff: Duration,
    /// How long a request may go without progress, in either direction, and how long opening a live channel may take.
    pub request_timeout: Duration,
    /// How many bytes of a response must arrive in that time to count as progress.
    pub least_progress: u64,
    /// How long a live channel may be silent before it is pinged.
    pub ping_after: Duration,
    /// How long a live channel may be silent before it is considered dead.
    pub dead_after: Duration,
    /// The shortest and longest interval at which a host without a live channel is polled.
    pub poll: (Duration, Duration),
    /// How often a host with a live channel is polled all the same, and one without is asked for a channel again.
    pub recheck: Duration,
    /// How long a message is set aside after the host refused it.
    pub refused_retry: Duration,
    /// How often a body is requested before it is skipped, if a host lists it but does not deliver it.
    pub body_attempts: u8,
    /// What the driver can do. A [`Client`](crate::Client) sets this itself.
    pub transport: Transport,
}

/// What the driver of a session can do. A browser's sockets can do less than those of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// Whether it can send a [`Ping`](super::Action::Ping). Otherwise, a silent channel is checked with PEEK: what that lists
    /// but the channel did not announce shows that the channel is dead.
    pub pings: bool,
    /// Whether it learns why a host refused a live channel. Otherwise, every refusal is a
    /// [`Closed`](super::LiveEvent::Closed), and a host that answers calls but opens no channel is polled.
    pub tells_refusals: bool,
    /// Whether it reports how much of a request has been sent. Otherwise, a request has more time the larger it is.
    pub reports_sent: bool,
}

impl Transport {
    /// A transport over the sockets of a system.
    pub const FULL: Self = Self { pings: true, tells_refusals: true, reports_sent: true };
    /// A transport over the `fetch` and the `WebSocket` of a browser.
    pub const BROWSER: Self = Self { pings: false, tells_refusals: false, reports_sent: false };
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            push: PushLimits { bags: 500, bytes: 1 << 20 },
            pull_bodies: 1000,
            pull_bytes: 4 << 20,
            pulls: 3,
            window: 8192,
            shortest_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            least_progress: 4 << 10,
            ping_after: Duration::from_secs(30),
            dead_after: Duration::from_secs(60),
            poll: (Duration::from_secs(1), Duration::from_secs(60)),
            recheck: Duration::from_secs(600),
            refused_retry: Duration::from_secs(600),
            body_attempts: 3,
            transport: Transport::FULL,
        }
    }
}
