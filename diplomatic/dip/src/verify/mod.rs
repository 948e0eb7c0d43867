//! `dip verify`: checks the store, compares it with every host, and repairs what can be repaired.

mod report;

use clap::Args;
use diplomatic::inspect::{HostAudit, HostInspector, InspectError};
use diplomatic::raw::Raw;
use diplomatic::standard::Status;
use diplomatic::{Device, Seed, SyncStatus};
use report::{HostReport, Report};

use crate::device::{self, Place};
use crate::failure::Failure;
use crate::hosts::Host;
use crate::outcome;
use crate::output::Output;
use crate::peers;

/// What to do when the store is damaged.
const STORE_FIRST: &str = "Nothing was repaired, because the store itself is damaged: move it away, and `dip sync` \
                           fetches everything from the hosts into a new one";

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Checks only the store.
    #[arg(long, conflicts_with_all = ["bodies", "repair"])]
    offline: bool,
    /// Fetches everything from every host, and checks it: a body can be damaged there though this device has it.
    #[arg(long)]
    bodies: bool,
    /// Sends again what a host lacks, and fetches what this device lacks, if something is wrong.
    #[arg(long)]
    repair: bool,
}

/// What a look at the store and the hosts came to.
struct Look {
    report: Report,
    /// What each host that could be read was found to have.
    audits: Vec<(Host, HostAudit)>,
    /// The hosts that could not be read, and why.
    unreachable: Vec<String>,
}

pub(crate) async fn run(place: &Place, arguments: &VerifyArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    let hosts = if arguments.offline { Vec::new() } else { place.hosts()? };
    let mut look = look(place, &seed, &hosts, arguments).await?;
    if arguments.repair && !look.report.problems.is_empty() {
        look.report.troubles.push(STORE_FIRST.to_owned());
    } else if arguments.repair && look.report.could_be_better() {
        let synced = repair(place, &seed, &hosts, &look.audits).await?;
        let before = look;
        look = self::look(place, &seed, &hosts, arguments).await?;
        look.report.note_repairs(&before.report, &synced);
    }
    let Look { report, unreachable, .. } = look;
    report.print(place.output)?;
    if report.is_wrong() {
        return Err(Failure::Found { problems: "something is wrong, see above".to_owned() });
    }
    if unreachable.is_empty() { Ok(()) } else { Err(Failure::NotInSync { hosts: unreachable.join("; ") }) }
}

/// Checks the store, reads everything at the hosts, and compares.
async fn look(place: &Place, seed: &Seed, hosts: &[Host], arguments: &VerifyArgs) -> Result<Look, Failure> {
    let device = place.open_for_check(seed)?;
    let mut look = Look { report: check_store(&device, place.output)?, audits: Vec::new(), unreachable: Vec::new() };
    for host in hosts {
        let progress = device.host_progress(&host.label())?;
        match audit(&device, host, seed, arguments.bodies, place.output).await {
            Ok(audit) => {
                look.report.hosts.push(HostReport::of(host, &audit, progress.is_some(), arguments.bodies));
                look.audits.push((host.clone(), audit));
            }
            // A host that was in use and knows nothing any more has lost everything.
            Err(InspectError::Refused { status: Status::USER_NOT_REGISTERED, .. }) if progress.is_some() => {
                look.report.hosts.push(HostReport::of_unknown(host, look.report.messages));
            }
            Err(InspectError::Log(error)) => return Err(error.into()),
            Err(error) => look.unreachable.push(format!("{host} at {}: {error}", host.place())),
        }
    }
    Ok(look)
}

/// Checks every value, hash and index of the store, and what other devices say of it.
fn check_store(device: &Device<Raw>, output: Output) -> Result<Report, Failure> {
    let progress = output.progress("Checking the store");
    let bar = progress.clone();
    let checked = device.verify(move |so_far| bar.set(so_far.done, so_far.total));
    progress.end();
    let checked = checked?;
    let (peers, of_apps) = (device.peers()?, device.message_count()?);
    Ok(Report {
        messages: checked.messages,
        notes: checked.messages.saturating_sub(of_apps),
        words: device.digest()?.words(),
        problems: checked.problems.iter().map(ToString::to_string).collect(),
        missing: peers.missing(),
        troubles: peers::missing(&peers).into_iter().collect(),
        ..Report::default()
    })
}

/// Reads everything at a host and compares it with the store.
async fn audit(
    device: &Device<Raw>,
    host: &Host,
    seed: &Seed,
    with_bodies: bool,
    output: Output,
) -> Result<HostAudit, InspectError> {
    let seq = device.host_progress(&host.label())?.map_or(0, |progress| progress.cursor.seq.number());
    let progress = output.progress("Reading the host");
    let bar = progress.clone();
    let inspector = HostInspector::new(seed, &host.label(), &host.address)?.with_bodies(with_bodies);
    // The total is known only at the end; the number of bags read before is a good guess.
    let audited = inspector.audit_device(device, move |read| bar.set(read, seq.max(read))).await;
    progress.end();
    audited
}

/// Has a sync send again what hosts lack, and fetch what this device lacks.
async fn repair(
    place: &Place,
    seed: &Seed,
    hosts: &[Host],
    audits: &[(Host, HostAudit)],
) -> Result<SyncStatus, Failure> {
    place.check_hosts(seed, false).await?;
    let mut device = place.open(seed)?;
    for (host, audit) in audits.iter().filter(|(_, audit)| !audit.is_complete()) {
        device.repair_host(&host.label(), &audit.missing_there)?;
    }
    drop(device);
    let client = place.connect(seed, hosts).await?;
    let synced = device::sync(&client, place.output).await;
    client.close().await;
    let status = synced?;
    outcome::note(place, &status);
    Ok(status)
}
