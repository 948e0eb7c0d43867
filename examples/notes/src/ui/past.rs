//! The history of a note, and going back in it.

use diplomatic::history::{Happened, HistoryEntry, Origin, Restore};
use diplomatic::{Aggregate, EntityId, Timestamp};

use super::pane::{Mode, Pane};
use crate::event::{Event, NoteEvent, NoteId};
use crate::note::Note;

/// The history of a note, the latest first.
#[derive(Debug)]
pub(super) struct Past {
    note: NoteId,
    entries: Vec<HistoryEntry<Event>>,
    pub(super) selected: usize,
}

impl Past {
    /// Returns a line for each change.
    pub(super) fn lines(&self, names: &dyn Fn(&HistoryEntry<Event>) -> String) -> Vec<String> {
        let line = |entry: &HistoryEntry<Event>| {
            format!("{}  {}  {}", time_of(entry.meta.changed), names(entry), what(&entry.what))
        };
        self.entries.iter().map(line).collect()
    }

    pub(super) fn go(&mut self, by: isize) {
        self.selected = self.selected.saturating_add_signed(by).min(self.entries.len().saturating_sub(1));
    }

    /// Returns the note as it was after the selected change.
    pub(super) fn note(&self) -> Option<Note> {
        let mut note = None;
        for entry in self.entries.get(self.selected..).unwrap_or_default().iter().rev() {
            if let Happened::Event(event) = &entry.what {
                Note::apply(&mut note, event.clone(), &entry.meta);
            }
        }
        note
    }
}

/// Returns who made a change.
pub(super) fn author(pane: &Pane, entry: &HistoryEntry<Event>) -> String {
    if entry.origin == Origin::ThisDevice {
        return "here".to_owned();
    }
    let peers = pane.status.peers();
    let peer = entry.device.and_then(|device| peers.devices.iter().find(|peer| peer.id == device));
    peer.and_then(|peer| peer.name.clone()).unwrap_or_else(|| "elsewhere".to_owned())
}

fn time_of(time: Timestamp) -> String {
    let time = i64::try_from(time.as_millis()).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    let Some(time) = time else { return "at no time".to_owned() };
    time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn what(what: &Happened<Event>) -> String {
    let Happened::Event(Event::Note(event)) = what else { return "taken back".to_owned() };
    match event {
        NoteEvent::Added { .. } => "written".to_owned(),
        NoteEvent::Imported { .. } => "imported".to_owned(),
        NoteEvent::Titled { title, .. } => format!("titled {title:?}"),
        NoteEvent::Written { text, .. } => format!("written, {} characters", text.chars().count()),
        NoteEvent::Filed { folder: Some(_), .. } => "put in a folder".to_owned(),
        NoteEvent::Filed { folder: None, .. } => "taken out of its folder".to_owned(),
        NoteEvent::Tagged { tag, tagged: true, .. } => format!("tagged #{tag}"),
        NoteEvent::Tagged { tag, tagged: false, .. } => format!("no longer tagged #{tag}"),
        NoteEvent::Attached { name, file: Some(_), .. } => format!("file {name:?} added"),
        NoteEvent::Attached { name, file: None, .. } => format!("file {name:?} taken away"),
        NoteEvent::Removed { .. } => "thrown away".to_owned(),
    }
}

impl Pane {
    /// Shows the history of a note.
    pub(super) fn look_back(&mut self, note: NoteId) {
        match self.device.client().history_of_root(EntityId::from(note.clone())) {
            Ok(mut entries) => {
                entries.reverse();
                self.mode = Mode::Past(Past { note, entries, selected: 0 });
            }
            Err(error) => self.message = format!("The history cannot be read: {error}"),
        }
    }

    /// Brings the note back to what it was after the selected change.
    pub(super) fn restore(&mut self) {
        let Mode::Past(past) = &self.mode else { return };
        let Some(entry) = past.entries.get(past.selected) else { return };
        let restore = Restore::to(entry.meta.changed).entity(EntityId::from(past.note.clone()));
        self.message = match self.device.client().restore(restore) {
            Ok(restored) if restored.entities.is_empty() => "The note is as it was then.".to_owned(),
            Ok(_) => format!("The note is as on {} again. Ctrl-Z takes that back.", time_of(entry.meta.changed)),
            Err(error) => format!("That did not work: {error}"),
        };
        self.mode = Mode::List;
        self.show();
    }
}
