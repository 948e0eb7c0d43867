//! The listed bags after the cursor, and what is known about each, ordered by seq.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use super::{Arrival, Mark, Received, SessionConfig, SkipReason, Skipped, SyncLog};
use crate::order::Position;
use crate::standard::{BagHead, Head, HeadHash, Message, OpenBagError, OpenedHead, SealedBody, Seq};

/// How much longer a sealed body is: a nonce and a tag.
const SEALING: u64 = 24 + 16;
/// The pause before a body is requested again. It quadruples each time.
const LATE_BODY: Duration = Duration::from_millis(100);
/// How many full PULLs may be received or in flight: those that run at once, and those that wait to be written.
const HEAVY: u64 = 6;
/// The pause before looking whether a body has come from another host, and how often that is done before it is requested
/// here: a host may be slow.
const ELSEWHERE: Duration = Duration::from_millis(100);
const MOST_PUT_OFF: u8 = 20;

/// Listed bags, ordered by seq. They leave in this order, and only when they are complete, so a cursor that follows them
/// skips nothing.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: BTreeMap<Seq, Slot>,
    /// The last seq that was added: that of the last slot, or the end of a hole.
    end: Option<Seq>,
    /// Bags whose bodies are to be pulled now, and those to be pulled later.
    wanted: BTreeSet<Seq>,
    late: BTreeSet<(Duration, Seq)>,
    /// The bodies that are to be opened.
    sealed: Vec<Sealed>,
    /// The number of complete bags at the front, the last of them, and the size of their bodies.
    front: usize,
    front_end: Option<Seq>,
    front_bytes: u64,
    /// The size of all bodies received or requested.
    bytes: u64,
}

#[derive(Debug)]
struct Slot {
    /// The head as listed; `None` for a hole, and for a bag whose head does not decode.
    bag: Option<BagHead>,
    attempts: u8,
    /// How often its body was not requested because another host was asked for it.
    put_off: u8,
    state: State,
}

#[derive(Debug)]
enum State {
    Known(Position),
    Ready(Message),
    /// Its body stays at the host.
    Deferred(Head),
    Wanted(Box<OpenedHead>),
    /// Its body is here and is not opened yet.
    Sealed(Box<OpenedHead>),
    Skipped(SkipReason),
}

/// A body that is to be opened.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) seq: Seq,
    pub(super) head: OpenedHead,
    pub(super) body: SealedBody,
}

/// What is known about a listed bag.
#[derive(Debug)]
pub(super) enum Found {
    /// Its message is in the log.
    Known(Position),
    /// Its message is not in the log.
    New(Box<OpenedHead>),
    /// Its message is not in the log, and its body stays at the host for now.
    Deferred(Box<OpenedHead>),
    /// Its head cannot be opened, or not even decoded (`None`).
    Unreadable(Option<OpenBagError>),
}

impl Found {
    /// Leaves a new message's body at the host if the log wants it so.
    pub(super) fn defer<L: SyncLog + ?Sized>(self, log: &L) -> Self {
        match self {
            Self::New(head) if log.defers(head.head()) => Self::Deferred(head),
            other => other,
        }
    }
}

/// The complete bags at the front, ready for the log.
#[derive(Debug)]
pub(super) struct Front {
    /// What to store, without a cursor.
    pub(super) received: Received,
    /// The last seq.
    pub(super) end: Seq,
    /// The last bag; `None` if there was none that the host listed properly.
    pub(super) last: Option<Mark>,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the last bag's seq.
    pub(super) fn end(&self) -> Option<Seq> {
        self.end
    }

    /// Returns the number of complete bags at the front, and the size of their bodies.
    pub(super) const fn front(&self) -> (usize, u64) {
        (self.front, self.front_bytes)
    }

    /// Adds a bag after the last one.
    pub(super) fn append(&mut self, seq: Seq, bag: Option<BagHead>, found: Found) {
        let state = match found {
            Found::Known(position) => State::Known(position),
            Found::Deferred(head) => State::Deferred(head.head().clone()),
            Found::Unreadable(error) => State::Skipped(SkipReason::Head(error)),
            Found::New(head) if head.head().is_delete() => match head.open_body(&SealedBody::default()) {
                Ok(message) => State::Ready(message),
                Err(error) => State::Skipped(SkipReason::Head(Some(error))),
            },
            Found::New(head) => {
                self.wanted.insert(seq);
                State::Wanted(head)
            }
        };
        self.add(seq, seq, bag, state);
    }

    /// Adds a hole after the last bag: seqs that the host does not list.
    pub(super) fn append_hole(&mut self, first: Seq, last: Seq) {
        self.add(first, last, None, State::Skipped(SkipReason::Hole { last }));
    }

