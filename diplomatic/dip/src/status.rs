//! `dip status`: what this device has and what it knows about its hosts.

use std::fs;
use std::path::PathBuf;

use diplomatic::inspect::HostProgress;
use diplomatic::raw::Raw;
use diplomatic::{Device, Seed};
use serde::Serialize;

use crate::device::Place;
use crate::failure::Failure;
use crate::hosts::Host;
use crate::outcome::{self, Outcome};
use crate::peers;
use crate::shown::{Bytes, Count, Shown};
use crate::time::now;

#[derive(Debug, Serialize)]
struct Status {
    fingerprint: String,
    store: PathBuf,
    /// `None` if there is no store yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
    hosts: Vec<Known>,
    /// By what name the other devices know this one; `None` before it has told them anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// The account's other devices, as far as they have told of themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<peers::Known>,
    /// How many messages of them are missing.
    missing: u64,
    /// What is wrong with them, in one sentence each.
    #[serde(skip)]
    troubles: Vec<String>,
    /// What is dated further ahead than the clock follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<DatedAhead>,
}

/// Messages that are dated too far ahead.
#[derive(Debug, Serialize)]
struct DatedAhead {
    messages: u64,
    worst_offset_ms: u64,
    /// Where the worst came from: a host's label, "this device" or "an export file".
    worst_origin: String,
    #[serde(skip)]
    sentence: String,
}

#[derive(Debug, Serialize)]
struct Kept {
    messages: u64,
    bytes: u64,
    /// The digest of everything here, and its first bits as four words: where they are the same, the data is.
    digest: String,
    words: String,
}

/// What this device knows about a host.
#[derive(Debug, Serialize)]
struct Known {
    #[serde(flatten)]
    host: Host,
    /// Whether everything there has been read at least once.
    synced: bool,
    /// The number of the last bag read there.
    seq: u64,
    pending: u64,
    /// How many bags there cannot be read, and how many it leaves out.
    skipped: u64,
    withheld: u64,
    holes: u64,
    /// What the last sync came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sync: Option<Outcome>,
}

pub(crate) fn run(place: &Place) -> Result<(), Failure> {
    let seed = place.seed()?;
    let status = status(place, &seed)?;
    if place.output.is_json {
        return place.output.result(&status, "");
    }
    let Status { fingerprint, store, kept, hosts, device, devices, missing: _, troubles, ahead } = &status;
    let mut out = place.output.lines();
    out.text(format_args!("Fingerprint: {fingerprint}"))?;
    let path = store.display().to_string();
    match kept {
        Some(Kept { messages, bytes, words, .. }) => {
            out.text(format_args!("Store: {} ({}, {})", Shown(&path), Count(*messages, "message"), Bytes(*bytes)))?;
            out.text(format_args!("Data: {words} (the same words on another device mean the same data)"))?;
        }
        None => out.text(format_args!("Store: {} (not there yet)", Shown(&path)))?,
    }
    hosts.iter().try_for_each(|known| out.text(known.line()))?;
    if let Some(device) = device.as_ref().filter(|_| !devices.is_empty()) {
        out.text(format_args!("This device: {}", peers::short(device)))?;
    }
    devices.iter().try_for_each(|device| out.text(format_args!("Device {device}")))?;
    troubles.iter().try_for_each(|trouble| out.text(trouble))?;
    if let Some(DatedAhead { sentence, .. }) = ahead {
        out.text(format_args!("Clock: {}", Shown(sentence)))?;
    }
    if hosts.is_empty() {
        place.output.tell("There is no host: add one with `dip host add`.");
    }
    out.flush()
}

fn status(place: &Place, seed: &Seed) -> Result<Status, Failure> {
    let (fingerprint, store, hosts) = (seed.fingerprint().to_string(), place.store()?, place.hosts()?);
    let mut device = match place.open_reader(seed) {
        Ok(device) => device,
        Err(Failure::NoStore { .. }) => {
            let unknown = |host: Host| Known {
                last_sync: outcome::last(place, &host),
                host: host.public(),
                synced: false,
                seq: 0,
                pending: 0,
                skipped: 0,
                withheld: 0,
                holes: 0,
            };
            let hosts = hosts.into_iter().map(unknown).collect();
            let (devices, troubles) = (Vec::new(), Vec::new());
            let (kept, device, missing, ahead) = (None, None, 0, None);
            return Ok(Status { fingerprint, store, kept, hosts, device, devices, missing, troubles, ahead });
        }
        Err(failure) => return Err(failure),
    };
    let messages = device.message_count()?;
    let bytes = fs::metadata(&store).map_or(0, |file| file.len());
    let hosts = hosts.into_iter().map(|host| known(place, &device, host)).collect::<Result<_, _>>()?;
    let ahead = device.ahead(now())?.map(|ahead| DatedAhead {
        messages: ahead.messages,
        worst_offset_ms: u64::try_from(ahead.offset.as_millis()).unwrap_or(u64::MAX),
        worst_origin: ahead.origin.to_string(),
        sentence: format!("{ahead}: {}", ahead.remedy()),
    });
    let peers = device.peers()?;
    let troubles = peers::troubles(&peers).collect();
    let digest = device.digest()?;
    let kept = Some(Kept { messages, bytes, digest: digest.to_string(), words: digest.words() });
    let (devices, missing) = (peers::Known::all(&peers), peers.missing());
    let device = peers.this_device.map(|id| id.to_string());
    Ok(Status { fingerprint, store, kept, hosts, device, devices, missing, troubles, ahead })
}

fn known(place: &Place, device: &Device<Raw>, host: Host) -> Result<Known, Failure> {
    let last_sync = outcome::last(place, &host);
    Ok(match device.host_progress(&host.label())? {
        Some(HostProgress { cursor, pending, skipped, withheld, holes, .. }) => Known {
            host: host.public(),
            synced: cursor.caught_up,
            seq: cursor.seq.number(),
            pending,
            skipped,
            withheld,
            holes,
            last_sync,
        },
        // Everything is to be sent to a host that this device has not met yet.
        None => {
            let pending = device.message_count()?;
            Known { host: host.public(), synced: false, seq: 0, pending, skipped: 0, withheld: 0, holes: 0, last_sync }
        }
    })
}

impl Known {
    fn line(&self) -> String {
        let Self { host, synced, seq, pending, skipped, withheld, holes, last_sync } = self;
        let read = match (synced, seq) {
            (true, seq) => format!("read to its end, up to bag {seq}"),
            (false, 0) => "not reached yet".to_owned(),
            (false, seq) => format!("read in part, up to bag {seq}"),
        };
        let pending = match pending {
            0 => "nothing waits to be sent".to_owned(),
            1 => "1 message waits to be sent".to_owned(),
            pending => format!("{pending} messages wait to be sent"),
        };
        let skipped = match skipped {
            0 => String::new(),
            skipped => format!("; {} could not be read", Count(*skipped, "bag")),
        };
        let withheld = match withheld {
            0 => String::new(),
            withheld => format!("; {} withheld", Count(*withheld, "message")),
        };
        let holes = match holes {
            0 => String::new(),
            holes => format!("; it leaves out {}", Count(*holes, "bag")),
        };
        let last = match last_sync {
            Some(Outcome { at, trouble: Some(trouble), .. }) => {
                format!("\n  At the last sync ({}): {}", Shown(at), Shown(trouble))
            }
            _ => String::new(),
        };
        format!("Host {host} at {}: {read}; {pending}{skipped}{holes}{withheld}{last}", host.place())
    }
}
