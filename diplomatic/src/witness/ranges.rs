//! Sets of numbers that mostly follow one another.

use serde::{Deserialize, Serialize};

/// With more ranges than this, the closest ones are merged, so that the set may come to hold more than was added.
const MOST: usize = 256;

/// A set of numbers, as ranges (first, last) in order, which neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds `first` to `last`, and tells whether anything of it is new.
    pub(crate) fn add(&mut self, first: u64, last: u64) -> bool {
        if first > last || self.count(first, last) == last - first + 1 {
            return false;
        }
        let start = self.0.partition_point(|(_, end)| end.saturating_add(1) < first);
        let end = self.0.partition_point(|(start, _)| *start <= last.saturating_add(1));
        let merged = self.0[start..end].iter().fold((first, last), |(a, b), (c, d)| (a.min(*c), b.max(*d)));
        self.0.splice(start..end, [merged]);
        self.shorten();
        true
    }

    /// Adds all of another set, and tells whether anything of it is new.
    pub(crate) fn add_all(&mut self, other: &Self) -> bool {
        other.0.iter().fold(false, |is_new, (first, last)| self.add(*first, *last) || is_new)
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.count(number, number) == 1
    }

    /// Returns how many of the numbers from `first` to `last` are in the set.
    pub(crate) fn count(&self, first: u64, last: u64) -> u64 {
        let start = self.0.partition_point(|(_, end)| *end < first);
        let overlaps = self.0[start..].iter().take_while(|(start, _)| *start <= last);
        overlaps.map(|(start, end)| (*end).min(last).saturating_sub((*start).max(first)) + 1).sum()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether this is what only [`add`](Self::add) makes; others may send anything.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.len() <= MOST
            && self.0.iter().all(|(first, last)| first <= last && *last < u64::MAX)
            && self.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0)
    }

    fn shorten(&mut self) {
        while self.0.len() > MOST {
            let closest = (1..self.0.len()).min_by_key(|&at| self.0[at].0 - self.0[at - 1].1).unwrap_or(1);
            let (_, last) = self.0.remove(closest);
            self.0[closest - 1].1 = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_a_set_holds(added in proptest::collection::vec((0_u64..200, 0_u64..10), 0..40)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (first, len) in added {
                let before = set.len();
                set.extend(first..=first + len);
                prop_assert_eq!(ranges.add(first, first + len), set.len() > before);
                prop_assert!(ranges.is_sound());
            }
            for first in 0..210 {
                prop_assert_eq!(ranges.contains(first), set.contains(&first));
                prop_assert_eq!(ranges.count(first, first + 7), set.range(first..=first + 7).count() as u64);
            }
        }
    }

    #[test]
    fn many_ranges_become_fewer_and_keep_what_was_added() {
        let mut ranges = Ranges::default();
        for number in 0..10_000 {
            ranges.add(number * 3, number * 3);
        }
        assert!(ranges.is_sound());
        assert!((0..10_000).all(|number| ranges.contains(number * 3)));
    }

    #[test]
    fn what_others_may_send_is_checked() {
        assert!(!Ranges(vec![(5, 4)]).is_sound());
        assert!(!Ranges(vec![(1, 4), (4, 9)]).is_sound());
        assert!(!Ranges(vec![(1, u64::MAX)]).is_sound());
        assert!(Ranges(vec![(1, 4), (6, 9)]).is_sound());
    }
}
