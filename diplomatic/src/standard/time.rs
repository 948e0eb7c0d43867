//! Times in milliseconds since the Unix epoch, and the offset between two clocks.

use std::fmt;
use std::time::Duration;

use super::bytes::{Decode, DecodeError, Encode, MAX_SAFE, Reader, put_varint};

/// A time in milliseconds since the Unix epoch.
///
/// Computed times are at most [`Timestamp::MAX`]; only a decoded one may be later.
///
/// ```
/// use std::time::Duration;
///
/// use diplomatic::standard::Timestamp;
///
/// let noon = Timestamp::from_millis(1_764_000_000_000);
/// let later = noon.plus(Duration::from_secs(90));
/// assert_eq!(later.since(noon), Duration::from_secs(90));
/// assert!(noon < later);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "engine", derive(serde::Serialize))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// The latest time that every client can read: 2^53 - 1 ms, about 285,000 years after the epoch.
    pub const MAX: Self = Self(MAX_SAFE);

    /// Returns the time `millis` milliseconds after the epoch, capped at [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > MAX_SAFE { MAX_SAFE } else { millis })
    }

    /// Returns the milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the time `duration` later, in whole milliseconds and capped at [`Timestamp::MAX`].
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Returns how much later this is than `earlier`, or zero if it is not later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(feature = "engine")]
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_millis)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl Encode for Timestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0);
    }
}

impl Decode for Timestamp {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.varint().map(Self)
    }
}

/// How many milliseconds another clock is ahead of ours; negative if it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// Makes an offset of `millis`.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the offset in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Measures the offset as NTP does (RFC 5905, section 8) from the four times of one exchange, rounded towards zero.
    pub fn measure(client_sent: Timestamp, received: Timestamp, sent: Timestamp, client_got: Timestamp) -> Self {
        // All four are below 2^56, so that no difference or sum leaves an i64.
        let [t1, t2, t3, t4] = [client_sent, received, sent, client_got].map(|time| time.0.cast_signed());
        Self(((t2 - t1) + (t3 - t4)) / 2)
    }

    /// Returns what the other clock shows when ours shows `time`.
    pub const fn apply(self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.0.saturating_add_signed(self.0))
    }
}
