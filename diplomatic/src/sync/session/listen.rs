//! The live channel of a session, and polling where there is none.

use std::time::Duration;

use super::Session;
use crate::order::Position;
use crate::standard::calls::{AuthToken, Notification, NotificationItem};
use crate::standard::{BagHead, Decode, Seq};
use crate::sync::action::{Action, LiveEvent, RequestId};
use crate::sync::live::State;
use crate::sync::status::{Pause, Trouble};
use crate::sync::window::Found;
use crate::sync::{Failure, Now, Received, SyncLog};

/// A channel that closes sooner than this counts as a failure.
const SHORT_LIVED: Duration = Duration::from_secs(10);
/// So many attempts in a row to open a channel at a host that answers calls mean that it has none.
const UNOPENED: u8 = 3;
/// How long a doubted channel has to show a sign of life.
const DOUBTED: Duration = Duration::from_secs(10);

impl Session {
    pub(super) fn channel_timers(&self) -> [Option<Duration>; 2] {
        let channel = &self.channel;
        let state = match channel.state {
            State::Down => channel.gate.until(),
            State::Opening { since, .. } => Some(since + self.config.request_timeout),
            State::Open { heard, .. } if !self.config.transport.pings => Some(heard + channel.quiet),
            State::Open { heard, pinged: false, .. } => Some(heard + self.config.ping_after),
            State::Open { heard, pinged: true, .. } => Some(heard + self.config.dead_after),
        };
        [state, channel.look_at]
    }

    /// Opens the channel if that is due. Called when everything has been read.
    pub(super) fn open_channel(&mut self, now: Now) {
        let channel = &mut self.channel;
        if matches!(channel.state, State::Down)
            && channel.gate.is_open(now.elapsed)
            && self.reading.gate.is_open(now.elapsed)
            && self.pushing.is_resting(now.elapsed)
        {
            let id = self.fresh_id();
            let token = AuthToken::new(self.keys.authenticate(self.clock.time(now)));
            self.channel.state = State::Opening { id, since: now.elapsed };
            self.actions.push_back(Action::OpenLive { id, token });
        }
    }

    /// Pings a silent channel, closes a dead one, and polls the host when that is due.
    pub(super) fn watch_channel(&mut self, now: Now) {
        match &mut self.channel.state {
            State::Opening { id, since } if *since + self.config.request_timeout <= now.elapsed => {
                let id = *id;
                self.actions.push_back(Action::CloseLive { id });
                self.on_channel_down(now, Failure::Timeout);
            }
            State::Open { heard, .. } if !self.config.transport.pings => {
                let is_due = *heard + self.channel.quiet <= now.elapsed;
                if is_due {
                    *heard = now.elapsed;
                    self.channel.quiet = (self.channel.quiet * 2).min(self.config.recheck);
                    self.channel.checked_at = self.cursor.map(|cursor| cursor.seq);
                    self.reading.peek_wanted = true;
                }
            }
            State::Open { id, heard, .. } if *heard + self.config.dead_after <= now.elapsed => {
                let id = *id;
                self.actions.push_back(Action::CloseLive { id });
                self.on_channel_down(now, Failure::Timeout);
            }
            State::Open { id, heard, pinged, .. } if !*pinged && *heard + self.config.ping_after <= now.elapsed => {
                *pinged = true;
                self.actions.push_back(Action::Ping { id: *id });
            }
            _ => {}
        }
        if self.channel.look_at.is_some_and(|at| at <= now.elapsed) {
            self.channel.look_at = None;
            self.channel.pause = (self.channel.pause * 2).min(self.config.poll.1);
            self.reading.peek_wanted = true;
        }
    }

    /// Opens the channel anew if a check found what it should have announced.
    fn judge_channel(&mut self, now: Now) {
        if let Some(before) = self.channel.checked_at
            && self.is_reading_idle()
        {
            self.channel.checked_at = None;
            if self.cursor.is_some_and(|cursor| cursor.seq > before) {
                self.reopen_channel(now);
            }
        }
    }