    fn add(&mut self, seq: Seq, end: Seq, bag: Option<BagHead>, state: State) {
        debug_assert!(self.end.is_none_or(|end| end < seq), "bags are added in order");
        self.slots.insert(seq, Slot { bag, attempts: 0, put_off: 0, state });
        self.end = Some(end);
        self.advance_front();
    }

    /// Takes the body that the host sent for a bag, if it is wanted. It has to be opened next.
    pub(super) fn fill(&mut self, seq: Seq, body: SealedBody) {
        let Some(slot) = self.slots.get_mut(&seq) else { return };
        match std::mem::replace(&mut slot.state, State::Skipped(SkipReason::Head(None))) {
            State::Wanted(head) => {
                if self.wanted.remove(&seq) {
                    self.bytes = self.bytes.saturating_add(sealed_len(&head));
                }
                self.sealed.push(Sealed { seq, head: OpenedHead::clone(&head), body });
                slot.state = State::Sealed(head);
            }
            other => slot.state = other,
        }
    }

    /// Returns the bodies that came since the last call, for [`on_opened`](Self::on_opened).
    pub(super) fn take_sealed(&mut self) -> Vec<Sealed> {
        std::mem::take(&mut self.sealed)
    }

    /// Takes an opened body. If it could not be opened, it is requested again a few times, then the bag is skipped.
    pub(super) fn on_opened(
        &mut self,
        now: Duration,
        seq: Seq,
        opened: Result<Message, OpenBagError>,
        config: &SessionConfig,
    ) {
        let Some(slot) = self.slots.get_mut(&seq).filter(|slot| matches!(slot.state, State::Sealed(_))) else { return };
        match opened {
            Ok(message) => {
                slot.state = State::Ready(message);
                self.advance_front();
            }
            Err(error) => self.on_no_body(now, seq, Some(error), config),
        }
    }

    /// Takes note that the host did not send a body that it should have sent.
    pub(super) fn miss(&mut self, now: Duration, seq: Seq, config: &SessionConfig) {
        if self.slots.get(&seq).is_some_and(|slot| matches!(slot.state, State::Wanted(_))) {
            self.on_no_body(now, seq, None, config);
        }
    }

    fn on_no_body(&mut self, now: Duration, seq: Seq, error: Option<OpenBagError>, config: &SessionConfig) {
        let Some(slot) = self.slots.get_mut(&seq) else { return };
        let head = match std::mem::replace(&mut slot.state, State::Skipped(SkipReason::Head(error))) {
            State::Wanted(head) | State::Sealed(head) => head,
            other => {
                slot.state = other;
                return;
            }
        };
        if !self.wanted.remove(&seq) {
            self.bytes = self.bytes.saturating_sub(sealed_len(&head));
        }
        slot.attempts += 1;
        if slot.attempts < config.body_attempts {
            self.late.insert((now + LATE_BODY * (1 << (2 * slot.attempts.min(8))), seq));
            slot.state = State::Wanted(head);
            return;
        }
        if let Some(head) = &slot.bag {
            slot.state = State::Skipped(SkipReason::Body { head: head.clone(), error });
        }
        self.advance_front();
    }

    /// Requests bodies again whose PULL failed as a whole.
    pub(super) fn want_again(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        for seq in seqs {
            if let Some(Slot { state: State::Wanted(head), .. }) = self.slots.get(&seq)
                && self.wanted.insert(seq)
            {
                self.bytes = self.bytes.saturating_sub(sealed_len(head));
            }
        }
    }

    /// Puts the request for a body off, because another host is asked for it; false if that has been so for too long.
    pub(super) fn put_off(&mut self, now: Duration, seq: Seq) -> bool {
        let Some(slot) = self.slots.get_mut(&seq).filter(|slot| slot.put_off < MOST_PUT_OFF) else { return false };
        slot.put_off += 1;
        if let State::Wanted(head) = &slot.state {
            self.bytes = self.bytes.saturating_sub(sealed_len(head));
        }
        self.late.insert((now + ELSEWHERE, seq));
        true
    }

    /// Takes note that a message has come from another host, and returns its position.
    pub(super) fn on_come(&mut self, seq: Seq) -> Option<Position> {
        let slot = self.slots.get_mut(&seq)?;
        let State::Wanted(head) = &slot.state else { return None };
        self.bytes = self.bytes.saturating_sub(sealed_len(head));
        let position = Position::of(head.head());
        slot.state = State::Known(position);
        self.advance_front();
        Some(position)
    }

    /// Returns the head of a bag whose body is to be pulled.
    pub(super) fn wanted_head(&self, seq: Seq) -> Option<&Head> {
        match &self.slots.get(&seq)?.state {
            State::Wanted(head) => Some(head.head()),
            _ => None,
        }
    }

