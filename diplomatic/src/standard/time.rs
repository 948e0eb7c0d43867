//! Times in milliseconds since the Unix epoch, and the offset between two clocks.

use std::fmt;
use std::time::Duration;

use super::bytes::{Decode, DecodeError, Encode, MAX_SAFE, Reader, put_varint};

/// A time in milliseconds since the Unix epoch. It displays as a date and time in UTC, and converts to and from
/// [`SystemTime`](std::time::SystemTime), and, with the feature `jiff`, jiff's `Timestamp`.
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
/// assert_eq!(later.to_string(), "2025-11-24T16:01:30.000Z");
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

impl Timestamp {
    /// Returns the year, month and day in UTC.
    pub(crate) const fn date(self) -> (u64, u64, u64) {
        date(self.0 / DAY)
    }
}

#[cfg(feature = "engine")]
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_millis)
    }
}

/// The date and time in UTC, as in RFC 3339: `2025-11-24T16:00:00.000Z`. Years after 9999 take more digits than that
/// allows.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let of_day = self.0 % DAY;
        let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1_000)
    }
}

/// Milliseconds.
const DAY: u64 = 24 * 3_600_000;

/// Returns the date of a day since 1970-01-01, in the Gregorian calendar.
///
/// Counted from the first of March, the leap day is the last of its year, and the months repeat 31, 30, 31, 30 and 31
/// days.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + days / 146_097 * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
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
#[cfg_attr(feature = "engine", derive(serde::Serialize, serde::Deserialize))]
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
