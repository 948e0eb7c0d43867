//! `dip restore`: back to what was at a point in time.

use clap::Args;
use diplomatic::history::{Restore, RestoreChange};
use diplomatic::raw::{Raw, RawEvent};
use diplomatic::{Device, EntityId, Timestamp};
use serde::Serialize;

use crate::device::Place;
use crate::entry::{Entry, digits};
use crate::failure::Failure;
use crate::output::{Lines, Output};
use crate::shown::Count;
use crate::time::{moment, now};

/// How many messages are read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The time: 2026-11-23, 2026-11-23T18:30:00Z, or a time ago, such as 2h or 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Timestamp,
    /// Brings back only the entity whose ID starts with these hex digits, with its registers.
    #[arg(long, value_name = "HEX", value_parser = digits)]
    entity: Option<String>,
    /// With --entity: brings back also the entities below it, such as the items of a list.
    #[arg(long, requires = "entity")]
    below: bool,
    /// Shows what would change, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(place: &Place, arguments: &RestoreArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    if arguments.dry_run {
        let device = place.open_reader(&seed)?;
        let changes = device.restore_preview(&wish(&device, arguments)?)?;
        let mut out = place.output.lines();
        changes.into_iter().try_for_each(|change| print(change, &mut out, place.output))?;
        return out.flush();
    }
    let mut device = place.open(&seed)?;
    let restore = wish(&device, arguments)?;
    let restored = device.restore(now(), &restore)?.entities;
    #[derive(Serialize)]
    struct Report {
        restored: Vec<EntityId>,
    }
    if !restored.is_empty() && !place.hosts()?.is_empty() {
        place.output.tell("It is queued: `dip sync` sends it to the other devices.");
    }
    let text = match restored.len() as u64 {
        0 => "nothing has changed since then".to_owned(),
        count => format!("{} restored", Count(count, "message")),
    };
    place.output.result(&Report { restored }, text)
}

fn wish(device: &Device<Raw>, arguments: &RestoreArgs) -> Result<Restore, Failure> {
    let restore = Restore::to(arguments.at);
    let Some(digits) = &arguments.entity else { return Ok(restore) };
    let entity = find(device, digits)?;
    Ok(if arguments.below { restore.subtree(entity) } else { restore.entity(entity) })
}

/// Finds the only entity whose ID starts with these digits.
fn find(device: &Device<Raw>, digits: &str) -> Result<EntityId, Failure> {
    let mut found: Option<EntityId> = None;
    let mut after = None;
    loop {
        let page = device.history(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        for entity in page.into_iter().map(|entry| entry.meta.entity) {
            let is_it = found.as_ref() != Some(&entity) && entity.to_string().starts_with(digits);
            if is_it && found.replace(entity).is_some() {
                return Err(Failure::Usage("several entities have IDs that start like this: give more digits"));
            }
        }
    }
    found.ok_or(Failure::Usage("no entity has an ID that starts like this: `dip log` shows them"))
}

/// Prints what counts now, and what would come back.
fn print(change: RestoreChange<RawEvent>, out: &mut Lines, output: Output) -> Result<(), Failure> {
    let RestoreChange { entity, now, then, .. } = change;
    let (now, then) = (Entry::from_history(now), then.map(Entry::from_history));
    if output.is_json {
        #[derive(Serialize)]
        struct Change<'a> {
            entity: EntityId,
            now: &'a Entry,
            then: Option<&'a Entry>,
        }
        return out.json(&Change { entity, now: &now, then: then.as_ref() });
    }
    out.text(format_args!("- {}", now.line()))?;
    match then {
        Some(then) => out.text(format_args!("+ {}", then.line())),
        None => out.text("+ nothing"),
    }
}
