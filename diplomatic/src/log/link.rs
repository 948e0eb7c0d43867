//! The log as the session of one host sees it, but for new messages, which also change the state.

use super::error::LogError;
use super::{Link, Log};
use crate::order::Position;
use crate::standard::{Bag, BagHead, Decode, DecodeError, Head, Label, Message, OpenBagError, Reader, Seq, Status};
use crate::sync::{Cursor, Outgoing, PushLimits, Skipped};

impl Log {
    /// Links a host: everything that the log has waits for it. A host that was linked before stays as it is.
    pub(crate) fn link_host(&mut self, label: &Label) -> Result<u32, LogError> {
        if let Some(link) = self.links.iter().find(|link| *link.label == *label) {
            return Ok(link.number);
        }
        let number = self.links.iter().map(|link| link.number).max().unwrap_or_default() + 1;
        let cursor = Cursor::default();
        self.write(|writer| {
            writer.queue_all(number)?;
            writer.put_link(number, label, cursor)
        })?;
        self.links.push(Link { number, label: label.clone().into(), cursor });
        Ok(number)
    }

    pub(crate) fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, LogError> {
        self.read(|reader| heads.iter().map(|head| reader.contains(&Position::of(head))).collect())
    }

    pub(crate) fn outgoing(
        &mut self,
        link: u32,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, LogError> {
        let outgoing = self.read(|reader| reader.outgoing(link, after, limits, seal))?;
        if outgoing.iter().any(|(_, was_kept)| !was_kept) {
            self.write(|writer| {
                let new = outgoing.iter().filter(|(_, was_kept)| !was_kept);
                new.map(|(new, _)| new).try_for_each(|new| writer.keep_bag(link, &new.position, &new.bag))
            })?;
        }
        Ok(outgoing.into_iter().map(|(outgoing, _)| outgoing).collect())
    }

    pub(crate) fn acknowledge(
        &mut self,
        number: u32,
        stored: &[Position],
        cursor: Option<Cursor>,
    ) -> Result<(), LogError> {
        let Some(link) = self.link(number).cloned() else { return Ok(()) };
        let cursor = cursor.unwrap_or(link.cursor);
        self.write(|writer| {
            writer.dequeue(number, stored)?;
            if cursor != link.cursor { writer.put_link(number, &link.label, cursor) } else { Ok(()) }
        })?;
        self.moved(number, cursor);
        Ok(())
    }

    pub(crate) fn start_over(&mut self, number: u32) -> Result<(), LogError> {
        let Some(link) = self.link(number).cloned() else { return Ok(()) };
        let cursor = Cursor::default();
        self.write(|writer| {
            writer.queue_all(number)?;
            writer.forget_skipped(number)?;
            writer.put_link(number, &link.label, cursor)
        })?;
        self.moved(number, cursor);
        Ok(())
    }

    /// Notes a cursor that was written down.
    pub(crate) fn moved(&mut self, number: u32, cursor: Cursor) {
        if let Some(link) = self.links.iter_mut().find(|link| link.number == number) {
            link.cursor = cursor;
        }
    }
}

/// ```text
/// u8: 0 none · 1 signature · 2 head does not decrypt · 3 body does not decrypt · 4 hash · 5 head does not decode
/// ```
pub(super) const fn encode_reason(reason: Option<OpenBagError>) -> u8 {
    match reason {
        None => 0,
        Some(OpenBagError::InvalidSignature(_)) => 1,
        Some(OpenBagError::DecryptHead) => 2,
        Some(OpenBagError::DecryptBody) => 3,
        Some(OpenBagError::HashMismatch) => 4,
        Some(OpenBagError::DecodeHead(_)) => 5,
    }
}

/// What exactly is wrong with a head that does not decode is not kept.
const fn decode_reason(code: u8) -> Option<OpenBagError> {
    Some(match code {
        1 => OpenBagError::InvalidSignature(crate::standard::InvalidSignature),
        2 => OpenBagError::DecryptHead,
        3 => OpenBagError::DecryptBody,
        4 => OpenBagError::HashMismatch,
        5 => OpenBagError::DecodeHead(DecodeError::TruncatedInside { status: Status::INVALID_MESSAGE }),
        _ => return None,
    })
}

pub(super) fn decode_skipped(key: &[u8; 12], value: &[u8]) -> Result<Skipped, LogError> {
    let damaged = || LogError::DamagedValue { table: "skipped-1" };
    let (_, seq) = key.split_last_chunk::<8>().expect("a key of skipped bags has 12 bytes");
    let mut reader = Reader::new(value);
    let head = reader.varbytes().and_then(BagHead::decode).map_err(|_| damaged())?;
    let reason = decode_reason(reader.byte().map_err(|_| damaged())?);
    Ok(Skipped { seq: Seq::new(u64::from_be_bytes(*seq)).ok_or_else(damaged)?, head, reason })
}
