//! The state of second looks: at what was skipped, at what the host claims to have stored before, and at old bags.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::stream::{Garbled, ResponseStream};
use super::{SessionConfig, SkipReason, Skipped};
use crate::order::Position;
use crate::standard::calls::{PullItem, RawPeekItem};
use crate::standard::{BagHead, Message, OpenBagError, OpenedHead, Seq, Signature};

/// The most seqs that one second look covers.
const SPAN: u64 = 1000;
/// Of more unreadable bags, or ranges of them, other devices are not told at once.
const MOST_UNREAD: usize = 100;
/// The pause after the first round that left something unsettled. It quadruples each time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// What was skipped at a host, and what is to be looked at again.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Everything that is noted in the log, by its first seq. The ranges do not overlap.
    skipped: BTreeMap<Seq, SkipReason>,
    /// The seqs whose notes differ from those in the log.
    changed: BTreeSet<Seq>,
    /// Bags that the host claims to have stored under a number from before.
    pub(super) claims: BTreeMap<Seq, Claim>,
    /// A part of the list to check as a matter of routine.
    pub(super) routine: Option<(Seq, Seq)>,
    pub(super) next_routine: Duration,
    /// When the next round begins, and how many in a row left something unsettled.
    next_round: Duration,
    rounds: u32,
    /// Whether the running round came too early for something.
    is_hurried: bool,
    /// The rest of the round: parts of the list to look at, and bodies to fetch.
    pub(super) due: VecDeque<(Seq, Seq)>,
    pub(super) wanted: BTreeMap<Seq, Unsettled>,
    /// How many bodies that nobody asked for the running request may still bring.
    pub(super) tolerated: usize,
    pub(super) review: Option<Review>,
    pub(super) is_in_round: bool,
    /// The bags that the host delivered after all.
    pub(super) opened: Vec<(Seq, Message)>,
}

/// A bag that a host claims to have under a number from before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) position: Position,
    pub(super) signature: Signature,
}

/// A PEEK that looks at a part of the list again.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) items: VecDeque<RawPeekItem>,
    /// The seq that must come next, and the last that is looked at.
    pub(super) next: Seq,
    pub(super) last: Seq,
    /// Whether the response has ended, and as it should.
    pub(super) end: Option<bool>,
}

/// A skipped bag whose body was requested again.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub(super) bag: BagHead,
    pub(super) head: OpenedHead,
}

impl Settling {
    /// Takes everything that the log has noted.
    pub(super) fn load(&mut self, skipped: Vec<Skipped>) {
        *self = Self {
            skipped: skipped.into_iter().map(|skipped| (skipped.seq, skipped.reason)).collect(),
            ..Self::default()
        };
    }

    /// Takes everything that an audit has noted. It is looked at again at once.
    pub(super) fn renew(&mut self, skipped: Vec<Skipped>) {
        let next_routine = self.next_routine;
        self.load(skipped);
        self.next_routine = next_routine;
    }

    /// Returns whether exactly this is noted.
    pub(super) fn is_noted_as(&self, skipped: &[Skipped]) -> bool {
        self.skipped.len() == skipped.len()
            && skipped.iter().all(|skipped| self.skipped.get(&skipped.seq) == Some(&skipped.reason))
    }

    /// Returns how many bags cannot be read, and how many the host leaves out.
    pub(super) fn count(&self) -> (u64, u64) {
        let counts = self.skipped.iter().map(|(seq, reason)| reason.count(*seq));
        counts.fold((0, 0), |sum: (u64, u64), count| (sum.0 + count.0, sum.1.saturating_add(count.1)))
    }

