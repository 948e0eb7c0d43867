//! The total order of messages, and the clock that makes it follow cause and effect.

use std::fmt;
use std::time::Duration;

use crate::standard::serde_forms::text_or_bytes;
use crate::standard::{Head, HeadHash, MAX_SAFE, Timestamp};

/// A message's place in the total order: (changed-at, counter, head hash).
///
/// Of two changes to one entity, the one with the larger position wins on every device, in every order of arrival.
/// In JSON it is text, as it displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When the change was made.
    pub changed: Timestamp,
    /// The change's counter.
    pub counter: u64,
    /// The message's identity.
    pub hash: HeadHash,
}

impl Position {
    /// The length of a position's bytes.
    pub const LEN: usize = 48;

    /// Returns the position of the message with this head.
    pub const fn of(head: &Head) -> Self {
        Self { changed: head.changed(), counter: head.counter(), hash: head.hash() }
    }

    /// Returns bytes that sort in the same order.
    ///
    /// ```text
    /// changed-at (8, big-endian) · counter (8, big-endian) · head hash (32)
    /// ```
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.changed.as_millis().to_be_bytes());
        bytes[8..16].copy_from_slice(&self.counter.to_be_bytes());
        bytes[16..].copy_from_slice(self.hash.as_bytes());
        bytes
    }

    /// Decodes the bytes.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (changed, rest) = bytes.split_first_chunk::<8>().expect("a position has 48 bytes");
        let (counter, hash) = rest.split_first_chunk::<8>().expect("a position has 48 bytes");
        Self {
            changed: Timestamp::from_millis(u64::from_be_bytes(*changed)),
            counter: u64::from_be_bytes(*counter),
            hash: HeadHash::from_bytes(*hash.first_chunk().expect("a position has 48 bytes")),
        }
    }

    /// Returns the position's time and counter.
    pub const fn tick(self) -> Tick {
        Tick { changed: self.changed, counter: self.counter }
    }
}

impl From<Position> for [u8; Position::LEN] {
    fn from(position: Position) -> Self {
        position.to_bytes()
    }
}

impl From<[u8; Self::LEN]> for Position {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self::from_bytes(&bytes)
    }
}

/// Shows the hex digits of the position's bytes. Such texts sort like positions.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}{}", self.changed.as_millis(), self.counter, self.hash)
    }
}

text_or_bytes!(Position, Position::LEN, "96 hex digits of a position");

/// A tick of the hybrid logical clock: the changed-at and counter of a new message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick {
    /// When the change is made.
    pub changed: Timestamp,
    /// The change's counter.
    pub counter: u64,
}

/// A hybrid logical clock (Kulkarni et al., 2014) over everything that a device has seen.
///
/// Whatever a device emits sorts after everything it has seen, even if its own clock is slow, and ten thousand events in
/// one millisecond keep their order. Messages further ahead than [`max_ahead`](Self::max_ahead) do not advance the clock,
/// so that a device whose clock is years ahead does not drag all others with it. Only an event that refers to such a
/// message is dated after it, because it would have no effect otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How far ahead of this device's time a message may be before the clock no longer follows it.
    pub max_ahead: Duration,
    /// Whether to refuse an event that would have to be dated further ahead, instead of dating it after what it refers
    /// to.
    pub refuse_beyond: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self { max_ahead: Duration::from_secs(3600), refuse_beyond: false }
    }
}

impl Clock {
    /// Returns the latest time that the clock follows.
    pub fn bound(self, now: Timestamp) -> Timestamp {
        now.plus(self.max_ahead)
    }

    /// Returns the tick for a new change to an entity.
    ///
    /// `earliest` is the earliest time for the change: the entity's creation, or after everything the change refers to.
    /// `last` is the largest tick of the entity's changes so far. `seen(time)` returns the largest tick of all messages
    /// seen that are not later than `time`.
    pub fn next<E>(
        self,
        now: Timestamp,
        earliest: Timestamp,
        last: Option<Tick>,
        mut seen: impl FnMut(Timestamp) -> Result<Option<Tick>, E>,
    ) -> Result<Tick, E> {
        let now = now.min(Timestamp::MAX);
        let latest = seen(self.bound(now))?;
        let followed = latest.map_or(now, |latest| latest.changed.max(now));
        let after_last = last.map_or(earliest, |last| after(last.changed));
        let mut changed = followed.max(after_last).max(earliest);
        let mut last = last;
        loop {
            let same_time = match latest {
                Some(latest) if latest.changed == changed => Some(latest),
                // Only a reference beyond the bound brings us past what is followed: look up what else is there.
                _ if changed > followed => seen(changed)?.filter(|tick| tick.changed == changed),
                _ => None,
            };
            let used = last.into_iter().chain(same_time).map(|tick| tick.counter).max();
            let counter = used.map_or(0, |counter| counter.saturating_add(1));
            if counter <= MAX_SAFE || changed >= Timestamp::MAX {
                return Ok(Tick { changed, counter });
            }
            // Counters are used up at this millisecond; at the next one, time alone puts the change last.
            changed = after(changed);
            last = None;
        }
    }
}

