//! Fetching bodies that the log left at the host and wants now, once everything else has been read.

use super::{Purpose, Session};
use crate::standard::Encode;
use crate::standard::calls::{Call, PullRequest};
use crate::sync::fetching::Fetch;
use crate::sync::{Action, Arrival, Now, PushLimits, Received, SyncLog};

/// How many bodies are asked for at once, at most.
const BODIES: usize = 64;

impl Session {
    /// Sends the next request for bodies, if the log wants any.
    pub(super) fn request_wanted<L: SyncLog + ?Sized>(&mut self, now: Now, log: &L) -> Result<(), L::Error> {
        let is_asking = self.is_requested(|purpose| matches!(purpose, Purpose::Fetch(_)));
        if !self.fetching.is_due || is_asking || !self.reading.gate.is_open(now.elapsed) {
            return Ok(());
        }
        let bytes = usize::try_from(self.config.pull_bytes).unwrap_or(usize::MAX);
        let wanted = log.wanted(PushLimits { bags: BODIES, bytes })?;
        if wanted.is_empty() {
            self.fetching.is_due = false;
            return Ok(());
        }
        let heads = wanted.into_iter().map(|(seq, head)| (seq, self.keys.expect_head(head))).collect();
        let fetch = Fetch::new(heads);
        let request = PullRequest { seqs: fetch.missing.keys().copied().collect() };
        self.request(now, Call::Pull, Purpose::Fetch(fetch), |body| request.encode(body));
        Ok(())
    }

    /// Hands the bodies that came to the log, and tells it which did not.
    pub(super) fn store_fetched<L: SyncLog + ?Sized>(&mut self, log: &mut L) -> Result<(), L::Error> {
        if !self.fetching.has_news() {
            return Ok(());
        }
        let opened = std::mem::take(&mut self.fetching.opened);
        let missed = std::mem::take(&mut self.fetching.missed);
        self.fetching.is_due = true;
        let messages: Vec<_> = opened.into_iter().map(|(seq, message)| Arrival { seq, message }).collect();
        let count = messages.len() as u64;
        if count > 0 {
            log.receive(Received { messages, ..Received::default() })?;
            self.actions.push_back(Action::Arrived { messages: count });
        }
        if !missed.is_empty() {
            log.not_delivered(&missed)?;
        }
        self.storage.on_success();
        self.recount = true;
        Ok(())
    }
}
