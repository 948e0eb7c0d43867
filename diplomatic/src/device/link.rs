//! A device's log, from the point of view of one host's session.

use super::Device;
use crate::log::{LogError, QueueLimits};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Bag, Decode, Encode, Head, Message, Seq, Timestamp};
use crate::sync::{Cursor, Drained, Outgoing, PushLimits, Received, Skipped, SyncLog};

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

    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, LogError> {
        self.device.log.knows(heads)
    }

    fn receive(&mut self, received: Received) -> Result<(), LogError> {
        self.device.mend()?;
        let Device { log, fold, .. } = &mut *self.device;
        let number = self.link;
        let Received { messages, known, skipped, settled, cursor } = received;
        let cursor = cursor.map(|cursor| cursor.to_bytes());
        let label = log.link(number).map(|link| link.label.clone());
        let written = log.write(|writer| {
            let mut changes = Vec::with_capacity(messages.len());
            for arrival in messages {
                let position = Position::of(arrival.message.head());
                match writer.insert(arrival.message, number)? {
                    Some(change) => changes.push(change),
                    None => writer.dequeue(number, [&position])?,
                }
            }
            writer.dequeue(number, &known)?;
            writer.note_listed(number, &known)?;
            skipped
                .iter()
                .try_for_each(|skipped| writer.put_skipped(number, skipped.seq.number(), &skipped.to_note()))?;
            settled.iter().try_for_each(|seq| writer.remove_skipped(number, seq.number()))?;
            if let (Some(cursor), Some(label)) = (&cursor, &label) {
                writer.put_link(number, label, cursor)?;
            }
            fold.plan(writer, changes)
        });
        let plan = self.device.checked(written)?;
        let Device { log, fold, .. } = &mut *self.device;
        if let Some(cursor) = cursor {
            log.moved(number, cursor);
        }
        fold.carry_out(plan, log);
        Ok(())
    }

    fn outgoing(
        &self,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, LogError> {
        let PushLimits { bags, bytes } = limits;
        let queued = self.device.log.outgoing(self.link, after, QueueLimits { bags, bytes }, seal)?;
        Ok(queued.into_iter().map(|queued| Outgoing { position: queued.position, bag: queued.bag }).collect())
    }

    fn acknowledge(&mut self, stored: &[Position], cursor: Option<Cursor>) -> Result<(), LogError> {
        self.device.mend()?;
        self.device.log.acknowledge(self.link, stored, cursor.map(|cursor| cursor.to_bytes()))
    }

    fn start_over(&mut self) -> Result<(), LogError> {
        self.device.mend()?;
        self.device.log.start_over(self.link)
    }

    fn pending(&self) -> Result<u64, LogError> {
        let link = self.link;
        self.device.log.read(|reader| reader.pending(link))
    }

    fn on_drained(&mut self, now: Timestamp) -> Result<Drained, LogError> {
        self.device.on_drained(self.link, now)
    }

    fn skipped(&self) -> Result<Vec<Skipped>, LogError> {
        let link = self.link;
        let noted = self.device.log.read(|reader| reader.skipped(link))?;
        let decoded = noted.into_iter().map(|(seq, note)| Skipped::from_note(Seq::new(seq)?, &note).ok());
        decoded.collect::<Option<_>>().ok_or(LogError::DamagedValue { table: "skipped-1" })
    }
}

/// The log keeps a cursor as bytes; a host that was never read has none.
pub(super) fn decode_cursor(bytes: &[u8]) -> Result<Cursor, LogError> {
    if bytes.is_empty() {
        return Ok(Cursor::default());
    }
    Cursor::decode(bytes).map_err(|_| LogError::DamagedValue { table: "links-1" })
}