/// Returns the next moment; at the end of time it is the same, where counters alone decide.
pub(crate) fn after(time: Timestamp) -> Timestamp {
    time.plus(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn next(clock: Clock, now: u64, created: u64, last: Option<Tick>, seen: &[Tick]) -> Tick {
        let largest = |time| Ok::<_, Infallible>(seen.iter().filter(|tick| tick.changed <= time).max().copied());
        let Ok(tick) = clock.next(at(now), at(created), last, largest);
        tick
    }

    /// Moments of this hour and the next ones, of 2038 and at the end of time.
    fn moment() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..9_000_000, 2_147_472_000_000_u64..2_147_472_000_005, MAX_SAFE - 2..=MAX_SAFE]
    }

    #[test]
    fn a_clock_that_is_behind_follows_what_was_seen() {
        let seen = [Tick { changed: at(10_000), counter: 7 }];
        assert_eq!(next(Clock::default(), 5, 5, None, &seen), Tick { changed: at(10_000), counter: 8 });
    }

    #[test]
    fn what_is_too_far_ahead_is_not_followed() {
        let seen = [Tick { changed: at(4_000_000), counter: 0 }];
        assert_eq!(next(Clock::default(), 5, 5, None, &seen), Tick { changed: at(5), counter: 0 });
    }

    #[test]
    fn a_change_to_an_entity_from_the_far_future_still_wins() {
        let last = Tick { changed: at(9_000_000), counter: 3 };
        let neighbour = Tick { changed: at(9_000_001), counter: 9 };
        let tick = next(Clock::default(), 5, 5, Some(last), &[last, neighbour]);
        assert_eq!(tick, Tick { changed: at(9_000_001), counter: 10 });
    }

    #[test]
    fn what_refers_to_the_far_future_sorts_after_it_and_after_its_neighbours() {
        let parent = Tick { changed: at(9_000_000), counter: 3 };
        let neighbour = Tick { changed: at(9_000_001), counter: 9 };
        let tick = next(Clock::default(), 5, 9_000_001, None, &[parent, neighbour]);
        assert_eq!(tick, Tick { changed: at(9_000_001), counter: 10 });
    }

    #[test]
    fn at_the_end_of_time_counters_go_on() {
        let last = Tick { changed: Timestamp::MAX, counter: 3 };
        let end = MAX_SAFE;
        assert_eq!(next(Clock::default(), 5, 5, Some(last), &[last]), Tick { changed: at(end), counter: 4 });
        assert_eq!(next(Clock::default(), 5, end, None, &[last]), Tick { changed: at(end), counter: 4 });
        assert_eq!(next(Clock::default(), u64::MAX, 5, None, &[last]), Tick { changed: at(end), counter: 4 });
        assert_eq!(after(Timestamp::MAX), Timestamp::MAX);
    }

    #[test]
    fn used_up_counters_move_to_the_next_millisecond() {
        let last = Tick { changed: at(7), counter: MAX_SAFE };
        assert_eq!(next(Clock::default(), 5, 5, None, &[last]), Tick { changed: at(8), counter: 0 });
        assert_eq!(next(Clock::default(), 5, 5, Some(last), &[last]), Tick { changed: at(9), counter: 0 });
    }

    proptest! {
        #[test]
        fn a_new_change_sorts_after_all_that_was_seen_within_the_bound(
            now in 0_u64..5_000_000,
            seen in proptest::collection::vec((0_u64..6_000_000, 0_u64..5), 0..20),
            entity in any::<Option<proptest::sample::Index>>(),
        ) {
            let seen: Vec<Tick> = seen.into_iter().map(|(ms, counter)| Tick { changed: at(ms), counter }).collect();
            let last = entity.filter(|_| !seen.is_empty()).map(|index| *index.get(&seen));
            let clock = Clock::default();
            let tick = next(clock, now, 0, last, &seen);
            let followed = seen.iter().filter(|tick| tick.changed <= at(now).plus(clock.max_ahead));
            prop_assert!(followed.into_iter().all(|seen| *seen < tick));
            prop_assert!(tick.changed >= at(now));
            if let Some(last) = last {
                prop_assert!(last.changed < tick.changed && last.counter < tick.counter);
            }
        }

        #[test]
        fn a_new_change_sorts_after_what_it_refers_to_whenever_that_was(
            now in moment(),
            seen in proptest::collection::vec((moment(), 0_u64..5), 1..20),
            referred in any::<proptest::sample::Index>(),
            entity in any::<Option<proptest::sample::Index>>(),
        ) {
            let seen: Vec<Tick> = seen.into_iter().map(|(ms, counter)| Tick { changed: at(ms), counter }).collect();
            let referred = *referred.get(&seen);
            let last = entity.map(|index| *index.get(&seen));
            let tick = next(Clock::default(), now, after(referred.changed).as_millis(), last, &seen);
            prop_assert!(tick > referred && tick.changed <= Timestamp::MAX);
            prop_assert!(tick.changed > referred.changed || referred.changed == Timestamp::MAX);
            prop_assert!(seen.iter().all(|seen| seen.changed != tick.changed || seen.counter < tick.counter));
            if let Some(last) = last {
                prop_assert!(tick > last && last.counter < tick.counter);
                prop_assert!(tick.changed > last.changed || last.changed == Timestamp::MAX);
            }
        }

        #[test]
        fn bytes_sort_as_positions_do(
            a in (0_u64..1 << 56, any::<u64>(), any::<[u8; 32]>()),
            b in (0_u64..1 << 56, any::<u64>(), any::<[u8; 32]>()),
        ) {
            let [a, b] = [a, b].map(|(ms, counter, hash)| {
                Position { changed: at(ms), counter, hash: HeadHash::from_bytes(hash) }
            });
            prop_assert_eq!(Position::from_bytes(&a.to_bytes()), a);
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }
    }
}
