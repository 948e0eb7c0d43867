//! Links with hosts: how far each was read, and what waits for it.

use std::collections::HashSet;

use super::Log;
use super::error::LogError;
use super::read::{QueueLimits, Queued};
use super::rows::Link;
use crate::order::Position;
use crate::standard::{Bag, Head, HeadHash, Label, Message};

impl Log {
    /// Links a host: everything that the log has waits for it. A host that is linked already stays as it is.
    pub(crate) fn link_host(&mut self, label: &Label) -> Result<u32, LogError> {
        if let Some(index) = self.links.iter().position(|link| *link.label == *label) {
            let number = self.links[index].number;
            if !self.links[index].is_linked {
                // Its number stays that of the messages that came from there.
                self.write(|writer| {
                    writer.queue_except(number, &HashSet::new())?;
                    writer.put_link(number, label, &[])
                })?;
                (self.links[index].is_linked, self.links[index].cursor) = (true, Vec::new());
            }
            return Ok(number);
        }
        let number = self.links.iter().map(|link| link.number).max().unwrap_or_default() + 1;
        self.write(|writer| {
            writer.queue_except(number, &HashSet::new())?;
            writer.put_link(number, label, &[])
        })?;
        self.links.push(Link { number, label: label.clone().into(), cursor: Vec::new(), is_linked: true });
        Ok(number)
    }

    /// Unlinks a host: nothing waits for it any more, and how far it was read is forgotten. Returns whether it was linked.
    pub(crate) fn unlink_host(&mut self, label: &Label) -> Result<bool, LogError> {
        let is_meant = |link: &Link| *link.label == *label && link.is_linked;
        let Some(index) = self.links.iter().position(is_meant) else { return Ok(false) };
        let number = self.links[index].number;
        self.write(|writer| {
            writer.drop_queue(number)?;
            writer.forget_skipped(number)?;
            writer.put_link(number, label, &[])
        })?;
        (self.links[index].is_linked, self.links[index].cursor) = (false, Vec::new());
        Ok(true)
    }

    /// Tells for each head whether its message is known: it is here, or it was and compaction dropped it.
    pub(crate) fn knows(&self, heads: &[&Head]) -> Result<Vec<bool>, LogError> {
        self.read(|reader| heads.iter().map(|head| reader.knows(&Position::of(head))).collect())
    }

    /// Returns the first queued messages for a host after `after`, sealed by `seal`.
    pub(crate) fn outgoing(
        &self,
        link: u32,
        after: Option<Position>,
        limits: QueueLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Queued>, LogError> {
        self.read(|reader| reader.outgoing(link, after, limits, seal))
    }

    /// Takes messages off a host's queue, and moves its cursor if one is given.
    pub(crate) fn acknowledge(
        &mut self,
        number: u32,
        stored: &[Position],
        cursor: Option<Vec<u8>>,
    ) -> Result<(), LogError> {
        let Some(link) = self.link(number).cloned() else { return Ok(()) };
        let cursor = cursor.unwrap_or_else(|| link.cursor.clone());
        self.write(|writer| {
            writer.dequeue(number, stored)?;
            if cursor != link.cursor { writer.put_link(number, &link.label, &cursor) } else { Ok(()) }
        })?;
        self.moved(number, cursor);
        Ok(())
    }

    /// Returns how many messages are neither `listed` nor queued for a host.
    pub(crate) fn unlisted(&self, number: u32, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        self.read(|reader| reader.unlisted(number, listed))
    }

    /// Queues for a host every message that is not `listed`, replaces what was skipped there by `skipped`, and moves the
    /// cursor. Returns how many messages were queued that did not wait already.
    pub(crate) fn reconcile(
        &mut self,
        number: u32,
        listed: &HashSet<HeadHash>,
        skipped: impl IntoIterator<Item = (u64, Vec<u8>)>,
        cursor: Vec<u8>,
    ) -> Result<u64, LogError> {
        let Some(link) = self.link(number).cloned() else { return Ok(0) };
        let queued = self.write(|writer| {
            let queued = writer.queue_except(number, listed)?;
            writer.forget_skipped(number)?;
            skipped.into_iter().try_for_each(|(seq, note)| writer.put_skipped(number, seq, &note))?;
            writer.put_link(number, &link.label, &cursor)?;
            Ok::<_, LogError>(queued)
        })?;
        self.moved(number, cursor);
        Ok(queued)
    }

    /// Notes a cursor that was written down.
    pub(crate) fn moved(&mut self, number: u32, cursor: Vec<u8>) {
        if let Some(link) = self.links.iter_mut().find(|link| link.number == number) {
            link.cursor = cursor;
        }
    }
}