    /// Makes bodies wanted again whose pause is over.
    pub(super) fn wake(&mut self, now: Duration) {
        while let Some(&(due, seq)) = self.late.first()
            && due <= now
        {
            self.late.pop_first();
            self.wanted.insert(seq);
        }
    }

    /// Returns when the next pause for a body is over.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        self.late.first().map(|(due, _)| *due)
    }

    /// Returns the number of bodies that could be requested now.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Returns whether so many bodies are received or in flight that only the first one should be requested.
    pub(super) const fn is_heavy(&self, config: &SessionConfig) -> bool {
        self.bytes > config.pull_bytes.saturating_mul(HEAVY)
    }

    /// Chooses the bodies for one PULL in order, within the limits but at least one.
    pub(super) fn choose(&mut self, config: &SessionConfig) -> Vec<Seq> {
        let mut bytes = 0_u64;
        let mut chosen = Vec::new();
        for &seq in self.wanted.iter().take(config.pull_bodies) {
            bytes = bytes.saturating_add(self.expected_len(seq).unwrap_or_default());
            if !chosen.is_empty() && bytes > config.pull_bytes {
                break;
            }
            chosen.push(seq);
        }
        for seq in &chosen {
            self.wanted.remove(seq);
            self.bytes = self.bytes.saturating_add(self.expected_len(*seq).unwrap_or_default());
        }
        chosen
    }

    /// Returns whether the first wanted body is the one that the log waits for.
    pub(super) fn waits_for_wanted(&self) -> bool {
        self.wanted.first().is_some_and(|first| self.first_incomplete().is_some_and(|seq| seq == *first))
    }

    /// Returns the length that the sealed body must have, if it is wanted.
    pub(super) fn expected_len(&self, seq: Seq) -> Option<u64> {
        match &self.slots.get(&seq)?.state {
            State::Wanted(head) => Some(sealed_len(head)),
            _ => None,
        }
    }

    /// Takes complete bags from the front, within the limits of one write to the log.
    pub(super) fn take_front(&mut self, config: &SessionConfig) -> Option<Front> {
        let mut received = Received::default();
        let (mut end, mut last) = (None, None);
        let (mut bags, mut bytes) = (0_u64, 0_u64);
        let mut seen: HashSet<HeadHash> = HashSet::new();
        while self.front > 0 && bags < config.pull_bodies as u64 && bytes < config.pull_bytes {
            let Some((seq, Slot { bag, state, attempts: _, put_off: _ })) = self.slots.pop_first() else { break };
            self.front -= 1;
            bags += 1;
            end = Some(seq);
            last = bag.map(|bag| Mark { seq, signature: bag.signature }).or(last);
            match state {
                State::Known(position) => received.known.push((seq, position)),
                State::Deferred(head) => received.listed.push((seq, head)),
                State::Skipped(reason) => {
                    end = Some(reason.last(seq));
                    received.skipped.push(Skipped { seq, reason });
                }
                State::Ready(message) => {
                    let len = sealed_len_of(message.head().body_len());
                    bytes += len;
                    self.front_bytes = self.front_bytes.saturating_sub(len);
                    self.bytes = self.bytes.saturating_sub(len);
                    if seen.insert(message.head().hash()) {
                        received.messages.push(Arrival { seq, message });
                    } else {
                        received.known.push((seq, Position::of(message.head())));
                    }
                }
                State::Wanted(_) | State::Sealed(_) => debug_assert!(false, "a bag at the front is complete"),
            }
        }
        self.front_end = self.front_end.filter(|_| self.front > 0);
        if self.slots.is_empty() {
            self.bytes = 0;
            self.end = None;
        }
        end.map(|end| Front { received, end, last })
    }

    fn first_incomplete(&self) -> Option<Seq> {
        match self.front_end {
            None => self.slots.first_key_value().map(|(seq, _)| *seq),
            Some(end) => self.slots.range(end.next()..).next().map(|(seq, _)| *seq),
        }
    }

    fn advance_front(&mut self) {
        while let Some(seq) = self.first_incomplete() {
            match self.slots.get(&seq).map(|slot| &slot.state) {
                None | Some(State::Wanted(_) | State::Sealed(_)) => break,
                Some(State::Ready(message)) => self.front_bytes += sealed_len_of(message.head().body_len()),
                Some(State::Known(_) | State::Deferred(_) | State::Skipped(_)) => {}
            }
            self.front += 1;
            self.front_end = Some(seq);
        }
    }
}

fn sealed_len(head: &OpenedHead) -> u64 {
    sealed_len_of(head.head().body_len())
}

const fn sealed_len_of(body_len: u64) -> u64 {
    if body_len == 0 { 0 } else { body_len.saturating_add(SEALING) }
}
