//! The state of fetching bodies that were left at the host when their heads were listed.

use std::collections::BTreeMap;

use super::stream::{Garbled, ResponseStream};
use crate::order::Position;
use crate::standard::calls::PullItem;
use crate::standard::{Message, OpenedHead, Seq};

/// What fetching has come to.
#[derive(Debug)]
pub(super) struct Fetching {
    /// The log may want something.
    pub(super) is_due: bool,
    /// What came, and what did not although the host lists it.
    pub(super) opened: Vec<(Seq, Message)>,
    pub(super) missed: Vec<Position>,
}

/// The bodies that a PULL has not brought yet.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) missing: BTreeMap<Seq, OpenedHead>,
    /// The length in bytes of the longest of those asked for, sealed: no item is much longer.
    longest: u64,
    /// How many items that nobody asked for may still come.
    tolerated: usize,
}

impl Fetch {
    pub(super) fn new(missing: BTreeMap<Seq, OpenedHead>) -> Self {
        let longest = missing.values().map(OpenedHead::sealed_body_len).max().unwrap_or_default();
        let tolerated = missing.len();
        Self { missing, longest, tolerated }
    }
}

impl Default for Fetching {
    fn default() -> Self {
        Self { is_due: true, opened: Vec::new(), missed: Vec::new() }
    }
}

impl Fetching {
    /// Takes bodies. One that cannot be opened counts as not delivered.
    pub(super) fn on_bodies(&mut self, fetch: &mut Fetch, stream: &mut ResponseStream) -> Result<(), Garbled> {
        let limit = usize::try_from(fetch.longest.saturating_add(24)).unwrap_or(usize::MAX);
        while let Some(PullItem { seq, body }) = stream.item(limit)? {
            let Some(head) = fetch.missing.remove(&seq) else {
                fetch.tolerated = fetch.tolerated.checked_sub(1).ok_or(Garbled)?;
                continue;
            };
            let position = Position::of(head.head());
            match head.open_body(&body) {
                Ok(message) => self.opened.push((seq, message)),
                Err(_) => self.missed.push(position),
            }
        }
        Ok(())
    }

    /// Takes note of the regular end of a PULL.
    pub(super) fn on_end(&mut self, fetch: &Fetch) {
        self.missed.extend(fetch.missing.values().map(|head| Position::of(head.head())));
    }

    pub(super) const fn has_news(&self) -> bool {
        !self.opened.is_empty() || !self.missed.is_empty()
    }
}
