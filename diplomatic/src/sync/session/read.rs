//! Reading a host: PEEK lists heads, [PULL](super::pull) fetches missing bodies, and the log takes both in order.
//!
//! The list streams into the [`Window`](crate::sync::window::Window) while bodies are pulled for its front. Reading of the
//! list pauses while the window is full. If nothing is being listed, notifications go into the same window.
//!
//! A hole in the list, or a bag that cannot be read, is noted and passed over; [`settle`](super::settle) looks at it again.
//!
//! A list starts with the last bags that were read, which shows whether the host is still the same. A host has lost bags if
//! one of these is not where it was, if a bag that the host acknowledged is missing, or if there is a new bag where
//! everything had been read. Then an [audit](super::audit) follows.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Purpose, Session};
use crate::order::Position;
use crate::standard::calls::{Call, PeekRequest, RawPeekItem};
use crate::standard::{BagHead, Encode, MAX_SAFE, OpenBagError, OpenedHead, SealedBody, Seq};
use crate::sync::opening::{Opened, Opening};
use crate::sync::reading::{Evidence, Listing, MAX_LISTED, ReadingState};
use crate::sync::status::{BlockCause, Pause, SyncProgress, Trouble};
use crate::sync::stream::{Garbled, ResponseStream};
use crate::sync::window::Found;
use crate::sync::{Action, Cursor, Mark, Now, Received, SyncLog};

/// How many heads are opened at once: at least, so that their signatures are checked together, and at most.
const BATCH: usize = 512;
const LARGEST_BATCH: usize = 2048;
/// How many writes' worth of bags, or of bytes, wait for something that can be opened while they are written, if the last
/// write was a moment ago.
const WRITES_PUT_OFF: (usize, u64) = (4, 2);
const SOON: Duration = Duration::from_millis(100);
/// A list of at most this many bags with only invalid signatures counts as bad bags rather than as a bad host.
const FEW: usize = 8;
/// How many known bags each PEEK lists again, to see whether the host is still the same.
pub(super) const PROOF: u64 = 8;
/// A list may hold each message this often, and so many more repeated bags.
const MOST_TIMES: u64 = 4;
const MOST_REPEATED: u64 = 10_000;
/// How many notes about one host the log takes.
const MAX_NOTES: usize = 10_000;

/// A piece of a host's list.
enum Listed {
    /// No bag from the first seq to the last.
    Hole(Seq, Seq),
    /// A bag; `None` if its head does not decode.
    Bag(Seq, Option<BagHead>),
}

impl Listed {
    /// Returns a copy of the bag, to be opened.
    fn bag(&self) -> Option<(Seq, BagHead)> {
        match self {
            Self::Bag(seq, Some(bag)) => Some((*seq, bag.clone())),
            Self::Bag(_, None) | Self::Hole(..) => None,
        }
    }
}

/// A piece of a host's list, if there is one, and what was opened of it; with it, opened bodies of earlier ones.
struct Piece {
    listed: Option<Vec<Listed>>,
    opened: Opened,
}

/// Why a list is not read on.
enum Stop {
    /// The host has lost bags.
    Evidence(Evidence),
    /// The host cannot be read at the moment.
    Pause(Pause),
}

impl Session {
    /// Returns the progress since everything was last read. Seqs rise by one, so they count bags.
    pub(super) fn progress(&self) -> SyncProgress {
        let cursor = self.cursor.unwrap_or_default();
        let routine = self.reading.audit.as_ref().filter(|audit| audit.is_routine).map(|audit| audit.cursor.seq);
        let base = match routine {
            // Reading known bags again is no progress.
            Some(before) => before,
            None if cursor.caught_up => self.reading.base.min(cursor.seq),
            None => Seq::ZERO,
        };
        let (base, read) = (base.number(), cursor.seq.max(base).number());
        let in_window = self.reading.window.end().map_or(read, Seq::number);
        let listed = self
            .reading
            .listing
            .as_ref()
            .map_or(0, |listing| (listing.next.number() + listing.items.len() as u64).saturating_sub(1));
        SyncProgress {
            done: read - base,
            total: read.max(in_window).max(listed) - base,
            listing: self.reading.is_listing(),
        }
    }

