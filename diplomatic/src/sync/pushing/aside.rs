//! Messages that do not get through: which of a PUSH it is, and what becomes of it.
//!
//! A PUSH that fails because of its size is halved, until one message is found to be the cause. It is set aside, so that the
//! others proceed, and is sent again now and then, alone.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Flight, Pushing};
use crate::order::Position;
use crate::sync::status::Refusal;
use crate::sync::{Failure, Outgoing, PushLimits};

/// How often a message must fail alone before it is set aside. In between, the host answers other requests.
const PATIENCE: u8 = 3;
/// How often in a row pushes may fail while a sync waits for the cause to be found.
const PROBES: u8 = 14;
/// A PUSH that took less can be larger: so many times the usual limits.
const QUICK: Duration = Duration::from_secs(1);
const LARGER: usize = 4;
/// A refused message of fewer bytes is not refused for its size.
pub(in crate::sync) const SMALL: usize = 4 << 10;

/// What is known about messages that do not get through.
#[derive(Debug, Default)]
pub(in crate::sync) struct Aside {
    /// The size of the smallest PUSH that was too large for the host.
    too_large: Option<usize>,
    /// The message that failed alone last, and how often in a row.
    alone: Option<(Position, u8)>,
    /// The messages that are set aside and may be tried again, alone.
    retry: BTreeSet<Position>,
    /// How many pushes failed in a row that may be too large.
    failures: u8,
}

impl Pushing {
    /// Chooses from the next messages of the queue those for one PUSH: all that are not set aside, or one that is and may
    /// be tried again.
    pub(in crate::sync) fn choose(&mut self, outgoing: Vec<Outgoing>) -> Vec<Outgoing> {
        let (mut aside, chosen): (Vec<_>, Vec<_>) =
            outgoing.into_iter().partition(|outgoing| self.refused.contains_key(&outgoing.position));
        aside.retain(|outgoing| self.aside.retry.contains(&outgoing.position));
        if chosen.is_empty() {
            aside.truncate(1);
            return aside;
        }
        // Those have their turn in the next pass.
        self.is_due_again |= !aside.is_empty();
        chosen
    }

    /// Lets refused messages be tried again: those that were too much for the host, or for the way to it, one by one.
    pub(in crate::sync) fn try_refused(&mut self) {
        let (alone, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.refused).into_iter().partition(|(_, refusal)| refusal.is_of_one());
        drop(others);
        self.refused = alone.into_iter().collect();
        self.aside.retry = self.refused.keys().copied().collect();
        self.after = None;
        self.is_due = true;
    }

    /// Takes note that the host has messages, which may have been set aside.
    pub(in crate::sync) fn on_stored(&mut self, stored: &[Position]) {
        for position in stored {
            self.refused.remove(position);
            self.aside.retry.remove(position);
        }
    }

    /// Takes note that a PUSH failed, and makes the next one smaller if its size may be the cause. Returns whether the host
    /// is to be left alone for a while.
    pub(in crate::sync) fn on_transport_failure(&mut self, failure: &Failure) -> bool {
        match failure {
            Failure::HttpStatus(413) => {
                self.on_too_large();
                false
            }
            Failure::Cut | Failure::Timeout | Failure::TooSlow | Failure::HttpStatus(408 | 502 | 504) => {
                self.aside.failures = self.aside.failures.saturating_add(1);
                self.halve();
                if let Some(flight) = &mut self.flight {
                    flight.obstacle = Some(Refusal::Undelivered);
                }
                true
            }
            _ => true,
        }
    }

    /// Takes note that a PUSH is more than the host takes at once.
    pub(in crate::sync) fn on_too_large(&mut self) {
        let Some(flight) = &mut self.flight else { return };
        flight.obstacle = Some(if flight.bytes < SMALL { Refusal::NotTaken } else { Refusal::TooLarge });
        let least = self.aside.too_large.map_or(flight.bytes, |least| least.min(flight.bytes));
        self.aside.too_large = Some(least);
        self.halve();
    }

    fn halve(&mut self) {
        if let Some(flight) = &self.flight {
            self.limits.bags = (flight.bags.len() / 2).max(1);
            self.limits.bytes = (flight.bytes / 2).max(1);
        }
    }

    /// Lets the next PUSH be larger after one that went well, but not as large as one that the host did not take. Where a
    /// PUSH takes little time, it may become a few times as large as usual.
    pub(in crate::sync) fn grow(&mut self, took: Duration) {
        self.aside.failures = 0;
        let times = if took < QUICK { LARGER } else { 1 };
        let most = PushLimits { bags: self.most.bags * times, bytes: self.most.bytes * times };
        self.limits.bags = (self.limits.bags * 2).min(most.bags);
        let bytes = self.limits.bytes;
        let goal = match self.aside.too_large.filter(|least| *least <= bytes * 2) {
            // Closer by halves, until it is not worth another failure.
            Some(least) if least.saturating_sub(bytes) > bytes / 4 => bytes + (least - bytes) / 2,
            Some(_) => bytes,
            None => bytes * 2,
        };
        self.limits.bytes = goal.min(most.bytes);
    }

    /// Returns why the only message of a PUSH that failed is to be set aside, if it is.
    pub(in crate::sync) fn verdict(&mut self, flight: &Flight) -> Option<Refusal> {
        let ([only], Some(obstacle)) = (flight.bags.as_slice(), flight.obstacle) else {
            self.aside.alone = None;
            return None;
        };
        let position = only.position;
        let times = self.aside.alone.filter(|(alone, _)| *alone == position).map_or(1, |(_, times)| times + 1);
        self.aside.alone = Some((position, times));
        let is_known = self.aside.retry.remove(&position);
        (obstacle != Refusal::Undelivered || is_known || times >= PATIENCE).then(|| {
            self.aside.alone = None;
            self.aside.failures = 0;
            obstacle
        })
    }

    /// Returns whether the cause of failures is being looked for, so that there is more to be done soon.
    pub(in crate::sync) const fn is_probing(&self) -> bool {
        self.aside.failures > 0 && self.aside.failures < PROBES
    }
}
