//! Removing attachments to which nothing refers any more.
//!
//! A *look* goes through the log in the order of arrival and collects what live messages refer to. What arrives meanwhile is
//! simply next. At the end it goes through the chunks, and drops those to which nothing has referred for a grace period.
//! Each turn is short, so that nobody waits long for the device.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Device;
use super::attach::{AttachmentError, body_of};
use super::compact::is_alike;
use crate::attachment::{Attachment, ChunkName, Leaves, mentions};
use crate::fold::Reading;
use crate::following::FeedCursor;
use crate::log::{ChunkPage, ChunkPlace, EntityKey, LogError, LogReader, StoredMessage, Unused};
use crate::reducer::Reducer;
use crate::standard::Timestamp;

/// How many messages or chunks one turn looks at.
const TURN: usize = 256;
/// How long a device that is used all the time does not look again.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// However short the grace period is, the device does not look more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// What became of attachments that nothing refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RemovedAttachments {
    /// How many parts were removed.
    pub parts: u64,
    /// How many bytes of them were on this device.
    pub bytes: u64,
    /// How many more parts nothing refers to, which have to wait until the grace period is over.
    pub waiting: u64,
    /// How many attachments there are of which it is not known what parts they have, because a list of theirs is not on this
    /// device. Nothing is removed while there are any.
    pub undecided: u64,
}

/// What a turn of [`Device::tend_attachments`] has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tended {
    /// Whether something may wait for hosts because of it.
    pub has_news: bool,
    /// After how long to take the next turn; `None` if attachments are not removed by themselves.
    pub again_in: Option<Duration>,
}

/// How far a look has come.
#[derive(Debug)]
pub(super) struct Look {
    cursor: FeedCursor,
    used: Used,
    /// The chunk after which the next turn goes on, once everything was read.
    after: Option<EntityKey>,
    report: RemovedAttachments,
    has_news: bool,
}

impl Look {
    fn new(reader: &LogReader<'_>) -> Self {
        let report = RemovedAttachments::default();
        Self { cursor: reader.feed_start(), used: Used::default(), after: None, report, has_news: false }
    }
}

/// The parts to which messages refer.
#[derive(Debug, Default)]
struct Used {
    names: HashSet<ChunkName>,
    /// Those whose lists are not here.
    undecided: HashSet<Attachment>,
}

impl Used {
    fn add(&mut self, reader: &LogReader<'_>, attachment: Attachment) -> Result<(), LogError> {
        self.names.extend(attachment.roots());
        let leaves = Leaves::of(&attachment, |name| {
            self.names.insert(*name);
            body_of(reader, name)
        })?;
        match leaves {
            Leaves::All(parts) => self.names.extend(parts.into_iter().map(|(name, _)| name)),
            Leaves::Unknown(lists) => {
                for (name, _) in lists {
                    // What was removed cannot be told any more; whoever still has it has its parts, too.
                    let place = reader.chunk_place(&name)?.map(|(_, place)| place);
                    if place.is_some_and(|place| place != ChunkPlace::Removed) {
                        self.undecided.insert(attachment);
                    }
                }
            }
            // It is no address of an attachment.
            Leaves::Mismatch => {}
        }
        Ok(())
    }

    /// Looks again for the lists that were not here.
    fn decide(&mut self, reader: &LogReader<'_>) -> Result<(), LogError> {
        std::mem::take(&mut self.undecided).into_iter().try_for_each(|attachment| self.add(reader, attachment))
    }
}

impl<R: Reducer> Device<R> {
    /// Removes the parts of attachments to which no live message refers, if none did for all of `grace`, and tells the other
    /// devices, which keep their own copies until they do the same.
    ///
    /// The grace period runs from the first look that finds a part unused. A [`Client`](crate::Client) looks by itself, and
    /// [`tend_attachments`](Self::tend_attachments) does so bit by bit.
    ///
    /// # Errors
    ///
    /// [`LogError`]; part of it may be done then.
    pub fn remove_unused_attachments(
        &mut self,
        now: Timestamp,
        grace: Duration,
    ) -> Result<RemovedAttachments, LogError> {
        self.mend()?;
        let mut look = self.log.read(|reader| Ok(Look::new(reader)))?;
        while !self.look_on(&mut look, now, grace)? {}
        Ok(look.report)
    }