    pub(super) fn is_listing_paused(&self) -> bool {
        let ReadingState { listing, window, .. } = &self.reading;
        // Complete bags leave the window soon.
        let incomplete = window.len() - window.front().0;
        listing.as_ref().is_some_and(|listing| {
            incomplete + listing.items.len() >= self.config.window || window.len() >= 2 * self.config.window
        })
    }

    /// Returns whether everything known has been read.
    pub(super) fn is_reading_idle(&self) -> bool {
        let ReadingState { window, peek_wanted, listing, complete, .. } = &self.reading;
        !peek_wanted && listing.is_none() && !complete && window.is_empty() && self.cursor.is_some()
    }

    pub(super) fn reading_timers(&self) -> [Option<Duration>; 3] {
        let reading = &self.reading;
        [reading.gate.until(), reading.window.next_wake(), reading.lag.until()]
    }

    pub(super) fn request_list(&mut self, now: Now, cursor: Cursor) {
        if self.reading.audit.is_none() && self.is_audit_due(now, cursor) {
            self.begin_audit(now, cursor);
            return;
        }
        let reading = &mut self.reading;
        let after = match reading.audit {
            // An audit whose list was cut short goes on where it was.
            Some(_) => cursor.seq,
            // The last bags are listed again to prove that they are still there.
            None => {
                let last = cursor.read.map_or(Seq::ZERO, |mark| mark.seq);
                Seq::new(last.number().saturating_sub(PROOF)).unwrap_or(Seq::ZERO)
            }
        };
        reading.peek_wanted = false;
        reading.listing =
            Some(Listing { items: VecDeque::new(), next: after.next(), known: 0, end: None, is_outdated: false });
        self.request(now, Call::Peek, Purpose::Peek, |body| PeekRequest { after }.encode(body));
    }

    pub(super) fn on_listed(&mut self, stream: &mut ResponseStream) -> Result<(), Garbled> {
        let Some(listing) = &mut self.reading.listing else { return Ok(()) };
        while let Some(item) = stream.item(MAX_LISTED)? {
            listing.items.push_back(item);
        }
        Ok(())
    }

    pub(super) const fn on_listing_end(&mut self, regular: bool) {
        if let Some(listing) = &mut self.reading.listing {
            listing.end = Some(regular);
        }
    }

