//! What this device lacks and asks others for.

use std::time::Duration;

use super::Device;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::{PublicKey, Timestamp};
use crate::witness::Want;

impl<R: Reducer> Device<R> {
    /// Returns what to ask others for now that a host was read to its end, or that nothing is wanted any more; or after
    /// how long to ask.
    pub(super) fn next_want(
        &mut self,
        host: &PublicKey,
        now: Timestamp,
    ) -> Result<(Option<Want>, Option<Duration>), LogError> {
        if self.witness_after.is_none() {
            return Ok((None, None));
        }
        let Some(device) = self.peers_now()?.this_device else { return Ok((None, None)) };
        let is_complete = self.peers_now()?.is_complete();
        let every = self.want_every;
        self.log.read(|reader| {
            let before = reader.own_want()?;
            let mut hosts = before.as_ref().map(|(_, want)| want.hosts.clone()).unwrap_or_default();
            if is_complete {
                let satisfied = Want { device, hosts: Vec::new() };
                return Ok(((!hosts.is_empty()).then_some(satisfied), None));
            }
            let lacking = reader.lacking(host)?;
            match hosts.iter_mut().find(|wanted| wanted.host == lacking.host) {
                Some(wanted) if *wanted == lacking => return Ok((None, None)),
                Some(wanted) => *wanted = lacking,
                None => hosts.push(lacking),
            }
            let due_in = match before.filter(|(_, want)| !want.hosts.is_empty()) {
                // A clock that was set back must not make this wait for the time that it showed.
                Some((last, _)) if last.changed <= now => every.saturating_sub(now.since(last.changed)),
                _ => Duration::ZERO,
            };
            if due_in.is_zero() { Ok((Some(Want { device, hosts }), None)) } else { Ok((None, Some(due_in))) }
        })
    }
}
