//! The differences between a host and this device.

#[cfg(feature = "client")]
use std::collections::BTreeMap;
use std::collections::HashSet;

use super::Device;
use super::link::decode_cursor;
#[cfg(feature = "client")]
use super::link::decode_skipped;
use crate::log::LogError;
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Encode, EntityId, HeadHash, Label, OpenedHead, Seq};
use crate::sync::Cursor;
#[cfg(feature = "client")]
use crate::sync::SkipReason;

/// A message that one side has but the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The message's entity.
    pub entity: EntityId,
    /// Its place in the total order, which names it.
    pub position: Position,
    /// Why it is missing; `None` if there is no good reason.
    pub reason: Option<MissingReason>,
}

/// A good reason for a message to be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingReason {
    /// A later message of the entity is there. Compaction drops such messages.
    Overwritten,
    /// It waits to be sent.
    Queued,
    /// This device has not read the host's list that far yet.
    Unread,
}

/// What this device noted of a host's list.
#[derive(Debug, Clone)]
#[cfg(feature = "client")]
pub(crate) struct ListNotes {
    cursor: Cursor,
    /// What was skipped, by its first number.
    skipped: BTreeMap<Seq, SkipReason>,
    /// Up to where witnesses show that nothing is missing here.
    witnessed: Seq,
}

#[cfg(feature = "client")]
impl ListNotes {
    /// Tells whether numbers that the host leaves out hide nothing.
    pub(crate) fn explain_gap(&self, first: Seq, last: Seq) -> bool {
        self.explain(first, last, self.cursor.vouched)
    }

    /// Tells whether a bag that cannot be opened hides nothing.
    pub(crate) fn explain_bag(&self, seq: Seq) -> bool {
        // The numbers of a tail that was gone may have been given to other bags since.
        self.explain(seq, seq, self.cursor.vouched.min(self.cursor.seq))
    }

    /// What was read once is here, unless it was skipped then.
    fn explain(&self, first: Seq, last: Seq, read: Seq) -> bool {
        if last <= self.witnessed {
            return true;
        }
        let mut next = first;
        while next <= last {
            let noted = self.skipped.range(..=next).next_back();
            let noted = noted.map(|(seq, reason)| (reason.last(*seq), reason)).filter(|(last, _)| *last >= next);
            next = match noted {
                Some((last, reason)) if !reason.hides_something() => last.next(),
                Some(_) => return false,
                None if next > read => return false,
                None => match self.skipped.range(next..).next() {
                    Some((noted, _)) if *noted <= read => *noted,
                    _ => read.next(),
                },
            };
        }
        true
    }
}

