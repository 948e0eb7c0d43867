//! Reading a device's log while another process may write to it.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use rand_core::CryptoRng;

use super::export::ExportFileError;
use super::link::decode_cursor;
use super::{Ahead, Device, DeviceConfig, Exported, Progress};
use crate::log::{AccessKind, Backing, LogError, OpenLogError};
use crate::reducer::Reducer;
use crate::standard::export::usual_label;
use crate::standard::{Label, Seed, Timestamp};
use crate::sync::Cursor;

/// A device that can be read and not written.
///
/// It can be opened while another process has the log open for writing, and on a read-only file system; any number of
/// processes can. It offers whatever of [`Device`] changes nothing. The state is that of the moment of opening; what comes
/// from the log itself, such as the history, follows the writer.
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

/// How far a device has come with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostProgress {
    /// How far the host was read.
    pub cursor: Cursor,
    /// How many messages wait to be sent there.
    pub pending: u64,
    /// How many of its bags could not be read.
    pub skipped: u64,
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

    /// Opens a log as [`open`](Self::open) does, with settings of its own. It waits for the moments in which a writer lets
    /// nobody else in, which are those of versions before format 2.
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

    /// Returns what is dated too far ahead, as [`Device::ahead`] does.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn ahead(&mut self, now: Timestamp) -> Result<Option<Ahead>, LogError> {
        self.0.ahead(now)
    }

    /// Writes an export file as [`Device::export`] does, and tells `watch` how far it is.
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
        self.0.start_export(seed, &usual_label())?.write(path.as_ref(), watch)
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
    /// Returns how far the device has come with the host of this label; `None` if it was never linked.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn host_progress(&self, label: &Label) -> Result<Option<HostProgress>, LogError> {
        self.log.read(|reader| {
            let Some(link) = reader.links()?.into_iter().find(|link| *link.label == *label) else { return Ok(None) };
            Ok(Some(HostProgress {
                cursor: decode_cursor(&link.cursor)?,
                pending: reader.queue_len(link.number)?,
                skipped: reader.skipped(link.number)?.len() as u64,
            }))
        })
    }
}
