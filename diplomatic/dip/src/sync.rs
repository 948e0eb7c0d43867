//! `dip sync`: sync in both directions.

use clap::Args;
use diplomatic::attachments::KeepAttachments;
use diplomatic::{HostReport, SyncStatus};
use serde::Serialize;

use crate::device::{self, Place, line};
use crate::failure::Failure;
use crate::outcome;
use crate::peers;
use crate::shown::Shown;

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Syncs even if the host in DIP_HOST has nothing of this account, because this is the account's first device there.
    #[arg(long)]
    create: bool,
    /// Fetches all attachments, and not only what apps on this device have opened.
    #[arg(long)]
    attachments: bool,
}

/// The outcome for one host.
#[derive(Debug, Serialize)]
struct Report<'a> {
    label: String,
    address: &'a str,
    in_sync: bool,
    phase: String,
    pending: u64,
    refused: u64,
    skipped: u64,
    withheld: u64,
    holes: u64,
    clock_offset_ms: Option<i64>,
}

pub(crate) async fn run(place: &Place, arguments: &SyncArgs) -> Result<(), Failure> {
    if place.hosts()?.is_empty() {
        return Err(Failure::NoHost);
    }
    let seed = place.seed()?;
    let keep = if arguments.attachments { KeepAttachments::All } else { place.keep };
    let client = Place { keep, ..place.clone() }.connect_to_all(&seed, arguments.create).await?;
    let synced = device::sync(&client, place.output).await;
    client.close().await;
    let status = synced?;
    outcome::note(place, &status);
    print(place, &status)?;
    let missed = status.hosts().iter().filter(|host| !host.is_caught_up()).map(line);
    let missed: Vec<String> = missed.chain(peers::missing(status.peers())).collect();
    if missed.is_empty() { Ok(()) } else { Err(Failure::NotInSync { hosts: missed.join("; ") }) }
}

fn print(place: &Place, status: &SyncStatus) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Reports<'a> {
        hosts: Vec<Report<'a>>,
        /// How many messages of other devices are missing.
        missing: u64,
        /// What is wrong with a clock, and what to do about it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        clock: Vec<String>,
    }
    let clock: Vec<String> =
        status.clock_troubles().iter().map(|trouble| format!("{trouble}: {}", trouble.remedy())).collect();
    if place.output.is_json {
        let hosts = status.hosts().iter().map(report).collect();
        return place.output.result(&Reports { hosts, missing: status.peers().missing(), clock }, "");
    }
    let mut out = place.output.lines();
    // The error names the others.
    status.hosts().iter().filter(|host| host.is_caught_up()).try_for_each(|host| out.text(line(host)))?;
    clock.iter().try_for_each(|trouble| out.text(format_args!("Clock: {}", Shown(trouble))))?;
    out.flush()
}

fn report(host: &HostReport) -> Report<'_> {
    Report {
        label: host.label.to_string(),
        address: &host.address,
        in_sync: host.is_caught_up(),
        phase: host.status.phase.to_string(),
        pending: host.status.pending,
        refused: host.status.refused,
        skipped: host.status.skipped,
        withheld: host.status.withheld,
        holes: host.status.holes,
        clock_offset_ms: host.status.clock_offset.map(|offset| offset.as_millis()),
    }
}
