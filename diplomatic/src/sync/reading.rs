//! The state of reading a host: the list being read, and what is known about the host's bags.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use super::backoff::Gate;
use super::window::Window;
use super::{Cursor, Mark, SkipReason};
use crate::standard::calls::RawPeekItem;
use crate::standard::{HeadHash, Seq, Signature};

/// The most bytes that a listed bag may take; a head is some hundred.
pub(crate) const MAX_LISTED: usize = 1 << 20;
/// How many places of bags a session remembers.
const REMEMBERED: usize = 512;
/// How long a state may stay behind the log for the first time while more is coming. It doubles each time, so that a long
/// burst is folded a few times.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between the first audit of a session and the second. It doubles each time.
const AUDIT_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_AUDIT_PAUSE: Duration = Duration::from_secs(600);

/// What reading has come to.
#[derive(Debug)]
pub(super) struct ReadingState {
    pub(super) gate: Gate,
    pub(super) window: Window,
    /// The host may have more than what was listed.
    pub(super) peek_wanted: bool,
    pub(super) listing: Option<Listing>,
    /// The list was read to its end, which the log does not know yet.
    pub(super) complete: bool,
    /// The comparison of the whole list with the log, while it runs.
    pub(super) audit: Option<Audit>,
    /// What this session last saw at the host, by listing, announcement or acknowledgement.
    pub(super) places: BTreeMap<Seq, Signature>,
    /// The next look at the host compares the whole list with the log, if it is short.
    pub(super) is_audit_wanted: bool,
    /// How many audits this session has begun because the host had lost bags, and when it may begin the next.
    pub(super) audits: u32,
    pub(super) next_audit: Duration,
    /// Where reading was at its end the last time.
    pub(super) base: Seq,
    pub(super) has_caught_up: bool,
    pub(super) lag: Lag,
    /// When bags were last written to the log.
    pub(super) stored_at: Duration,
}

/// How long the state may stay behind the log.
#[derive(Debug)]
pub(super) struct Lag {
    patience: Duration,
    until: Option<Duration>,
}

impl Lag {
    /// Tells whether the state may be behind now.
    pub(super) fn may_last(&mut self, now: Duration) -> bool {
        now < *self.until.get_or_insert(now + self.patience)
    }

    /// Returns when the state has to catch up, if it may be behind.
    pub(super) const fn until(&self) -> Option<Duration> {
        self.until
    }

    /// Notes that the state is up to date, though more is coming.
    pub(super) fn end(&mut self) {
        if self.until.take().is_some() {
            self.patience *= 2;
        }
    }

    /// Notes that the state is up to date, and nothing is coming.
    pub(super) const fn forget(&mut self) {
        *self = Self { patience: PATIENCE, until: None };
    }
}

/// A PEEK whose list is being read.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) items: VecDeque<RawPeekItem>,
    /// The seq that must come next.
    pub(super) next: Seq,
    /// How many of the bags held messages that were here already.
    pub(super) known: u64,
    /// Whether the response has ended, and as it should.
    pub(super) end: Option<bool>,
    /// Whether the host acknowledged bags since the list was requested, so that the list may be without them.
    pub(super) is_outdated: bool,
}

/// A comparison of a host's whole list with the log.
///
/// While it runs, the session's cursor starts from zero, but that of the log stays where it is.
#[derive(Debug)]
pub(super) struct Audit {
    /// Whether nothing speaks against the host.
    pub(super) is_routine: bool,
    /// The log's cursor.
    pub(super) cursor: Cursor,
    /// The messages listed so far.
    pub(super) listed: HashSet<HeadHash>,
    /// What was skipped so far.
    pub(super) skipped: BTreeMap<Seq, SkipReason>,
}

/// The bodies that a PULL has not brought yet.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) missing: VecDeque<Seq>,
    /// The length in bytes of the longest of those asked for, sealed: no item is much longer.
    pub(super) longest: u64,
    /// How many items came that nobody asked for.
    pub(super) unasked: usize,
}

/// What shows that a host has not kept what it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A bag is gone, or damaged.
    Lost,
    /// There is another bag in its place, so the host counts anew: it was restored from a backup, or is another one.
    Replaced,
}

impl Default for ReadingState {
    fn default() -> Self {
        Self {
            gate: Gate::new(),
            window: Window::default(),
            peek_wanted: true,
            listing: None,
            complete: false,
            audit: None,
            is_audit_wanted: true,
            places: BTreeMap::new(),
            audits: 0,
            next_audit: Duration::ZERO,
            base: Seq::ZERO,
            has_caught_up: false,
            lag: Lag { patience: PATIENCE, until: None },
            stored_at: Duration::ZERO,
        }
    }
}

impl ReadingState {
    /// Drops what is not in the log, to read it again.
    pub(super) fn forget(&mut self) {
        self.window.clear();
        self.listing = None;
        self.complete = false;
        self.audit = None;
        self.peek_wanted = true;
    }

    /// Counts an audit of a host that lost bags. The next one has to wait.
    pub(super) fn count_audit(&mut self, now: Duration) {
        let pause = AUDIT_PAUSE * (1 << self.audits.min(7));
        self.next_audit = now + pause.min(LONGEST_AUDIT_PAUSE);
        self.audits = self.audits.saturating_add(1);
    }

    /// Remembers a bag's place at the host, and forgets the oldest one if necessary.
    pub(super) fn remember(&mut self, mark: Mark) {
        self.places.insert(mark.seq, mark.signature);
        if self.places.len() > REMEMBERED {
            self.places.pop_first();
        }
    }

    /// Sets where reading starts, according to the log.
    pub(super) const fn start_from(&mut self, cursor: Cursor) {
        self.base = cursor.seq;
    }

    /// Asks to look at the host again: until a list that starts from now on ends, nothing says that all was read.
    pub(super) const fn doubt(&mut self) {
        self.is_audit_wanted = true;
        self.peek_wanted = true;
        self.has_caught_up = false;
    }

    pub(super) const fn has_caught_up(&self) -> bool {
        self.has_caught_up
    }

    pub(super) const fn is_listing(&self) -> bool {
        self.listing.is_some()
    }
}
