//! Times of the standard and those of jiff.

use crate::standard::Timestamp;

/// In whole milliseconds. A time before 1970 counts as 1970.
impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self::from_millis(time.as_millisecond().try_into().unwrap_or_default())
    }
}

/// A time after the year 9999 counts as the latest that jiff can express.
impl From<Timestamp> for jiff::Timestamp {
    fn from(time: Timestamp) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self::from_millisecond(millis).unwrap_or(Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_jiff_go_both_ways_and_never_overflow() {
        let time = Timestamp::from_millis(1_764_000_000_123);
        let there = jiff::Timestamp::from(time);
        assert_eq!(there.to_string(), "2025-11-24T16:00:00.123Z");
        assert_eq!(Timestamp::from(there), time);
        assert_eq!(Timestamp::from(jiff::Timestamp::MIN), Timestamp::EPOCH);
        assert_eq!(jiff::Timestamp::from(Timestamp::MAX), jiff::Timestamp::MAX);
        assert_eq!(jiff::Timestamp::from(Timestamp::EPOCH), jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(Timestamp::from(jiff::Timestamp::MAX).to_string(), "9999-12-30T22:00:00.999Z");
    }
}
