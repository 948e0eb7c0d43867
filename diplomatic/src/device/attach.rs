//! Attaching bytes, and reading them back.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::Device;
use crate::attachment::{Attachment, CHUNK_BYTES, ChunkName, Cutter, Leaves};
use crate::log::{ChunkKey, ChunkPlace, Evicted, LogError, LogReader, THIS_DEVICE};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{EntityId, Head, Message};
use crate::witness::MOST_CHUNKS_WANTED;

/// How many chunks are stored in one transaction.
const BATCH: usize = 16;
/// How many parts that no host delivers are remembered at most, for other devices to be asked.
const MOST_SOUGHT: usize = 4_096;

/// Which attachments of other devices are fetched before anybody opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeepAttachments {
    /// Only those that are opened, and parts of up to 4 KiB. If several hosts are linked, all of them are fetched
    /// nevertheless, so that each host gets what only another one has.
    #[default]
    Opened,
    /// All of them.
    All,
    /// Those that are opened, as by default, while at most so many bytes of parts are on this device: beyond that, those go
    /// first that were not opened for longest, and are fetched again when they are opened. Only parts go that every linked
    /// host has acknowledged; without a host, none. Lists and parts of up to 4 KiB stay, and do not count.
    UpTo(u64),
}

/// A part of an attachment, as a device knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttachmentPart {
    /// The entity of its message.
    pub entity: EntityId,
    /// How many bytes its message has.
    pub bytes: u64,
    /// Whether it is on this device.
    pub is_here: bool,
    /// Whether a device has removed it, since nothing referred to it.
    pub is_removed: bool,
}

/// How much of attachments is on a device that [keeps up to a limit](KeepAttachments::UpTo).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptAttachments {
    /// How many parts are here.
    pub parts: u64,
    /// How many bytes they have. It is more than the limit while hosts do not have what is here, or while something is read.
    pub bytes: u64,
    /// The limit.
    pub most: u64,
}

/// Why bytes could not be attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The bytes cannot be read.
    #[error("what is to be attached cannot be read")]
    Read(#[source] io::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl AttachError {
    /// Returns whether trying again may help, without any other change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read(_) => false,
            Self::Log(error) => error.is_retryable(),
        }
    }
}

/// Why an attachment could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// Some of it is not here, but hosts list it.
    #[error("{parts} parts of the attachment are not on this device: open it through a client that is online")]
    NotHere {
        /// How many parts are known to be elsewhere.
        parts: u64,
    },
    /// Some of it is neither here nor at any linked host. The device that attached it may still be sending it.
    #[error(
        "{parts} parts of the attachment are neither on this device nor at a host that it knows of: let the device that \
         attached it sync"
    )]
    NotListed {
        /// How many parts are known to be nowhere.
        parts: u64,
    },
    /// Nothing referred to some of it for long, so it was removed, and no linked host has it any more.
    #[error("{parts} parts of the attachment were removed since nothing referred to it: attach the file again")]
    Removed {
        /// How many parts are known to be removed.
        parts: u64,
    },
    /// Every host that lists some of it was asked and did not deliver it.
    #[error(
        "the hosts list {parts} parts of the attachment and do not deliver them: try again later, or sync a device that \
         has them"
    )]
    Withheld {
        /// How many parts are not delivered.
        parts: u64,
    },
    /// No host that lists some of it can be reached at the moment.
    #[error("{parts} parts of the attachment are at hosts that cannot be reached: try again when there is a network")]
    Unreachable {
        /// How many parts are elsewhere.
        parts: u64,
    },
    /// The address has another length than what is stored under it, so it is none that `attach` returned.
    #[error("the address of the attachment was changed: it does not fit what is stored")]
    Mismatch,
    /// The bytes cannot be written to where they are wanted.
    #[error("the attachment cannot be written")]
    Write(#[source] io::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl AttachmentError {
    /// Returns whether trying again may help, without any other change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotListed { .. } | Self::Withheld { .. } | Self::Unreachable { .. } => true,
            Self::NotHere { .. } | Self::Removed { .. } | Self::Mismatch | Self::Write(_) => false,
            Self::Log(error) => error.is_retryable(),
        }
    }
}

