//! The state of pushing: the PUSH in flight, the pass through the queue, and refused messages.

mod aside;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aside::Aside;
pub(super) use aside::SMALL;

use super::backoff::Gate;
use super::status::{Pause, Refusal, RefusedMessage};
use super::stream::{Garbled, ResponseStream};
use super::{Outgoing, PushLimits, SessionConfig};
use crate::order::Position;
use crate::standard::calls::{PushItem, PushOutcome, ResponseHead};
use crate::standard::{BagHead, MAX_SAFE, Seq, Signature};

/// The most bytes that the answer for one bag takes: two varints and a status.
const MAX_ANSWER: usize = 17;
/// How many answers are tolerated beside two for each bag.
const SPARE: usize = 16;

/// What pushing has come to.
#[derive(Debug)]
pub(super) struct Pushing {
    pub(super) gate: Gate,
    pub(super) most: PushLimits,
    pub(super) limits: PushLimits,
    pub(super) flight: Option<Flight>,
    /// Where the pass through the queue has come to, whether there is one, and whether another is due after it.
    pub(super) after: Option<Position>,
    /// Whether the pass has come to attachments, which everything else goes before.
    pub(super) is_at_attachments: bool,
    /// Whether the queue is gone through from its start after the PUSH in flight.
    pub(super) starts_over: bool,
    pub(super) is_due: bool,
    pub(super) is_due_again: bool,
    pub(super) refused: BTreeMap<Position, Refusal>,
    pub(super) refused_until: Duration,
    pub(super) last_refusal: Option<Refusal>,
    /// When the host acknowledged a bag last.
    pub(super) acknowledged_at: Duration,
    /// Since when something is due to be pushed.
    pub(super) waiting_since: Option<Duration>,
    pub(super) last_refused: Option<RefusedMessage>,
    pub(super) aside: Aside,
    ahead: Option<Ahead>,
}

/// The bags of the next PUSH, sealed while the host works on the last one.
#[derive(Debug)]
struct Ahead {
    after: Position,
    limits: PushLimits,
    outgoing: Vec<Outgoing>,
}

/// One PUSH, until the log knows what became of it.
#[derive(Debug)]
pub(super) struct Flight {
    /// When it was sent.
    pub(super) since: Duration,
    pub(super) bags: Vec<Pushed>,
    pub(super) bytes: usize,
    pub(super) answers: usize,
    /// Set when the response has ended, with what cut it short.
    pub(super) end: Option<Option<Pause>>,
    pub(super) head: Option<ResponseHead>,
    /// What stands in the way of all of it.
    pub(super) obstacle: Option<Refusal>,
}

#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) position: Position,
    pub(super) is_attachment: bool,
    pub(super) signature: Signature,
    pub(super) head: BagHead,
    pub(super) bytes: usize,
    pub(super) outcome: Option<PushOutcome>,
    /// The host has listed or announced the bag meanwhile.
    pub(super) seen: bool,
}

impl Flight {
    /// Returns the numbers that could be those of stored bags: they exist, and only one bag of the PUSH got each.
    pub(super) fn plausible(&self) -> BTreeSet<Seq> {
        let (mut once, mut again) = (BTreeSet::new(), BTreeSet::new());
        for pushed in &self.bags {
            if let Some(PushOutcome::Stored(seq)) = pushed.outcome
                && seq > Seq::ZERO
                && seq.number() <= MAX_SAFE
                && !once.insert(seq)
            {
                again.insert(seq);
            }
        }
        &once - &again
    }
}

impl Pushing {
    pub(super) fn new(config: &SessionConfig) -> Self {
        Self {
            gate: Gate::new(),
            most: config.push,
            limits: config.push,
            flight: None,
            after: None,
            is_at_attachments: false,
            starts_over: false,
            is_due: true,
            is_due_again: false,
            refused: BTreeMap::new(),
            refused_until: Duration::ZERO,
            last_refusal: None,
            acknowledged_at: Duration::ZERO,
            waiting_since: None,
            last_refused: None,
            aside: Aside::default(),
            ahead: None,
        }
    }

    /// Returns whether there is a PUSH in flight, and it is not known what follows it.
    pub(super) const fn can_prepare(&self) -> bool {
        self.flight.is_some() && self.ahead.is_none() && self.is_due
    }

