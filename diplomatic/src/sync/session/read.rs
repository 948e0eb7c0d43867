//! Reading a host: PEEK lists heads, PULL fetches missing bodies, and the log takes both in order.
//!
//! The list streams into the [`Window`](crate::sync::window::Window) while bodies are pulled for its front. Reading of the
//! list pauses while the window is full. If nothing is being listed, notifications go into the same window.
//!
//! A list starts with the last bags that were read, which shows whether the host is still the same. A host was restored
//! from an old backup, or has lost bags, if one of those bags is not where it was, if a bag that the host acknowledged is
//! missing, or if there is a new bag where everything had been read. Such a sign must appear twice in a row.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Purpose, Session};
use crate::order::Position;
use crate::standard::calls::{Call, PeekItem, PeekRequest, PullItem, PullRequest};
use crate::standard::{BagHead, DecodeError, Encode, MAX_SAFE, OpenBagError, SealedBody, Seq};
use crate::sync::reading::{Fault, Gap, Listing, MAX_LISTED, Pull, ReadingState};
use crate::sync::status::{BlockCause, Pause, SyncProgress, Trouble};
use crate::sync::stream::ResponseStream;
use crate::sync::window::Found;
use crate::sync::{Action, Cursor, Mark, Now, Received, SyncLog};

/// How many heads are opened at once, so that their signatures are checked together.
const BATCH: usize = 256;
/// A list of at most this many bags with only invalid signatures counts as bad bags rather than as a bad host.
const FEW: usize = 8;
/// How many known bags each PEEK lists again, to see whether the host is still the same.
const PROOF: u64 = 8;
/// How often a gap must appear at the same place before it counts as permanent.
const GAP_ROUNDS: u8 = 3;
/// The minimum pause between starting over for the first and the second time. It doubles each time.
const START_OVER_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_START_OVER_PAUSE: Duration = Duration::from_secs(3600);

impl Session {
    /// Returns the progress since everything was last read. Seqs rise by one, so they count bags.
    pub(super) fn progress(&self) -> SyncProgress {
        let cursor = self.cursor.unwrap_or_default();
        let base = if cursor.caught_up { self.reading.base.min(cursor.seq) } else { Seq::ZERO }.number();
        let read = cursor.seq.number();
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
        let reading = &self.reading;
        reading.listing.as_ref().is_some_and(|listing| reading.window.len() + listing.items.len() >= self.config.window)
    }

    /// Returns whether everything known has been read.
    pub(super) fn is_reading_idle(&self) -> bool {
        let ReadingState { window, peek_wanted, listing, complete, .. } = &self.reading;
        !peek_wanted && listing.is_none() && !complete && window.is_empty() && self.cursor.is_some()
    }

    pub(super) fn reading_timers(&self) -> [Option<Duration>; 2] {
        [self.reading.gate.shut().map(|(until, _)| until), self.reading.window.next_wake()]
    }

    /// Sends the due PEEK or PULLs.
    pub(super) fn request_reading(&mut self, now: Now) {
        let Some(cursor) = self.cursor else { return };
        let reading = &mut self.reading;
        reading.window.wake(now.elapsed);
        let undisturbed = reading.listing.is_none() && reading.window.is_empty() && !reading.complete;
        if reading.peek_wanted && undisturbed && !self.pushing.is_busy() {
            self.request_list(now, cursor);
        }
        while self.is_pull_due() {
            let request = PullRequest { seqs: self.reading.window.choose(&self.config) };
            let bytes = request.to_bytes();
            let window = &self.reading.window;
            let longest = request.seqs.iter().filter_map(|seq| window.expected_len(*seq)).max().unwrap_or_default();
            let pull = Pull { missing: request.seqs, longest };
            self.request(now, Call::Pull, Purpose::Pull(pull), |body| body.extend_from_slice(&bytes));
        }
    }

    fn request_list(&mut self, now: Now, cursor: Cursor) {
        // The last bags are listed again to prove that they are still there.
        let last = cursor.read.map_or(Seq::ZERO, |mark| mark.seq);
        let after = Seq::new(last.number().saturating_sub(PROOF)).unwrap_or(Seq::ZERO);
        let reading = &mut self.reading;
        reading.peek_wanted = false;
        reading.listing = Some(Listing { items: VecDeque::new(), next: after.next(), end: None, skips_gaps: false });
        self.request(now, Call::Peek, Purpose::Peek, |body| PeekRequest { after }.encode(body));
    }