/// A chunk of an attachment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    name: ChunkName,
    len: u64,
}

/// Parts of an attachment that are not here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lacking {
    /// Those that hosts list and may deliver.
    at_hosts: Vec<ChunkKey>,
    /// Those that hosts list and did not deliver.
    withheld: Vec<ChunkKey>,
    nowhere: u64,
    removed: u64,
    /// Where the messages are of what no host delivers, for other devices that may have them.
    lost: Vec<Position>,
}

impl Lacking {
    /// Tells whether everything is here.
    #[cfg(feature = "_client")]
    pub(crate) const fn is_nothing(&self) -> bool {
        self.at_hosts.is_empty() && self.withheld.is_empty() && self.nowhere == 0 && self.removed == 0
    }

    /// Returns why the attachment cannot be opened on a device that fetches nothing; `None` if everything is here.
    fn error(&self) -> Option<AttachmentError> {
        let (parts, withheld) = (self.at_hosts.len() as u64, self.withheld.len() as u64);
        match self.nowhere {
            0 if self.removed > 0 => Some(AttachmentError::Removed { parts: self.removed }),
            0 if parts > 0 => Some(AttachmentError::NotHere { parts }),
            0 if withheld > 0 => Some(AttachmentError::Withheld { parts: withheld }),
            0 => None,
            parts => Some(AttachmentError::NotListed { parts }),
        }
    }

    /// Returns why the attachment cannot be opened once every host was asked for what it lacks; `has_hosts` tells whether
    /// there are any.
    #[cfg(feature = "_client")]
    pub(crate) fn error_after(&self, has_hosts: bool) -> AttachmentError {
        match self.error() {
            Some(AttachmentError::NotHere { parts }) if has_hosts => AttachmentError::Unreachable { parts },
            Some(error) => error,
            None => AttachmentError::Mismatch,
        }
    }
}

/// Reads the next chunks of what is to be attached; fewer than a batch at the end.
pub(crate) fn cut(reader: &mut impl Read, cutter: &mut Cutter) -> io::Result<Vec<Message>> {
    let mut messages = Vec::with_capacity(BATCH);
    while messages.len() < BATCH {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        reader.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        let is_last = chunk.len() < CHUNK_BYTES;
        if !chunk.is_empty() {
            messages.push(cutter.cut(&chunk));
        }
        if is_last {
            break;
        }
    }
    Ok(messages)
}

/// Tells whether [`cut`] has come to the end.
pub(crate) const fn is_end(messages: &[Message]) -> bool {
    messages.len() < BATCH
}

impl<R: Reducer> Device<R> {
    /// Stores bytes that are too large for an event, and returns their address, to be put into an event's fields. They are
    /// sent to every linked host, after the events.
    ///
    /// The same bytes are stored and sent once. If this fails half-way, doing it again goes on with what is missing.
    ///
    /// # Errors
    ///
    /// [`AttachError`].
    pub fn attach(&mut self, mut bytes: impl Read) -> Result<Attachment, AttachError> {
        let mut cutter = Cutter::default();
        loop {
            let messages = cut(&mut bytes, &mut cutter).map_err(AttachError::Read)?;
            let is_end = is_end(&messages);
            self.store_chunks(&messages)?;
            if is_end {
                let (attachment, rest) = cutter.finish();
                self.store_chunks(&rest)?;
                return Ok(attachment);
            }
        }
    }

    /// Stores chunks of this device's in one transaction.
    pub(crate) fn store_chunks(&mut self, messages: &[Message]) -> Result<(), LogError> {
        self.mend()?;
        let stored = self.log.write(|writer| {
            messages.iter().cloned().try_for_each(|message| writer.insert(message, THIS_DEVICE).map(drop))
        });
        self.checked(stored)
    }

    /// Writes the bytes of an attachment to `out`, in order, if all of them are on this device. Nothing is written otherwise.
    ///
    /// # Errors
    ///
    /// [`AttachmentError`].
    pub fn copy_attachment(&self, attachment: &Attachment, mut out: impl Write) -> Result<(), AttachmentError> {
        if let Some(error) = self.lacks_of(attachment)?.error() {
            return Err(error);
        }
        for part in self.parts_of(attachment)? {
            out.write_all(&self.bytes_of(part)?).map_err(AttachmentError::Write)?;
        }
        out.flush().map_err(AttachmentError::Write)
    }

