//! PULL: fetches the bodies of bags.

use super::{encode_all, read_all};
use crate::standard::bytes::{Decode, DecodeError, Encode, Reader};
use crate::standard::{SealedBody, Seq};

/// What follows the auth timestamp in a PULL request: `varint seq`s, to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The bags whose bodies are wanted.
    pub seqs: Vec<Seq>,
}

impl Encode for PullRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_all(&self.seqs, out);
    }
}

impl Decode for PullRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_all(reader).map(|seqs| Self { seqs })
    }
}

/// One fetched body: `varint seq · varbytes bodyCph`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullItem {
    /// The bag's number.
    pub seq: Seq,
    /// The bag's body; empty for a delete.
    pub body: SealedBody,
}

impl Encode for PullItem {
    fn encode(&self, out: &mut Vec<u8>) {
        self.seq.encode(out);
        self.body.encode(out);
    }
}

impl Decode for PullItem {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { seq: Decode::read(reader)?, body: Decode::read(reader)? })
    }
}
