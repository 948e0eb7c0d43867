//! `dip export` and `dip import`.

use std::path::{Path, PathBuf};

use clap::Args;
use diplomatic::Seed;
use diplomatic::backup::{Exported, ImportReport, Progress};
use diplomatic::error::ImportError;
use serde::Serialize;

use crate::device::Place;
use crate::failure::Failure;
use crate::interrupt;
use crate::replay;
use crate::shown::{Bytes, Count, Shown};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The export file, such as backup.dpl.
    file: PathBuf,
    /// Replaces an existing file.
    #[arg(long)]
    force: bool,
    /// Leaves the attachments out, which can be much larger than everything else.
    #[arg(long)]
    without_attachments: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The export file.
    file: PathBuf,
    /// Imports the readable part of a damaged file and reports the damage.
    #[arg(long)]
    recover: bool,
}

pub(crate) async fn export(place: &Place, arguments: &ExportArgs) -> Result<(), Failure> {
    let ExportArgs { file, force, without_attachments } = arguments;
    let seed = place.seed()?;
    let exported = write(place, &seed, file, *force, !without_attachments).await?;
    #[derive(Serialize)]
    struct Report<'a> {
        file: &'a Path,
        #[serde(flatten)]
        exported: Exported,
    }
    let Exported { messages, bytes, .. } = exported;
    let name = file.display().to_string();
    let text = format!("{}: {}, {}", Shown(&name), Count(messages, "message"), Bytes(bytes));
    place.output.result(&Report { file, exported }, text)
}

/// Writes an export file of the existing store, and shows the progress. Tells if it lacks attachments that it should have.
pub(crate) async fn write(
    place: &Place,
    seed: &Seed,
    file: &Path,
    force: bool,
    with_attachments: bool,
) -> Result<Exported, Failure> {
    if !force && file.symlink_metadata().is_ok() {
        return Err(Failure::FileExists { path: file.display().to_string() });
    }
    let mut device = place.open_reader(seed)?;
    let partial = |suffix: &str| PathBuf::from(format!("{}{suffix}", file.display()));
    let leftovers = interrupt::remove_on_ctrl_c([partial(".partial"), partial(".index.partial")]);
    let progress = place.output.progress("Exporting");
    let bar = progress.clone();
    let (path, seed) = (file.to_owned(), seed.clone());
    let export = move || {
        let watch = |so_far: Progress| bar.set(so_far.done, so_far.total);
        if with_attachments {
            device.export(path, &seed, watch)
        } else {
            device.export_without_attachments(path, &seed, watch)
        }
    };
    let exported = match tokio::task::spawn_blocking(export).await {
        Ok(exported) => exported,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    progress.end();
    drop(leftovers);
    let exported = exported?;
    if with_attachments && exported.left_out > 0 {
        let parts = Count(exported.left_out, "part");
        place.output.tell(format_args!(
            "{parts} of attachments are at hosts, and neither on this device nor in the file: `dip sync --attachments` \
             fetches them."
        ));
    }
    Ok(exported)
}

pub(crate) fn import(place: &Place, arguments: &ImportArgs) -> Result<(), Failure> {
    let ImportArgs { file, recover } = arguments;
    let seed = place.seed()?;
    let from = replay::open(file, &seed, *recover, place.output)?;
    let mut device = place.open_or_make(&seed)?;
    let progress = place.output.progress("Importing");
    let imported = device.import_from(from, |so_far| progress.set(so_far.done, so_far.total));
    progress.end();
    let ImportReport { new, known, unreadable, .. } = imported.map_err(|error| match error {
        ImportError::Replay(error) => replay::failure(file, error),
        error => Failure::Import(error),
    })?;
    replay::tell_damage(&unreadable, place.output);
    #[derive(Serialize)]
    struct Report {
        new: u64,
        known: u64,
        unreadable: u64,
    }
    let report = Report { new, known, unreadable: unreadable.count() };
    place.output.result(&report, format_args!("{} new here, {known} known before", Count(new, "message")))?;
    if new > 0 && !place.hosts()?.is_empty() {
        place.output.tell("`dip sync` sends the new messages to the hosts.");
    }
    Ok(())
}
