//! The state of skipped bags.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Skipped;
use super::stream::ResponseStream;
use crate::standard::calls::PullItem;
use crate::standard::{DecodeError, Message, OpenedHead, Seq};

/// What was skipped at a host, and what has arrived since.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// All skipped bags that are not settled.
    pub(super) skipped: BTreeSet<Seq>,
    /// The bags still to request in this round.
    pub(super) round: BTreeMap<Seq, Skipped>,
    /// When the next round begins.
    pub(super) next_round: Duration,
    /// The bags that the host delivered after all.
    pub(super) opened: Vec<(Seq, Message)>,
}

/// A skipped bag whose body was requested again.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub(super) seq: Seq,
    pub(super) head: OpenedHead,
}

impl Settling {
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.len() as u64
    }

    pub(super) fn is_skipped(&self, seq: Seq) -> bool {
        self.skipped.contains(&seq)
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn on_skipped(&mut self, skipped: Vec<Skipped>) {
        self.skipped.extend(skipped.iter().map(|skipped| skipped.seq));
    }

    /// Takes bodies. One that cannot be opened is left for the next round.
    pub(super) fn on_bodies(
        &mut self,
        unsettled: &mut Vec<Unsettled>,
        stream: &mut ResponseStream,
    ) -> Result<(), DecodeError> {
        let longest = unsettled.iter().map(|unsettled| unsettled.head.head().body_len()).max().unwrap_or_default();
        let limit = usize::try_from(longest.saturating_add(64)).unwrap_or(usize::MAX);
        while let Some(PullItem { seq, body }) = stream.item(limit)? {
            if let Some(place) = unsettled.iter().position(|unsettled| unsettled.seq == seq)
                && let Ok(message) = unsettled.swap_remove(place).head.open_body(&body)
            {
                self.opened.push((seq, message));
            }
        }
        Ok(())
    }

    /// Abandons the rest of the round.
    pub(super) fn on_failure(&mut self) {
        self.round.clear();
    }
}
