//! The interface between the sync engine and a device's log.

use std::time::Duration;

use crate::order::Position;
use crate::standard::{
    Bag, BagHead, Decode, DecodeError, Encode, Head, Message, OpenBagError, Reader, Seq, Signature, Timestamp,
};
#[cfg(feature = "store")]
use crate::standard::{InvalidSignature, Status, put_varbytes};

/// A device's log, from the point of view of one host's session.
///
/// Each call that changes something is one transaction: when it returns, either all of it is durable or none of it is.
pub trait SyncLog {
    /// Why the log failed, such as a full disk.
    type Error: std::error::Error;

    /// Returns how far this host has been read.
    fn cursor(&self) -> Result<Cursor, Self::Error>;

    /// Returns for each head whether its message is in the log, in order.
    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, Self::Error>;

    /// Stores what this host sent, queues new messages for the other hosts, removes messages that this host evidently
    /// has from its queue, and moves the cursor.
    fn receive(&mut self, received: Received) -> Result<(), Self::Error>;

    /// Returns the first messages queued for this host after `after`, in order, within `limits` (but at least one, if
    /// there is any), sealed by `seal`.
    fn outgoing(
        &self,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, Self::Error>;

    /// Removes messages that this host has stored from its queue, and moves the cursor if one is given.
    fn acknowledge(&mut self, stored: &[Position], cursor: Option<Cursor>) -> Result<(), Self::Error>;

    /// Starts over with this host: queues every message for it, resets the cursor to its default, and forgets skipped
    /// bags.
    ///
    /// Reading the host from the start then removes what it has from the queue, and the rest is pushed. So a host that
    /// lost bags gets them again.
    fn start_over(&mut self) -> Result<(), Self::Error>;

    /// Returns how many messages are queued for this host.
    fn pending(&self) -> Result<u64, Self::Error>;

    /// Call this when everything at the host has been read and nothing is queued for it any more. The log may queue what it
    /// holds back until then: what devices say of each other (see [`peers`](crate::peers)).
    fn on_drained(&mut self, now: Timestamp) -> Result<Drained, Self::Error> {
        let _ = now;
        Ok(Drained::default())
    }

    /// Returns the skipped bags of this host that could be fetched again.
    fn skipped(&self) -> Result<Vec<Skipped>, Self::Error>;
}

/// What a log has for a host that has everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Whether something was queued.
    pub queued: bool,
    /// After how long there will be something if nothing happens before; `None` if there will not.
    pub again_in: Option<Duration>,
    /// How many messages the host has, by the word of the devices that sent them there, and does not list.
    pub withheld: u64,
}

/// How far a host has been read, and how to recognise later that it is still the same host.
///
/// The log stores it unchanged; only the sync engine interprets it.
///
/// ```text
/// varint seq · u8 caught up · read · own, each: u8 1, varint seq, bytes(64) signature; or u8 0
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Every bag up to this one has been stored here or skipped.
    pub seq: Seq,
    /// Whether everything at the host has been read at least once since it was linked or started over.
    pub caught_up: bool,
    /// The last bag that the host listed, at or before `seq`.
    pub read: Option<Mark>,
    /// The last bag that the host acknowledged but has not listed yet, before or after `seq`.
    pub own: Option<Mark>,
}

/// A bag that a host had at a seq. If it now has another one there, or none, it has lost bags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The bag's signature. No two bags have the same one, because no two are sealed to the same bytes.
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

/// The result of one step of reading a host.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Messages that were opened and checked. Those already in the log do no harm.
    pub messages: Vec<Arrival>,
    /// Messages that the host listed and the log already has.
    pub known: Vec<Position>,
    /// Bags that could not be read.
    pub skipped: Vec<Skipped>,
    /// Formerly skipped bags that are settled now: stored, or known to be hopeless.
    pub settled: Vec<Seq>,
    /// The new cursor; `None` leaves it unchanged.
    pub cursor: Option<Cursor>,
}

/// A message from a host.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The message in the bag.
    pub message: Message,
}

/// A bag that could not be read. It is counted and reported but never blocks the others.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The bag's head as the host listed it, which is needed to request the body again.
    pub head: BagHead,
    /// Why it was skipped; `None` if the host listed the bag without having its body.
    pub reason: Option<OpenBagError>,
}

impl Skipped {
    /// Returns what is to be kept beside the bag's number.
    ///
    /// ```text
    /// varbytes bag head · u8: 0 no body · 1 signature · 2 head does not decrypt · 3 body does not decrypt · 4 hash ·
    /// 5 head does not decode
    /// ```
    #[cfg(feature = "store")]
    pub(crate) fn to_note(&self) -> Vec<u8> {
        let mut note = Vec::new();
        put_varbytes(&mut note, &self.head.to_bytes());
        note.push(match self.reason {
            None => 0,
            Some(OpenBagError::InvalidSignature(_)) => 1,
            Some(OpenBagError::DecryptHead) => 2,
            Some(OpenBagError::DecryptBody) => 3,
            Some(OpenBagError::HashMismatch) => 4,
            Some(OpenBagError::DecodeHead(_)) => 5,
        });
        note
    }

    /// Reads it back. What exactly is wrong with a head that does not decode is not kept.
    #[cfg(feature = "store")]
    pub(crate) fn from_note(seq: Seq, note: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(note);
        let head = reader.varbytes().and_then(BagHead::decode)?;
        let reason = match reader.byte()? {
            1 => Some(OpenBagError::InvalidSignature(InvalidSignature)),
            2 => Some(OpenBagError::DecryptHead),
            3 => Some(OpenBagError::DecryptBody),
            4 => Some(OpenBagError::HashMismatch),
            5 => Some(OpenBagError::DecodeHead(DecodeError::TruncatedInside { status: Status::INVALID_MESSAGE })),
            _ => None,
        };
        Ok(Self { seq, head, reason })
    }
}

/// A message to send to a host.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The message's place in the queue.
    pub position: Position,
    /// The sealed message.
    pub bag: Bag,
}

/// The limits of one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// The maximum number of bags.
    pub bags: usize,
    /// The maximum number of bytes of encoded bags.
    pub bytes: usize,
}
