//! Export, import and checks, while sync goes on.

use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::Client;
use super::shared::Shared;
use super::tasks::{blocking, can_spawn, spawn};
use crate::device::{Device, ExportFileError, Exported, Import, ImportError, ImportReport};
use crate::log::{LogError, StoreReport};
use crate::reducer::Reducer;
use crate::replay::{Progress, Replay};
use crate::standard::export::usual_label;

impl<R: Reducer> Client<R> {
    /// Writes every message to an export file (`.dpl`), like [`Device::export`](crate::Device::export). The file holds
    /// the messages of this moment; emitting and sync continue meanwhile.
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
    /// // On a new device:
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
    /// If the future is dropped, the export still runs to its end.
    pub async fn export(&self, path: impl Into<PathBuf>) -> Result<Exported, ExportFileError> {
        self.export_with(path, |_| ()).await
    }

    /// Exports like [`export`](Self::export) and reports the progress to `watch` after every message, so `watch` must
    /// be quick.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub async fn export_with(
        &self,
        path: impl Into<PathBuf>,
        watch: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Exported, ExportFileError> {
        self.export_as(path.into(), true, watch).await
    }

    /// Exports like [`export`](Self::export), but without the attachments, which can be much larger than everything else.
    /// The events still refer to them.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub async fn export_without_attachments(&self, path: impl Into<PathBuf>) -> Result<Exported, ExportFileError> {
        self.export_as(path.into(), false, |_| ()).await
    }

    /// Exports like [`export`](Self::export), to any writer, such as a `Vec` where there are no files. Returns the writer, too.
    /// Beside what is written, this takes about 200 bytes of memory for each message meanwhile.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Replay, Seed};
    /// # use std::io::Cursor;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let seed = Seed::random();
    /// # let client = Client::<Todos>::builder(seed.clone()).in_memory().open().await?;
    /// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// let (backup, exported) = client.export_to(Vec::new()).await?;
    /// assert_eq!(exported.bytes, backup.len() as u64);
    ///
    /// // On a new device:
    /// # let client = Client::<Todos>::builder(seed.clone()).in_memory().open().await?;
    /// let replay = Replay::from_source(Cursor::new(backup), &seed)?;
    /// assert_eq!(client.import_with(replay, |_| ()).await?.new, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub async fn export_to<W: Write + Send + 'static>(&self, mut out: W) -> Result<(W, Exported), ExportFileError> {
        let seed = self.seed.clone();
        let start = move |device: &mut Device<R>| device.start_export(&seed, &usual_label(), true);
        let export = self.shared.with_device(start).await??;
        let exported = blocking(move || export.write_to(&mut out).map(|exported| (out, exported)));
        exported.await?
    }

    async fn export_as(
        &self,
        path: PathBuf,
        with_attachments: bool,
        watch: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Exported, ExportFileError> {
        let seed = self.seed.clone();
        let start = move |device: &mut Device<R>| device.start_export(&seed, &usual_label(), with_attachments);
        let export = self.shared.with_device(start).await??;
        blocking(move || export.write(&path, watch)).await?
    }

    /// Merges an export file of this account, like [`Device::import`](crate::Device::import). Emitting and sync
    /// continue meanwhile.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the messages stored so far stay, and another import adds the rest.
    pub async fn import(&self, path: impl Into<PathBuf>) -> Result<ImportReport, ImportError> {
        let (path, seed) = (path.into(), self.seed.clone());
        let replay = blocking(move || Replay::open(path, &seed)).await??;
        self.import_from(replay).await
    }

    /// Merges an export file that has been opened or [recovered](Replay::recover).
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

    /// Merges like [`import_from`](Self::import_from), from any reader, and reports the progress to `watch`.
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
        let _after = AfterImport(&self.shared);
        loop {
            let step = self.shared.with_device(move |device| {
                let goes_on = import.step(device);
                if !matches!(goes_on, Ok(true)) {
                    device.after_import();
                }
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

    /// Checks the store: the encryption of every value, the hash of every body, and the indexes,
    /// lists and queues. Reports the progress to `watch`. Emitting and sync continue meanwhile, except
    /// while the file itself is checked.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store cannot be read at all.
    pub async fn verify(&self, watch: impl FnMut(Progress) + Send + 'static) -> Result<StoreReport, LogError> {
        let verification = self.shared.with_device(|device| device.start_verify()).await??;
        blocking(move || verification.run(watch)).await?
    }
}

/// Brings the state up to date when an import is dropped before its end.
struct AfterImport<'a, R: Reducer>(&'a Arc<Shared<R>>);

impl<R: Reducer> Drop for AfterImport<'_, R> {
    fn drop(&mut self) {
        let shared = self.0.clone();
        // Without a runtime, the client is being closed.
        if can_spawn() {
            spawn(async move { _ = shared.with_device(Device::after_import).await });
        }
    }
}
