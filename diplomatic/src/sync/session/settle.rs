//! Requesting the bodies of skipped bags again.

use std::time::Duration;

use super::{Purpose, Session};
use crate::standard::calls::{Call, PullRequest};
use crate::standard::{Encode, Seq};
use crate::sync::settling::Unsettled;
use crate::sync::{Action, Arrival, Now, Received, SyncLog};

/// The maximum number of bodies requested again at once.
const BATCH: usize = 100;

impl Session {
    /// Reads the skipped bags from the log, and may begin a round.
    pub(super) fn load_skipped<L: SyncLog>(&mut self, log: &L) -> Result<(), L::Error> {
        self.settling.forget();
        self.settling.skipped = log.skipped()?.iter().map(|skipped| skipped.seq).collect();
        Ok(())
    }

    pub(super) fn settling_timer(&self) -> Option<Duration> {
        (!self.settling.skipped.is_empty()).then_some(self.settling.next_round)
    }

    /// Requests the next bodies of the round.
    pub(super) fn request_unsettled<L: SyncLog>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        if !self.settling.skipped.is_empty() && self.settling.next_round <= now.elapsed {
            self.settling.next_round = now.elapsed + self.config.recheck;
            self.settling.round = log.skipped()?.into_iter().map(|skipped| (skipped.seq, skipped)).collect();
        }
        while !self.settling.round.is_empty()
            && self.reading.gate.is_open(now.elapsed)
            && !self.is_requested(|purpose| matches!(purpose, Purpose::Settle(_)))
        {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Some((seq, skipped)) = self.settling.round.pop_first()
            {
                if let Ok(head) = self.keys.open_head(&skipped.head) {
                    batch.push(Unsettled { seq, head });
                }
            }
            let heads: Vec<_> = batch.iter().map(|unsettled| unsettled.head.head()).collect();
            let contained = log.contains(&heads)?;
            // Messages that arrived from another host meanwhile are settled, too.
            let (here, missing): (Vec<_>, Vec<_>) =
                batch.into_iter().zip(contained).partition(|(_, contained)| *contained);
            let settled: Vec<Seq> = here.into_iter().map(|(unsettled, _)| unsettled.seq).collect();
            if !settled.is_empty() {
                self.record_settled(Vec::new(), settled, log)?;
            }
            let missing: Vec<Unsettled> = missing.into_iter().map(|(unsettled, _)| unsettled).collect();
            if !missing.is_empty() {
                let request = PullRequest { seqs: missing.iter().map(|unsettled| unsettled.seq).collect() };
                self.request(now, Call::Pull, Purpose::Settle(missing), |body| request.encode(body));
            }
        }
        Ok(())
    }

    /// Stores the bags that the host delivered after all.
    pub(super) fn settle<L: SyncLog>(&mut self, log: &mut L) -> Result<(), L::Error> {
        if self.settling.opened.is_empty() {
            return Ok(());
        }
        let opened = std::mem::take(&mut self.settling.opened);
        let settled = opened.iter().map(|(seq, _)| *seq).collect();
        let messages: Vec<_> = opened.into_iter().map(|(seq, message)| Arrival { seq, message }).collect();
        let count = messages.len() as u64;
        self.record_settled(messages, settled, log)?;
        self.actions.push_back(Action::Arrived { messages: count });
        Ok(())
    }

    fn record_settled<L: SyncLog>(
        &mut self,
        messages: Vec<Arrival>,
        settled: Vec<Seq>,
        log: &mut L,
    ) -> Result<(), L::Error> {
        for seq in &settled {
            self.settling.skipped.remove(seq);
        }
        log.receive(Received { messages, settled, ..Received::default() })?;
        self.storage.on_success();
        self.recount = true;
        Ok(())
    }
}