    /// Closes an open channel, to open it anew.
    fn reopen_channel(&mut self, now: Now) {
        if let State::Open { id, .. } = self.channel.state {
            self.actions.push_back(Action::CloseLive { id });
            self.channel.close();
            self.channel.gate.open(now.elapsed);
            self.reading.peek_wanted = true;
        }
    }

    /// Ensures that the host is polled again some time, with or without a channel.
    pub(super) fn schedule_look(&mut self, now: Now) {
        self.judge_channel(now);
        if self.channel.look_at.is_none() && self.is_reading_idle() {
            let pause = match self.channel.state {
                State::Open { .. } => self.config.recheck,
                _ => self.channel.pause / 2 + self.random.part_of(self.channel.pause / 2),
            };
            self.channel.look_at = Some(now.elapsed + pause);
        }
    }

    /// Closes the channel soon unless it shows a sign of life.
    pub(super) fn doubt_channel(&mut self, now: Now) {
        self.channel.gate.open(now.elapsed);
        if !self.config.transport.pings {
            self.reopen_channel(now);
        } else if let State::Open { id, heard, pinged, .. } = &mut self.channel.state {
            let doubted = (now.elapsed + DOUBTED).saturating_sub(self.config.dead_after);
            *heard = doubted.min(*heard);
            *pinged = true;
            self.actions.push_back(Action::Ping { id: *id });
        }
    }

