//! What keys do.

use std::time::Instant;

use diplomatic::error::UndoError;
use diplomatic::history::Undone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::pane::{Mode, Pane, Question};
use crate::event::{Event, FolderEvent, NoteEvent};
use crate::library::folder_named;

/// What the keys do in a list, for the bottom line.
pub(super) const LIST_KEYS: &str = "Enter edit · ^N new · ^D throw away · ^T tags · ^F folder · ^L next folder · ^A attach · ^S save a file · ^R history · \
                                    ^Z undo · ^Y redo · ^O offline · ^Q quit";
pub(super) const EDIT_KEYS: &str = "Esc back · ^R history · saved by itself";
pub(super) const PAST_KEYS: &str = "Enter brings this back · Esc back";
pub(super) const ASK_KEYS: &str = "Enter · Esc back";

impl Pane {
    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent, now: Instant) {
        self.message.clear();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (&mut self.mode, key.code) {
            (Mode::Edit(_), KeyCode::Esc) => self.end_edit(),
            (Mode::Edit(_), KeyCode::Char('r')) if control => {
                self.end_edit();
                self.begin_past();
            }
            (Mode::Edit(editor), _) => editor.press(key, now),
            (Mode::Past(past), code) => match code {
                KeyCode::Esc => self.mode = Mode::List,
                KeyCode::Up => past.go(-1),
                KeyCode::Down => past.go(1),
                KeyCode::Enter => self.restore(),
                _ => {}
            },
            (Mode::Ask(question, typed), code) => match code {
                KeyCode::Esc => self.mode = Mode::List,
                KeyCode::Char(typing) if !control => typed.push(typing),
                KeyCode::Backspace => {
                    typed.pop();
                }
                KeyCode::Enter => {
                    let (question, typed) = (*question, std::mem::take(typed));
                    self.mode = Mode::List;
                    self.answer(question, &typed);
                }
                _ => {}
            },
            (Mode::List, KeyCode::Char(letter)) if control => self.command(letter),
            (Mode::List, code) => {
                if code != KeyCode::Enter {
                    self.wanted = None;
                }
                self.browse(code);
            }
        }
    }

    fn browse(&mut self, code: KeyCode) {
        let page = isize::try_from(self.height).unwrap_or(1);
        match code {
            KeyCode::Up => self.go(-1),
            KeyCode::Down => self.go(1),
            KeyCode::PageUp => self.go(-page),
            KeyCode::PageDown => self.go(page),
            KeyCode::Enter => self.edit(),
            KeyCode::Char(letter) => self.type_query(|query| query.push(letter)),
            KeyCode::Backspace => self.type_query(|query| {
                query.pop();
            }),
            KeyCode::Esc => self.type_query(String::clear),
            _ => {}
        }
    }

    fn type_query(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.query);
        self.go_to_the_top();
    }

    pub(super) fn go_to_the_top(&mut self) {
        (self.top, self.selected) = (0, 0);
        self.found.clear();
        self.look();
    }

    fn command(&mut self, letter: char) {
        match letter {
            'n' => self.begin(),
            'd' => self.throw_away(),
            'z' => {
                let undone = self.device.client().undo();
                self.went_back(undone, "Undone");
            }
            'y' => {
                let redone = self.device.client().redo();
                self.went_back(redone, "Done again");
            }
            'r' => self.begin_past(),
            'l' => self.next_folder(),
            'f' => self.ask(Question::Folder),
            't' => self.ask(Question::Tags),
            'a' => self.ask(Question::Attach),
            's' => self.ask(Question::Save),
            'o' => {
                let client = self.device.client().as_async();
                if client.is_offline() { client.go_online() } else { client.go_offline() }
            }
            _ => {}
        }
    }

    fn begin_past(&mut self) {
        if let Some((note, _)) = self.shown.clone() {
            self.look_back(note);
        }
    }

    fn throw_away(&mut self) {
        let Some((note, _)) = self.shown.clone() else { return };
        self.write(vec![NoteEvent::Removed { note }.into()], "Thrown away. Ctrl-Z takes that back.");
    }

    fn went_back(&mut self, outcome: Result<Undone, UndoError>, done: &str) {
        self.message = match outcome {
            Ok(_) => format!("{done}."),
            Err(error) => format!("That did not work: {error}"),
        };
        self.show();
    }

    fn ask(&mut self, question: Question) {
        let Some((_, note)) = &self.shown else { return };
        let now = match question {
            Question::Tags => note.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
            Question::Folder => self.folder_name(note.folder.as_ref()).unwrap_or_default(),
            Question::Attach => String::new(),
            Question::Save => note.files.keys().next().cloned().unwrap_or_default(),
        };
        self.mode = Mode::Ask(question, now);
    }

    fn answer(&mut self, question: Question, typed: &str) {
        let Some((id, note)) = self.shown.clone() else { return };
        let mut events: Vec<Event> = Vec::new();
        match question {
            Question::Attach => return self.attach(id, typed.trim()),
            Question::Save => return self.save_file(&note, typed),
            Question::Tags => {
                let tags: Vec<&str> = typed.split_whitespace().map(|tag| tag.trim_start_matches('#')).collect();
                let tagged = |tag: &str, tagged| NoteEvent::Tagged { note: id.clone(), tag: tag.to_owned(), tagged };
                let new = tags.iter().filter(|tag| !tag.is_empty() && !note.tags.contains(**tag));
                events.extend(new.map(|tag| Event::from(tagged(tag, true))));
                let gone = note.tags.iter().filter(|tag| !tags.contains(&tag.as_str()));
                events.extend(gone.map(|tag| Event::from(tagged(tag, false))));
            }
            Question::Folder => {
                let name = typed.trim();
                let folder = (!name.is_empty()).then(|| {
                    let there = self.device.client().read(|library| library.folder(name).cloned());
                    there.unwrap_or_else(|| {
                        let folder = folder_named(name);
                        events.push(FolderEvent::Named { folder: folder.clone(), name: name.to_owned() }.into());
                        folder
                    })
                });
                events.push(NoteEvent::Filed { note: id, folder }.into());
            }
        }
        self.write(events, "");
    }

    pub(super) fn write(&mut self, events: Vec<Event>, done: &str) {
        match self.device.client().emit_all(events) {
            Ok(_) => self.message = done.to_owned(),
            Err(error) => self.message = format!("That did not work: {error}"),
        }
        self.show();
    }

    /// Lists the notes of the next folder, and all after the last one.
    fn next_folder(&mut self) {
        self.folder = self.device.client().read(|library| {
            let mut folders: Vec<_> = library.folders.iter().map(|(id, name)| (name, id)).collect();
            folders.sort_unstable();
            let here = folders.iter().position(|(_, id)| Some(*id) == self.folder.as_ref());
            folders.get(here.map_or(0, |here| here + 1)).map(|(_, id)| (*id).clone())
        });
        self.go_to_the_top();
    }
}