    /// Returns whether all of an attachment is on this device.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn holds_attachment(&self, attachment: &Attachment) -> Result<bool, LogError> {
        match self.lacks_of(attachment) {
            Ok(lacking) => Ok(lacking.error().is_none()),
            Err(AttachmentError::Log(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Has what an attachment lacks fetched by the sessions with hosts, and tells whether all of it is here already.
    ///
    /// # Errors
    ///
    /// [`AttachmentError`]; not for parts that are not here.
    pub fn want_attachment(&mut self, attachment: &Attachment) -> Result<bool, AttachmentError> {
        let lacking = self.lacks_of(attachment)?;
        self.want(&lacking, true)?;
        Ok(lacking.error().is_none())
    }

    /// Returns the chunks of an attachment, in order.
    pub(crate) fn parts_of(&self, attachment: &Attachment) -> Result<Vec<Part>, AttachmentError> {
        match self.log.read(|reader| leaves(reader, attachment))? {
            Leaves::All(parts) => Ok(parts.into_iter().map(|(name, len)| Part { name, len }).collect()),
            Leaves::Unknown(lists) => Err(AttachmentError::NotHere { parts: lists.len() as u64 }),
            Leaves::Mismatch => Err(AttachmentError::Mismatch),
        }
    }

    /// Returns the bytes of a chunk, which must be here.
    pub(crate) fn bytes_of(&self, Part { name, len }: Part) -> Result<Vec<u8>, AttachmentError> {
        let message = self.log.read(|reader| reader.chunk(&name))?.ok_or(AttachmentError::NotHere { parts: 1 })?;
        let bytes = message.body().and_then(|body| Leaves::bytes(body, len));
        bytes.map(<[u8]>::to_vec).ok_or(AttachmentError::Mismatch)
    }

    /// Returns which parts of an attachment are not here, as far as that is known: while a list is missing, nobody knows what
    /// is in it.
    pub(crate) fn lacks_of(&self, attachment: &Attachment) -> Result<Lacking, AttachmentError> {
        self.log.read(|reader| {
            let names = match leaves(reader, attachment)? {
                Leaves::Mismatch => return Ok(Err(AttachmentError::Mismatch)),
                Leaves::Unknown(lists) => lists,
                Leaves::All(chunks) => chunks,
            };
            let mut lacking = Lacking::default();
            for (name, len) in names {
                let Some((known, place)) = reader.chunk_place(&name)? else { continue };
                if let ChunkPlace::Nowhere | ChunkPlace::Withheld = place
                    && lacking.lost.len() < MOST_CHUNKS_WANTED
                {
                    let head = match &known {
                        Some((_, head)) => Some(head.clone()),
                        None => usize::try_from(len).ok().and_then(|len| name.first_head(len)),
                    };
                    lacking.lost.extend(head.as_ref().map(Position::of));
                }
                match (known, place) {
                    (_, ChunkPlace::Removed) => lacking.removed += 1,
                    (None, _) | (_, ChunkPlace::Nowhere) => lacking.nowhere += 1,
                    (Some((key, _)), ChunkPlace::Withheld) => lacking.withheld.push(key),
                    (Some((key, _)), ChunkPlace::AtHosts) => lacking.at_hosts.push(key),
                }
            }
            Ok(Ok(lacking))
        })?
    }

    /// Has the parts fetched that an attachment lacks; if it `is_first`, also those that hosts did not deliver before. Other
    /// devices are asked for what cannot be had.
    pub(crate) fn want(&mut self, lacking: &Lacking, is_first: bool) -> Result<(), LogError> {
        self.mend()?;
        if is_first && !lacking.lost.is_empty() {
            if self.sought.len() + lacking.lost.len() > MOST_SOUGHT {
                self.sought.clear();
            }
            self.sought.extend(&lacking.lost);
        }
        let mut keys = self.log.read(|reader| reader.not_wanted(&lacking.at_hosts))?;
        if is_first {
            keys.extend(&lacking.withheld);
        }
        if keys.is_empty() {
            return Ok(());
        }
        let written = self.log.write(|writer| writer.want_chunks(&keys));
        self.checked(written)
    }

    /// Tells whether the body of a new message stays at the host that lists it. Lists of chunks do not: without them, nobody
    /// knows which chunks an attachment has.
    pub(super) fn leaves_at_host(&self, head: &Head) -> bool {
        let may_stay = ChunkName::of(head).is_some_and(|name| name.may_be_left(head.body_len()));
        may_stay && !self.keeps_all() && !self.sought.contains(&Position::of(head))
    }

    pub(super) fn keeps_all(&self) -> bool {
        self.keep_attachments == KeepAttachments::All
            || self.log.links().iter().filter(|link| link.is_linked).count() > 1
    }

    /// Has everything fetched that is known and not here, if everything is kept.
    pub(super) fn want_what_is_kept(&mut self) -> Result<(), LogError> {
        if !self.keeps_all() || self.log.is_read_only() {
            return Ok(());
        }
        let has_limit = matches!(self.keep_attachments, KeepAttachments::UpTo(_));
        let keys = self.log.read(|reader| {
            let absent = reader.absent_chunks()?;
            if has_limit { reader.not_everywhere(absent) } else { Ok(absent) }
        })?;
        if keys.is_empty() {
            return Ok(());
        }
        self.log.write(|writer| writer.want_chunks(&keys))
    }
}

impl<R: Reducer> Device<R> {
    /// Calls `look` with every part of an attachment that is known, in no particular order. They are among no other messages.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn each_attachment_part(&self, mut look: impl FnMut(AttachmentPart)) -> Result<(), LogError> {
        self.log.read(|reader| {
            reader.each_chunk(|head, is_here| {
                if !head.is_delete() {
                    let is_removed = reader.is_chunk_deleted(&head)?;
                    look(AttachmentPart { entity: head.entity().clone(), bytes: head.body_len(), is_here, is_removed });
                }
                Ok(())
            })
        })
    }

    /// Makes room if more of attachments is here than [`KeepAttachments::UpTo`] allows, and returns how much is here; `None`
    /// if there is no limit. Call it when nothing is being read.
    ///
    /// # Errors
    ///
    /// [`LogError`]; part of it may be done then.
    pub fn evict_attachments(&mut self) -> Result<Option<KeptAttachments>, LogError> {
        let KeepAttachments::UpTo(most) = self.keep_attachments else { return Ok(None) };
        let mut kept = self.log.read(|reader| reader.kept_chunks())?;
        let mut more = kept.bytes > most && !self.log.is_read_only();
        while more {
            let evicted = self.log.write(|writer| writer.evict(most));
            Evicted { kept, more } = self.checked(evicted)?;
        }
        Ok(Some(KeptAttachments { parts: kept.chunks, bytes: kept.bytes, most }))
    }

    /// Notes that parts were opened, if it matters when they were.
    #[cfg(feature = "_client")]
    pub(crate) fn note_opened(&mut self, parts: &[Part]) -> Result<(), LogError> {
        if !matches!(self.keep_attachments, KeepAttachments::UpTo(_)) {
            return Ok(());
        }
        let keys = self.log.read(|reader| {
            let keys = parts.iter().map(|part| reader.chunk_key_of(&part.name));
            Ok(keys.collect::<Result<Vec<_>, LogError>>()?.into_iter().flatten().collect::<Vec<_>>())
        })?;
        let noted = self.log.write(|writer| writer.note_opened(&keys));
        self.checked(noted)
    }
}

fn leaves(reader: &LogReader<'_>, attachment: &Attachment) -> Result<Leaves, LogError> {
    Leaves::of(attachment, |name| body_of(reader, name))
}

/// Returns the body of a chunk or list, if it is here.
pub(super) fn body_of(reader: &LogReader<'_>, name: &ChunkName) -> Result<Option<Vec<u8>>, LogError> {
    Ok(reader.chunk(name)?.and_then(|message| message.body().map(<[u8]>::to_vec)))
}