    pub(super) fn on_live(&mut self, now: Now, id: RequestId, event: LiveEvent) {
        match &mut self.channel.state {
            State::Opening { id: opening, .. } if *opening == id => self.on_opening(now, event),
            State::Open { id: open, heard, pinged, .. } if *open == id => {
                *heard = now.elapsed;
                *pinged = false;
                self.channel.quiet = self.config.ping_after;
                self.channel.checked_at = None;
                match event {
                    LiveEvent::Frame(bytes) => self.on_frame(&bytes),
                    LiveEvent::Closed => self.on_channel_down(now, Failure::Cut),
                    LiveEvent::Failed(failure) => self.on_channel_down(now, failure),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn on_opening(&mut self, now: Now, event: LiveEvent) {
        match event {
            LiveEvent::Opened => {
                let State::Opening { id, .. } = self.channel.state else { return };
                self.channel.state = State::Open { id, since: now.elapsed, heard: now.elapsed, pinged: false };
                self.channel.is_missing = false;
                self.channel.unopened = 0;
                self.channel.quiet = self.config.ping_after;
                self.channel.failure = None;
                self.channel.look_at = None;
                // Bags pushed between the last list and the opening of the channel were not announced to us.
                self.reading.peek_wanted = true;
            }
            LiveEvent::NotSupported | LiveEvent::Refused(400 | 404 | 405 | 426 | 501) => self.on_channel_missing(now),
            LiveEvent::Closed if !self.config.transport.tells_refusals => {
                // The next attempt waits for a call, which tells whether the host is there, and fixes the clock and the
                // registration.
                self.reading.peek_wanted = true;
                self.channel.unopened += 1;
                if self.channel.unopened >= UNOPENED {
                    self.on_channel_missing(now);
                } else {
                    self.on_channel_down(now, Failure::Cut);
                }
            }
            LiveEvent::Refused(401) => {
                // A call determines whether the cause is the clock or the registration, and fixes it.
                self.reading.peek_wanted = true;
                self.on_channel_down(now, Failure::HttpStatus(401));
            }
            LiveEvent::Refused(status) => self.on_channel_down(now, Failure::HttpStatus(status)),
            LiveEvent::Failed(failure) => self.on_channel_down(now, failure),
            LiveEvent::Closed | LiveEvent::Frame(_) | LiveEvent::Alive => self.on_channel_down(now, Failure::Cut),
        }
    }

    /// Has the host polled, and asks for a channel again much later.
    fn on_channel_missing(&mut self, now: Now) {
        self.channel.state = State::Down;
        self.channel.is_missing = true;
        self.channel.unopened = 0;
        let pause = Pause::Trouble(Trouble::Unreachable);
        self.channel.gate.shut_until(now.elapsed, now.elapsed + self.config.recheck, pause);
    }

    fn on_channel_down(&mut self, now: Now, failure: Failure) {
        if let State::Open { since, .. } = self.channel.state {
            if now.elapsed >= since + SHORT_LIVED {
                self.channel.gate.on_success();
            }
            // It may have died long ago.
            self.reading.peek_wanted = true;
            // The next look was planned for a host with a channel. A failed attempt to open one postpones nothing.
            self.channel.look_at = None;
        }
        self.channel.close();
        self.channel.failure = Some(failure.clone());
        self.channel.gate.on_failure(now.elapsed, failure.into(), &self.config, &mut self.random);
    }

    fn on_frame(&mut self, bytes: &[u8]) {
        match Notification::decode(bytes) {
            Ok(notification) if self.channel.frames.len() < self.config.window => {
                self.channel.frames.extend(notification.items);
            }
            // Something changed, so look.
            _ => self.reading.peek_wanted = true,
        }
    }

    /// Takes announced bags that follow those read. Anything else is a reason to PEEK.
    pub(super) fn digest_frames<L: SyncLog + ?Sized>(&mut self, log: &mut L) -> Result<(), L::Error> {
        let items = std::mem::take(&mut self.channel.frames);
        let Some(cursor) = self.cursor.filter(|_| !items.is_empty()) else { return Ok(()) };
        if self.reading.is_listing() || self.reading.peek_wanted {
            // The list being read may be older.
            self.reading.peek_wanted = true;
            return Ok(());
        }
        let mut next = self.reading.window.end().unwrap_or(cursor.seq).next();
        let (mut following, mut earlier) = (Vec::new(), Vec::new());
        for item in items {
            if item.seq == next && self.check_place(item.seq, Some(&item.head)).is_none() {
                next = next.next();
                following.push(item);
            } else if item.seq <= cursor.seq {
                earlier.push((item.seq, item.head));
            } else if item.seq >= next {
                self.reading.peek_wanted = true;
                break;
            }
        }
        self.digest_following(following, log)?;
        self.digest_earlier(earlier, log)
    }

    fn digest_following<L: SyncLog + ?Sized>(&mut self, items: Vec<NotificationItem>, log: &L) -> Result<(), L::Error> {
        let (bags, bodies): (Vec<_>, Vec<_>) =
            items.into_iter().map(|item| ((item.seq, item.head), item.inlined)).unzip();
        for ((seq, bag, found), body) in self.identify(bags, log)?.into_iter().zip(bodies) {
            if matches!(found, Found::Unreadable(_)) {
                // The list shows whether the host really has it.
                self.reading.peek_wanted = true;
                break;
            }
            let found = if body.as_bytes().is_empty() { found.defer(log) } else { found };
            self.append_announced(seq, bag, found, body);
        }
        Ok(())
    }

    /// Takes announced bags whose seqs have been read: echoes of our own acknowledged pushes, or signs that the host has
    /// started counting again.
    fn digest_earlier<L: SyncLog + ?Sized>(
        &mut self,
        mut bags: Vec<(Seq, BagHead)>,
        log: &mut L,
    ) -> Result<(), L::Error> {
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        if let Some(own) = cursor.own
            && bags.iter().any(|(seq, bag)| *seq == own.seq && bag.signature == own.signature)
        {
            cursor.own = None;
            cursor.read = Some(own).filter(|own| own.seq == cursor.seq).or(cursor.read);
        }
        bags.retain(|(seq, _)| self.settling.noted(*seq).is_none());
        let mut known: Vec<(Seq, Position)> = Vec::new();
        for (seq, _, found) in self.identify(bags, log)? {
            match found {
                Found::Known(position) => known.push((seq, position)),
                Found::New(_) | Found::Deferred(_) | Found::Unreadable(_) => self.reading.peek_wanted = true,
            }
        }
        if !known.is_empty() && self.status.pending > 0 {
            log.receive(Received { known, ..Received::default() })?;
            self.storage.on_success();
            self.recount = true;
        }
        Ok(())
    }
}
