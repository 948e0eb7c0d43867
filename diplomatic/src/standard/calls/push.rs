//! PUSH: stores bags.

use super::{encode_all, read_all};
use crate::standard::bytes::{Decode, DecodeError, Encode, Reader, put_varint};
use crate::standard::{Bag, Seq, Status};

/// What follows the auth timestamp in a PUSH request: bags, to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest {
    /// The bags to store.
    pub bags: Vec<Bag>,
}

impl Encode for PushRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_all(&self.bags, out);
    }
}

impl Decode for PushRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_all(reader).map(|bags| Self { bags })
    }
}

/// The outcome for one pushed bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// The host stored the bag under this number, or already had it there.
    Stored(Seq),
    /// The host did not store the bag; the status is not [`Status::SUCCESS`].
    Refused(Status),
}

/// The answer for one pushed bag: `varint idx · u8 status · varint seq, only if status is Success`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushItem {
    /// The bag's place in the request, starting at 0.
    pub index: u32,
    /// The outcome.
    pub outcome: PushOutcome,
}

impl Encode for PushItem {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.index));
        match self.outcome {
            PushOutcome::Stored(seq) => {
                out.push(Status::SUCCESS.number());
                seq.encode(out);
            }
            PushOutcome::Refused(status) => out.push(status.number()),
        }
    }
}

impl Decode for PushItem {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = reader.varint()?;
        let most = u64::from(u32::MAX);
        let index = u32::try_from(number).map_err(|_| DecodeError::NumberTooLarge { number, most })?;
        let status = Status::from_number(reader.byte()?);
        let outcome =
            if status.is_success() { PushOutcome::Stored(Decode::read(reader)?) } else { PushOutcome::Refused(status) };
        Ok(Self { index, outcome })
    }
}
