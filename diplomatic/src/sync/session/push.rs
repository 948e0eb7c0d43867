//! Pushing the queue, one PUSH at a time. The log drops a bag only when the host says that it has it.
//!
//! The queue is processed in passes, from its first message to its last. A bag whose answer was lost is sent again with
//! the same bytes, since sealing is deterministic. Messages that the host refuses are set aside and hold up nothing.

use std::time::Duration;

use super::{Purpose, Session};
use crate::standard::calls::{Call, PushOutcome};
use crate::standard::{Encode, Seq, Status};
use crate::sync::pushing::{Flight, Pushed, SMALL};
use crate::sync::settling::Claim;
use crate::sync::status::{BlockCause, Pause, Refusal, Trouble};
use crate::sync::{Cursor, Mark, Now, RefusedMessage, SyncLog};

/// With this many refused messages set aside, the host is not asked to take any more.
const MAX_REFUSED: usize = 1000;
/// How many own bags are listed again by the next PEEK, as a proof that the host kept them.
const PROVED: u64 = 256;
/// How long an acknowledged bag may take to be announced on the live channel.
const ECHO: Duration = Duration::from_secs(2);
/// How long messages wait at most for reading to come to an end before they are pushed all the same.
const PATIENCE: Duration = Duration::from_secs(30);

impl Session {
    pub(super) fn push_timers(&self) -> [Option<Duration>; 4] {
        let pushing = &self.pushing;
        let retry = pushing.gate.until();
        let patience = pushing.waiting_since.map(|since| since + PATIENCE);
        [retry, (!pushing.refused.is_empty()).then_some(pushing.refused_until), self.proof_due(), patience]
    }

    /// Returns whether the queue has waited so long for reading that it is pushed in between. A host that is busy, or that
    /// lists without end, must not keep changes from the other devices.
    pub(super) fn may_push_meanwhile(&mut self, now: Now) -> bool {
        let is_waiting = self.pushing.is_due && self.status.pending > self.pushing.refused() && !self.pushing.is_busy();
        if !is_waiting {
            self.pushing.waiting_since = None;
            return false;
        }
        let since = *self.pushing.waiting_since.get_or_insert(now.elapsed);
        since + PATIENCE <= now.elapsed
            && self.reading.gate.is_open(now.elapsed)
            && self.reading.audit.is_none()
            && self.cursor.is_some_and(|cursor| cursor.caught_up && !cursor.is_suspect)
    }

