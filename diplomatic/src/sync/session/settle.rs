//! Second looks at a host: at holes and unreadable bags, at acknowledgements that name old numbers, and at a part of the
//! old bags now and then.
//!
//! A round lists the parts of the host's list that are in question and stops reading there, then fetches the bodies that
//! turned up. What stays unsettled is looked at again after growing pauses. If an old bag that is not in question is gone
//! or another one, the host has lost bags.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Purpose, Session};
use crate::order::Position;
use crate::standard::calls::{Call, PeekRequest, PullRequest, RawPeekItem};
use crate::standard::{BagHead, Encode, MAX_SAFE, Seq};
use crate::sync::reading::{Evidence, MAX_LISTED};
use crate::sync::settling::{Review, Unsettled};
use crate::sync::status::Refusal;
use crate::sync::stream::{Garbled, ResponseStream};
use crate::sync::window::Found;
use crate::sync::{Arrival, Now, Received, SkipReason, SyncLog};

/// The maximum number of bodies requested again at once.
const BATCH: usize = 100;
/// How many old bags a routine check looks at.
const ROUTINE: u64 = 256;

/// Messages that a host turns out to have.
#[derive(Default)]
struct Confirmed {
    listed: Vec<(Seq, Position)>,
    /// It said that it has them, under a number from before.
    claimed: Vec<Position>,
}

impl Session {
    /// Reads from the log what was skipped, and plans the first round.
    pub(super) fn load_skipped<L: SyncLog + ?Sized>(&mut self, log: &L) -> Result<(), L::Error> {
        self.settling.load(log.skipped()?);
        Ok(())
    }

    pub(super) fn settling_timers(&self) -> [Option<Duration>; 2] {
        [self.settling.next_round(), Some(self.settling.next_routine)]
    }

    /// Plans a check of some old bags, those after the ones checked last. The last few are checked by every PEEK.
    fn plan_routine_check(&mut self, now: Now) {
        if now.elapsed < self.settling.next_routine || self.settling.is_in_round {
            return;
        }
        self.settling.next_routine = now.elapsed + self.config.recheck;
        self.reading.is_audit_wanted = true;
        let Some(cursor) = self.cursor.filter(|cursor| cursor.caught_up && !cursor.is_suspect) else { return };
        let end = cursor.read.map_or(Seq::ZERO, |mark| mark.seq).number().saturating_sub(super::read::PROOF);
        let first = if cursor.checked.number() < end { cursor.checked.number() + 1 } else { 1 };
        let last = (first + ROUTINE - 1).min(end);
        self.settling.routine = Seq::new(first).zip(Seq::new(last)).filter(|(first, last)| first <= last);
        if self.settling.routine.is_some() {
            self.settling.begin_soon();
        }
    }

