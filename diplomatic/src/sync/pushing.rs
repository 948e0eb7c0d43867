//! Pushing the queue: one PUSH at a time, and the log forgets a bag only when the host says that it has it.
//!
//! The queue is gone through in passes, from its first message to its last. The log keeps the sealed bags, so that a
//! bag whose answer was lost goes out again with the same bytes. What the host refuses is set aside and holds up
//! nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::action::Failure;
use super::backoff::Gate;
use super::session::{Purpose, Session};
use super::status::{BlockCause, Pause, Refusal};
use super::stream::ResponseStream;
use super::{Cursor, Mark, Now, PushLimits, SessionConfig, SyncLog};
use crate::order::Position;
use crate::standard::calls::{Call, PushItem, PushOutcome};
use crate::standard::{DecodeError, Encode, MAX_SAFE, Seq, Signature, Status};

/// The most bytes that the answer for one bag takes: two varints and a status.
const MAX_ANSWER: usize = 17;
/// With this many refused messages set aside, the host is not asked to take any more.
const MAX_REFUSED: usize = 1000;
/// How many own bags are listed again by the next PEEK, as a proof that the host kept them.
const PROVED: u64 = 256;

/// What pushing has come to.
#[derive(Debug)]
pub(super) struct Pushing {
    pub(super) gate: Gate,
    most: PushLimits,
    limits: PushLimits,
    flight: Option<Flight>,
    /// Where the pass through the queue has come to, whether there is one, and whether another is due after it.
    after: Option<Position>,
    is_due: bool,
    is_due_again: bool,
    refused: BTreeMap<Position, Refusal>,
    refused_until: Duration,
    last_refusal: Option<Refusal>,
}

/// One PUSH, until the log knows what became of it.
#[derive(Debug)]
struct Flight {
    bags: Vec<Pushed>,
    bytes: usize,
    /// Set when the response has ended, with what cut it short.
    end: Option<Option<Pause>>,
    too_large: bool,
}

#[derive(Debug)]
struct Pushed {
    position: Position,
    signature: Signature,
    outcome: Option<PushOutcome>,
    /// The host has listed or announced the bag meanwhile.
    seen: bool,
}

impl Pushing {
    pub(super) const fn new(config: &SessionConfig) -> Self {
        Self {
            gate: Gate::new(),
            most: config.push,
            limits: config.push,
            flight: None,
            after: None,
            is_due: true,
            is_due_again: false,
            refused: BTreeMap::new(),
            refused_until: Duration::ZERO,
            last_refusal: None,
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.len() as u64
    }

    pub(super) fn last_refusal(&self) -> Option<Refusal> {
        self.last_refusal.filter(|_| !self.refused.is_empty())
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    /// Tells whether nothing is to be pushed now.
    pub(super) fn is_resting(&self, now: Duration) -> bool {
        self.flight.is_none() && (!self.is_due || !self.gate.is_open(now))
    }

    pub(super) fn on_pending(&mut self) {
        self.is_due_again = self.is_due;
        self.is_due = true;
    }

    /// Drops what is on its way; the queue is gone through from its start.
    pub(super) fn forget(&mut self) {
        self.flight = None;
        self.after = None;
        self.is_due = true;
    }

    /// Takes note that the host has a message, whatever becomes of the answer.
    pub(super) fn on_seen(&mut self, position: Position) {
        let flight = self.flight.iter_mut().flat_map(|flight| &mut flight.bags);
        for pushed in flight.filter(|pushed| pushed.position == position) {
            pushed.seen = true;
        }
        self.refused.remove(&position);
    }

    /// Takes answers. One for a bag that was not pushed, or that has one already, changes nothing.
    pub(super) fn on_answers(&mut self, stream: &mut ResponseStream) -> Result<(), DecodeError> {
        while let Some(PushItem { index, outcome }) = stream.item(MAX_ANSWER)? {
            let flight = self.flight.as_mut();
            if let Some(pushed) = flight.and_then(|flight| flight.bags.get_mut(index as usize)) {
                pushed.outcome.get_or_insert(outcome);
            }
        }
        Ok(())
    }

    pub(super) const fn on_end(&mut self, failed: Option<Pause>) {
        if let Some(flight) = &mut self.flight {
            flight.end = Some(failed);
        }
    }

    /// Makes the next PUSH smaller if its size may be what failed, and tells whether the host is to be left alone for
    /// a while.
    pub(super) fn on_transport_failure(&mut self, failure: Failure) -> bool {
        let Some(flight) = &mut self.flight else { return true };
        let too_large = failure == Failure::HttpStatus(413);
        if matches!(failure, Failure::Cut | Failure::Timeout) || too_large {
            self.limits.bags = (flight.bags.len() / 2).max(1);
            self.limits.bytes = (flight.bytes / 2).max(1);
        }
        flight.too_large = too_large;
        !too_large
    }

    fn on_refused(&mut self, now: Duration, position: Position, refusal: Refusal, config: &SessionConfig) {
        if self.refused.is_empty() {
            self.refused_until = now + config.refused_retry;
        }
        self.refused.insert(position, refusal);
        self.last_refusal = Some(refusal);
    }
}

impl Session {
    pub(super) fn push_timers(&self) -> [Option<Duration>; 2] {
        let pushing = &self.pushing;
        let retry = pushing.gate.shut().map(|(until, _)| until);
        [retry, (!pushing.refused.is_empty()).then_some(pushing.refused_until)]
    }

    /// Sends the next PUSH, if something is queued.
    pub(super) fn request_push<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let pushing = &mut self.pushing;
        if !pushing.refused.is_empty() && pushing.refused_until <= now.elapsed {
            pushing.refused.clear();
            pushing.after = None;
            pushing.is_due = true;
        }
        while pushing.is_due && pushing.flight.is_none() && pushing.gate.is_open(now.elapsed) {
            let mut seal = |message: &_| self.keys.seal(message, &mut self.random);
            let outgoing = log.outgoing(pushing.after, pushing.limits, &mut seal)?;
            let Some(last) = outgoing.last() else {
                let from_the_start = pushing.after.take().is_none();
                if pushing.refused.is_empty() {
                    // A push that failed may have come through after all.
                    pushing.gate.on_success();
                }
                pushing.is_due = std::mem::take(&mut pushing.is_due_again) && !from_the_start;
                continue;
            };
            let last = last.position;
            let bags: Vec<_> =
                outgoing.into_iter().filter(|outgoing| !pushing.refused.contains_key(&outgoing.position)).collect();
            if bags.is_empty() {
                pushing.after = Some(last);
                continue;
            }
            let mut bytes = Vec::new();
            bags.iter().for_each(|outgoing| outgoing.bag.encode(&mut bytes));
            let pushed = bags.into_iter().map(|outgoing| Pushed {
                position: outgoing.position,
                signature: outgoing.bag.head.signature,
                outcome: None,
                seen: false,
            });
            pushing.flight = Some(Flight { bags: pushed.collect(), bytes: bytes.len(), end: None, too_large: false });
            self.request(now, Call::Push, Purpose::Push, |body| body.extend_from_slice(&bytes));
            break;
        }
        Ok(())
    }

    /// Tells the log what became of a PUSH that has ended.
    pub(super) fn acknowledge<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let Some(flight) = self.pushing.flight.take_if(|flight| flight.end.is_some()) else { return Ok(()) };
        let mut stored = Vec::new();
        let mut marks = Vec::new();
        let mut unanswered = false;
        for pushed in &flight.bags {
            match pushed.outcome {
                None => unanswered = true,
                Some(PushOutcome::Refused(status)) => {
                    let refusal = Refusal::Status(status);
                    self.pushing.on_refused(now.elapsed, pushed.position, refusal, &self.config);
                }
                Some(PushOutcome::Stored(seq)) => {
                    stored.push(pushed.position);
                    if !pushed.seen {
                        marks.push(Mark { seq, signature: pushed.signature });
                    }
                }
            }
        }
        if !stored.is_empty() {
            let cursor = self.follow_own(marks);
            log.acknowledge(&stored, cursor)?;
            self.storage.on_success();
            self.cursor = cursor.or(self.cursor);
            self.recount = true;
            self.channel.on_activity(&self.config);
        }
        self.finish_flight(now, &flight, unanswered);
        Ok(())
    }

