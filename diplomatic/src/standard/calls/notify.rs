//! NOTF: the frame that a host sends over the live channel after a PUSH.

use super::{encode_all, read_all};
use crate::standard::bytes::{Decode, DecodeError, Encode, Reader, put_varbytes};
use crate::standard::{BagHead, SealedBody, Seq};

/// The largest encrypted body, in bytes, that a notification carries.
pub const INLINE_LIMIT: usize = 512;

/// One binary frame: an item for every bag that one PUSH stored, ordered by seq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The stored bags.
    pub items: Vec<NotificationItem>,
}

impl Encode for Notification {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_all(&self.items, out);
    }
}

impl Decode for Notification {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_all(reader).map(|items| Self { items })
    }
}

/// One stored bag: `varint seq · varbytes (a bag head) · varint n · bytes(n) bodyCph`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationItem {
    /// The bag's number.
    pub seq: Seq,
    /// The bag without its body.
    pub head: BagHead,
    /// The body; empty if the bag has none or the notification does not carry it.
    pub inlined: SealedBody,
}

impl Encode for NotificationItem {
    fn encode(&self, out: &mut Vec<u8>) {
        self.seq.encode(out);
        put_varbytes(out, &self.head.to_bytes());
        self.inlined.encode(out);
    }
}

impl Decode for NotificationItem {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { seq: Decode::read(reader)?, head: reader.nested()?, inlined: Decode::read(reader)? })
    }
}
