//! What the sync engine asks of a device's log.

use crate::order::Position;
use crate::standard::{Bag, Decode, DecodeError, Encode, Head, Message, OpenBagError, Reader, Seq, Signature};

/// A device's log as one host's session sees it.
///
/// Each call that changes something is one transaction: all of it is durable when the call returns, or nothing is.
pub trait SyncLog {
    /// Why the log could not do it, such as a full disk.
    type Error: std::error::Error;

    /// Returns how far this host was read.
    fn cursor(&self) -> Result<Cursor, Self::Error>;

    /// Returns for each head whether its message is in the log, in their order.
    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, Self::Error>;

    /// Stores what this host sent, passes new messages on to the queues of the other hosts, takes what this host
    /// evidently has off its own queue, and moves the cursor.
    fn receive(&mut self, received: Received) -> Result<(), Self::Error>;

    /// Returns the first queued messages for this host that come after `after`, in their order, within `limits` (but
    /// at least one, if there is any), sealed by `seal`.
    ///
    /// A bag is kept before it is returned: the next call returns the same bytes until the host has it.
    fn outgoing(
        &mut self,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, Self::Error>;

    /// Takes messages that this host has stored off its queue, and moves the cursor if one is given.
    fn acknowledge(&mut self, stored: &[Position], cursor: Option<Cursor>) -> Result<(), Self::Error>;

    /// Starts over with this host: queues every message of the log for it, moves the cursor to the start (its
    /// default), and forgets what was skipped there.
    ///
    /// Reading the host from the start then takes what it has off the queue, and the rest is pushed. So a host that
    /// lost bags gets them again.
    fn start_over(&mut self) -> Result<(), Self::Error>;

    /// Returns how many messages are queued for this host.
    fn pending(&self) -> Result<u64, Self::Error>;

    /// Returns what was skipped at this host and could be fetched again.
    fn skipped(&self) -> Result<Vec<Skipped>, Self::Error>;
}

/// How far a host was read, and how to tell later that it is still the same host.
///
/// The log keeps it as it is; only the sync engine looks inside.
///
/// ```text
/// varint seq · u8 caught up · read · own, each: u8 1, varint seq, bytes(64) signature; or u8 0
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Every bag up to this one was stored here or skipped.
    pub seq: Seq,
    /// Whether the host was read to its end at least once since it was linked or started over.
    pub caught_up: bool,
    /// The last bag that the host listed; at or before `seq`.
    pub read: Option<Mark>,
    /// The last bag that the host acknowledged and has not listed yet; before or after `seq`.
    pub own: Option<Mark>,
}

/// A bag that a host had at a seq. A host that has another one there now, or none, lost bags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The bag's signature: no two bags have the same, since no two are sealed to the same bytes.
    pub signature: Signature,
}

impl Encode for Cursor {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { seq, caught_up, read, own } = self;
        seq.encode(out);
        out.push(u8::from(*caught_up));
        for mark in [read, own] {
            out.push(u8::from(mark.is_some()));
            if let Some(Mark { seq, signature }) = mark {
                seq.encode(out);
                signature.encode(out);
            }
        }
    }
}

impl Decode for Cursor {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        fn mark(reader: &mut Reader<'_>) -> Result<Option<Mark>, DecodeError> {
            match reader.byte()? {
                0 => Ok(None),
                _ => Ok(Some(Mark { seq: Decode::read(reader)?, signature: Decode::read(reader)? })),
            }
        }
        Ok(Self { seq: Decode::read(reader)?, caught_up: reader.byte()? != 0, read: mark(reader)?, own: mark(reader)? })
    }
}

/// What one step of reading a host brought.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Messages that were opened and checked; ones that are in the log already do no harm.
    pub messages: Vec<Arrival>,
    /// Messages that the host listed and that are in the log already.
    pub known: Vec<Position>,
    /// Bags that could not be read.
    pub skipped: Vec<Skipped>,
    /// Bags that were skipped earlier and are settled now: stored, or known to be hopeless.
    pub settled: Vec<Seq>,
    /// Where the cursor stands after it; `None` leaves it.
    pub cursor: Option<Cursor>,
}

/// A message that a host brought.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The bag's number at the host.
    pub seq: Seq,
    /// What was in it.
    pub message: Message,
}

/// A bag that could not be read. It is counted and reported, and never blocks the rest.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The bag's head as the host listed it, with which the body can be asked for again.
    pub head: crate::standard::BagHead,
    /// Why it was skipped; `None` when the host listed the bag and did not have its body.
    pub reason: Option<OpenBagError>,
}

/// A message that waits for a host.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The message's place in the queue.
    pub position: Position,
    /// The message, sealed for the host.
    pub bag: Bag,
}

/// How much one push takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// The most bags.
    pub bags: usize,
    /// The most bytes of encoded bags.
    pub bytes: usize,
}