    /// Keeps what follows the PUSH in flight in the queue.
    pub(super) fn prepare(&mut self, take: impl FnOnce(Option<Position>, PushLimits) -> Option<Vec<Outgoing>>) {
        let last = self.flight.as_ref().and_then(|flight| flight.bags.last());
        let Some(after) = last.map(|pushed| pushed.position) else { return };
        let outgoing = take(Some(after), self.limits).unwrap_or_default();
        self.ahead = Some(Ahead { after, limits: self.limits, outgoing });
    }

    /// Returns the sealed bags that come next in the queue, if they were prepared.
    pub(super) fn take_prepared(&mut self) -> Option<Vec<Outgoing>> {
        let Ahead { after, limits, outgoing } = self.ahead.take()?;
        let is_next = self.after == Some(after) && !outgoing.is_empty();
        let fits = limits.bags <= self.limits.bags && limits.bytes <= self.limits.bytes;
        (is_next && fits).then_some(outgoing)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.len() as u64
    }

    pub(super) fn last_refused(&self) -> Option<RefusedMessage> {
        self.last_refused.clone().filter(|_| !self.refused.is_empty())
    }

    pub(super) fn last_refusal(&self) -> Option<Refusal> {
        self.last_refusal.filter(|_| !self.refused.is_empty())
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    /// Tells whether nothing is to be pushed now.
    pub(super) fn is_resting(&self, now: Duration) -> bool {
        self.flight.is_none() && (!self.is_due || !self.gate.is_open(now))
    }

    /// Tells whether the host has everything, and could take more.
    pub(super) fn is_drained(&self, now: Duration) -> bool {
        self.flight.is_none() && !self.is_due && self.refused.is_empty() && self.gate.is_open(now)
    }

    pub(super) fn on_pending(&mut self) {
        self.is_due_again = self.is_due;
        self.is_due = true;
    }

    /// Goes through the queue from its start if only attachments are left of this pass, since there may be something else.
    pub(super) fn begin_again(&mut self) {
        if std::mem::take(&mut self.is_at_attachments) {
            self.ahead = None;
            self.after = None;
            self.starts_over = self.flight.is_some();
        }
    }

    /// Drops what is on its way; the queue is gone through from its start.
    pub(super) fn forget(&mut self) {
        self.flight = None;
        self.ahead = None;
        self.after = None;
        self.is_due = true;
    }

    /// Takes note that the host has a message, whatever becomes of the answer.
    pub(super) fn on_seen(&mut self, position: Position) {
        let flight = self.flight.iter_mut().flat_map(|flight| &mut flight.bags);
        for pushed in flight.filter(|pushed| pushed.position == position) {
            pushed.seen = true;
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.outgoing.retain(|outgoing| outgoing.position != position);
        }
        self.refused.remove(&position);
    }

    /// Takes answers. One for a bag that was not pushed, or that has one already, changes nothing, but there cannot be many
    /// of them.
    pub(super) fn on_answers(&mut self, stream: &mut ResponseStream) -> Result<(), Garbled> {
        let Some(flight) = &mut self.flight else { return Ok(()) };
        while let Some(PushItem { index, outcome }) = stream.item(MAX_ANSWER)? {
            flight.answers += 1;
            if flight.answers > 2 * flight.bags.len() + SPARE {
                return Err(Garbled);
            }
            if let Some(pushed) = flight.bags.get_mut(index as usize) {
                pushed.outcome.get_or_insert(outcome);
            }
        }
        Ok(())
    }

    pub(super) fn on_end(&mut self, failed: Option<Pause>) {
        if let Some(flight) = &mut self.flight {
            flight.end = Some(failed);
        }
    }

    /// Notes what the host says before it answers for each message.
    pub(super) fn on_head(&mut self, head: ResponseHead) {
        if let Some(flight) = &mut self.flight {
            flight.head = Some(head);
        }
    }

    pub(super) fn on_refused(&mut self, now: Duration, position: Position, refusal: Refusal, config: &SessionConfig) {
        if self.refused.is_empty() {
            self.refused_until = now + config.refused_retry;
        }
        self.refused.insert(position, refusal);
        self.last_refusal = Some(refusal);
    }
}
