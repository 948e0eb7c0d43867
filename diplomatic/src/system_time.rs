//! Times of the standard and those of the system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::standard::Timestamp;

/// What every system can express, about 28,500 years after 1970.
const LATEST: Duration = Duration::from_secs(900_000_000_000);

/// In whole milliseconds. A time before 1970 counts as 1970, one after [`Timestamp::MAX`] as that.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::EPOCH.plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// A time that not every system can express counts as the latest that every one can, about the year 30,490.
impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(time.as_millis()).min(LATEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_system_go_both_ways_and_never_overflow() {
        let time = Timestamp::from_millis(1_764_000_000_123);
        assert_eq!(Timestamp::from(SystemTime::from(time)), time);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::EPOCH);
        let far = SystemTime::from(Timestamp::MAX);
        assert_eq!(far.duration_since(UNIX_EPOCH).ok(), Some(LATEST));
    }
}