    fn is_pull_due(&self) -> bool {
        let window = &self.reading.window;
        let pulls = self.requests.values().filter(|request| matches!(request.purpose, Purpose::Pull(_))).count();
        let more_comes = self.reading.listing.is_some() && !self.is_listing_paused();
        window.wanted() > 0
            && pulls < self.config.pulls
            && (window.wanted() >= self.config.pull_bodies || !more_comes)
            && (!window.is_heavy(&self.config) || pulls == 0 && window.waits_for_wanted())
    }

    pub(super) fn on_listed(&mut self, stream: &mut ResponseStream) -> Result<(), DecodeError> {
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

    pub(super) fn on_bodies(
        &mut self,
        now: Now,
        pull: &mut Pull,
        stream: &mut ResponseStream,
    ) -> Result<(), DecodeError> {
        let window = &mut self.reading.window;
        let seqs = &mut pull.missing;
        let limit = usize::try_from(pull.longest.saturating_add(16)).unwrap_or(usize::MAX);
        loop {
            match stream.item::<PullItem>(limit) {
                Ok(Some(PullItem { seq, body })) => {
                    if let Some(place) = seqs.iter().position(|wanted| *wanted == seq) {
                        seqs.remove(place);
                        window.fill(now.elapsed, seq, Some(&body), &self.config);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    // The first missing one is the likely culprit. Do not let it hold up the others forever.
                    if let Some(seq) = (!seqs.is_empty()).then(|| seqs.remove(0)) {
                        window.fill(now.elapsed, seq, None, &self.config);
                    }
                    return Err(error);
                }
            }
        }
    }

    pub(super) fn on_bodies_end(&mut self, now: Now, missing: Vec<Seq>) {
        for seq in missing {
            self.reading.window.fill(now.elapsed, seq, None, &self.config);
        }
    }

    /// Opens listed heads, and determines which of their messages are in the log.
    pub(super) fn digest_listing<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        loop {
            let paused = self.is_listing_paused();
            let Some(listing) = &mut self.reading.listing else { break };
            let count = listing.items.len();
            if listing.end.is_none() && (count == 0 || count < BATCH && !paused) {
                break;
            }
            if count == 0 {
                self.finish_listing(now, log)?;
                break;
            }
            let items: Vec<PeekItem> = listing.items.drain(..count.min(BATCH)).collect();
            if let Some(fault) = self.digest_items(now, items, log)? {
                self.on_fault(now, fault, log)?;
            }
        }
        Ok(())
    }

    fn digest_items<L: SyncLog>(
        &mut self,
        now: Now,
        mut items: Vec<PeekItem>,
        log: &L,
    ) -> Result<Option<Fault>, L::Error> {
        let fault = self.check_places(&mut items);
        let read = self.cursor.unwrap_or_default().seq;
        let mut bags = Vec::with_capacity(items.len());
        for PeekItem { seq, head } in items {
            if !self.is_own_place(seq, &head) {
                return Ok(Some(Fault::Restored));
            }
            if seq <= read && self.reading.places.contains_key(&seq) {
                self.on_read_again(Mark { seq, signature: head.signature });
            } else {
                bags.push((seq, head));
            }
        }
        let found = self.identify(bags, log)?;
        let is_foreign = |found: &Found| matches!(found, Found::Unreadable(OpenBagError::InvalidSignature(_)));
        if found.len() >= FEW && found.iter().all(|(_, _, found)| is_foreign(found)) {
            let pause = Pause::Blocked(BlockCause::ForeignBags);
            self.abandon_listing();
            self.reading.gate.on_failure(now.elapsed, pause, &self.config, &mut self.random);
            return Ok(None);
        }
        let mut is_odd = false;
        for (seq, bag, found) in &found {
            // Damage at the host looks the same every time; damage in transit does not.
            if *seq > read && matches!(found, Found::Unreadable(_)) {
                is_odd |= self.reading.unreadable.insert(*seq, bag.clone()).as_ref() != Some(bag);
            }
        }
        for (seq, bag, found) in found {
            if is_odd && matches!(found, Found::Unreadable(_)) {
                return Ok(Some(Fault::Absurd));
            }
            let mark = Mark { seq, signature: bag.signature };
            self.reading.remember(mark);
            if seq > read {
                self.reading.window.append(seq, bag, found);
            } else if matches!(found, Found::New(_)) && !self.settling.is_skipped(seq) {
                return Ok(Some(Fault::Restored));
            } else {
                self.on_read_again(mark);
            }
        }
        Ok(fault)
    }

    /// Handles a known or acknowledged bag that is still where it was.
    fn on_read_again(&mut self, mark: Mark) {
        if let Some(cursor) = &mut self.cursor
            && cursor.read.is_none_or(|read| read.seq < mark.seq)
        {
            cursor.read = Some(mark);
        }
    }

    /// Drops all items from the first misplaced one on.
    fn check_places(&mut self, items: &mut Vec<PeekItem>) -> Option<Fault> {
        let cursor = self.cursor.unwrap_or_default();
        let listing = self.reading.listing.as_mut()?;
        let mut fault = None;
        let good = items.iter().take_while(|item| {
            fault = match cursor.read {
                _ if item.seq.number() > MAX_SAFE => Some(Fault::Absurd),
                Some(mark) if mark.seq == item.seq && mark.signature != item.head.signature => Some(Fault::Restored),
                _ if item.seq == listing.next => None,
                _ if listing.next <= cursor.seq => Some(Fault::Restored),
                _ if listing.skips_gaps && item.seq > listing.next => None,
                _ => Some(Fault::Gap { found: item.seq }),
            };
            if fault.is_none() {
                listing.next = item.seq.next();
            }
            fault.is_none()
        });
        let good = good.count();
        // Remember the far side of the gap, in case the gap turns out to be permanent.
        if let Some(Fault::Gap { .. }) = fault {
            for item in items.drain(good..).rev() {
                listing.items.push_front(item);
            }
        } else {
            items.truncate(good);
        }
        fault
    }

    /// Opens heads and asks the log which of their messages it has.
    pub(super) fn identify<L: SyncLog>(
        &mut self,
        bags: Vec<(Seq, BagHead)>,
        log: &L,
    ) -> Result<Vec<(Seq, BagHead, Found)>, L::Error> {
        let opened = self.keys.open_heads(bags.iter().map(|(_, bag)| bag));
        let heads: Vec<_> = opened.iter().flatten().map(crate::standard::OpenedHead::head).collect();
        let mut contained = log.contains(&heads)?.into_iter();
        let identified = bags.into_iter().zip(opened).map(|((seq, bag), opened)| {
            let found = match opened {
                Err(error) => Found::Unreadable(error),
                Ok(head) if contained.next().unwrap_or(false) => Found::Known(Position::of(head.head())),
                Ok(head) => Found::New(Box::new(head)),
            };
            if let Found::Known(position) = &found {
                self.pushing.on_seen(*position);
            }
            (seq, bag, found)
        });
        Ok(identified.collect())
    }

    /// Checks that an acknowledged bag is where the host said.
    pub(super) fn is_own_place(&mut self, seq: Seq, bag: &BagHead) -> bool {
        if self.reading.places.get(&seq).is_some_and(|signature| *signature != bag.signature) {
            return false;
        }
        let Some(cursor) = &mut self.cursor else { return true };
        match cursor.own {
            Some(own) if own.seq == seq && own.signature == bag.signature => cursor.own = None,
            Some(own) => return seq < own.seq,
            None => {}
        }
        true
    }

    fn finish_listing<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let Some(listing) = self.reading.listing.take() else { return Ok(()) };
        if listing.end != Some(true) {
            self.reading.peek_wanted = true;
            return Ok(());
        }
        let cursor = self.cursor.unwrap_or_default();
        if listing.next <= cursor.seq || cursor.own.is_some() {
            return self.on_fault(now, Fault::Restored, log);
        }
        self.reading.suspicions = 0;
        self.reading.gap = None;
        self.reading.unreadable.clear();
        self.reading.complete = true;
        Ok(())
    }

