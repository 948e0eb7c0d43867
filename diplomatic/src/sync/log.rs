//! The interface between the sync engine and a device's log.

use std::collections::HashSet;
use std::time::Duration;

use super::{Bodies, Skipped};
use crate::order::Position;
use crate::standard::{
    Bag, Decode, DecodeError, Encode, Head, HeadHash, Message, PublicKey, Reader, Seq, Signature, Timestamp,
};

/// A device's log, from the point of view of one host's session.
///
/// Each call that changes something is one transaction: when it returns, either all of it is durable or none of it is.
pub trait SyncLog {
    /// Why the log failed, such as a full disk.
    type Error: std::error::Error;

    /// Returns how far this host has been read.
    fn cursor(&self) -> Result<Cursor, Self::Error>;

    /// Returns how many messages the log has, or had until it dropped them.
    fn count(&self) -> Result<u64, Self::Error>;

    /// Returns for each head whether its message is in the log, in order.
    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, Self::Error>;

    /// Call this before messages are fetched from this host. A log that several hosts bring the same messages to may have
    /// each fetched from one of them; then the others [put it off](Claimed::Elsewhere). It remembers who was granted what
    /// until [`receive`](Self::receive).
    fn claim(&mut self, heads: &[&Head]) -> Result<Vec<Claimed>, Self::Error> {
        Ok(vec![Claimed::Granted; heads.len()])
    }

    /// Stores what this host sent, queues new messages for the other hosts, removes messages that this host evidently
    /// has from its queue, and moves the cursor.
    fn receive(&mut self, received: Received) -> Result<(), Self::Error>;

    /// Brings up to date what [`receive`](Self::receive) may have left behind because [more](Received::more) was coming.
    fn catch_up(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

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

    /// Takes note of the numbers under which this host has stored parts of attachments, before they are acknowledged.
    fn note_numbers(&mut self, numbers: &[(Seq, Position)]) -> Result<(), Self::Error> {
        let _ = numbers;
        Ok(())
    }

    /// Returns how many messages this host did not list and that do not wait for it either.
    fn unlisted(&self, listed: &HashSet<HeadHash>) -> Result<u64, Self::Error>;

    /// Queues for this host every message that it did not list, replaces the skipped bags, and sets the cursor. Returns how
    /// many messages were queued anew.
    ///
    /// This ends an audit, in which the host's whole list was compared with the log.
    fn reconcile(&mut self, audit: Audited) -> Result<u64, Self::Error>;

    /// Returns how many messages are queued for this host.
    fn pending(&self) -> Result<u64, Self::Error>;

    /// Call this when everything at the host has been read and nothing is queued for it any more. The log may queue what it
    /// holds back until then: what devices say of each other (see [`peers`](crate::peers)), and what they lack at this host.
    fn on_drained(&mut self, now: Timestamp, host: &PublicKey, unread: Unread) -> Result<Drained, Self::Error> {
        let _ = (now, host, unread);
        Ok(Drained::default())
    }

    /// Tells whether only the head of a new message is taken from the host for now. Its body is [wanted](Self::wanted)
    /// later, or never.
    fn defers(&self, head: &Head) -> bool {
        let _ = head;
        false
    }

    /// Returns messages of which only the heads are here, whose bodies are wanted now, and which this host lists: their
    /// numbers and heads, within `limits` (but at least one, if there is any).
    fn wanted(&self, limits: PushLimits) -> Result<Vec<(Seq, Head)>, Self::Error> {
        let _ = limits;
        Ok(Vec::new())
    }

    /// Takes note that this host lists messages whose bodies it did not deliver. They are not [wanted](Self::wanted) from it
    /// until something changes.
    fn not_delivered(&mut self, positions: &[Position]) -> Result<(), Self::Error> {
        let _ = positions;
        Ok(())
    }

    /// Returns how much of attachments waits for this host, and how much is wanted from hosts.
    fn bodies(&self) -> Result<(Bodies, Bodies), Self::Error> {
        Ok((Bodies::default(), Bodies::default()))
    }

    /// Returns what was skipped at this host.
    fn skipped(&self) -> Result<Vec<Skipped>, Self::Error>;

    /// Returns the seq up to which other evidence than the host's list shows that nothing at this host is missing here.
    ///
    /// Holes and unreadable bags up to there hide nothing. [`Seq::ZERO`] if there is no such evidence.
    fn vouched(&self) -> Result<Seq, Self::Error> {
        Ok(Seq::ZERO)
    }
}

/// From where a message is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// From this host.
    Granted,
    /// Another host is being asked for it. If it does not come from there within a few seconds, it is fetched all the same.
    Elsewhere,
    /// It is in the log by now.
    Here,
}

/// What a host lists without delivering it, or leaves out of its list, so that something may be missing here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unread {
    /// The messages whose bodies cannot be read.
    pub messages: Vec<Position>,
    /// The numbers of bags that are left out or whose heads cannot be read: first and last of each range.
    pub bags: Vec<(Seq, Seq)>,
}

