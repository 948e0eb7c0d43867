//! `dip log`: the history.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Instant;

use clap::Args;
use diplomatic::history::HistoryEntry;
use diplomatic::raw::{Raw, RawEvent};
use diplomatic::standard::HeadHash;
use diplomatic::{Client, Device, EntityId, Position, Timestamp};

use crate::device::{self, Place};
use crate::entry::{Entry, digits};
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{Lines, Output};
use crate::payload::AS_JSON;
use crate::time::moment;

/// How many messages are read at once.
const PAGE: usize = 1_000;
/// How many parts of attachments are shown to people.
const PARTS: usize = 20;

#[derive(Debug, Args)]
#[command(after_long_help = AS_JSON, after_help = "See --help for how payloads are shown.")]
pub(crate) struct LogArgs {
    /// Prints only messages of this type.
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// Prints only messages about the entity whose ID starts with these hex digits.
    #[arg(long, value_name = "HEX", value_parser = digits)]
    entity: Option<String>,
    /// Prints only messages from this time on: 2026-11-23, 2026-11-23T18:30:00Z, or a time ago, such as 2h or 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Prints also the messages in which devices tell each other what they have written, and at the end the parts of
    /// attachments: the first few, or all with --json.
    #[arg(long)]
    all: bool,
    /// Syncs and prints new messages until Ctrl-C. A change made earlier on another device is printed when it arrives.
    #[arg(long)]
    follow: bool,
    /// Prints long payloads in full. With --json, they always are.
    #[arg(long)]
    full: bool,
}

pub(crate) async fn run(place: &Place, arguments: &LogArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    if arguments.follow {
        let client = place.connect_to_all(&seed, false).await?;
        let followed = follow(&client, arguments, place.output).await;
        client.close().await;
        followed
    } else {
        let device = place.open_reader(&seed)?;
        print(&device, arguments, place.output)
    }
}

fn print(device: &Device<Raw>, wanted: &LogArgs, output: Output) -> Result<(), Failure> {
    let mut out = output.lines();
    // A complete ID needs no search.
    if let Some(entity) = wanted.entity.as_deref().and_then(|digits| digits.parse::<EntityId>().ok()) {
        show(device.history_of(&entity)?, wanted, &mut out, output)?;
        return out.flush();
    }
    let mut after = wanted.start();
    loop {
        let page = if wanted.all {
            device.full_history(after.as_ref(), PAGE)?
        } else {
            device.history(after.as_ref(), PAGE)?
        };
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        show(page, wanted, &mut out, output)?;
    }
    if wanted.all && wanted.since.is_none() && wanted.type_name.is_none() {
        print_parts(device, wanted, &mut out, output)?;
    }
    out.flush()
}

/// Prints the parts of attachments. They have no place among the messages, and there may be very many.
fn print_parts(device: &Device<Raw>, wanted: &LogArgs, out: &mut Lines, output: Output) -> Result<(), Failure> {
    let (mut parts, mut left_out, mut here) = (Vec::new(), Total::default(), Total::default());
    device.each_attachment_part(|part| {
        let is_wanted = wanted.entity.as_deref().is_none_or(|digits| part.entity.to_string().starts_with(digits));
        if !is_wanted || part.is_removed && !part.is_here {
            return;
        }
        if part.is_here {
            here.add(part.bytes);
        }
        if output.is_json || parts.len() < PARTS {
            parts.push(part);
        } else {
            left_out.add(part.bytes);
        }
    })?;
    for part in &parts {
        if output.is_json {
            out.json(part)?;
            continue;
        }
        let place = if part.is_here { "on this device" } else { "at a host" };
        let removed = if part.is_removed { ", removed elsewhere" } else { "" };
        out.text(format_args!("part of an attachment {}, {} bytes, {place}{removed}", part.entity, part.bytes))?;
    }
    if left_out.parts > 0 {
        out.text(format_args!(
            "… and {} more parts of attachments with {} bytes (all are shown with --json); {} parts with {} bytes are on this device",
            left_out.parts, left_out.bytes, here.parts, here.bytes
        ))?;
    }
    Ok(())
}

/// Some parts of attachments.
#[derive(Default)]
struct Total {
    parts: u64,
    bytes: u64,
}

impl Total {
    const fn add(&mut self, bytes: u64) {
        self.parts += 1;
        self.bytes += bytes;
    }
}

fn show(page: Vec<HistoryEntry<RawEvent>>, wanted: &LogArgs, out: &mut Lines, output: Output) -> Result<(), Failure> {
    let entries = page.into_iter().map(Entry::from_history);
    entries.filter(|entry| wanted.wants(entry)).try_for_each(|entry| entry.print(out, output, wanted.full))
}

async fn follow(client: &Client<Raw>, wanted: &LogArgs, output: Output) -> Result<(), Failure> {
    let mut end = pin!(interrupt::regular_end());
    let mut changes = client.changes();
    let mut printed = HashSet::new();
    if client.status().hosts().is_empty() {
        output.tell("There is no host, so no messages will arrive.");
    }
    let mut troubles = pin!(async {
        if let Ok(status) = client.sync().await {
            device::tell_troubles(&status, output);
        }
        std::future::pending::<()>().await;
    });
    loop {
        let started = Instant::now();
        tokio::select! {
            biased;
            () = &mut end => return Ok(()),
            printing = print_new(client, wanted, &mut printed, output) => printing?,
        }
        // Each pass looks at the whole log, because new messages may be older than those printed. Pausing as long as a
        // pass took keeps this below half of the time.
        let pause = tokio::time::sleep(started.elapsed());
        tokio::select! {
            () = &mut end => return Ok(()),
            () = &mut troubles => {}
            change = async { pause.await; changes.next().await } => if change.is_none() { return Ok(()) },
        }
    }
}

async fn print_new(
    client: &Client<Raw>,
    wanted: &LogArgs,
    printed: &mut HashSet<HeadHash>,
    output: Output,
) -> Result<(), Failure> {
    let mut after = wanted.start();
    loop {
        let page = if wanted.all { client.full_history(after, PAGE).await } else { client.history(after, PAGE).await };
        let mut page = page?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.position);
        page.retain(|entry| printed.insert(entry.position.hash));
        let mut out = output.lines();
        show(page, wanted, &mut out, output)?;
        out.flush()?;
    }
}

impl LogArgs {
    /// Returns the last place in the order before the first wanted message.
    fn start(&self) -> Option<Position> {
        let before = self.since?.as_millis().checked_sub(1)?;
        let hash = HeadHash::from_bytes([0xff; 32]);
        Some(Position { changed: Timestamp::from_millis(before), counter: u64::MAX, hash })
    }

    fn wants(&self, entry: &Entry) -> bool {
        self.since.is_none_or(|since| entry.meta.changed >= since)
            && self.type_name.as_deref().is_none_or(|name| entry.type_name() == name)
            && self.entity.as_deref().is_none_or(|digits| entry.meta.entity.to_string().starts_with(digits))
    }
}
