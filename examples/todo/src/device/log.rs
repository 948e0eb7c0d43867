//! The event log, in plain words.

use std::collections::HashMap;

use diplomatic::history::{Happened, HistoryEntry, Origin};
use diplomatic::{EntityId, LogError};
use serde::Serialize;

use super::Device;
use crate::TodoEvent;

/// How many lines the page shows.
const SHOWN: usize = 200;

/// How many entries are read at a time.
const PAGE: usize = 500;

/// One line of the event log.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// A unique ID.
    key: String,
    /// When it happened, in milliseconds since 1970.
    time: u64,
    /// What happened, such as "Renamed".
    name: &'static str,
    /// The item or list.
    what: String,
    from: String,
    /// Whether it no longer counts because something newer has overwritten it.
    is_overwritten: bool,
}

impl Device {
    /// Returns the last lines of the log in the total order, so a late event is at its place rather than at the end. This
    /// reads the whole log, which is short in a demo.
    pub(super) async fn log(&self) -> Result<Vec<Line>, LogError> {
        let (mut lines, mut names) = (Vec::new(), Names::default());
        let mut after = None;
        loop {
            let entries = self.client.history(after, PAGE).await?;
            let Some(last) = entries.last() else { break };
            after = Some(last.position);
            lines.extend(entries.iter().filter_map(|entry| names.line(entry)));
        }
        lines.drain(..lines.len().saturating_sub(SHOWN));
        Ok(lines)
    }
}

/// The names of items and lists, so far in the log.
#[derive(Debug, Default)]
struct Names(HashMap<EntityId, String>);

impl Names {
    fn line(&mut self, entry: &HistoryEntry<TodoEvent>) -> Option<Line> {
        let (name, what) = match &entry.what {
            Happened::Event(event) => self.words(event, &entry.meta.entity),
            // The tombstones of the item's registers, which come with a delete.
            Happened::Deleted => return None,
            Happened::Unknown { type_name } => ("Unknown", type_name.clone()),
            Happened::Unreadable { error } => ("Unreadable", error.to_string()),
            _ => return None,
        };
        let from = match &entry.origin {
            Origin::ThisDevice => "here".to_owned(),
            Origin::Host(_) => "from the host".to_owned(),
            origin => format!("from {origin}"),
        };
        Some(Line {
            key: entry.position.hash.to_string(),
            time: entry.position.changed.as_millis(),
            name,
            what,
            from,
            is_overwritten: entry.overwritten_by.is_some(),
        })
    }

    fn words(&mut self, event: &TodoEvent, entity: &EntityId) -> (&'static str, String) {
        match event {
            TodoEvent::Added { title, .. } => ("Added", self.learn(entity, title)),
            TodoEvent::Renamed { item, title } => {
                let old = self.name(item);
                ("Renamed", format!("{old} to {}", self.learn(item, title)))
            }
            TodoEvent::Noted { item, .. } => ("Noted", self.name(item)),
            TodoEvent::Due { item, due: Some(day) } => ("Due", format!("{} by {day}", self.name(item))),
            TodoEvent::Due { item, due: None } => ("Due", format!("{} whenever", self.name(item))),
            TodoEvent::Ticked { item, done: true } => ("Ticked", self.name(item)),
            TodoEvent::Ticked { item, done: false } => ("Unticked", self.name(item)),
            TodoEvent::Placed { item, list, .. } => ("Moved", format!("{} in {}", self.name(item), self.name(list))),
            TodoEvent::Archived { item, archived: true } => ("Archived", self.name(item)),
            TodoEvent::Archived { item, archived: false } => ("Unarchived", self.name(item)),
            TodoEvent::ListSaved { list, name, .. } => ("Saved list", self.learn(list, name)),
            TodoEvent::Removed { what } => ("Deleted", self.name(what)),
            TodoEvent::Preferred(preferences) if preferences.hide_done => ("Preferred", "done out of sight".to_owned()),
            TodoEvent::Preferred(_) => ("Preferred", "done in sight".to_owned()),
        }
    }

    fn learn(&mut self, entity: &EntityId, name: &str) -> String {
        self.0.insert(entity.clone(), name.to_owned());
        self.name(entity)
    }

    fn name(&self, entity: &EntityId) -> String {
        match self.0.get(entity) {
            Some(name) => format!("“{name}”"),
            None if *entity == crate::inbox() => "“Inbox”".to_owned(),
            None => "something deleted".to_owned(),
        }
    }
}
