//! What this device lacks and asks others for.

use std::time::Duration;

use super::Device;
use crate::log::LogError;
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{PublicKey, Timestamp};
use crate::sync::Unread;
use crate::witness::{MOST_CHUNKS_WANTED, Want};

impl<R: Reducer> Device<R> {
    /// Returns which parts of attachments are wanted of other devices for a link's host, and has the host itself asked again
    /// now and then; or after how long it is asked.
    pub(super) fn wanted_chunks(
        &mut self,
        link: u32,
        now: Timestamp,
    ) -> Result<(Vec<Position>, Option<Duration>), LogError> {
        let sought = &mut self.sought;
        let mut wanted = self.log.read(|reader| {
            let mut settled = Vec::new();
            for position in sought.iter() {
                if reader.lacks_nothing_of(position)? || reader.is_to_be_had(position)? {
                    settled.push(*position);
                }
            }
            settled.iter().for_each(|position| _ = sought.remove(position));
            reader.undelivered_chunks(link, MOST_CHUNKS_WANTED)
        })?;
        let again_in = if wanted.is_empty() {
            self.asked_again.remove(&link);
            None
        } else {
            let last = *self.asked_again.entry(link).or_insert(now);
            // A clock that was set back must not make this wait for the time that it showed.
            let left = if last <= now { self.want_every.saturating_sub(now.since(last)) } else { Duration::ZERO };
            if left.is_zero() {
                let asked = self.log.write(|writer| writer.ask_again(link, &wanted));
                self.checked(asked)?;
                self.asked_again.insert(link, now);
            }
            Some(left)
        };
        let missing = self.sought.iter().filter(|position| !wanted.contains(position)).copied().collect::<Vec<_>>();
        wanted.extend(missing);
        wanted.truncate(MOST_CHUNKS_WANTED);
        Ok((wanted, again_in))
    }

    /// Returns what to ask others for now that a host was read to its end, or that nothing is wanted any more; or after
    /// how long to ask.
    pub(super) fn next_want(
        &mut self,
        host: &PublicKey,
        unread: Unread,
        chunks: &[Position],
        now: Timestamp,
    ) -> Result<(Option<Want>, Option<Duration>), LogError> {
        if self.witness_after.is_none() {
            return Ok((None, None));
        }
        let is_complete = self.peers_now()?.is_complete();
        let is_something_unread = !unread.messages.is_empty() || !unread.bags.is_empty() || !chunks.is_empty();
        let Some(device) = self.peers_now()?.this_device else {
            if is_something_unread {
                // Nobody has spoken of devices yet, but now this one has to.
                self.log.write(|writer| writer.device_id().map(drop))?;
                return self.next_want(host, unread, chunks, now);
            }
            return Ok((None, None));
        };
        let every = self.want_every;
        self.log.read(|reader| {
            let before = reader.own_want()?;
            let wanted = before.as_ref().map(|(_, want)| want.hosts.clone()).unwrap_or_default();
            let holes = unread.bags.iter().map(|(first, last)| (first.number(), last.number())).collect();
            let lacking = reader.lacking(host, &unread.messages, chunks, holes)?;
            let mut hosts = wanted.clone();
            match hosts.iter_mut().find(|wanted| wanted.host == lacking.host) {
                Some(wanted) => *wanted = lacking,
                None => hosts.push(lacking),
            }
            if is_complete {
                for wanted in &mut hosts {
                    wanted.unnamed.clear();
                    let mut missing = Vec::new();
                    for position in std::mem::take(&mut wanted.messages) {
                        if !reader.lacks_nothing_of(&position)? {
                            missing.push(position);
                        }
                    }
                    wanted.messages = missing;
                }
            }
            hosts.retain(|wanted| !wanted.is_empty());
            if hosts == wanted {
                return Ok((None, None));
            }
            let due_in = match before.filter(|(_, want)| !want.hosts.is_empty() && !hosts.is_empty()) {
                // A clock that was set back must not make this wait for the time that it showed.
                Some((last, _)) if last.changed <= now => every.saturating_sub(now.since(last.changed)),
                _ => Duration::ZERO,
            };
            if due_in.is_zero() { Ok((Some(Want { device, hosts }), None)) } else { Ok((None, Some(due_in))) }
        })
    }
}
