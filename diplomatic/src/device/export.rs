//! Writing the log to an export file.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Device, Progress};
use crate::log::{LogError, LogSnapshot, sync_folder};
use crate::reducer::Reducer;
use crate::standard::export::{Frame, IndexWriter, usual_label};
use crate::standard::{Label, Seed, VarintTooLarge};
use crate::sync::Random;

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How many messages.
    pub messages: u64,
    /// How many bytes the file has.
    pub bytes: u64,
}

/// Why a log cannot be exported. No file is under the export's name then that was not there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFileError {
    /// The seed is another account's: nobody could open the file with what the account's devices know.
    #[error("the seed is not that of this log")]
    WrongSeed,
    /// The label cannot stand in a file, or the messages have more bytes than a file can have.
    #[error(transparent)]
    TooLarge(#[from] VarintTooLarge),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file cannot be written.
    #[error("{} cannot be written", .path.display())]
    Io {
        /// The file, or one beside it that the export needs for a time.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl<R: Reducer> Device<R> {
    /// Writes every message of the log to an export file (`.dpl`), which the seed opens, under the label that the
    /// standard's tools use.
    ///
    /// The file holds what counts and what no longer does, deletes, and messages of types that this build does not
    /// know. It gets its name when it is whole and durable; one of that name is replaced then. Until then
    /// `.partial` files stand beside it. However long the log is, the export takes little memory.
    ///
    /// # Errors
    ///
    /// [`ExportFileError`].
    pub fn export(&mut self, path: impl AsRef<Path>, seed: &Seed) -> Result<Exported, ExportFileError> {
        self.export_as(path, seed, &usual_label())
    }

    /// Exports as [`export`](Self::export) does, under a label of the user's choice.
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
        self.start_export(seed, label)?.write(path.as_ref(), |_| ())
    }

    /// Takes the log as of now, to be written elsewhere while the device goes on.
    pub(crate) fn start_export(&mut self, seed: &Seed, label: &Label) -> Result<Export, ExportFileError> {
        if !self.log.is_of(seed)? {
            return Err(ExportFileError::WrongSeed);
        }
        let index = IndexWriter::new(seed, label)?;
        let mut random_seed = [0; 32];
        self.log.rng().fill_bytes(&mut random_seed);
        Ok(Export { log: self.log.snapshot()?, index, rng: Random::new(&random_seed) })
    }
}

/// A log as of one moment, to be exported.
pub(crate) struct Export {
    log: LogSnapshot,
    index: IndexWriter,
    rng: Random,
}

impl Export {
    /// Writes the file. Every message is passed twice, and `watch` is told of the second time.
    pub(crate) fn write(self, path: &Path, watch: impl FnMut(Progress)) -> Result<Exported, ExportFileError> {
        let scratch = Scratch::create(beside(path, ".index.partial"))?;
        let partial = Scratch::create(beside(path, ".partial"))?;
        let Self { log, index, mut rng } = self;
        let (frame, messages) = write_index(&log, index, &scratch, &mut rng)?;
        let bytes = write_file(&log, (&frame, messages), &scratch, &partial, &mut rng, watch)?;
        partial.keep_as(path)?;
        Ok(Exported { messages, bytes })
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, index, rng: _ } = self;
        f.debug_struct("Export").field("log", log).field("index", index).finish_non_exhaustive()
    }
}

/// Writes the index to a file of its own: it comes before the bodies, and its length and hash before it.
fn write_index(
    log: &LogSnapshot,
    mut index: IndexWriter,
    scratch: &Scratch,
    rng: &mut Random,
) -> Result<(Frame, u64), ExportFileError> {
    let mut out = scratch.writer();
    let mut messages = 0;
    let mut item = Vec::new();
    log.read(|reader| {
        reader.each_after(None, true, |stored| {
            item.clear();
            index.add(stored.message.head(), &mut item, rng)?;
            messages += 1;
            scratch.done(out.write_all(&item))
        })
    })?;
    scratch.done(out.flush())?;
    Ok((index.finish(), messages))
}

/// Writes the whole file, and returns its length.
fn write_file(
    log: &LogSnapshot,
    (frame, total): (&Frame, u64),
    scratch: &Scratch,
    partial: &Scratch,
    rng: &mut Random,
    mut watch: impl FnMut(Progress),
) -> Result<u64, ExportFileError> {
    let mut out = partial.writer();
    partial.done(out.write_all(&frame.before_index))?;
    let mut index = BufReader::with_capacity(BUFFER, scratch.done(File::open(&scratch.path))?);
    let index_len = partial.done(io::copy(&mut index, &mut out))?;
    partial.done(out.write_all(&frame.before_bodies))?;
    let mut bytes = frame.before_index.len() as u64 + index_len + frame.before_bodies.len() as u64;
    let mut done = 0;
    log.read(|reader| {
        reader.each_after(None, true, |stored| {
            let body = frame.sealer.seal(&stored.message, rng);
            bytes += body.as_bytes().len() as u64;
            partial.done(out.write_all(body.as_bytes()))?;
            done += 1;
            watch(Progress { done, total });
            Ok::<_, ExportFileError>(())
        })
    })?;
    partial.done(out.flush())?;
    Ok(bytes)
}

/// How much is written at once.
const BUFFER: usize = 256 << 10;

/// A file that goes away again unless it is kept.
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

    fn writer(&self) -> BufWriter<&File> {
        BufWriter::with_capacity(BUFFER, &self.file)
    }

    /// Names the file in a failure.
    fn done<T>(&self, outcome: io::Result<T>) -> Result<T, ExportFileError> {
        outcome.map_err(|source| ExportFileError::Io { path: self.path.clone(), source })
    }

    /// Makes the file durable, and gives it its name then.
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
