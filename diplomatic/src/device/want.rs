//! What this device lacks and asks others for.

use std::time::Duration;

use super::Device;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::{PublicKey, Timestamp};
use crate::sync::Unread;
use crate::witness::Want;

impl<R: Reducer> Device<R> {
    /// Returns what to ask others for now that a host was read to its end, or that nothing is wanted any more; or after
    /// how long to ask.
    pub(super) fn next_want(
        &mut self,
        host: &PublicKey,
        unread: Unread,
        now: Timestamp,
    ) -> Result<(Option<Want>, Option<Duration>), LogError> {
        if self.witness_after.is_none() {
            return Ok((None, None));
        }
        let is_complete = self.peers_now()?.is_complete();
        let is_something_unread = !unread.messages.is_empty() || !unread.bags.is_empty();
        let Some(device) = self.peers_now()?.this_device else {
            if is_something_unread {
                // Nobody has spoken of devices yet, but now this one has to.
                self.log.write(|writer| writer.device_id().map(drop))?;
                return self.next_want(host, unread, now);
            }
            return Ok((None, None));
        };
        let every = self.want_every;
        self.log.read(|reader| {
            let before = reader.own_want()?;
            let wanted = before.as_ref().map(|(_, want)| want.hosts.clone()).unwrap_or_default();
            let holes = unread.bags.iter().map(|(first, last)| (first.number(), last.number())).collect();
            let lacking = reader.lacking(host, &unread.messages, holes)?;
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
                        if !reader.knows(&position)? {
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
