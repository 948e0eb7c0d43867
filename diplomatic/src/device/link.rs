//! A device's log, from the point of view of one host's session.

use std::collections::HashSet;

use super::Device;
use crate::log::{ChunkCount, LogError, QueueLimits, Queued};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Bag, Decode, Encode, Head, HeadHash, Message, PublicKey, Seq, Timestamp};
use crate::sync::{
    Audited, Bodies, Claimed, Cursor, Drained, Outgoing, PushLimits, Received, Skipped, SyncLog, Unread,
};

/// A device's log, lent to one host's session.
#[derive(Debug)]
pub struct DeviceLink<'a, R: Reducer> {
    device: &'a mut Device<R>,
    link: u32,
}

impl<'a, R: Reducer> DeviceLink<'a, R> {
    pub(super) const fn new(device: &'a mut Device<R>, link: u32) -> Self {
        Self { device, link }
    }
}

impl<R: Reducer> SyncLog for DeviceLink<'_, R> {
    type Error = LogError;

    fn cursor(&self) -> Result<Cursor, LogError> {
        decode_cursor(&self.device.log.cursor(self.link)?)
    }

    fn count(&self) -> Result<u64, LogError> {
        self.device.log.read(|reader| reader.known_count())
    }

    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, LogError> {
        self.device.log.knows(heads)
    }

    fn claim(&mut self, heads: &[&Head]) -> Result<Vec<Claimed>, LogError> {
        let Device { log, claims, .. } = &mut *self.device;
        if log.links().iter().filter(|link| link.is_linked).count() < 2 {
            return Ok(vec![Claimed::Granted; heads.len()]);
        }
        let known = log.knows(heads)?;
        let claimed = heads.iter().zip(known).map(|(head, is_known)| match is_known {
            true => Claimed::Here,
            false => claims.claim(head.hash(), self.link),
        });
        Ok(claimed.collect())
    }

    fn receive(&mut self, received: Received) -> Result<(), LogError> {
        self.device.recover()?;
        received.messages.iter().for_each(|arrival| self.device.claims.on_come(&arrival.message.head().hash()));
        let Device { log, fold, .. } = &mut *self.device;
        let number = self.link;
        let Received { messages, known, listed, skipped, settled, cursor, more } = received;
        let cursor = cursor.map(|cursor| cursor.to_bytes());
        let label = log.link(number).map(|link| link.label.clone());
        let written = log.write(|writer| {
            let mut changes = Vec::with_capacity(messages.len());
            for arrival in messages {
                writer.note_witness_at(number, arrival.seq, &arrival.message)?;
                let position = Position::of(arrival.message.head());
                match writer.insert(arrival.message, number)? {
                    Some(change) => changes.push(change),
                    None => {
                        writer.dequeue_listed(number, [&position])?;
                        writer.note_place(&position, number, arrival.seq.number())?;
                    }
                }
            }
            listed.iter().try_for_each(|(seq, head)| writer.list_chunk(head, number, seq.number()))?;
            known.iter().try_for_each(|(seq, position)| writer.note_place(position, number, seq.number()))?;
            writer.dequeue_listed(number, known.iter().map(|(_, position)| position))?;
            writer.note_known(number, &known)?;
            skipped
                .iter()
                .try_for_each(|skipped| writer.put_skipped(number, skipped.seq.number(), &skipped.to_note()))?;
            settled.iter().try_for_each(|seq| writer.remove_skipped(number, seq.number()))?;
            if let (Some(cursor), Some(label)) = (&cursor, &label) {
                writer.put_link(number, label, cursor)?;
            }
            let plan = fold.plan(writer, changes)?;
            fold.go_on(writer, &plan)?;
            Ok::<_, LogError>(plan)
        });
        let plan = self.device.checked(written)?;
        let Device { log, fold, .. } = &mut *self.device;
        if let Some(cursor) = cursor {
            log.moved(number, cursor);
        }
        fold.carry_out(plan, log, more);
        Ok(())
    }

    fn catch_up(&mut self) -> Result<(), LogError> {
        self.device.mend()
    }

    fn outgoing(
        &self,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, LogError> {
        let PushLimits { bags, bytes } = limits;
        let queued = self.device.log.outgoing(self.link, after, QueueLimits { bags, bytes }, seal)?;
        let outgoing = |Queued { position, bag, is_chunk }| Outgoing { position, bag, is_attachment: is_chunk };
        Ok(queued.into_iter().map(outgoing).collect())
    }

    fn acknowledge(&mut self, stored: &[Position], cursor: Option<Cursor>) -> Result<(), LogError> {
        self.device.recover()?;
        self.device.log.acknowledge(self.link, stored, cursor.map(|cursor| cursor.to_bytes()))
    }

    fn note_numbers(&mut self, numbers: &[(Seq, Position)]) -> Result<(), LogError> {
        self.device.recover()?;
        let link = self.link;
        self.device.log.write(|writer| {
            numbers.iter().try_for_each(|(seq, position)| writer.note_place(position, link, seq.number()))
        })
    }

    fn unlisted(&self, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        self.device.log.unlisted(self.link, listed)
    }

    fn reconcile(&mut self, audit: Audited) -> Result<u64, LogError> {
        self.device.mend()?;
        let Audited { listed, skipped, cursor } = audit;
        let skipped = skipped.iter().map(|skipped| (skipped.seq.number(), skipped.to_note()));
        let queued = self.device.log.reconcile(self.link, &listed, skipped, cursor.to_bytes())?;
        // What this host lost may be at another.
        self.device.want_what_is_kept()?;
        Ok(queued)
    }

    fn vouched(&self) -> Result<Seq, LogError> {
        self.device.witnessed_to(self.link)
    }

    fn pending(&self) -> Result<u64, LogError> {
        let link = self.link;
        self.device.log.read(|reader| reader.pending(link))
    }

    fn on_drained(&mut self, now: Timestamp, host: &PublicKey, unread: Unread) -> Result<Drained, LogError> {
        self.device.on_drained(self.link, now, host, unread)
    }

    fn defers(&self, head: &Head) -> bool {
        self.device.leaves_at_host(head)
    }

    fn wanted(&self, PushLimits { bags, bytes }: PushLimits) -> Result<Vec<(Seq, Head)>, LogError> {
        let link = self.link;
        let wanted = self.device.log.read(|reader| reader.chunks_wanted(link, QueueLimits { bags, bytes }))?;
        let damaged = LogError::DamagedValue { table: "chunk-places-1" };
        wanted.into_iter().map(|(seq, head)| Some((Seq::new(seq)?, head))).collect::<Option<_>>().ok_or(damaged)
    }

    fn not_delivered(&mut self, positions: &[Position]) -> Result<(), LogError> {
        self.device.recover()?;
        let link = self.link;
        self.device.log.write(|writer| positions.iter().try_for_each(|at| writer.note_undelivered(at, link)))
    }

    fn bodies(&self) -> Result<(Bodies, Bodies), LogError> {
        let link = self.link;
        let counted = |ChunkCount { chunks, bytes }| Bodies::new(chunks, bytes);
        self.device.log.read(|reader| Ok((counted(reader.chunks_to_send(link)?), counted(reader.chunks_to_fetch()?))))
    }

    fn skipped(&self) -> Result<Vec<Skipped>, LogError> {
        let link = self.link;
        decode_skipped(self.device.log.read(|reader| reader.skipped(link))?)
    }
}