    /// Sends the next request of the round.
    pub(super) fn request_unsettled<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        self.plan_routine_check(now);
        if self.settling.next_round().is_some_and(|at| at <= now.elapsed) {
            let listed = self.settling.begin_round();
            self.want_bodies(listed, log)?;
        }
        let is_asking = self.is_requested(|purpose| matches!(purpose, Purpose::Settle(_) | Purpose::Review));
        if !self.settling.is_in_round || is_asking || !self.reading.gate.is_open(now.elapsed) {
            return Ok(());
        }
        if !self.settling.wanted.is_empty() {
            let mut batch = BTreeMap::new();
            while batch.len() < BATCH
                && let Some((seq, unsettled)) = self.settling.wanted.pop_first()
            {
                batch.insert(seq, unsettled);
            }
            let request = PullRequest { seqs: batch.keys().copied().collect() };
            self.settling.tolerated = batch.len();
            self.request(now, Call::Pull, Purpose::Settle(batch), |body| request.encode(body));
        } else if let Some((first, last)) = self.settling.due.pop_front() {
            let after = first.previous();
            self.settling.review = Some(Review { items: VecDeque::new(), next: first, last, end: None });
            self.request(now, Call::Peek, Purpose::Review, |body| PeekRequest { after }.encode(body));
        } else {
            self.end_round(now, log)?;
            // Something new may have come up during the round.
            if self.settling.is_busy(now.elapsed) {
                return self.request_unsettled(now, log);
            }
        }
        Ok(())
    }

    fn end_round<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        if self.settling.count() != (0, 0) {
            let vouched = log.vouched()?;
            self.settling.vouch(vouched);
        }
        let routine = self.settling.routine;
        self.settling.end_round(now.elapsed, &self.config);
        let cursor = self.cursor.zip(routine).map(|(mut cursor, (_, last))| {
            cursor.checked = last;
            cursor
        });
        self.record(Vec::new(), Vec::new(), cursor, log)
    }

    pub(super) fn on_reviewed(&mut self, stream: &mut ResponseStream) -> Result<(), Garbled> {
        let Some(review) = &mut self.settling.review else { return Ok(()) };
        while let Some(item) = stream.item::<RawPeekItem>(MAX_LISTED)? {
            let next = review.items.back().map_or(review.next, |item| item.seq.next());
            if next > review.last.next() {
                // One bag that follows shows that the part is complete; the rest is not looked at.
                continue;
            }
            if item.seq < next || item.seq.number() > MAX_SAFE {
                return Err(Garbled);
            }
            review.items.push_back(item);
        }
        Ok(())
    }

    pub(super) const fn on_review_end(&mut self, regular: bool) {
        if let Some(review) = &mut self.settling.review {
            review.end = Some(regular);
        }
    }

    /// Compares a part of the list with what was known of it, once it is complete.
    pub(super) fn digest_review<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let is_complete = |review: &mut Review| {
            review.end.is_some() || review.items.back().is_some_and(|item| item.seq > review.last)
        };
        let Some(mut review) = self.settling.review.take_if(is_complete) else { return Ok(()) };
        self.cancel(|purpose| matches!(purpose, Purpose::Review));
        if review.end == Some(false) {
            self.settling.end_round(now.elapsed, &self.config);
            return Ok(());
        }
        let items: Vec<RawPeekItem> = review.items.drain(..).take_while(|item| item.seq <= review.last).collect();
        match self.compare(&review, items, log)? {
            Err(evidence) => self.suspect(evidence, log),
            Ok(Confirmed { listed, claimed }) => {
                self.refute_claims(now, &review);
                if !claimed.is_empty() {
                    log.acknowledge(&claimed, None)?;
                    self.storage.on_success();
                    self.recount = true;
                }
                self.record(Vec::new(), listed, None, log)
            }
        }
    }

    /// Goes through a part of the list, and finds what the host turns out to have, or evidence that it has lost bags.
    fn compare<L: SyncLog + ?Sized>(
        &mut self,
        review: &Review,
        items: Vec<RawPeekItem>,
        log: &mut L,
    ) -> Result<Result<Confirmed, Evidence>, L::Error> {
        let mut next = review.next;
        let mut bags = Vec::new();
        let mut damaged = Vec::new();
        for item in items {
            if self.is_gone(next, item.seq) {
                return Ok(Err(Evidence::Lost));
            }
            next = item.seq.next();
            match item.decode_head() {
                Ok(head) => bags.push((item.seq, head)),
                Err(_) => damaged.push(item.seq),
            }
        }
        if self.is_gone(next, review.last.next()) {
            return Ok(Err(Evidence::Lost));
        }
        let mut confirmed = Confirmed::default();
        let mut listed = Vec::new();
        for (seq, bag, found) in self.identify(bags, log)? {
            let is_claimed = self.settling.claims.get(&seq).is_some_and(|claim| claim.signature == bag.signature);
            if is_claimed {
                self.settling.claims.remove(&seq);
            }
            let is_noted = self.settling.noted(seq).is_some();
            match found {
                Found::Known(position) => {
                    if is_claimed {
                        confirmed.claimed.push(position);
                    }
                    if is_claimed || is_noted {
                        confirmed.listed.push((seq, position));
                    }
                    if is_noted {
                        self.settling.note(seq, None);
                    }
                }
                Found::New(_) | Found::Deferred(_) if is_noted => listed.push((seq, bag)),
                Found::Unreadable(error) if is_noted => self.note_unreadable(seq, error),
                Found::New(_) | Found::Deferred(_) => return Ok(Err(Evidence::Replaced)),
                Found::Unreadable(_) => return Ok(Err(Evidence::Lost)),
            }
        }
        for seq in damaged {
            if self.settling.noted(seq).is_none() {
                return Ok(Err(Evidence::Lost));
            }
            self.note_unreadable(seq, None);
        }
        self.want_bodies(listed, log)?;
        Ok(Ok(confirmed))
    }

    /// Sets messages aside that the host claims to have in this part of the list, but does not list there.
    fn refute_claims(&mut self, now: Now, review: &Review) {
        let later = self.settling.claims.split_off(&review.last.next());
        for claim in std::mem::replace(&mut self.settling.claims, later).into_values() {
            self.pushing.on_refused(now.elapsed, claim.position, Refusal::NotListed, &self.config);
        }
    }

    /// Returns whether a bag from `first` to before `end`, all of which the list leaves out, should have been listed.
    pub(super) fn is_gone(&self, first: Seq, end: Seq) -> bool {
        let read = self.cursor.map_or(Seq::ZERO, |cursor| cursor.seq);
        !self.settling.covers(first, end.previous().min(read))
    }

    /// Notes why a bag cannot be read, unless it is known to hide nothing.
    fn note_unreadable(&mut self, seq: Seq, error: Option<crate::standard::OpenBagError>) {
        let reason = SkipReason::Head(error);
        let is_new = |noted: &SkipReason| noted.hides_something() && *noted != reason;
        if self.settling.noted(seq).is_some_and(|(_, noted)| is_new(noted)) {
            self.settling.note(seq, Some(reason));
        }
    }

    /// Plans to fetch the bodies of skipped bags, and settles those whose messages are here already.
    fn want_bodies<L: SyncLog + ?Sized>(&mut self, bags: Vec<(Seq, BagHead)>, log: &mut L) -> Result<(), L::Error> {
        let mut settled = Vec::new();
        for (seq, bag, found) in self.identify(bags, log)? {
            match found {
                Found::Known(position) => {
                    self.settling.note(seq, None);
                    settled.push((seq, position));
                }
                Found::New(head) if head.head().is_delete() => {
                    if let Ok(message) = head.open_body(&crate::standard::SealedBody::default()) {
                        self.settling.opened.push((seq, message));
                    }
                }
                Found::New(head) | Found::Deferred(head) => {
                    self.settling.wanted.insert(seq, Unsettled { bag, head: *head });
                }
                Found::Unreadable(error) => self.note_unreadable(seq, error),
            }
        }
        if settled.is_empty() { Ok(()) } else { self.record(Vec::new(), settled, None, log) }
    }

    /// Stores the bags that the host delivered after all.
    pub(super) fn settle<L: SyncLog + ?Sized>(&mut self, log: &mut L) -> Result<(), L::Error> {
        if self.settling.opened.is_empty() {
            return Ok(());
        }
        let opened = std::mem::take(&mut self.settling.opened);
        opened.iter().for_each(|(seq, _)| self.settling.note(*seq, None));
        let messages: Vec<_> = opened.into_iter().map(|(seq, message)| Arrival { seq, message }).collect();
        let count = messages.len() as u64;
        self.record(messages, Vec::new(), None, log)?;
        self.actions.push_back(crate::sync::Action::Arrived { messages: count });
        Ok(())
    }

    /// Writes to the log what a second look has shown.
    fn record<L: SyncLog + ?Sized>(
        &mut self,
        messages: Vec<Arrival>,
        known: Vec<(Seq, Position)>,
        cursor: Option<crate::sync::Cursor>,
        log: &mut L,
    ) -> Result<(), L::Error> {
        if messages.is_empty() && known.is_empty() && cursor.is_none() && !self.settling.has_changes() {
            return Ok(());
        }
        let (skipped, settled) = self.settling.take_changes();
        log.receive(Received { messages, known, skipped, settled, cursor, ..Received::default() })?;
        self.cursor = cursor.or(self.cursor);
        self.storage.on_success();
        self.recount = true;
        Ok(())
    }

    /// Ends a PULL of the round: bodies that the host did not deliver are noted.
    pub(super) fn on_settle_end(&mut self, missing: BTreeMap<Seq, Unsettled>) {
        for (seq, Unsettled { bag, .. }) in missing {
            self.settling.on_no_body(seq, bag, None);
        }
    }
}