    /// Returns what may hide a message, up to a bound: the heads of bags whose bodies cannot be read, and the first and last
    /// numbers of bags that are left out or cannot be read at all.
    pub(super) fn unread(&self) -> (Vec<BagHead>, Vec<(Seq, Seq)>) {
        let (mut heads, mut bags): (Vec<BagHead>, Vec<(Seq, Seq)>) = (Vec::new(), Vec::new());
        for (seq, reason) in &self.skipped {
            let last = reason.last(*seq);
            match reason {
                SkipReason::Body { head, .. } if heads.len() < MOST_UNREAD => heads.push(head.clone()),
                SkipReason::Body { .. } | SkipReason::Vacant { .. } => {}
                SkipReason::Hole { .. } | SkipReason::Head(_) => {
                    if let Some((_, before)) = bags.last_mut().filter(|(_, before)| before.next() == *seq) {
                        *before = last;
                    } else if bags.len() < MOST_UNREAD {
                        bags.push((*seq, last));
                    }
                }
            }
        }
        (heads, bags)
    }

    /// Returns how many notes there are.
    pub(super) fn len(&self) -> usize {
        self.skipped.len()
    }

    /// Returns what was noted about a seq, with the first seq of that note.
    pub(super) fn noted(&self, seq: Seq) -> Option<(Seq, &SkipReason)> {
        let (first, reason) = self.skipped.range(..=seq).next_back()?;
        (reason.last(*first) >= seq).then_some((*first, reason))
    }

    /// Returns whether everything from `first` to `last` is noted; nothing is to be noted if `last` comes before `first`.
    pub(super) fn covers(&self, first: Seq, last: Seq) -> bool {
        let mut next = first;
        while next <= last {
            let Some((start, reason)) = self.noted(next) else { return false };
            next = reason.last(start).next();
        }
        true
    }

    /// Returns whether something between `first` and `last` is noted that may hide a message.
    pub(super) fn hides_something(&self, first: Seq, last: Seq) -> bool {
        let before = self.noted(first).map(|(_, reason)| reason);
        before
            .into_iter()
            .chain(self.skipped.range(first..=last).map(|(_, reason)| reason))
            .any(SkipReason::hides_something)
    }

    /// Adds what the log has noted meanwhile. It is looked at again at once, then with growing pauses.
    pub(super) fn on_skipped(&mut self, skipped: Vec<Skipped>) {
        for Skipped { seq, reason } in skipped {
            if !matches!(reason, SkipReason::Body { .. }) {
                self.hurry();
            }
            self.skipped.insert(seq, reason);
        }
    }

    /// Changes what is noted about one seq; `None` if it is settled.
    pub(super) fn note(&mut self, seq: Seq, reason: Option<SkipReason>) {
        if let Some((first, covering)) = self.noted(seq) {
            let (covering, last) = (covering.clone(), covering.last(first));
            self.skipped.remove(&first);
            self.changed.insert(first);
            if first < seq {
                self.skipped.insert(first, covering.until(seq.previous()));
            }
            if last > seq {
                self.skipped.insert(seq.next(), covering.until(last));
                self.changed.insert(seq.next());
            }
        }
        if let Some(reason) = reason {
            self.skipped.insert(seq, reason);
            self.changed.insert(seq);
        }
    }

    /// Notes that holes and unreadable bags up to `vouched` hide nothing.
    pub(super) fn vouch(&mut self, vouched: Seq) {
        let vouched_for: Vec<(Seq, Seq)> = self
            .skipped
            .range(..=vouched)
            .filter(|(_, reason)| matches!(reason, SkipReason::Hole { .. } | SkipReason::Head(_)))
            .map(|(seq, reason)| (*seq, reason.last(*seq)))
            .filter(|(_, last)| *last <= vouched)
            .collect();
        for (seq, last) in vouched_for {
            self.skipped.insert(seq, SkipReason::Vacant { last });
            self.changed.insert(seq);
        }
    }

