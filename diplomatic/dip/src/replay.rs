//! `dip replay`: the live messages of an export file at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use diplomatic::raw::RawEvent;
use diplomatic::replay::{DamageReport, ReplayError};
use diplomatic::{Replay, Seed, Timestamp};

use crate::device::Place;
use crate::entry::Entry;
use crate::failure::Failure;
use crate::output::Output;
use crate::payload::AS_JSON;
use crate::progress::Counted;
use crate::shown::Count;
use crate::time::moment;

/// How many damaged places are listed individually.
const TOLD: usize = 10;

#[derive(Debug, Args)]
#[command(after_long_help = AS_JSON, after_help = "See --help for how payloads are shown.")]
pub(crate) struct ReplayArgs {
    /// The export file.
    file: PathBuf,
    /// The time: 2026-11-23 (its beginning), 2026-11-23T18:30:00Z, or a time ago, such as 2h or 3d
    /// [default: the last change].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// Reads the rest of a damaged file and reports the damage.
    #[arg(long)]
    recover: bool,
    /// Prints long payloads in full. With --json, they always are.
    #[arg(long)]
    full: bool,
}

pub(crate) fn run(place: &Place, arguments: &ReplayArgs) -> Result<(), Failure> {
    let ReplayArgs { file, at, recover, full } = arguments;
    let mut replay = open(file, &place.seed()?, *recover, place.output)?;
    tell_damage(replay.damage(), place.output);
    let mut out = place.output.lines();
    for event in replay.events_until::<RawEvent>(at.unwrap_or(Timestamp::MAX)) {
        match event {
            // Deleted entities show by their absence.
            Ok(event) => {
                let entry = Entry::from_file(event);
                if !entry.is_delete() {
                    entry.print(&mut out, place.output, *full)?;
                }
            }
            Err(ReplayError::Damaged(damage)) if *recover => {
                place.output.tell(format_args!("Damaged: {damage}."));
            }
            Err(error) => {
                out.flush()?;
                return Err(failure(file, error));
            }
        }
    }
    out.flush()
}

/// Opens an export file, and shows the progress.
pub(crate) fn open(path: &Path, seed: &Seed, recover: bool, output: Output) -> Result<Replay<Counted<File>>, Failure> {
    let progress = output.progress("Reading the file");
    let opened = File::open(path).and_then(|file| Counted::new(file, progress.clone())).map_err(ReplayError::from);
    let replay = opened
        .and_then(|file| if recover { Replay::recover_from(file, seed) } else { Replay::from_source(file, seed) });
    progress.end();
    replay.map_err(|error| failure(path, error))
}

pub(crate) fn failure(path: &Path, error: ReplayError) -> Failure {
    Failure::Replay { path: path.display().to_string(), error }
}

/// Prints the damage.
pub(crate) fn tell_damage(damage: &DamageReport, output: Output) {
    if damage.is_empty() {
        return;
    }
    output.tell(format_args!("{} damaged; everything else was read:", Count(damage.count(), "place")));
    damage.places().iter().take(TOLD).for_each(|damage| output.tell(format_args!("  {damage}")));
    if damage.count() > TOLD as u64 {
        output.tell(format_args!("  and {} more", damage.count() - TOLD as u64));
    }
}