    /// Sends the next PUSH, if something is queued.
    pub(super) fn request_push<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let pushing = &mut self.pushing;
        if !pushing.refused.is_empty() && pushing.refused_until <= now.elapsed {
            pushing.try_refused();
            pushing.refused_until = now.elapsed + self.config.refused_retry;
        }
        while pushing.is_due && pushing.flight.is_none() && pushing.gate.is_open(now.elapsed) {
            let outgoing = match pushing.take_prepared() {
                Some(prepared) => prepared,
                None => log.outgoing(pushing.after, pushing.limits, &mut |message| self.keys.seal(message))?,
            };
            let Some(last) = outgoing.last() else {
                let from_the_start = pushing.after.take().is_none();
                if pushing.refused.is_empty() {
                    // A push that failed may have come through after all.
                    pushing.gate.on_success();
                }
                pushing.is_due = std::mem::take(&mut pushing.is_due_again) && !from_the_start;
                continue;
            };
            pushing.is_at_attachments = last.is_attachment;
            let last = last.position;
            let bags = pushing.choose(outgoing);
            if bags.is_empty() {
                pushing.after = Some(last);
                continue;
            }
            let mut bytes = Vec::new();
            let pushed = bags.into_iter().map(|outgoing| {
                let before = bytes.len();
                outgoing.bag.encode(&mut bytes);
                Pushed {
                    position: outgoing.position,
                    is_attachment: outgoing.is_attachment,
                    signature: outgoing.bag.head.signature,
                    bytes: bytes.len() - before,
                    head: outgoing.bag.head,
                    outcome: None,
                    seen: false,
                }
            });
            pushing.waiting_since = None;
            let bags = pushed.collect();
            let (since, size) = (now.elapsed, bytes.len());
            pushing.flight =
                Some(Flight { since, bags, bytes: size, answers: 0, end: None, head: None, obstacle: None });
            self.request(now, Call::Push, Purpose::Push, |body| body.extend_from_slice(&bytes));
            break;
        }
        Ok(())
    }

    /// Tells the log what became of a PUSH that has ended.
    ///
    /// A host can claim anything. An acknowledgement counts if it names a new number that no other bag of the PUSH got: the
    /// host must list the bag there from now on. One that names an old number is checked before it counts.
    pub(super) fn acknowledge<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let Some(flight) = self.pushing.flight.take_if(|flight| flight.end.is_some()) else { return Ok(()) };
        let end = self.reading.window.end().unwrap_or(self.cursor.unwrap_or_default().seq);
        let plausible = flight.plausible();
        let mut stored = Vec::new();
        let (mut marks, mut numbers) = (Vec::new(), Vec::new());
        let mut fault = None;
        for pushed in &flight.bags {
            match pushed.outcome {
                None => fault = fault.or(Some(Trouble::Garbled)),
                Some(PushOutcome::Refused(status)) => {
                    let refusal =
                        flight.head.map_or(Refusal::Status(status), |head| Refusal::of_message(status, &head));
                    self.set_aside(now, pushed, refusal);
                }
                Some(PushOutcome::Stored(seq)) => {
                    if pushed.seen || self.reading.places.get(&seq) == Some(&pushed.signature) {
                        stored.push(pushed.position);
                    } else if !plausible.contains(&seq) {
                        fault = Some(Trouble::FalseAcknowledgement);
                    } else if seq > end {
                        stored.push(pushed.position);
                        numbers.extend(pushed.is_attachment.then_some((seq, pushed.position)));
                        marks.push(Mark { seq, signature: pushed.signature });
                    } else {
                        let claim = Claim { position: pushed.position, signature: pushed.signature };
                        self.settling.claims.insert(seq, claim);
                        self.settling.hurry();
                    }
                }
            }
        }
        if !stored.is_empty() {
            if !numbers.is_empty() {
                log.note_numbers(&numbers)?;
            }
            let cursor = self.follow_own(now, marks);
            log.acknowledge(&stored, cursor)?;
            self.storage.on_success();
            self.cursor = cursor.or(self.cursor);
            self.recount = true;
            self.channel.on_activity(&self.config);
            self.pushing.on_stored(&stored);
        }
        self.finish_flight(now, &flight, fault);
        Ok(())
    }

    /// Sets a message aside that does not get to the host, and notes which one it is.
    fn set_aside(&mut self, now: Now, pushed: &Pushed, refusal: Refusal) {
        // Our host has no status of its own for a body that is larger than it takes.
        let is_large = refusal == Refusal::Status(Status::INVALID_REQUEST) && pushed.bytes >= SMALL;
        let refusal = if is_large { Refusal::TooLarge } else { refusal };
        self.pushing.on_refused(now.elapsed, pushed.position, refusal, &self.config);
        self.pushing.last_refused = self.keys.open_head(&pushed.head).ok().map(|opened| RefusedMessage {
            entity: opened.head().entity().clone(),
            changed: pushed.position.changed,
            bytes: pushed.bytes as u64,
        });
    }

    fn finish_flight(&mut self, now: Now, flight: &Flight, fault: Option<Trouble>) {
        let ended_well = matches!(flight.end, Some(None));
        if let Some(refusal) = self.pushing.verdict(flight)
            && let [only] = flight.bags.as_slice()
            && only.outcome.is_none()
            && !only.seen
        {
            self.set_aside(now, only, refusal);
            // That was the cause, so the others need not wait.
            self.pushing.gate.on_success();
        }
        let pushing = &mut self.pushing;
        if ended_well && fault.is_none() {
            let starts_over = std::mem::take(&mut pushing.starts_over);
            pushing.after = flight.bags.last().map(|pushed| pushed.position).filter(|_| !starts_over);
            pushing.grow(now.elapsed.saturating_sub(flight.since));
        } else {
            pushing.after = None;
        }
        if let Some(fault) = fault.filter(|_| ended_well) {
            // The host kept silent about some bags, or lied.
            let pause = Pause::Trouble(fault);
            pushing.gate.on_failure(now.elapsed, pause, &self.config, &mut self.random);
            self.reading.peek_wanted = true;
        } else if pushing.refused.len() >= MAX_REFUSED {
            let cause = match pushing.last_refusal {
                Some(Refusal::Status(status)) => BlockCause::Refused(status),
                Some(Refusal::OverQuota { .. } | Refusal::OverTraffic { .. }) => BlockCause::OverQuota,
                Some(Refusal::NotListed) => BlockCause::LosesBags,
                Some(Refusal::TooLarge | Refusal::NotTaken | Refusal::Undelivered) | None => {
                    BlockCause::Refused(Status::INVALID_REQUEST)
                }
            };
            let pause = Pause::Blocked(cause);
            pushing.gate.shut_until(now.elapsed, pushing.refused_until, pause);
        }
    }

    /// Returns the cursor after the host acknowledged bags with new numbers: it moves over those that follow it without a
    /// gap, and remembers the last one, which the host must list from now on.
    fn follow_own(&mut self, now: Now, mut marks: Vec<Mark>) -> Option<Cursor> {
        let mut cursor = self.cursor?;
        marks.sort_by_key(|mark| mark.seq);
        let last = *marks.last()?;
        if let Some(listing) = &mut self.reading.listing {
            listing.is_outdated = true;
        }
        if cursor.own.is_some_and(|own| own.seq >= last.seq) {
            self.reading.peek_wanted = true;
            return None;
        }
        cursor.own = Some(last);
        self.pushing.acknowledged_at = now.elapsed;
        marks.iter().for_each(|mark| self.reading.remember(*mark));
        if self.reading.window.is_empty() {
            for mark in &marks {
                if mark.seq == cursor.seq.next() {
                    cursor.advance(mark.seq);
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

    /// Returns when to look whether the host lists what it acknowledged last, unless it is seen before.
    pub(super) fn proof_due(&self) -> Option<Duration> {
        self.cursor?.own?;
        Some(if self.channel.is_coming() { self.pushing.acknowledged_at + ECHO } else { self.pushing.acknowledged_at })
    }
}