    /// Does a little of what is due about attachments to which nothing refers, as
    /// [`DeviceConfig::remove_attachments_after`](crate::DeviceConfig::remove_attachments_after) says, and tells when to call
    /// this again. Call it only when everything at the hosts was read: something there may refer to what seems unused here.
    ///
    /// # Errors
    ///
    /// [`LogError`]; a later call goes on.
    pub fn tend_attachments(&mut self, now: Timestamp) -> Result<Tended, LogError> {
        let Some(grace) = self.remove_after.filter(|_| !self.log.is_read_only()) else { return Ok(Tended::default()) };
        self.mend()?;
        let every = (grace / 2).clamp(AT_MOST_EVERY, EVERY);
        let mut look = match self.look.take() {
            Some(look) => look,
            None => {
                let due = self.log.read(|reader| {
                    if reader.chunk_count()? == 0 {
                        return Ok(Err(every));
                    }
                    let passed = reader.looked_at()?.filter(|at| *at <= now).map(|at| now.since(at));
                    Ok(match passed.map(|passed| every.saturating_sub(passed)) {
                        Some(left) if !left.is_zero() => Err(left),
                        _ => Ok(Look::new(reader)),
                    })
                })?;
                match due {
                    Ok(look) => look,
                    Err(left) => return Ok(Tended { has_news: false, again_in: Some(left) }),
                }
            }
        };
        let is_over = self.look_on(&mut look, now, grace)?;
        let has_news = std::mem::take(&mut look.has_news);
        if !is_over {
            self.look = Some(look);
            return Ok(Tended { has_news, again_in: Some(Duration::ZERO) });
        }
        let RemovedAttachments { parts, bytes, waiting, undecided } = look.report;
        tracing::debug!(parts, bytes, waiting, undecided, "looked for attachments that nothing refers to");
        let noted = self.log.write(|writer| writer.note_look(now));
        self.checked(noted)?;
        Ok(Tended { has_news, again_in: Some(every) })
    }

    /// Takes one turn, and tells whether the look has ended.
    fn look_on(&mut self, look: &mut Look, now: Timestamp, grace: Duration) -> Result<bool, LogError> {
        let is_at_end = self.log.read(|reader| self.collect(reader, look))?;
        if !is_at_end {
            return Ok(false);
        }
        look.report.undecided = look.used.undecided.len() as u64;
        if look.report.undecided > 0 {
            look.has_news = true;
            self.want_lists(&look.used.undecided)?;
            return Ok(true);
        }
        let keeps_all = self.keeps_all();
        let names = &look.used.names;
        let ChunkPage { odd, next } = self.log.read(|reader| reader.odd_chunks(names, look.after.as_ref(), TURN))?;
        if !odd.is_empty() {
            let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            let removed = self.log.write(|writer| writer.drop_unused(&odd, names, keeps_all, now, grace));
            let Unused { dropped, bytes, waiting, has_news } = self.checked(removed)?;
            look.has_news |= has_news;
            look.report.parts += dropped;
            look.report.bytes += bytes;
            look.report.waiting += waiting;
        }
        look.after = next;
        Ok(next.is_none())
    }

    /// Has the lists fetched that are missing, so that the next look can tell.
    fn want_lists(&mut self, undecided: &HashSet<Attachment>) -> Result<(), LogError> {
        for attachment in undecided {
            match self.lacks_of(attachment) {
                Ok(lacking) => self.want(&lacking, false)?,
                Err(AttachmentError::Log(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Collects what some more messages refer to, and tells whether those were all.
    fn collect(&self, reader: &LogReader<'_>, look: &mut Look) -> Result<bool, LogError> {
        let arrived = reader.arrived_after(&look.cursor, TURN)?;
        for arrived in &arrived {
            look.cursor = arrived.cursor;
            let Some(stored) = reader.message(&arrived.position)? else { continue };
            let mentioned = stored.message.body().map(mentions).unwrap_or_default();
            if !mentioned.is_empty() && self.may_count(reader, &stored)? {
                mentioned.into_iter().try_for_each(|attachment| look.used.add(reader, attachment))?;
            }
        }
        if arrived.len() == TURN {
            return Ok(false);
        }
        // What hid them may have become unreadable since.
        let mut after = None;
        while let Some(position) = self.unread().next_stand_in(after.as_ref()) {
            let stand_in = reader.message(&position)?;
            let mentioned = stand_in.as_ref().and_then(|stored| stored.message.body()).map(mentions);
            mentioned.into_iter().flatten().try_for_each(|attachment| look.used.add(reader, attachment))?;
            after = Some(position);
        }
        look.used.decide(reader)?;
        Ok(true)
    }

    /// Tells whether a message counts, here or for a build that reads more: no later version of its entity hides it.
    fn may_count(&self, reader: &LogReader<'_>, stored: &StoredMessage) -> Result<bool, LogError> {
        let StoredMessage { position, message, .. } = stored;
        let is_known = !matches!(Reading::<R::Event>::of(message), Reading::Unknown { .. });
        let hiding = reader.version_after(message.head().entity(), position, |later| {
            // Whoever reads a message of an unknown type reads later ones of that type.
            let is_hidden_elsewhere = !R::IS_EMPTY && !is_known && is_alike(message, &later.message);
            Ok(is_hidden_elsewhere || self.can_hide(reader, message, later)?)
        })?;
        Ok(hiding.is_none())
    }
}