    fn abandon_listing(&mut self) {
        self.cancel(|purpose| matches!(purpose, Purpose::Peek));
        self.reading.listing = None;
        self.reading.peek_wanted = true;
    }

    fn on_fault<L: SyncLog>(&mut self, now: Now, fault: Fault, log: &mut L) -> Result<(), L::Error> {
        let reading = &mut self.reading;
        let pause = match fault {
            Fault::Restored => {
                reading.suspicions += 1;
                if reading.suspicions >= 2 {
                    return self.start_over(now, log);
                }
                Trouble::Gap
            }
            Fault::Gap { found } => {
                let expected = reading.listing.as_ref().map_or(Seq::ZERO, |listing| listing.next);
                let before = reading.gap.take().filter(|gap| (gap.expected, gap.found) == (expected, found));
                let rounds = before.map_or(0, |gap| gap.rounds) + 1;
                // Decreasing seqs are never valid, but missing bags may be gone for good.
                if rounds >= GAP_ROUNDS && found > expected {
                    // Until everything has been read once, everything that the host may lack is queued anyway.
                    if self.cursor.is_some_and(|cursor| cursor.caught_up) {
                        return self.start_over(now, log);
                    }
                    if let Some(listing) = &mut reading.listing {
                        listing.skips_gaps = true;
                        return Ok(());
                    }
                }
                reading.gap = Some(Gap { expected, found, rounds });
                Trouble::Gap
            }
            Fault::Absurd => Trouble::Garbled,
        };
        self.abandon_listing();
        self.reading.gate.on_failure(now.elapsed, Pause::Trouble(pause), &self.config, &mut self.random);
        Ok(())
    }