/// What a log has for a host that has everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Whether something was queued.
    pub queued: bool,
    /// Whether the host's whole list is to be compared with the log, because another device cannot read some of it. The log
    /// has noted that in the cursor: no audit took place yet.
    pub compare: bool,
    /// Whether the log [wants](SyncLog::wanted) bodies again that the host did not deliver before.
    pub wants_bodies: bool,
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
/// varint seq · u8 caught up · read · own, each: u8 1, varint seq, bytes(64) signature; or u8 0 ·
/// u8 suspect · varint vouched · varint checked · date audited at
/// ```
///
/// The first format ended after `own`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Every bag up to this one has been stored here or skipped.
    pub seq: Seq,
    /// Whether everything at the host has been read at least once since it was linked.
    pub caught_up: bool,
    /// The last bag that the host listed, at or before `seq`.
    pub read: Option<Mark>,
    /// The last bag that the host acknowledged but has not listed yet, before or after `seq`.
    pub own: Option<Mark>,
    /// Whether the host has lost or changed bags, so that its whole list must be compared with the log.
    pub is_suspect: bool,
    /// Everything up to here has been read once, from what still seems to be the same list. So a bag that is gone from
    /// there held nothing that is missing here.
    pub vouched: Seq,
    /// Where the routine check of old bags has come to.
    pub checked: Seq,
    /// When the whole list was compared with the log last, by this device's clock.
    pub audited_at: Timestamp,
}

impl Cursor {
    /// Moves forward to a bag that was read or acknowledged.
    pub(super) fn advance(&mut self, seq: Seq) {
        self.seq = seq;
        self.vouched = self.vouched.max(seq);
    }
}

/// A bag that a host had at a seq. If it now has another one there, or none, it has lost bags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The bag's signature. Different messages have different ones.
    pub signature: Signature,
}

impl Encode for Cursor {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { seq, caught_up, read, own, is_suspect, vouched, checked, audited_at } = self;
        seq.encode(out);
        out.push(u8::from(*caught_up));
        for mark in [read, own] {
            out.push(u8::from(mark.is_some()));
            if let Some(Mark { seq, signature }) = mark {
                seq.encode(out);
                signature.encode(out);
            }
        }
        out.push(u8::from(*is_suspect));
        vouched.encode(out);
        checked.encode(out);
        audited_at.encode(out);
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
        let (seq, caught_up) = (Seq::read(reader)?, reader.byte()? != 0);
        let (read, own) = (mark(reader)?, mark(reader)?);
        if reader.rest().is_empty() {
            return Ok(Self { seq, caught_up, read, own, vouched: seq, ..Self::default() });
        }
        let is_suspect = reader.byte()? != 0;
        let (vouched, checked) = (Decode::read(reader)?, Decode::read(reader)?);
        Ok(Self { seq, caught_up, read, own, is_suspect, vouched, checked, audited_at: Decode::read(reader)? })
    }
}

/// The result of one step of reading a host.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Messages that were opened and checked. Those already in the log do no harm.
    pub messages: Vec<Arrival>,
    /// Messages that the host listed and the log already has, with the numbers of their bags.
    pub known: Vec<(Seq, Position)>,
    /// New messages whose bodies stay at the host for now (see [`SyncLog::defers`]), with the numbers of their bags.
    pub listed: Vec<(Seq, Head)>,
    /// What could not be read, or is known better than before. It replaces what was noted under the same seq.
    pub skipped: Vec<Skipped>,
    /// The seqs of skipped bags that are settled now.
    pub settled: Vec<Seq>,
    /// The new cursor; `None` leaves it unchanged.
    pub cursor: Option<Cursor>,
    /// Whether more is about to come, after which [`catch_up`](SyncLog::catch_up) is called. What was received is durable
    /// either way, but a state that would have to be folded again may stay what it was until then.
    pub more: bool,
}

/// A message from a host.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The bag's number at the host.
    pub seq: Seq,
    /// The message in the bag.
    pub message: Message,
}

/// The result of comparing a host's whole list with the log.
#[derive(Debug, Clone, Default)]
pub struct Audited {
    /// The messages that the host listed, by head hash.
    pub listed: HashSet<HeadHash>,
    /// What was skipped, all of it.
    pub skipped: Vec<Skipped>,
    /// The new cursor.
    pub cursor: Cursor,
}

/// A message to send to a host.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The message's place in the queue.
    pub position: Position,
    /// The sealed message.
    pub bag: Bag,
    /// Whether it is a part of an attachment. The queue has those after all other messages, also those that join it later.
    pub is_attachment: bool,
}

/// The limits of one push, or of one request for bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// The maximum number of bags.
    pub bags: usize,
    /// The maximum number of bytes of encoded bags.
    pub bytes: usize,
}
