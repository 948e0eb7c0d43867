//! Fetching missing bodies by PULL, each from one of the hosts that have it.

use std::collections::VecDeque;

use super::{Purpose, Session};
use crate::standard::calls::{Call, PullItem, PullRequest};
use crate::standard::{Encode, Head, Seq};
use crate::sync::reading::Pull;
use crate::sync::stream::{Garbled, ResponseStream};
use crate::sync::{Claimed, Now, SyncLog};

impl Session {
    /// Sends the due PEEK or PULLs.
    pub(super) fn request_reading<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        while self.request_some(now, log)? {
            self.take_in(now, log)?;
            self.end_reading(now, log)?;
        }
        Ok(())
    }

    /// Sends the due PEEK or PULLs, and tells whether it turned out that some of the bodies have come from another host.
    fn request_some<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<bool, L::Error> {
        let Some(cursor) = self.cursor else { return Ok(false) };
        let reading = &mut self.reading;
        reading.window.wake(now.elapsed);
        let undisturbed = reading.listing.is_none() && reading.window.is_empty() && !reading.complete;
        if reading.peek_wanted && undisturbed && !self.pushing.is_busy() {
            self.request_list(now, cursor);
        }
        let mut have_come = false;
        while self.is_pull_due() {
            let chosen = self.reading.window.choose(&self.config);
            let seqs = self.claim(now, chosen, &mut have_come, log)?;
            if seqs.is_empty() {
                continue;
            }
            let request = PullRequest { seqs };
            let bytes = request.to_bytes();
            let window = &self.reading.window;
            let longest = request.seqs.iter().filter_map(|seq| window.expected_len(*seq)).max().unwrap_or_default();
            let pull = Pull { missing: request.seqs.into(), longest, unasked: 0 };
            self.request(now, Call::Pull, Purpose::Pull(pull), |body| body.extend_from_slice(&bytes));
        }
        Ok(have_come)
    }

    /// Returns those of the bags whose bodies this host is to be asked for.
    fn claim<L: SyncLog + ?Sized>(
        &mut self,
        now: Now,
        mut chosen: Vec<Seq>,
        have_come: &mut bool,
        log: &mut L,
    ) -> Result<Vec<Seq>, L::Error> {
        let window = &mut self.reading.window;
        chosen.retain(|seq| window.wanted_head(*seq).is_some());
        let heads: Vec<&Head> = chosen.iter().filter_map(|seq| window.wanted_head(*seq)).collect();
        let mut claims = log.claim(&heads)?.into_iter();
        chosen.retain(|seq| match claims.next() {
            Some(Claimed::Here) => {
                *have_come = true;
                let position = window.on_come(*seq);
                position.into_iter().for_each(|position| self.pushing.on_seen(position));
                false
            }
            Some(Claimed::Elsewhere) => !window.put_off(now.elapsed, *seq),
            Some(Claimed::Granted) | None => true,
        });
        Ok(chosen)
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

    pub(super) fn on_bodies(&mut self, now: Now, pull: &mut Pull, stream: &mut ResponseStream) -> Result<(), Garbled> {
        let window = &mut self.reading.window;
        let seqs = &mut pull.missing;
        let limit = usize::try_from(pull.longest.saturating_add(16)).unwrap_or(usize::MAX);
        loop {
            match stream.item::<PullItem>(limit) {
                Ok(Some(PullItem { seq, body })) => {
                    if let Some(place) = seqs.iter().position(|wanted| *wanted == seq) {
                        seqs.remove(place);
                        window.fill(seq, body);
                    } else if pull.unasked < seqs.len() {
                        pull.unasked += 1;
                    } else {
                        // More that nobody asked for than what is left to come: it might go on for ever.
                        return Err(Garbled);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    // The first missing one is the likely culprit. Do not let it hold up the others forever.
                    if let Some(seq) = seqs.pop_front() {
                        window.miss(now.elapsed, seq, &self.config);
                    }
                    return Err(error.into());
                }
            }
        }
    }

    pub(super) fn on_bodies_end(&mut self, now: Now, missing: VecDeque<Seq>) {
        for seq in missing {
            self.reading.window.miss(now.elapsed, seq, &self.config);
        }
    }
}
