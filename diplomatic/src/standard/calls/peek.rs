//! PEEK: lists the heads of the user's bags after a seq.

use crate::standard::bytes::{Decode, DecodeError, Encode, Reader, put_varbytes};
use crate::standard::{BagHead, Seq};

/// What follows the auth timestamp in a PEEK request: `varint seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeekRequest {
    /// Bags with a larger seq are listed.
    pub after: Seq,
}

impl Encode for PeekRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        self.after.encode(out);
    }
}

impl Decode for PeekRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { after: Decode::read(reader)? })
    }
}

/// One listed bag: `varbytes (a bag head) · varint seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeekItem {
    /// The bag without its body.
    pub head: BagHead,
    /// The bag's number.
    pub seq: Seq,
}

impl Encode for PeekItem {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varbytes(out, &self.head.to_bytes());
        self.seq.encode(out);
    }
}

/// One listed bag whose head has not been decoded yet.
///
/// The frame around a head can be intact though the head is damaged. A reader that decodes items in this form can skip
/// such a bag and read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPeekItem {
    /// The bag's number.
    pub seq: Seq,
    /// The bytes of the bag's head.
    pub head: Vec<u8>,
}

impl RawPeekItem {
    /// Decodes the bag's head.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is damaged.
    pub fn decode_head(&self) -> Result<BagHead, DecodeError> {
        BagHead::decode(&self.head)
    }
}

impl Decode for RawPeekItem {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let head = reader.varbytes()?.to_vec();
        Ok(Self { seq: Decode::read(reader)?, head })
    }
}

impl Decode for PeekItem {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { head: reader.nested()?, seq: Decode::read(reader)? })
    }
}