impl<R: Reducer> Device<R> {
    /// Returns the messages of the host with this label that this device does not have.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn missing_here(&self, label: &Label, on_host: &[(Seq, OpenedHead)]) -> Result<Vec<Missing>, LogError> {
        self.log.read(|reader| {
            let link = reader.link_of(label)?;
            let read = link.map(|link| decode_cursor(&link.cursor)).transpose()?.map(|cursor| cursor.seq);
            let mut missing = Vec::new();
            for (seq, opened) in on_host {
                let position = Position::of(opened.head());
                if reader.contains(&position)? || reader.knows_chunk(&position)? {
                    continue;
                }
                let entity = opened.head().entity().clone();
                let reason = match reader.winner(&entity)? {
                    Some(winner) if winner.position > position => Some(MissingReason::Overwritten),
                    _ => read.filter(|read| seq > read).map(|_| MissingReason::Unread),
                };
                missing.push(Missing { entity, position, reason });
            }
            Ok(missing)
        })
    }

    /// Returns the messages of this device that the host with this label does not have.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn missing_there(&self, label: &Label, on_host: &HashSet<HeadHash>) -> Result<Vec<Missing>, LogError> {
        self.log.read(|reader| {
            let link = reader.link_of(label)?;
            let link = link.map(|link| link.number);
            let mut missing = Vec::new();
            reader.each_position(|position| {
                if on_host.contains(&position.hash) {
                    return Ok(());
                }
                let Some(stored) = reader.message(&position)? else { return Ok(()) };
                let is_queued = link.map_or(Ok(false), |link| reader.is_queued(link, &position))?;
                let reason = is_queued.then_some(MissingReason::Queued);
                missing.push(Missing { entity: stored.message.head().entity().clone(), position, reason });
                Ok(())
            })?;
            reader.each_chunk(|head, is_here| {
                if is_here && !on_host.contains(&head.hash()) {
                    let position = Position::of(&head);
                    let is_queued = link.map_or(Ok(false), |link| reader.is_queued(link, &position))?;
                    let reason = is_queued.then_some(MissingReason::Queued);
                    missing.push(Missing { entity: head.entity().clone(), position, reason });
                }
                Ok(())
            })?;
            Ok(missing)
        })
    }

    /// Has the next sync repair a host, after an [audit](crate::inspect::HostInspector::audit_device) found that it lacks
    /// messages. The whole list of the host is then compared with this device: what this device lacks is fetched, and what
    /// the host lacks is sent again. What it lists but cannot deliver would seem to be there, so `lacking` names it; messages
    /// that are missing there for a reason are left alone. Returns how many messages are sent again for sure.
    ///
    /// Do not call this while a [`Client`](crate::Client) has the log open.
    ///
    /// ```no_run
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// use diplomatic::inspect::HostInspector;
    /// use diplomatic::{Backing, Client, Device, Label, Seed};
    ///
    /// # async fn example(seed: Seed) -> Result<(), Box<dyn std::error::Error>> {
    /// let (label, address) = (Label::default(), "https://host.example.org");
    /// let inspector = HostInspector::new(&seed, &label, address)?.with_bodies(true);
    /// let rng: rand::rngs::StdRng = rand::make_rng();
    /// let mut device = Device::<Todos>::open(Backing::file("todo.redb"), &seed, rng)?;
    /// let audit = inspector.audit_device(&device, |_| ()).await?;
    /// if !audit.is_complete() {
    ///     device.repair_host(&label, &audit.missing_there)?;
    /// }
    /// drop(device);
    /// let client = Client::<Todos>::builder(seed).store("todo.redb").host(address).open().await?;
    /// client.sync().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn repair_host(&mut self, label: &Label, lacking: &[Missing]) -> Result<u64, LogError> {
        self.mend()?;
        let link = self.log.links().iter().find(|link| *link.label == *label && link.is_linked).cloned();
        // A host that is not linked gets everything when it is.
        let Some(link) = link else { return Ok(0) };
        let cursor = Cursor { is_suspect: true, ..decode_cursor(&link.cursor)? }.to_bytes();
        let lacking = lacking.iter().filter(|missing| missing.reason.is_none()).map(|missing| missing.position);
        let queued = self.log.write(|writer| {
            writer.put_link(link.number, &link.label, &cursor)?;
            let mut queued = 0;
            for position in lacking {
                queued += u64::from(writer.queue_again(link.number, &position)?);
            }
            Ok::<_, LogError>(queued)
        });
        let queued = self.checked(queued)?;
        self.log.moved(link.number, cursor);
        Ok(queued)
    }

    /// Returns what this device noted of a host's list.
    #[cfg(feature = "client")]
    pub(crate) fn list_notes(&self, label: &Label) -> Result<ListNotes, LogError> {
        let (link, cursor, skipped) = self.log.read(|reader| {
            let link = reader.link_of(label)?;
            let Some(link) = link else { return Ok((None, Cursor::default(), Vec::new())) };
            let skipped = decode_skipped(reader.skipped(link.number)?)?;
            Ok::<_, LogError>((Some(link.number), decode_cursor(&link.cursor)?, skipped))
        })?;
        let skipped = skipped.into_iter().map(|skipped| (skipped.seq, skipped.reason)).collect();
        let witnessed = link.map_or(Ok(Seq::ZERO), |link| self.witnessed_to(link))?;
        Ok(ListNotes { cursor, skipped, witnessed })
    }
}
