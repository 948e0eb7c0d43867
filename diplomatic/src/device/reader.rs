//! Reading a device's log while another process may write to it.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use rand_core::CryptoRng;

use super::export::ExportFileError;
use super::link::{decode_cursor, decode_skipped};
use super::{Ahead, Device, DeviceConfig, Exported};
use crate::log::{AccessKind, Backing, LogError, OpenLogError};
use crate::reducer::Reducer;
use crate::replay::Progress;
use crate::standard::export::usual_label;
use crate::standard::{Label, Seed, Timestamp};
use crate::sync::Cursor;

/// A read-only device.
///
/// Any number of processes can open it, even while another process writes to the log, and on a read-only file system. It
/// offers the parts of [`Device`] that change nothing. The state is that at the time of opening; everything read from the
/// log itself, such as the history, follows the writer.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Backing, Device, DeviceReader, Seed, Timestamp};
/// # let rng = || rand::make_rng::<rand::rngs::StdRng>();
/// # let (seed, now) = (Seed::random(), Timestamp::from_millis(1_764_000_000_000));
/// # let folder = tempfile::tempdir()?;
/// # let backing = Backing::file(folder.path().join("todo.redb"));
/// let mut app = Device::<Todos>::open(backing.clone(), &seed, rng())?;
/// app.emit(now, &TodoEvent::Added { title: "milk".into() })?;
/// let tool = DeviceReader::<Todos>::open(backing, &seed, rng())?;
/// assert_eq!(tool.read(|todos| todos.titles.len()), 1);
/// app.emit(now, &TodoEvent::Added { title: "bread".into() })?;
/// assert_eq!(tool.messages()?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DeviceReader<R: Reducer>(Device<R>);

/// The progress of a device with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostProgress {
    /// How far the host has been read.
    pub cursor: Cursor,
    /// The number of messages that wait to be sent there.
    pub pending: u64,
    /// The number of its bags that could not be read.
    pub skipped: u64,
    /// The number of messages that it has, by the word of the devices that sent them there, and withholds.
    pub withheld: u64,
    /// The number of bags that it leaves out of its list.
    pub holes: u64,
}

impl<R: Reducer> DeviceReader<R> {
    /// Opens an existing log for reading.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`].
    pub fn open(backing: Backing, seed: &Seed, rng: impl CryptoRng + Send + 'static) -> Result<Self, OpenLogError> {
        Self::open_with(backing, seed, rng, DeviceConfig::default())
    }

    /// Opens a log like [`open`](Self::open), with settings. It waits for writers that lock out readers, which only versions
    /// before format 2 do.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`].
    pub fn open_with(
        backing: Backing,
        seed: &Seed,
        rng: impl CryptoRng + Send + 'static,
        config: DeviceConfig,
    ) -> Result<Self, OpenLogError> {
        Device::open_as(AccessKind::Read, backing, seed, Box::new(rng), config).map(Self)
    }

    /// Returns the messages dated too far in the future, like [`Device::ahead`].
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn ahead(&mut self, now: Timestamp) -> Result<Option<Ahead>, LogError> {
        self.0.ahead(now)
    }

    /// Writes an export file like [`Device::export`], and reports the progress to `watch`.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export(
        &mut self,
        path: impl AsRef<Path>,
        seed: &Seed,
        watch: impl FnMut(Progress),
    ) -> Result<Exported, ExportFileError> {
        self.0.start_export(seed, &usual_label(), true)?.write(path.as_ref(), watch)
    }

    /// Exports like [`export`](Self::export), but without the attachments.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export_without_attachments(
        &mut self,
        path: impl AsRef<Path>,
        seed: &Seed,
        watch: impl FnMut(Progress),
    ) -> Result<Exported, ExportFileError> {
        self.0.start_export(seed, &usual_label(), false)?.write(path.as_ref(), watch)
    }
}

impl<R: Reducer> Deref for DeviceReader<R> {
    type Target = Device<R>;

    fn deref(&self) -> &Device<R> {
        &self.0
    }
}

impl<R: Reducer> fmt::Debug for DeviceReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceReader").field(&self.0.log).finish()
    }
}

impl<R: Reducer> Device<R> {
    /// Returns the device's progress with the host with this label; `None` if it is not linked.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn host_progress(&self, label: &Label) -> Result<Option<HostProgress>, LogError> {
        let peers = self.peers()?;
        self.log.read(|reader| {
            let Some(link) = reader.link_of(label)? else {
                return Ok(None);
            };
            let (mut skipped, mut holes) = (0, 0);
            for noted in decode_skipped(reader.skipped(link.number)?)? {
                let (unreadable, left_out) = noted.reason.count(noted.seq);
                (skipped, holes) = (skipped + unreadable, left_out.saturating_add(holes));
            }
            let (cursor, pending) = (decode_cursor(&link.cursor)?, reader.pending(link.number)?);
            let withheld = peers.withheld(link.number);
            Ok(Some(HostProgress { cursor, pending, skipped, holes, withheld }))
        })
    }
}
