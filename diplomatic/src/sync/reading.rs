//! The state of reading a host: the list being read, and what is known about the host's bags.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::backoff::Gate;
use super::window::Window;
use super::{Cursor, Mark};
use crate::standard::calls::PeekItem;
use crate::standard::{BagHead, Seq, Signature};

/// The most bytes that a listed bag may take; a head is some hundred.
pub(crate) const MAX_LISTED: usize = 1 << 20;
/// How many places of bags a session remembers.
const REMEMBERED: usize = 512;

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
    pub(super) suspicions: u8,
    pub(super) gap: Option<Gap>,
    /// What this session last saw at the host, by listing, announcement or acknowledgement.
    pub(super) places: BTreeMap<Seq, Signature>,
    /// Heads that did not open when they were listed last.
    pub(super) unreadable: BTreeMap<Seq, BagHead>,
    pub(super) start_overs: u32,
    pub(super) next_start_over: Duration,
    /// Where reading was at its end the last time.
    pub(super) base: Seq,
    pub(super) has_caught_up: bool,
}

/// A PEEK whose list is being read.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) items: VecDeque<PeekItem>,
    /// The seq that must come next.
    pub(super) next: Seq,
    /// Whether the response has ended, and as it should.
    pub(super) end: Option<bool>,
    pub(super) skips_gaps: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) expected: Seq,
    pub(super) found: Seq,
    pub(super) rounds: u8,
}

/// The bodies that a PULL has not brought yet.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) missing: Vec<Seq>,
    /// The length in bytes of the longest of those asked for, sealed: no item is much longer.
    pub(super) longest: u64,
}

/// What is wrong with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The host is not the one that was read.
    Restored,
    /// Bags are left out, or seqs do not rise.
    Gap { found: Seq },
    /// A seq that no host comes to, or a head that does not open and did not look so the last time.
    Absurd,
}

impl Default for ReadingState {
    fn default() -> Self {
        Self {
            gate: Gate::new(),
            window: Window::default(),
            peek_wanted: true,
            listing: None,
            complete: false,
            suspicions: 0,
            gap: None,
            places: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            start_overs: 0,
            next_start_over: Duration::ZERO,
            base: Seq::ZERO,
            has_caught_up: false,
        }
    }
}

impl ReadingState {
    /// Drops what is not in the log, to read it again.
    pub(super) fn forget(&mut self) {
        self.window.clear();
        self.listing = None;
        self.complete = false;
        self.peek_wanted = true;
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
