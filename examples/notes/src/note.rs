//! A note, folded from its events when it is shown.

use std::collections::{BTreeMap, BTreeSet};

use diplomatic::{Aggregate, Attachment, Meta, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Event, FolderId, NoteEvent};

/// A note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The first line.
    pub title: String,
    /// The rest.
    pub text: String,
    /// The folder it lies in; it may be gone.
    pub folder: Option<FolderId>,
    /// The tags, without `#`.
    pub tags: BTreeSet<String>,
    /// The files, by their names.
    pub files: BTreeMap<String, Attachment>,
    /// When it was written last.
    pub changed: Timestamp,
}

impl Aggregate for Note {
    type Event = Event;

    fn apply(this: &mut Option<Self>, event: Event, at: &Meta) {
        let Event::Note(event) = event else { return };
        match event {
            NoteEvent::Added { title, text } => {
                *this = Some(Self::new(title, text, at));
            }
            NoteEvent::Imported { title, text, folder, tags, .. } => {
                *this = Some(Self { folder, tags: tags.into_iter().collect(), ..Self::new(title, text, at) });
            }
            NoteEvent::Removed { .. } => *this = None,
            event => {
                if let Some(note) = this {
                    note.change(event);
                    note.changed = at.changed;
                }
            }
        }
    }
}

impl Note {
    const fn new(title: String, text: String, at: &Meta) -> Self {
        Self { title, text, folder: None, tags: BTreeSet::new(), files: BTreeMap::new(), changed: at.changed }
    }

    fn change(&mut self, event: NoteEvent) {
        match event {
            NoteEvent::Titled { title, .. } => self.title = title,
            NoteEvent::Written { text, .. } => self.text = text,
            NoteEvent::Filed { folder, .. } => self.folder = folder,
            NoteEvent::Tagged { tag, tagged: true, .. } => drop(self.tags.insert(tag)),
            NoteEvent::Tagged { tag, tagged: false, .. } => drop(self.tags.remove(&tag)),
            NoteEvent::Attached { name, file: Some(file), .. } => drop(self.files.insert(name, file)),
            NoteEvent::Attached { name, file: None, .. } => drop(self.files.remove(&name)),
            NoteEvent::Added { .. } | NoteEvent::Imported { .. } | NoteEvent::Removed { .. } => {}
        }
    }

    /// Returns the note as one text, whose first line is the title.
    pub fn whole(&self) -> String {
        if self.text.is_empty() { self.title.clone() } else { format!("{}\n{}", self.title, self.text) }
    }
}

/// Splits a whole text into the title and the rest.
pub fn split(whole: &str) -> (&str, &str) {
    whole.split_once('\n').unwrap_or((whole, ""))
}
