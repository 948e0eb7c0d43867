//! Writing a note. It is saved whenever the user pauses.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::KeyEvent;
use ratatui_textarea::{CursorMove, DataCursor, TextArea};

use super::pane::{Mode, Pane};
use crate::event::{Event, NoteEvent, NoteId};
use crate::note::split;

/// How long a pause is after which the note is saved.
const PAUSE: Duration = Duration::from_millis(400);

/// A note that is being written; its first line is the title.
#[derive(Debug)]
pub(super) struct Editor {
    /// `None` for a new note that has not been saved yet.
    note: Option<NoteId>,
    pub(super) area: TextArea<'static>,
    /// The whole note, as it was saved or loaded last.
    saved: String,
    typed: Option<Instant>,
}

impl Editor {
    fn new(note: Option<NoteId>, whole: String) -> Self {
        Self { note, area: area_of(&whole), saved: whole, typed: None }
    }

    fn whole(&self) -> String {
        self.area.lines().join("\n")
    }

    pub(super) fn is_saved(&self) -> bool {
        self.whole() == self.saved
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.typed.is_some_and(|typed| now.duration_since(typed) >= PAUSE)
    }

    pub(super) fn press(&mut self, key: KeyEvent, now: Instant) {
        self.area.input(key);
        self.typed = (!self.is_saved()).then_some(now);
    }

    /// Shows what another device wrote, with the cursor where it was.
    fn replace(&mut self, whole: String) {
        let DataCursor(row, column) = self.area.cursor();
        self.area = area_of(&whole);
        let place = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(place(row), place(column)));
        self.saved = whole;
    }
}

fn area_of(whole: &str) -> TextArea<'static> {
    let mut area: TextArea<'static> = whole.split('\n').map(str::to_owned).collect();
    area.set_cursor_line_style(ratatui::style::Style::new());
    area
}

impl Pane {
    /// Begins a new note.
    pub(super) fn begin(&mut self) {
        self.mode = Mode::Edit(Box::new(Editor::new(None, String::new())));
    }

    /// Opens the selected note.
    pub(super) fn edit(&mut self) {
        if let Some((id, note)) = &self.shown {
            self.mode = Mode::Edit(Box::new(Editor::new(Some(id.clone()), note.whole())));
        }
    }

    /// Saves what is being written, if it differs from what was saved.
    pub(super) fn save(&mut self) {
        let Mode::Edit(editor) = &mut self.mode else { return };
        editor.typed = None;
        if editor.is_saved() {
            return;
        }
        let whole = editor.whole();
        let ((title, text), (old_title, old_text)) = (split(&whole), split(&editor.saved));
        let mut events: Vec<Event> = Vec::new();
        match &editor.note {
            None => events.push(NoteEvent::Added { title: title.to_owned(), text: text.to_owned() }.into()),
            Some(note) => {
                if title != old_title {
                    events.push(NoteEvent::Titled { note: note.clone(), title: title.to_owned() }.into());
                }
                if text != old_text {
                    events.push(NoteEvent::Written { note: note.clone(), text: text.to_owned() }.into());
                }
            }
        }
        match self.device.client().emit_all(events) {
            Ok(entities) => {
                if editor.note.is_none() {
                    editor.note = entities.first().cloned().map(NoteId::from);
                }
                editor.saved = whole;
            }
            Err(error) => self.message = format!("It could not be saved: {error}"),
        }
    }

    /// Takes up what another device wrote in the note that is being written here.
    pub(super) fn look_at_edited(&mut self) {
        let Mode::Edit(editor) = &self.mode else { return };
        let Some(id) = editor.note.clone() else { return };
        let loaded = self.load(&id);
        let Mode::Edit(editor) = &mut self.mode else { return };
        match loaded {
            Ok(Some(note)) if note.whole() == editor.saved => {}
            Ok(Some(note)) if editor.is_saved() => editor.replace(note.whole()),
            Ok(Some(_)) => {
                self.message =
                    "Another device has changed this note. What you write replaces it; Ctrl-R shows both.".to_owned();
            }
            Ok(None) => {
                self.message = "Another device has thrown this note away. Ctrl-R brings it back.".to_owned();
            }
            Err(error) => self.message = format!("The note cannot be read: {error}"),
        }
    }

    /// Goes back to the list.
    pub(super) fn end_edit(&mut self) {
        self.save();
        let Mode::Edit(editor) = std::mem::replace(&mut self.mode, Mode::List) else { return };
        if let Some(note) = editor.note {
            // What was changed last comes first, but a new note need not match the search.
            if !self.found.iter().any(|found| found.note == note) {
                self.query.clear();
                self.folder = None;
            }
            self.go_to_the_top();
            self.wanted = Some(note);
        }
        self.look();
    }
}
