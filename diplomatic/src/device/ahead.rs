//! Messages dated further in the future than this device's clock follows.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Device;
use super::origin::Origin;
use crate::log::{Extent, LogError};
use crate::reducer::Reducer;
use crate::standard::Timestamp;
use crate::standard::serde_forms::millis;

/// Messages dated further in the future than this device's [`Clock`](crate::order::Clock) follows.
///
/// They count like any others. But until their time comes, they win against changes by devices that have not seen them, so
/// the clock that dated them should be set. The `Display` form is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ahead {
    /// The number of messages.
    pub messages: u64,
    /// The time of the worst one: the latest from elsewhere, or the latest of all if there is none.
    pub worst: Timestamp,
    /// How far the worst one is ahead of this device's time.
    #[serde(with = "millis")]
    pub offset: Duration,
    /// Where the worst one came from.
    pub origin: Origin,
}

impl Ahead {
    /// Returns what the user can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self.origin {
            Origin::ThisDevice => "check this device's clock: these changes outweigh others until that time comes",
            Origin::Host(_) | Origin::File => {
                "set the clock of the device that made them: they outweigh others until that time comes"
            }
        }
    }

    /// Returns whether this describes the same messages as `other`, perhaps at another time.
    #[cfg(feature = "_client")]
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        (self.messages, self.worst, &self.origin) == (other.messages, other.worst, &other.origin)
    }
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, offset, origin, worst: _ } = self;
        let offset = InWords(*offset);
        match messages {
            1 => write!(f, "1 change is dated {offset} ahead of this device's clock; it came from {origin}"),
            _ => write!(
                f,
                "{messages} changes are dated up to {offset} ahead of this device's clock; the worst came from {origin}"
            ),
        }
    }
}

/// Shows a duration for people, in the largest unit with at least two digits or the next smaller one.
pub(crate) struct InWords(pub(crate) Duration);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            0..120 => (seconds, "second"),
            120..7_200 => (seconds / 60, "minute"),
            7_200..172_800 => (seconds / 3_600, "hour"),
            172_800..63_115_200 => (seconds / 86_400, "day"),
            _ => (seconds / 31_557_600, "year"),
        };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

/// The last count, and how long it is valid.
#[derive(Debug)]
pub(super) struct Counted {
    extent: Extent,
    /// The bound at which it was counted, and the first time after that at which it no longer holds.
    bounds: std::ops::Range<Timestamp>,
    ahead: Ahead,
}

impl<R: Reducer> Device<R> {
    /// Returns the messages dated further ahead of `now` than this device's clock follows; `None` if there are none.
    ///
    /// They are counted again only when the log has changed or the time of some of them has come.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn ahead(&mut self, now: Timestamp) -> Result<Option<Ahead>, LogError> {
        let Self { log, clock, counted, .. } = self;
        let bound = clock.bound(now);
        let extent = log.read(|reader| reader.extent())?.filter(|extent| extent.last.changed > bound);
        let Some(extent) = extent else {
            *counted = None;
            return Ok(None);
        };
        if counted.as_ref().is_none_or(|counted| counted.extent != extent || !counted.bounds.contains(&bound)) {
            let found = log.read(|reader| Ok(reader.count_after(bound)?.zip(reader.last_brought_after(bound)?)))?;
            *counted = found.map(|((messages, first), worst)| {
                let (worst, origin) = (worst.position.changed, Origin::of(log.links(), worst.origin));
                let ahead = Ahead { messages, worst, offset: Duration::ZERO, origin };
                Counted { extent, bounds: bound..first.changed, ahead }
            });
        }
        let ahead = counted.as_ref().map(|counted| counted.ahead.clone());
        Ok(ahead.map(|ahead| Ahead { offset: ahead.worst.since(now), ..ahead }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_one_unit() {
        let told = |seconds| InWords(Duration::from_secs(seconds)).to_string();
        assert_eq!(told(1), "1 second");
        assert_eq!(told(61), "61 seconds");
        assert_eq!(told(61 * 60), "61 minutes");
        assert_eq!(told(2 * 3_600), "2 hours");
        assert_eq!(told(4 * 86_400), "4 days");
        assert_eq!(told(4_438 * 86_400), "12 years");
    }
}
