//! Writing the log to an export file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Device;
use crate::log::{LogError, LogView, StoredMessage, sync_folder};
use crate::parallel;
use crate::reducer::Reducer;
use crate::replay::Progress;
use crate::standard::export::{Frame, IndexWriter, usual_label};
use crate::standard::{Label, Message, Seed, VarintTooLarge};
use crate::system_error::io_is_retryable;

/// The result of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exported {
    /// The number of messages in the file.
    pub messages: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// How many parts of attachments are not in the file: those that are not on this device, or all of them.
    pub left_out: u64,
}

/// Why a log could not be exported. No new file is left under the export's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFileError {
    /// The seed belongs to another account, so this account's devices could not open the file.
    #[error("the seed is not that of this log")]
    WrongSeed,
    /// The label does not fit in a file, or the messages are larger than a file can be.
    #[error(transparent)]
    TooLarge(#[from] VarintTooLarge),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file cannot be written.
    #[error("{} cannot be written", .path.display())]
    Io {
        /// The file, or a temporary one next to it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl ExportFileError {
    /// Returns whether the same export may work later: once the disk works or has room again. Otherwise another path, seed or
    /// label is needed, or permission.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Log(error) => error.is_retryable(),
            Self::Io { source, .. } => io_is_retryable(source),
            Self::WrongSeed | Self::TooLarge(_) => false,
        }
    }
}

impl<R: Reducer> Device<R> {
    /// Writes every message of the log to an export file (`.dpl`), which only the seed can open, under the label that the
    /// standard's tools use.
    ///
    /// The file includes overwritten messages, deletes, messages of types that this build does not know, and the parts of
    /// attachments that are on this device. It gets its
    /// name, replacing a file of that name, once it is complete and durable. Until then, `.partial` files exist next to
    /// it. The export uses little memory, however long the log is.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export(&mut self, path: impl AsRef<Path>, seed: &Seed) -> Result<Exported, ExportFileError> {
        self.export_as(path, seed, &usual_label())
    }

    /// Exports like [`export`](Self::export), under a label of the user's choice.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export_as(
        &mut self,
        path: impl AsRef<Path>,
        seed: &Seed,
        label: &Label,
    ) -> Result<Exported, ExportFileError> {
        self.start_export(seed, label, true)?.write(path.as_ref(), |_| ())
    }

    /// Exports like [`export`](Self::export), but without the attachments, which can be much larger than everything else.
    /// The events still refer to them.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export_without_attachments(
        &mut self,
        path: impl AsRef<Path>,
        seed: &Seed,
    ) -> Result<Exported, ExportFileError> {
        self.start_export(seed, &usual_label(), false)?.write(path.as_ref(), |_| ())
    }

    /// Takes a snapshot of the log, to be written on another thread while the device continues.
    pub(crate) fn start_export(
        &mut self,
        seed: &Seed,
        label: &Label,
        with_attachments: bool,
    ) -> Result<Export, ExportFileError> {
        if !self.log.is_of(seed)? {
            return Err(ExportFileError::WrongSeed);
        }
        let index = IndexWriter::new(seed, label)?;
        Ok(Export { source: Source { log: self.log.view()?, with_attachments }, index })
    }
}

/// A log as of one moment, to be exported.
#[derive(Debug)]
pub(crate) struct Export {
    source: Source,
    index: IndexWriter,
}

/// What is exported.
#[derive(Debug)]
struct Source {
    log: LogView,
    with_attachments: bool,
}

impl Export {
    /// Writes the file. Every message is visited twice; `watch` is told of the second visit.
    pub(crate) fn write(self, path: &Path, watch: impl FnMut(Progress)) -> Result<Exported, ExportFileError> {
        let scratch = Scratch::create(beside(path, ".index.partial"))?;
        let partial = Scratch::create(beside(path, ".partial"))?;
        let Self { source, index } = self;
        let (frame, messages, left_out) = write_index(&source, index, &mut scratch.writer())?;
        let index = BufReader::with_capacity(BUFFER, scratch.done(File::open(&scratch.path))?);
        let bytes = write_file(&source, (&frame, messages), index, &mut partial.writer(), watch)?;
        partial.keep_as(path)?;
        Ok(Exported { messages, bytes, left_out })
    }

    /// Writes the same bytes to `out`, with the index in memory meanwhile.
    pub(crate) fn write_to(self, out: &mut impl Write) -> Result<Exported, ExportFileError> {
        let Self { source, index } = self;
        let path = Path::new("the export");
        let mut items = Vec::new();
        let (frame, messages, left_out) = write_index(&source, index, &mut Output { out: &mut items, path })?;
        let bytes = write_file(&source, (&frame, messages), &*items, &mut Output { out, path }, |_| ())?;
        Ok(Exported { messages, bytes, left_out })
    }
}