    /// Takes the notes that changed: those to write, and those to remove.
    pub(super) fn take_changes(&mut self) -> (Vec<Skipped>, Vec<Seq>) {
        let mut written = Vec::new();
        let mut removed = Vec::new();
        for seq in std::mem::take(&mut self.changed) {
            match self.skipped.get(&seq) {
                Some(reason) => written.push(Skipped { seq, reason: reason.clone() }),
                None => removed.push(seq),
            }
        }
        (written, removed)
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Makes the next round begin at once.
    pub(super) const fn hurry(&mut self) {
        self.next_round = Duration::ZERO;
        self.rounds = 0;
        self.is_hurried = self.is_in_round;
    }

    /// Makes the next round begin at once, but leaves the pauses after it as they are.
    pub(super) const fn begin_soon(&mut self) {
        self.next_round = Duration::ZERO;
    }

    fn has_work(&self) -> bool {
        self.routine.is_some() || !self.claims.is_empty() || self.skipped.values().any(SkipReason::hides_something)
    }

    /// Returns when the next round begins, if there is anything to look at.
    pub(super) fn next_round(&self) -> Option<Duration> {
        (!self.is_in_round && self.has_work()).then_some(self.next_round)
    }

    /// Returns whether a round is running or due.
    pub(super) fn is_busy(&self, now: Duration) -> bool {
        self.is_in_round || self.next_round().is_some_and(|at| at <= now)
    }

    /// Begins a round, and returns the skipped bags whose heads are known.
    pub(super) fn begin_round(&mut self) -> Vec<(Seq, BagHead)> {
        let unlisted = self.skipped.iter().filter_map(|(seq, reason)| match reason {
            SkipReason::Hole { .. } | SkipReason::Head(_) => Some((*seq, reason.last(*seq))),
            SkipReason::Body { .. } | SkipReason::Vacant { .. } => None,
        });
        let mut parts: Vec<(Seq, Seq)> =
            unlisted.chain(self.claims.keys().map(|seq| (*seq, *seq))).chain(self.routine).collect();
        parts.sort_unstable();
        self.due.clear();
        for (first, last) in parts {
            match self.due.back_mut() {
                Some(part) if last.number() < part.0.number() + SPAN => part.1 = part.1.max(last),
                _ => self.due.push_back((first, last.min(Seq::new(first.number() + SPAN - 1).unwrap_or(last)))),
            }
        }
        self.is_in_round = true;
        self.is_hurried = false;
        let listed = self.skipped.iter().filter_map(|(seq, reason)| match reason {
            SkipReason::Body { head, .. } => Some((*seq, head.clone())),
            _ => None,
        });
        listed.collect()
    }

    /// Ends a round, and sets when the next one begins.
    pub(super) fn end_round(&mut self, now: Duration, config: &SessionConfig) {
        self.abandon_round();
        self.routine = None;
        let pause = FIRST_PAUSE.saturating_mul(1 << (2 * self.rounds.min(8)));
        self.rounds = self.rounds.saturating_add(1);
        if !std::mem::take(&mut self.is_hurried) {
            self.next_round = now + pause.min(config.recheck);
        }
    }

    /// Abandons the rest of the round.
    pub(super) fn abandon_round(&mut self) {
        self.is_in_round = false;
        self.due.clear();
        self.wanted.clear();
        self.review = None;
    }

    /// Takes bodies. What cannot be opened is noted, and left for the next round.
    pub(super) fn on_bodies(
        &mut self,
        unsettled: &mut BTreeMap<Seq, Unsettled>,
        stream: &mut ResponseStream,
    ) -> Result<(), Garbled> {
        let longest = unsettled.values().map(|unsettled| unsettled.head.sealed_body_len()).max().unwrap_or_default();
        let limit = usize::try_from(longest.saturating_add(24)).unwrap_or(usize::MAX);
        while let Some(PullItem { seq, body }) = stream.item(limit)? {
            let Some(Unsettled { bag, head }) = unsettled.remove(&seq) else {
                self.tolerated = self.tolerated.checked_sub(1).ok_or(Garbled)?;
                continue;
            };
            match head.open_body(&body) {
                Ok(message) => self.opened.push((seq, message)),
                Err(error) => self.on_no_body(seq, bag, Some(error)),
            }
        }
        Ok(())
    }

    /// Notes that a bag's body is not to be had.
    pub(super) fn on_no_body(&mut self, seq: Seq, head: BagHead, error: Option<OpenBagError>) {
        let reason = SkipReason::Body { head, error };
        if self.noted(seq).is_none_or(|(_, noted)| *noted != reason) {
            self.note(seq, Some(reason));
        }
    }
}
