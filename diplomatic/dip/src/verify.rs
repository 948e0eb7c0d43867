//! `dip verify`: checks the store, and compares it with every host.

use clap::Args;
use diplomatic::inspect::{HostAudit, HostInspector, InspectError, Missing, MissingReason};
use diplomatic::raw::Raw;
use diplomatic::{Device, Seed};
use serde::Serialize;

use crate::device::Place;
use crate::failure::Failure;
use crate::hosts::Host;
use crate::output::Output;
use crate::shown::{Count, Shown};

/// How many problems of a host are listed individually.
const TOLD: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Checks only the store.
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    messages: u64,
    /// The digest of everything in the store, as four words.
    words: String,
    /// What is wrong with the store.
    problems: Vec<String>,
    hosts: Vec<HostReport>,
}

/// A host compared with the store.
#[derive(Debug, Serialize)]
struct HostReport {
    #[serde(flatten)]
    host: Host,
    bags: u64,
    /// The digest of everything there, as four words.
    words: String,
    /// On the host, but not read by this device yet.
    to_receive: u64,
    /// In the store, but not sent to the host yet.
    to_send: u64,
    /// Read by this device before, but not in its store.
    missing_here: u64,
    /// Sent to the host before, but not there.
    missing_there: u64,
    /// Stored at the host more than once, which is harmless.
    repeated: u64,
    /// Bags that cannot be opened: their numbers, and why.
    damaged: Vec<String>,
    /// Numbers missing at the host.
    gaps: Vec<String>,
}

pub(crate) async fn run(place: &Place, arguments: &VerifyArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    let hosts = if arguments.offline { Vec::new() } else { place.hosts()? };
    let device = place.open_for_check(&seed)?;
    let known = hosts.into_iter().map(|host| Known::of(&device, host)).collect::<Result<Vec<_>, _>>()?;
    let mut report = check_store(&device, place.output)?;
    let mut unreachable = Vec::new();
    for known in known {
        let host = known.host.clone();
        match check_host(&device, known, &seed, place.output).await {
            Ok(checked) => report.hosts.push(checked),
            Err(InspectError::Log(error)) => return Err(error.into()),
            Err(error) => unreachable.push(format!("{host} at {}: {error}", host.place())),
        }
    }
    drop(device);
    print(place.output, &report)?;
    let wrong = report.problems.len() + report.hosts.iter().filter(|host| host.is_wrong()).count();
    if wrong > 0 {
        return Err(Failure::Found { problems: "something is wrong, see above".to_owned() });
    }
    if unreachable.is_empty() { Ok(()) } else { Err(Failure::NotInSync { hosts: unreachable.join("; ") }) }
}

/// Checks every value, hash and index of the store.
fn check_store(device: &Device<Raw>, output: Output) -> Result<Report, Failure> {
    let progress = output.progress("Checking the store");
    let bar = progress.clone();
    let checked = device.verify(move |so_far| bar.set(so_far.done, so_far.total));
    progress.end();
    let checked = checked?;
    let problems = checked.problems.iter().map(ToString::to_string).collect();
    let words = device.digest()?.words();
    Ok(Report { messages: checked.messages, words, problems, hosts: Vec::new() })
}

/// Reads everything at a host and compares it with the store.
async fn check_host(
    device: &Device<Raw>,
    known: Known,
    seed: &Seed,
    output: Output,
) -> Result<HostReport, InspectError> {
    let Known { host, seq } = known;
    let progress = output.progress("Reading the host");
    let bar = progress.clone();
    let inspector = HostInspector::new(seed, &host.label(), &host.address)?;
    // The total is known only at the end; the number of bags read before is a good guess.
    let audited = inspector.audit_device(device, move |read| bar.set(read, seq.max(read))).await;
    progress.end();
    let HostAudit { bags, digest, repeated, damaged, gaps, missing_here, missing_there, .. } = audited?;
    let unexplained = |missing: &[Missing]| missing.iter().filter(|missing| missing.reason.is_none()).count() as u64;
    // Bags after the last one that this device read are new rather than missing.
    let unread = (bags + gaps.iter().map(|gap| gap.end() - gap.start() + 1).sum::<u64>()).saturating_sub(seq);
    let to_receive = unexplained(&missing_here).min(unread);
    Ok(HostReport {
        host: host.public(),
        bags,
        words: digest.map(|digest| digest.words()).unwrap_or_default(),
        to_receive,
        to_send: missing_there.iter().filter(|missing| missing.reason == Some(MissingReason::Queued)).count() as u64,
        missing_here: unexplained(&missing_here) - to_receive,
        missing_there: unexplained(&missing_there),
        repeated,
        damaged: damaged.iter().map(|bag| format!("bag {}: {}", bag.seq.number(), bag.cause)).collect(),
        gaps: gaps.iter().map(|gap| format!("{} to {}", gap.start(), gap.end())).collect(),
    })
}

/// What this device knows about a host before asking it.
#[derive(Debug)]
struct Known {
    host: Host,
    /// The number of the last bag read there.
    seq: u64,
}

impl Known {
    fn of(device: &Device<Raw>, host: Host) -> Result<Self, Failure> {
        let progress = device.host_progress(&host.label())?;
        Ok(Self { host, seq: progress.map_or(0, |progress| progress.cursor.seq.number()) })
    }
}

impl HostReport {
    fn is_wrong(&self) -> bool {
        self.missing_here > 0 || self.missing_there > 0 || !self.damaged.is_empty() || !self.gaps.is_empty()
    }

    fn lines(&self) -> Vec<String> {
        let Self { host, bags, words, to_receive, to_send, repeated, .. } = self;
        let name = format!("Host {host} at {}", host.place());
        let state = if self.is_wrong() { "not in order" } else { "in order" };
        let mut lines = vec![format!("{name}: {}, {state} ({words})", Count(*bags, "bag"))];
        let mut tell = |count: u64, what: &str| {
            if count > 0 {
                lines.push(format!("  {}", what.replace("{}", &Count(count, "message").to_string())));
            }
        };
        tell(*to_receive, "{} to receive: `dip sync` does it");
        tell(*to_send, "{} to send: `dip sync` does it");
        tell(self.missing_here, "{} of the host missing here, though this device has read them before");
        tell(self.missing_there, "{} missing on the host, though it had them before: `dip sync` sends them again");
        tell(*repeated, "{} stored there more than once, which is harmless");
        for (places, what) in [(&self.damaged, "damaged"), (&self.gaps, "numbers without a bag")] {
            lines.extend(places.iter().take(TOLD).map(|place| format!("  {what}: {place}")));
            if places.len() > TOLD {
                lines.push(format!("  {what}: and {} more", places.len() - TOLD));
            }
        }
        lines
    }
}

fn print(output: Output, report: &Report) -> Result<(), Failure> {
    if output.is_json {
        return output.result(report, "");
    }
    let mut out = output.lines();
    let state = if report.problems.is_empty() { "in order" } else { "damaged" };
    out.text(format_args!("Store: {}, {state} ({})", Count(report.messages, "message"), report.words))?;
    report.problems.iter().try_for_each(|problem| out.text(format_args!("  {}", Shown(problem))))?;
    report.hosts.iter().flat_map(HostReport::lines).try_for_each(|line| out.text(line))?;
    out.flush()
}
