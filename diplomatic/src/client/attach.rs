//! Attaching bytes, and opening what was attached anywhere.

use std::io::{Read, Write};
use std::time::Duration;

use super::Client;
use super::tasks::blocking;
use crate::attachment::{Attachment, Cutter};
use crate::device::{AttachError, AttachmentError, Lacking, Part, RemovedAttachments, cut, is_end};
use crate::log::LogError;
use crate::reducer::Reducer;

impl<R: Reducer> Client<R> {
    /// Stores bytes that are too large for an event, such as a photo, and returns their address, to be put into an event.
    /// When this returns, they are durable, and queued for every host, after all events.
    ///
    /// The same bytes are stored and sent once, whatever refers to them. `bytes` is a file, or anything else to read from,
    /// such as `&b"..."[..]` or a [`Cursor`](std::io::Cursor) over a vector.
    ///
    /// See the guide on [attachments](crate::attachments).
    ///
    /// # Errors
    ///
    /// [`AttachError`]. Attaching the same bytes again goes on with what is missing.
    ///
    /// # Cancel safety
    ///
    /// As for an error.
    pub async fn attach(&self, mut bytes: impl Read + Send + 'static) -> Result<Attachment, AttachError> {
        let mut cutter = Cutter::default();
        loop {
            let read;
            (bytes, cutter, read) = blocking(move || {
                let read = cut(&mut bytes, &mut cutter);
                (bytes, cutter, read)
            })
            .await?;
            let messages = read.map_err(AttachError::Read)?;
            let is_end = is_end(&messages);
            self.shared.with_device(move |device| device.store_chunks(&messages)).await??;
            if is_end {
                break;
            }
        }
        let (attachment, rest) = cutter.finish();
        self.shared.with_device(move |device| device.store_chunks(&rest)).await??;
        self.shared.something_is_pending(None);
        Ok(attachment)
    }

    /// Returns the bytes of an attachment. What is not on this device is fetched from the hosts first, and stays here.
    ///
    /// # Errors
    ///
    /// [`AttachmentError`] once every host has been asked. What was fetched stays, and another call goes on with the rest.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what is missing is still fetched.
    pub async fn open_attachment(&self, attachment: &Attachment) -> Result<Vec<u8>, AttachmentError> {
        let _reading = self.shared.read_attachment();
        let mut bytes = Vec::new();
        for part in self.fetched(attachment).await? {
            bytes.extend(self.bytes_of(part).await?);
        }
        Ok(bytes)
    }

    /// Writes the bytes of an attachment to `out`, such as a file, which is returned. Like
    /// [`open_attachment`](Self::open_attachment), but uses little memory.
    ///
    /// # Errors
    ///
    /// [`AttachmentError`]. Nothing is written before everything is on this device.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what is missing is still fetched; some of it may have been written.
    pub async fn copy_attachment<W: Write + Send + 'static>(
        &self,
        attachment: &Attachment,
        mut out: W,
    ) -> Result<W, AttachmentError> {
        let _reading = self.shared.read_attachment();
        for part in self.fetched(attachment).await? {
            let bytes = self.bytes_of(part).await?;
            let written;
            (out, written) = blocking(move || {
                let written = out.write_all(&bytes);
                (out, written)
            })
            .await?;
            written.map_err(AttachmentError::Write)?;
        }
        let (out, flushed) = blocking(move || {
            let flushed = out.flush();
            (out, flushed)
        })
        .await?;
        flushed.map(|()| out).map_err(AttachmentError::Write)
    }

    /// Returns whether all of an attachment is on this device, so that it can be opened without a network.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn holds_attachment(&self, attachment: &Attachment) -> Result<bool, LogError> {
        let attachment = *attachment;
        self.shared.with_device(move |device| device.holds_attachment(&attachment)).await?
    }

    /// Removes the parts of attachments to which no live event has referred for `grace`, now, like
    /// [`Device::remove_unused_attachments`](crate::Device::remove_unused_attachments). A client does so by itself (see
    /// [`ClientBuilder::remove_attachments_after`](crate::ClientBuilder::remove_attachments_after)).
    ///
    /// # Errors
    ///
    /// [`LogError`]; part of it may be done then.
    pub async fn remove_unused_attachments(&self, grace: Duration) -> Result<RemovedAttachments, LogError> {
        self.shared.write(move |device, now| device.remove_unused_attachments(now, grace)).await
    }

    async fn bytes_of(&self, part: Part) -> Result<Vec<u8>, AttachmentError> {
        self.shared.with_device(move |device| device.bytes_of(part)).await?
    }

    /// Fetches what an attachment lacks, and returns its parts.
    async fn fetched(&self, attachment: &Attachment) -> Result<Vec<Part>, AttachmentError> {
        let attachment = *attachment;
        let mut lacking = self.want(attachment, true).await?;
        let mut statuses = self.status_changes();
        // The hosts were asked for what was lacking then.
        let mut asked: Option<(u64, Lacking)> = None;
        while !lacking.is_nothing() {
            let status = self.status();
            match &asked {
                Some((request, _)) if !status.hosts().iter().all(|host| host.has_answered(*request)) => {
                    statuses.next().await.ok_or(LogError::Closed)?;
                }
                // Every host has done what it could, so what is lacking now is not to be had.
                Some((_, before)) if *before == lacking => {
                    lacking = self.want(attachment, false).await?;
                    if *before == lacking {
                        return Err(lacking.error_after(!status.hosts().is_empty()));
                    }
                    continue;
                }
                _ => asked = Some((self.shared.ask_for_sync(), lacking.clone())),
            }
            lacking = self.want(attachment, false).await?;
        }
        self.shared
            .with_device(move |device| {
                let parts = device.parts_of(&attachment)?;
                device.note_opened(&parts)?;
                Ok(parts)
            })
            .await?
    }

    async fn want(&self, attachment: Attachment, is_first: bool) -> Result<Lacking, AttachmentError> {
        self.shared
            .with_device(move |device| {
                let lacking = device.lacks_of(&attachment)?;
                device.want(&lacking, is_first)?;
                Ok(if is_first { device.lacks_of(&attachment)? } else { lacking })
            })
            .await?
    }
}