    /// Takes in what has arrived, as far as it goes: opens listed heads and fetched bodies, and meanwhile looks at what was
    /// opened before, and writes the complete bags at the front of the window to the log.
    pub(super) fn take_in<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let mut opened: Option<Piece> = None;
        loop {
            // The end of a list counts once everything in it was looked at.
            let is_last_ahead = opened.is_some() && self.reading.listing.as_ref().is_none_or(|it| it.items.is_empty());
            let next = if is_last_ahead { Ok(None) } else { self.next_listed(log)? };
            let (listed, stop) = match next {
                Ok(listed) => (listed, None),
                Err(stop) => (None, Some(stop)),
            };
            let heads = listed.iter().flatten().filter_map(Listed::bag).collect();
            let opening = Opening { heads, bodies: self.reading.window.take_sealed() };
            let is_idle = listed.is_none() && opening.is_empty();
            if is_idle && opened.is_none() && stop.is_none() && !self.is_store_due(now, true) {
                return Ok(());
            }
            let keys = self.keys.clone();
            let (digested, next) = opening.open_beside(&keys, || {
                let digested = opened.take().map_or(Ok(Ok(())), |piece| self.digest(now, piece, log))?;
                while self.is_store_due(now, is_idle) {
                    self.store(now, !is_idle, log)?;
                }
                Ok(digested)
            });
            if let Err(stop) = digested?.and(stop.map_or(Ok(()), Err)) {
                self.stop_listing(now, stop, log)?;
                // What was listed after it does not count.
                opened = Some(Piece { listed: None, opened: Opened { heads: Vec::new(), ..next } });
            } else if !is_idle {
                opened = Some(Piece { listed, opened: next });
            }
        }
    }

    /// Takes opened bodies into the window, and a piece of the list.
    fn digest<L: SyncLog + ?Sized>(&mut self, now: Now, piece: Piece, log: &L) -> Result<Result<(), Stop>, L::Error> {
        let Piece { listed, opened } = piece;
        for (seq, message) in opened.bodies {
            self.reading.window.on_opened(now.elapsed, seq, message, &self.config);
        }
        let Some(listed) = listed else { return Ok(Ok(())) };
        let found = self.locate(opened.heads, log)?;
        if self.repeats_itself(&found, log)? {
            return Ok(Err(Stop::Pause(Pause::Blocked(BlockCause::RepeatsBags))));
        }
        let found = found.into_iter().map(|(seq, bag, found)| (seq, bag, found.defer(log))).collect();
        Ok(self.digest_items(listed, found))
    }

    /// Returns the next piece of the list that is to be opened, if enough of it has arrived.
    fn next_listed<L: SyncLog + ?Sized>(&mut self, log: &mut L) -> Result<Result<Option<Vec<Listed>>, Stop>, L::Error> {
        let paused = self.is_listing_paused();
        let Some(listing) = &mut self.reading.listing else { return Ok(Ok(None)) };
        let count = listing.items.len();
        if listing.end.is_none() && (count == 0 || count < BATCH && !paused) {
            return Ok(Ok(None));
        }
        if count == 0 {
            return self.finish_listing(log).map(|()| Ok(None));
        }
        let items: Vec<RawPeekItem> = listing.items.drain(..count.min(LARGEST_BATCH)).collect();
        Ok(self.check_places(items).map(Some))
    }

    fn stop_listing<L: SyncLog + ?Sized>(&mut self, now: Now, stop: Stop, log: &mut L) -> Result<(), L::Error> {
        match stop {
            Stop::Evidence(evidence) => self.suspect(evidence, log),
            Stop::Pause(pause) => {
                self.abandon_listing();
                self.reading.gate.on_failure(now.elapsed, pause, &self.config, &mut self.random);
                Ok(())
            }
        }
    }

    /// Checks that the list is in order, finds its holes, and compares the bags with what is known of their places.
    fn check_places(&mut self, items: Vec<RawPeekItem>) -> Result<Vec<Listed>, Stop> {
        let read = self.cursor.unwrap_or_default().seq;
        let Some(mut next) = self.reading.listing.as_ref().map(|listing| listing.next) else { return Ok(Vec::new()) };
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            let seq = item.seq;
            if seq < next || seq.number() > MAX_SAFE {
                return Err(Stop::Pause(Pause::Trouble(Trouble::Garbled)));
            }
            if let Some(hole) = self.hole_before(next, seq, read)? {
                listed.push(hole);
            }
            next = seq.next();
            let bag = item.decode_head().ok();
            if let Some(evidence) = self.check_place(seq, bag.as_ref()) {
                return Err(Stop::Evidence(evidence));
            }
            match bag {
                Some(bag) if seq <= read && self.reading.places.contains_key(&seq) => {
                    self.on_read_again(Mark { seq, signature: bag.signature });
                }
                bag => listed.push(Listed::Bag(seq, bag)),
            }
        }
        if let Some(listing) = &mut self.reading.listing {
            listing.next = next;
        }
        Ok(listed)
    }

    /// Returns the hole between two bags of the list. Where everything was read once, a hole is evidence unless it is
    /// noted already.
    fn hole_before(&self, next: Seq, seq: Seq, read: Seq) -> Result<Option<Listed>, Stop> {
        if self.is_gone(next, seq) {
            return Err(Stop::Evidence(Evidence::Lost));
        }
        let (first, last) = (next.max(read.next()), seq.previous());
        Ok((first <= last).then_some(Listed::Hole(first, last)))
    }

    /// Adds a piece of the list to the window; `found` is about its bags.
    fn digest_items(&mut self, listed: Vec<Listed>, found: Vec<(Seq, BagHead, Found)>) -> Result<(), Stop> {
        let read = self.cursor.unwrap_or_default().seq;
        let is_foreign = |found: &Found| matches!(found, Found::Unreadable(Some(OpenBagError::InvalidSignature(_))));
        if found.len() >= FEW && found.iter().all(|(_, _, found)| is_foreign(found)) {
            return Err(Stop::Pause(Pause::Blocked(BlockCause::ForeignBags)));
        }
        let mut found = found.into_iter();
        for listed in listed {
            let (seq, bag, found) = match listed {
                Listed::Hole(first, last) => {
                    self.reading.window.append_hole(first, last);
                    continue;
                }
                Listed::Bag(seq, None) => (seq, None, Found::Unreadable(None)),
                Listed::Bag(_, Some(_)) => match found.next() {
                    Some((seq, bag, found)) => (seq, Some(bag), found),
                    None => continue,
                },
            };
            let mark = bag.as_ref().map(|bag| Mark { seq, signature: bag.signature });
            mark.into_iter().for_each(|mark| self.reading.remember(mark));
            if seq <= read {
                match (found, bag) {
                    (Found::Known(_), _) => {}
                    (Found::New(_) | Found::Deferred(_), Some(bag)) if self.settling.noted(seq).is_some() => {
                        // The next round fetches the body.
                        self.settling.on_no_body(seq, bag, None);
                        self.settling.hurry();
                    }
                    (Found::New(_) | Found::Deferred(_), _) => return Err(Stop::Evidence(Evidence::Replaced)),
                    (Found::Unreadable(_), _) if self.settling.noted(seq).is_some() => {}
                    (Found::Unreadable(_), _) => return Err(Stop::Evidence(Evidence::Lost)),
                }
                mark.into_iter().for_each(|mark| self.on_read_again(mark));
                continue;
            }
            self.note_listed(&found);
            self.reading.window.append(seq, bag, found);
        }
        if self.settling.len() + self.reading.audit.as_ref().map_or(0, |audit| audit.skipped.len()) > MAX_NOTES {
            return Err(Stop::Pause(Pause::Blocked(BlockCause::TooManyUnreadable)));
        }
        Ok(())
    }

    /// Tells whether the list holds far more bags than there are messages, so that it might go on for ever.
    fn repeats_itself<L: SyncLog + ?Sized>(
        &mut self,
        found: &[(Seq, BagHead, Found)],
        log: &L,
    ) -> Result<bool, L::Error> {
        let Some(listing) = &mut self.reading.listing else { return Ok(false) };
        listing.known += found.iter().filter(|(_, _, found)| matches!(found, Found::Known(_))).count() as u64;
        Ok(listing.known > MOST_REPEATED && listing.known - MOST_REPEATED > log.count()?.saturating_mul(MOST_TIMES))
    }

    /// Handles a known or acknowledged bag that is still where it was.
    fn on_read_again(&mut self, mark: Mark) {
        if let Some(cursor) = &mut self.cursor
            && cursor.read.is_none_or(|read| read.seq < mark.seq)
        {
            cursor.read = Some(mark);
        }
    }

    /// Opens heads and asks the log which of their messages it has.
    pub(super) fn identify<L: SyncLog + ?Sized>(
        &mut self,
        bags: Vec<(Seq, BagHead)>,
        log: &L,
    ) -> Result<Vec<(Seq, BagHead, Found)>, L::Error> {
        let opened = self.keys.open_heads(bags.iter().map(|(_, bag)| bag));
        self.locate(bags.into_iter().zip(opened).map(|((seq, bag), opened)| (seq, bag, opened)).collect(), log)
    }

    /// Asks the log which messages it has.
    fn locate<L: SyncLog + ?Sized>(
        &mut self,
        opened: Vec<(Seq, BagHead, Result<OpenedHead, OpenBagError>)>,
        log: &L,
    ) -> Result<Vec<(Seq, BagHead, Found)>, L::Error> {
        let heads: Vec<_> = opened.iter().filter_map(|(.., opened)| Some(opened.as_ref().ok()?.head())).collect();
        let mut contained = log.contains(&heads)?.into_iter();
        let located = opened.into_iter().map(|(seq, bag, opened)| {
            let found = match opened {
                Err(error) => Found::Unreadable(Some(error)),
                Ok(head) if contained.next().unwrap_or(false) => Found::Known(Position::of(head.head())),
                Ok(head) => Found::New(Box::new(head)),
            };
            if let Found::Known(position) = &found {
                self.pushing.on_seen(*position);
            }
            (seq, bag, found)
        });
        Ok(located.collect())
    }

    /// Compares a bag with what is known of its place: what the host listed there before, and what it acknowledged.
    pub(super) fn check_place(&mut self, seq: Seq, bag: Option<&BagHead>) -> Option<Evidence> {
        let here = bag.map(|bag| bag.signature);
        let read = self.cursor.and_then(|cursor| cursor.read).filter(|read| read.seq == seq).map(|read| read.signature);
        if let Some(before) = read.or_else(|| self.reading.places.get(&seq).copied())
            && here != Some(before)
        {
            // A damaged bag is still the one that it was.
            let is_noted = here.is_none() && self.settling.noted(seq).is_some();
            return (!is_noted).then_some(if here.is_some() { Evidence::Replaced } else { Evidence::Lost });
        }
        let cursor = self.cursor.as_mut()?;
        match cursor.own {
            Some(own) if own.seq == seq && here == Some(own.signature) => {
                cursor.own = None;
                None
            }
            Some(own) if own.seq == seq => Some(if here.is_some() { Evidence::Replaced } else { Evidence::Lost }),
            Some(own) if own.seq < seq => Some(Evidence::Lost),
            _ => None,
        }
    }

    fn finish_listing<L: SyncLog + ?Sized>(&mut self, log: &mut L) -> Result<(), L::Error> {
        let Some(listing) = self.reading.listing.take() else { return Ok(()) };
        if listing.end != Some(true) {
            self.reading.peek_wanted = true;
            return Ok(());
        }
        let cursor = self.cursor.unwrap_or_default();
        let is_cut_off = listing.next <= cursor.seq;
        self.reading.peek_wanted |= listing.is_outdated;
        if !listing.is_outdated && (is_cut_off || cursor.own.is_some()) {
            return self.suspect(Evidence::Lost, log);
        }
        self.reading.complete = true;
        Ok(())
    }

    fn abandon_listing(&mut self) {
        self.cancel(|purpose| matches!(purpose, Purpose::Peek));
        self.reading.listing = None;
        self.reading.peek_wanted = true;
    }

    /// Writes complete bags at the front of the window to the log, together with the cursor after them. `more` tells whether
    /// the bags after them are being opened.
    fn store<L: SyncLog + ?Sized>(&mut self, now: Now, more: bool, log: &mut L) -> Result<(), L::Error> {
        let Some(front) = self.reading.window.take_front(&self.config) else { return Ok(()) };
        let mut cursor = self.cursor.unwrap_or_default();
        let vouched = cursor.vouched;
        cursor.advance(front.end);
        cursor.read = front.last.or(cursor.read);
        cursor.own = cursor.own.filter(|own| own.seq > cursor.seq);
        cursor.caught_up |= self.reading.complete && self.reading.window.is_empty();
        let mut received = front.received;
        received.skipped.iter_mut().for_each(|skipped| skipped.explain_hole(vouched));
        let messages = received.messages.len() as u64;
        let skipped = match &mut self.reading.audit {
            Some(audit) => {
                audit.skipped.extend(received.skipped.drain(..).map(|skipped| (skipped.seq, skipped.reason)));
                Vec::new()
            }
            None => {
                received.cursor = Some(cursor);
                received.skipped.clone()
            }
        };
        received.more = (more || self.is_more_coming(now)) && self.reading.lag.may_last(now.elapsed);
        log.receive(received)?;
        self.storage.on_success();
        self.reading.stored_at = now.elapsed;
        self.cursor = Some(cursor);
        self.settling.on_skipped(skipped);
        self.recount = true;
        self.channel.on_activity(&self.config);
        if messages > 0 {
            self.actions.push_back(Action::Arrived { messages });
        }
        Ok(())
    }

    /// Ends the reading of a list of which everything is in the log, and lets the state catch up.
    pub(super) fn end_reading<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        if self.reading.complete && self.reading.window.is_empty() {
            self.finish_reading(now, log)?;
        }
        self.catch_up(now, log)
    }

    /// Lets the state catch up at the end of a burst, and now and then in a long one.
    fn catch_up<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let is_more_coming = self.is_more_coming(now);
        if self.reading.lag.until().is_some_and(|until| until <= now.elapsed || !is_more_coming) {
            log.catch_up()?;
            self.reading.lag.end();
        }
        if !is_more_coming {
            self.reading.lag.forget();
        }
        Ok(())
    }

    /// Returns whether more is being listed or fetched, or is about to be.
    fn is_more_coming(&self, now: Now) -> bool {
        let ReadingState { listing, window, gate, .. } = &self.reading;
        listing.is_some()
            || window.front().0 > 0
            || window.wanted() > 0 && gate.is_open(now.elapsed)
            || self.is_requested(|purpose| matches!(purpose, Purpose::Pull(_)))
    }

    /// Returns whether to write to the log. If nothing is to be opened meanwhile, but soon, that is better done then.
    fn is_store_due(&self, now: Now, is_idle: bool) -> bool {
        let (bags, bytes) = self.reading.window.front();
        let more_comes = self.reading.is_listing() && !self.is_listing_paused()
            || self.is_requested(|purpose| matches!(purpose, Purpose::Pull(_)));
        let is_quick = now.elapsed.saturating_sub(self.reading.stored_at) < SOON;
        let (writes_of_bags, writes_of_bytes) = match (is_idle, is_quick) {
            (false, _) => (1, 1),
            (true, false) => (2, 1),
            (true, true) => WRITES_PUT_OFF,
        };
        bags >= writes_of_bags * self.config.pull_bodies
            || bytes >= writes_of_bytes * self.config.pull_bytes
            || bags > 0 && is_idle && !more_comes
    }

    fn finish_reading<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        if self.reading.audit.is_some() {
            self.finish_audit(now, log)?;
        } else if let Some(cursor) = self.cursor.as_mut().filter(|cursor| !cursor.caught_up) {
            let cursor_then = Cursor { caught_up: true, audited_at: now.wall, ..*cursor };
            log.receive(Received { cursor: Some(cursor_then), ..Received::default() })?;
            *cursor = cursor_then;
            self.storage.on_success();
        }
        self.reading.complete = false;
        self.reading.has_caught_up |= !self.reading.peek_wanted;
        self.reading.base = self.cursor.unwrap_or_default().seq;
        Ok(())
    }

    /// Adds a bag from a notification, right after the last one, with its body if the notification carries it. An audit whose
    /// bodies are still being fetched takes it as listed: otherwise it would find that the host lacks the message.
    pub(super) fn append_announced(&mut self, seq: Seq, bag: BagHead, found: Found, body: SealedBody) {
        self.note_listed(&found);
        self.reading.remember(Mark { seq, signature: bag.signature });
        self.reading.window.append(seq, Some(bag), found);
        if !body.as_bytes().is_empty() {
            self.reading.window.fill(seq, body);
        }
    }
}