    fn finish_flight(&mut self, now: Now, flight: &Flight, unanswered: bool) {
        let pushing = &mut self.pushing;
        let ended_well = matches!(flight.end, Some(None));
        match flight.bags.as_slice() {
            [only] if flight.too_large => {
                pushing.on_refused(now.elapsed, only.position, Refusal::TooLarge, &self.config);
            }
            _ if ended_well && !unanswered => {
                pushing.after = flight.bags.last().map(|pushed| pushed.position);
                pushing.limits.bags = (pushing.limits.bags * 2).min(pushing.most.bags);
                pushing.limits.bytes = (pushing.limits.bytes * 2).min(pushing.most.bytes);
            }
            _ => pushing.after = None,
        }
        if ended_well && unanswered {
            // The host kept silent about some bags.
            let pause = Pause::Trouble(super::Trouble::Garbled);
            pushing.gate.on_failure(now.elapsed, pause, &self.config, &mut self.random);
            self.reading.peek_wanted = true;
        } else if pushing.refused.len() >= MAX_REFUSED {
            let status = match pushing.last_refusal {
                Some(Refusal::Status(status)) => status,
                _ => Status::INVALID_REQUEST,
            };
            let pause = Pause::Blocked(BlockCause::Refused(status));
            pushing.gate.shut_until(now.elapsed, pushing.refused_until, pause);
        }
    }

    /// Returns the cursor after the host acknowledged bags: it moves over those that follow it without a gap, and
    /// remembers the last one, which the host must list from now on.
    ///
    /// An answer that names a place where everything was read, for a bag that was not seen there, is a reason to look
    /// at the host again: it gave the bag its number earlier, or it was restored and counts anew.
    fn follow_own(&mut self, mut marks: Vec<Mark>) -> Option<Cursor> {
        let mut cursor = self.cursor?;
        let end = self.reading.window.end().unwrap_or(cursor.seq);
        marks.sort_by_key(|mark| mark.seq);
        let (first, last) = (*marks.first()?, *marks.last()?);
        let is_odd = first.seq <= end || last.seq.number() > MAX_SAFE;
        if is_odd || cursor.own.is_some_and(|own| own.seq >= last.seq) {
            self.reading.peek_wanted = true;
            return None;
        }
        cursor.own = Some(last);
        marks.iter().for_each(|mark| self.reading.remember(*mark));
        if self.reading.window.is_empty() {
            for mark in &marks {
                if mark.seq == cursor.seq.next() {
                    cursor.seq = mark.seq;
                }
            }
        }
        // What others pushed in between comes by the live channel, or by looking.
        self.reading.peek_wanted |= last.seq > cursor.seq;
        let proved = cursor.read.map_or(Seq::ZERO, |mark| mark.seq);
        if cursor.seq == last.seq && cursor.seq.number() - proved.number() > PROVED {
            // Listing all of it again only to see it there would be too much.
            cursor.read = Some(last);
            cursor.own = None;
        }
        Some(cursor)
    }
}