impl<R: Reducer> Device<R> {
    /// Returns the number of a bag up to which witnesses show that nothing of a link's host is missing here.
    pub(super) fn witnessed_to(&self, link: u32) -> Result<Seq, LogError> {
        let peers = self.peers()?;
        if !peers.is_complete() {
            return Ok(Seq::ZERO);
        }
        let spoken: Vec<_> = peers.devices.iter().filter(|peer| peer.heard.is_some()).map(|peer| peer.id).collect();
        self.log.witnessed_to(link, &spoken)
    }
}

/// The log keeps what was skipped as notes.
pub(super) fn decode_skipped(notes: Vec<(u64, Vec<u8>)>) -> Result<Vec<Skipped>, LogError> {
    let decoded = notes.into_iter().map(|(seq, note)| Skipped::from_note(Seq::new(seq)?, &note).ok());
    decoded.collect::<Option<_>>().ok_or(LogError::DamagedValue { table: "skipped-1" })
}

/// The log keeps a cursor as bytes; a host that was never read has none.
pub(super) fn decode_cursor(bytes: &[u8]) -> Result<Cursor, LogError> {
    if bytes.is_empty() {
        return Ok(Cursor::default());
    }
    Cursor::decode(bytes).map_err(|_| LogError::DamagedValue { table: "links-1" })
}
