//! What the sockets of one user were told, in the order of the seqs.

use std::collections::BTreeMap;

use bytes::Bytes;
use diplomatic::standard::Seq;

/// How many frames wait for the ones before them; those that follow are read from the store when their turn comes.
const EARLY: usize = 64;

/// A frame, and the seqs that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) bytes: Bytes,
}

/// Lets frames pass by seq, whatever the order in which they come, and knows which seqs are missing.
///
/// Pushes are answered on many threads, so that their frames overtake each other; those of another process, or of a
/// caller who has gone, do not come at all.
#[derive(Debug)]
pub(super) struct Order {
    /// Up to here everything was told.
    told: Seq,
    /// Up to here there are bags.
    last: Seq,
    early: BTreeMap<Seq, Told>,
}

/// Seqs that nobody was told of: those above `after` and up to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) after: Seq,
    pub(super) last: Seq,
}

impl Order {
    pub(super) const fn after(told: Seq) -> Self {
        Self { told, last: told, early: BTreeMap::new() }
    }

    /// Takes a frame, and returns the frames whose turn it is.
    pub(super) fn take(&mut self, frame: Told) -> Vec<Told> {
        self.hear_of(frame.last);
        let is_due = frame.first == self.told.next();
        // What was told by half is told from the store to the end. What is due never waits, or the gap would stay for ever.
        if frame.first > self.told && (is_due || self.early.len() < EARLY) {
            self.early.insert(frame.first, frame);
        }
        let mut due = Vec::new();
        while let Some(next) = self.early.first_entry() {
            if *next.key() > self.told.next() {
                break;
            }
            let next = next.remove();
            if next.first > self.told {
                self.told = next.last;
                due.push(next);
            }
        }
        due
    }

    /// Returns up to where everything was told.
    pub(super) const fn told(&self) -> Seq {
        self.told
    }

    /// Notes that there are bags up to `last`.
    pub(super) fn hear_of(&mut self, last: Seq) {
        self.last = self.last.max(last);
    }

    /// Passes over seqs up to `last`, which the store does not have.
    pub(super) fn skip(&mut self, gap: Gap) -> Vec<Told> {
        self.take(Told { first: gap.after.next(), last: gap.last, bytes: Bytes::new() })
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        let before_early = self.early.first_key_value().and_then(|(first, _)| Seq::new(first.number() - 1));
        let last = before_early.unwrap_or(self.last);
        (self.told < last).then_some(Gap { after: self.told, last })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn told(first: u64, last: u64) -> Told {
        Told { first: seq(first), last: seq(last), bytes: Bytes::from(format!("{first}-{last}")) }
    }

    #[test]
    fn frames_wait_for_the_ones_before_them() {
        let mut order = Order::after(seq(5));
        assert_eq!(order.take(told(8, 9)), []);
        assert_eq!(order.gap(), Some(Gap { after: seq(5), last: seq(7) }));
        assert_eq!(order.take(told(7, 7)), []);
        assert_eq!(order.take(told(6, 6)), [told(6, 6), told(7, 7), told(8, 9)]);
        assert_eq!(order.gap(), None);
        assert_eq!(order.take(told(6, 6)), [], "nothing is told twice");
    }

    #[test]
    fn what_is_only_heard_of_is_missing_until_it_comes() {
        let mut order = Order::after(seq(0));
        order.hear_of(seq(3));
        assert_eq!(order.gap(), Some(Gap { after: seq(0), last: seq(3) }));
        assert_eq!(order.take(told(1, 2)), [told(1, 2)]);
        assert_eq!(order.take(told(1, 3)), [], "a frame that was told by half does not pass");
        assert_eq!(order.gap(), Some(Gap { after: seq(2), last: seq(3) }));
    }

    #[test]
    fn what_fills_the_gap_passes_however_many_frames_wait_for_it() {
        let mut order = Order::after(seq(0));
        let early: Vec<Told> = (2..200).map(|number| told(number, number)).collect();
        early.iter().for_each(|frame| assert_eq!(order.take(frame.clone()), []));
        assert_eq!(order.gap(), Some(Gap { after: seq(0), last: seq(1) }));
        let due = order.take(told(1, 1));
        assert_eq!(due, [&[told(1, 1)], &early[..EARLY]].concat());
        assert_eq!(order.gap(), Some(Gap { after: seq(65), last: seq(199) }));
    }

    proptest! {
        #[test]
        fn every_seq_is_told_once_and_by_seq_whatever_comes_in_which_order(
            sizes in proptest::collection::vec(1..4_u64, 1..100),
            shuffle in any::<u64>(),
            lost in proptest::collection::vec(any::<bool>(), 100),
        ) {
            use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
            let mut end = 0;
            let mut frames: Vec<_> = sizes.iter().map(|size| { end += size; told(end - size + 1, end) }).collect();
            frames.shuffle(&mut StdRng::seed_from_u64(shuffle));
            let mut order = Order::after(Seq::ZERO);
            let mut heard = Vec::new();
            for (frame, lost) in frames.into_iter().zip(lost) {
                if lost {
                    order.hear_of(frame.last);
                } else {
                    heard.extend(order.take(frame));
                }
            }
            while let Some(gap) = order.gap() {
                heard.extend(order.take(told(gap.after.number() + 1, gap.last.number())));
            }
            let seqs = heard.iter().flat_map(|told| told.first.number()..=told.last.number());
            prop_assert!(seqs.eq(1..=end));
        }
    }
}
