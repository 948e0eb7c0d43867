//! Pushing the queue, one PUSH at a time. The log drops a bag only when the host says that it has it.
//!
//! The queue is processed in passes, from its first message to its last. A bag whose answer was lost is sent again with
//! the same bytes, since sealing is deterministic. Messages that the host refuses are set aside and hold up nothing.

use std::time::Duration;

use super::{Purpose, Session};
use crate::standard::calls::{Call, PushOutcome};
use crate::standard::{Encode, MAX_SAFE, Seq, Status};
use crate::sync::pushing::{Flight, Pushed};
use crate::sync::status::{BlockCause, Pause, Refusal};
use crate::sync::{Cursor, Mark, Now, SyncLog};

/// With this many refused messages set aside, the host is not asked to take any more.
const MAX_REFUSED: usize = 1000;
/// How many own bags are listed again by the next PEEK, as a proof that the host kept them.
const PROVED: u64 = 256;

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
            let mut seal = |message: &_| self.keys.seal(message);
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
            pushing.flight =
                Some(Flight { bags: pushed.collect(), bytes: bytes.len(), end: None, head: None, too_large: false });
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
                    let refusal =
                        flight.head.map_or(Refusal::Status(status), |head| Refusal::of_message(status, &head));
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
            let cause = match pushing.last_refusal {
                Some(Refusal::Status(status)) => BlockCause::Refused(status),
                Some(Refusal::OverQuota { .. } | Refusal::OverTraffic { .. }) => BlockCause::OverQuota,
                Some(Refusal::TooLarge) | None => BlockCause::Refused(Status::INVALID_REQUEST),
            };
            let pause = Pause::Blocked(cause);
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
