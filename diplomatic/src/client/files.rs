//! Export, import and checks beside sync.

use std::io::{Read, Seek};
use std::panic::resume_unwind;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::Client;
use crate::device::{ExportFileError, Exported, Import, ImportError, ImportReport, Progress};
use crate::log::{LogError, StoreReport};
use crate::reducer::Reducer;
use crate::replay::Replay;
use crate::standard::export::usual_label;
use crate::standard::{HostKeys, Label};

impl<R: Reducer> Client<R> {
    /// Writes every message to an export file (`.dpl`), as [`Device::export`](crate::Device::export) does. The file has
    /// what the client has now, and emitting and sync go on meanwhile.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let seed = Seed::random();
    /// # let client = Client::<Todos>::builder(seed.clone()).in_memory().open().await?;
    /// # let folder = tempfile::tempdir()?;
    /// # let backup = folder.path().join("backup.dpl");
    /// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// assert_eq!(client.export(&backup).await?.messages, 1);
    ///
    /// // On a device that has nothing yet:
    /// # client.close().await;
    /// # let client = Client::<Todos>::builder(seed).in_memory().open().await?;
    /// assert_eq!(client.import(&backup).await?.new, 1);
    /// assert_eq!(client.read(|todos| todos.titles.len()), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the export goes on to its end.
    pub async fn export(&self, path: impl Into<PathBuf>) -> Result<Exported, ExportFileError> {
        self.export_with(path, |_| ()).await
    }

    /// Exports as [`export`](Self::export) does, and tells `watch` how far it is, after every message: it has to be
    /// quick.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub async fn export_with(
        &self,
        path: impl Into<PathBuf>,
        watch: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Exported, ExportFileError> {
        let (path, seed) = (path.into(), self.seed.clone());
        let export = self.shared.with_device(move |device| device.start_export(&seed, &usual_label())).await??;
        blocking(move || export.write(&path, watch)).await?
    }

    /// Merges an export file of this account, as [`Device::import`](crate::Device::import) does. Emitting and sync go
    /// on meanwhile.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what was stored stays, and importing again goes on from there.
    pub async fn import(&self, path: impl Into<PathBuf>) -> Result<ImportReport, ImportError> {
        let (path, seed) = (path.into(), self.seed.clone());
        let replay = blocking(move || Replay::open(path, &seed)).await??;
        self.import_from(replay).await
    }

    /// Merges an export file that was opened or [recovered](Replay::recover) before.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    ///
    /// # Cancel safety
    ///
    /// As for [`import`](Self::import).
    pub async fn import_from(&self, replay: Replay) -> Result<ImportReport, ImportError> {
        self.import_with(replay, |_| ()).await
    }

    /// Merges a file as [`import_from`](Self::import_from) does, wherever it is, and tells `watch` how far it is.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    ///
    /// # Cancel safety
    ///
    /// As for [`import`](Self::import).
    pub async fn import_with<F: Read + Seek + Send + 'static>(
        &self,
        replay: Replay<F>,
        mut watch: impl FnMut(Progress),
    ) -> Result<ImportReport, ImportError> {
        let mut import = Import::new(replay);
        loop {
            let step = self.shared.with_device(move |device| {
                let goes_on = import.step(device);
                (import, goes_on)
            });
            let goes_on;
            (import, goes_on) = step.await?;
            if !goes_on? {
                return Ok(import.into_report());
            }
            watch(import.progress());
            self.shared.something_is_pending(None);
        }
    }

    /// Checks the store: that every value opens under its key, every body has its hash, every bag that waits to be
    /// sent its signature, and that what is noted of which message counts, and of lists and queues, is right. `watch` is
    /// told how far it is. Emitting and sync go on meanwhile, but for the moment in which the file itself is checked.
    ///
    /// # Errors
    ///
    /// [`LogError`], when the store cannot be read at all.
    pub async fn verify(&self, mut watch: impl FnMut(Progress) + Send + 'static) -> Result<StoreReport, LogError> {
        let (is_well, log) = self.shared.with_device(|device| device.start_verify()).await??;
        let seed = self.seed.clone();
        let verify = move || {
            let keys = |label: &Label| HostKeys::derive(&seed, label);
            log.read(|reader| reader.verify(keys, |done, total| watch(Progress { done, total })))
        };
        let mut report = blocking(verify).await??;
        if !is_well {
            report.add_damaged_file();
        }
        Ok(report)
    }
}

/// Runs what waits for the disk.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, LogError> {
    match spawn_blocking(act).await {
        Ok(outcome) => Ok(outcome),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(LogError::Closed),
    }
}