/// What is written to, and its name for errors.
struct Output<'a, W> {
    out: W,
    path: &'a Path,
}

impl<W: Write> Output<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportFileError> {
        self.out.write_all(bytes).map_err(|source| self.error(source))
    }

    fn flush(&mut self) -> Result<(), ExportFileError> {
        self.out.flush().map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> ExportFileError {
        ExportFileError::Io { path: self.path.to_owned(), source }
    }
}

/// Writes the index to a place of its own, because its length and hash must precede it.
fn write_index(
    source: &Source,
    mut index: IndexWriter,
    out: &mut Output<'_, impl Write>,
) -> Result<(Frame, u64, u64), ExportFileError> {
    let sealer = index.head_sealer();
    let mut messages = 0;
    let mut items = Vec::new();
    let left_out = each_batch(
        source,
        |message| sealer.seal(message.head()),
        |heads| {
            items.clear();
            messages += heads.len() as u64;
            heads.into_iter().try_for_each(|head| index.add_sealed(head, &mut items))?;
            out.write(&items)
        },
    )?;
    out.flush()?;
    Ok((index.finish(), messages, left_out))
}

/// Writes the complete file and returns its length.
fn write_file(
    source: &Source,
    (frame, total): (&Frame, u64),
    mut index: impl Read,
    out: &mut Output<'_, impl Write>,
    mut watch: impl FnMut(Progress),
) -> Result<u64, ExportFileError> {
    out.write(&frame.before_index)?;
    let index_len = io::copy(&mut index, &mut out.out).map_err(|source| out.error(source))?;
    out.write(&frame.before_bodies)?;
    let mut bytes = frame.before_index.len() as u64 + index_len + frame.before_bodies.len() as u64;
    let mut done = 0;
    each_batch(
        source,
        |message| frame.sealer.seal(message),
        |bodies| {
            for body in bodies {
                bytes += body.as_bytes().len() as u64;
                out.write(body.as_bytes())?;
                done += 1;
                watch(Progress { done, total });
            }
            Ok(())
        },
    )?;
    out.flush()?;
    Ok(bytes)
}

/// Maps every message with `make`, on all cores, and passes the results to `act` in total order, batch by batch; parts of
/// attachments come last, one by one. Returns how many of those are left out.
fn each_batch<T: Send>(
    Source { log, with_attachments }: &Source,
    make: impl Fn(&Message) -> T + Sync,
    mut act: impl FnMut(Vec<T>) -> Result<(), ExportFileError>,
) -> Result<u64, ExportFileError> {
    log.read(|reader| {
        let mut batches = reader.batches(None)?;
        parallel::pipeline(
            parallel::usual_threads(),
            || Ok(batches.next()?),
            |batch| {
                let make = |stored: Result<StoredMessage, LogError>| Ok(make(&stored?.message));
                batch.messages().map(make).collect::<Result<Vec<T>, LogError>>()
            },
            |made| act(made?),
        )?;
        if !with_attachments {
            return Ok(reader.chunk_count()?);
        }
        reader.each_chunk_here(|message| act(vec![make(&message)]))?;
        Ok(reader.absent_chunks()?.len() as u64)
    })
}

/// How many bytes are written at once.
const BUFFER: usize = 256 << 10;

/// A file that is removed on drop unless it is kept.
struct Scratch {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Scratch {
    fn create(path: PathBuf) -> Result<Self, ExportFileError> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file, is_kept: false }),
            Err(source) => Err(ExportFileError::Io { path, source }),
        }
    }

    fn writer(&self) -> Output<'_, BufWriter<&File>> {
        Output { out: BufWriter::with_capacity(BUFFER, &self.file), path: &self.path }
    }

    /// Adds the file's path to an error.
    fn done<T>(&self, outcome: io::Result<T>) -> Result<T, ExportFileError> {
        outcome.map_err(|source| ExportFileError::Io { path: self.path.clone(), source })
    }

    /// Makes the file durable, then gives it its name.
    fn keep_as(mut self, path: &Path) -> Result<(), ExportFileError> {
        self.done(self.file.sync_all())?;
        self.done(fs::rename(&self.path, path))?;
        self.is_kept = true;
        self.done(sync_folder(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept {
            // If it cannot be removed, it is in nobody's way: the next export writes over it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