    /// Sends the whole history again to a host that lost bags, but not too often.
    fn start_over<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        self.abandon_listing();
        self.reading.suspicions = 0;
        self.reading.gap = None;
        self.reading.unreadable.clear();
        if now.elapsed < self.reading.next_start_over {
            let pause = Pause::Blocked(BlockCause::LosesBags);
            self.reading.gate.shut_until(now.elapsed, self.reading.next_start_over, pause);
            return Ok(());
        }
        log.start_over()?;
        self.cancel(|_| true);
        self.reading.forget();
        self.pushing.forget();
        self.reading.places.clear();
        self.settling.forget();
        self.cursor = Some(log.cursor()?);
        self.recount = true;
        let reading = &mut self.reading;
        let pause = START_OVER_PAUSE * (1 << reading.start_overs.min(7));
        reading.next_start_over = now.elapsed + pause.min(LONGEST_START_OVER_PAUSE);
        reading.start_overs += 1;
        self.status.start_overs = reading.start_overs;
        Ok(())
    }

    /// Writes the complete bags at the front of the window to the log, together with the cursor after them.
    pub(super) fn store<L: SyncLog>(&mut self, log: &mut L) -> Result<(), L::Error> {
        while self.is_store_due() {
            let Some(front) = self.reading.window.take_front(&self.config) else { break };
            let mut cursor = self.cursor.unwrap_or_default();
            cursor.seq = front.last.seq;
            cursor.read = Some(front.last);
            cursor.own = cursor.own.filter(|own| own.seq > cursor.seq);
            cursor.caught_up |= self.reading.complete && self.reading.window.is_empty();
            let messages = front.received.messages.len() as u64;
            let skipped = front.received.skipped.clone();
            let mut received = front.received;
            received.cursor = Some(cursor);
            log.receive(received)?;
            self.storage.on_success();
            self.cursor = Some(cursor);
            self.settling.on_skipped(skipped);
            self.recount = true;
            self.channel.on_activity(&self.config);
            if messages > 0 {
                self.actions.push_back(Action::Arrived { messages });
            }
        }
        if self.reading.complete && self.reading.window.is_empty() {
            self.finish_reading(log)?;
        }
        Ok(())
    }

    fn is_store_due(&self) -> bool {
        let (bags, bytes) = self.reading.window.front();
        let more_comes = self.reading.is_listing() && !self.is_listing_paused()
            || self.is_requested(|purpose| matches!(purpose, Purpose::Pull(_)));
        bags >= self.config.pull_bodies || bytes >= self.config.pull_bytes || bags > 0 && !more_comes
    }

    fn finish_reading<L: SyncLog>(&mut self, log: &mut L) -> Result<(), L::Error> {
        if let Some(cursor) = self.cursor.as_mut().filter(|cursor| !cursor.caught_up) {
            let cursor_then = Cursor { caught_up: true, ..*cursor };
            log.receive(Received { cursor: Some(cursor_then), ..Received::default() })?;
            *cursor = cursor_then;
            self.storage.on_success();
        }
        self.reading.complete = false;
        self.reading.has_caught_up |= !self.reading.peek_wanted;
        self.reading.base = self.cursor.unwrap_or_default().seq;
        Ok(())
    }

    /// Adds a bag from a notification, right after the last one, with its body if the notification carries it.
    pub(super) fn append_announced(&mut self, now: Now, seq: Seq, bag: BagHead, found: Found, body: &SealedBody) {
        self.reading.window.append(seq, bag, found);
        if !body.as_bytes().is_empty() {
            self.reading.window.fill(now.elapsed, seq, Some(body), &self.config);
        }
    }
}
