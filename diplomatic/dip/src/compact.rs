//! `dip compact`: less space on this device.

use clap::Args;
use diplomatic::compact::{Compacted, Keep};
use serde::Serialize;

use crate::device::Place;
use crate::failure::Failure;
use crate::shown::{Bytes, Count};
use crate::time::moment;

#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// What to keep: everything (frees only unused space), latest (drops overwritten and deleted messages), or a time
    /// (drops those overwritten or deleted before it).
    #[arg(long, value_name = "everything|latest|TIME", default_value = "everything", value_parser = keep)]
    keep: Keep,
}

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "everything" => Ok(Keep::Everything),
        "latest" => Ok(Keep::Latest),
        time => moment(time).map(Keep::Since).map_err(|error| format!("use everything or latest, or {error}")),
    }
}

pub(crate) fn run(place: &Place, arguments: &CompactArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    let mut device = place.open(&seed)?;
    let compacted = place.output.progress("Compacting").during(|| device.compact(arguments.keep));
    let Compacted { dropped, bytes_freed, is_busy, .. } = compacted?;
    if is_busy {
        place.output.tell("Another program is reading the store, so the file keeps its size: compact again later.");
    }
    #[derive(Serialize)]
    struct Report {
        dropped: u64,
        bytes_freed: u64,
    }
    let text = format!("{} dropped, {} freed", Count(dropped, "message"), Bytes(bytes_freed));
    place.output.result(&Report { dropped, bytes_freed }, text)
}
