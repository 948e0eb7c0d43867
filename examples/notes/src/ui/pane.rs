//! A pane: what one device shows.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use diplomatic::error::LogError;
use diplomatic::{EntityId, SyncStatus};

use super::edit::Editor;
use super::past::Past;
use crate::device::{Device, DeviceError};
use crate::event::{FolderId, NoteId};
use crate::index::{Found, Search};
use crate::note::Note;

/// What one device shows.
#[derive(Debug)]
pub struct Pane {
    pub(super) name: String,
    pub(super) device: Device,
    pub(super) tell: Sender<News>,
    news: Receiver<News>,
    pub(super) status: SyncStatus,
    pub(super) query: String,
    /// Only the notes of this folder are listed.
    pub(super) folder: Option<FolderId>,
    /// The notes of the list that fit the screen, and how many come before.
    pub(super) found: Vec<Found>,
    pub(super) top: usize,
    pub(super) height: usize,
    /// The place of the selected note on the screen.
    pub(super) selected: usize,
    /// The note to select as soon as it is in the list, which follows a moment later.
    pub(super) wanted: Option<NoteId>,
    pub(super) shown: Option<(NoteId, Note)>,
    pub(super) count: u64,
    pub(super) mode: Mode,
    pub(super) message: String,
}

/// What keys are for.
#[derive(Debug)]
pub(super) enum Mode {
    /// Typing searches, and the arrows select.
    List,
    Edit(Box<Editor>),
    Past(Past),
    /// A question at the bottom, and what was typed so far.
    Ask(Question, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Folder,
    Tags,
    Attach,
    Save,
}

/// What another thread says.
#[derive(Debug)]
pub(super) enum News {
    Saved,
    Failed(String),
    Done(String),
}

impl Pane {
    /// Makes the pane of a device, and keeps the device's index up to date.
    ///
    /// # Errors
    ///
    /// [`DeviceError`].
    pub fn new(name: impl Into<String>, device: Device) -> Result<Self, DeviceError> {
        let (tell, news) = channel();
        let (save, fail) = (tell.clone(), tell.clone());
        // Nobody listens any more while the program ends.
        let saved = move || drop(save.send(News::Saved));
        device.follow(saved, move |why| drop(fail.send(News::Failed(why))))?;
        let mut pane = Self {
            name: name.into(),
            status: device.client().status(),
            device,
            tell,
            news,
            query: String::new(),
            folder: None,
            found: Vec::new(),
            top: 0,
            height: 1,
            selected: 0,
            wanted: None,
            shown: None,
            count: 0,
            mode: Mode::List,
            message: String::new(),
        };
        pane.look();
        Ok(pane)
    }

    /// Takes up what has happened since, and returns whether there is anything new to show.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let mut is_new = false;
        let mut has_saved = false;
        for news in self.news.try_iter() {
            match news {
                News::Saved => has_saved = true,
                News::Done(what) => self.message = what,
                News::Failed(why) => self.message = format!("The search is out of date from now on: {why}"),
            }
            is_new = true;
        }
        if has_saved {
            self.look();
            self.look_at_edited();
        }
        if let Mode::Edit(editor) = &mut self.mode
            && editor.is_due(now)
        {
            self.save();
            is_new = true;
        }
        let status = self.device.client().status();
        is_new |= status != self.status;
        self.status = status;
        is_new
    }

    /// Looks the list up again, and keeps the same note selected if it is still on the screen.
    pub(super) fn look(&mut self) {
        let before = self.wanted.clone().or_else(|| self.selected_note().cloned());
        let search = Search::typed(&self.query).in_folder(self.folder.clone());
        match self.device.index().search(&search, self.top, self.height) {
            Ok(found) if found.is_empty() && self.top > 0 => {
                self.top = 0;
                return self.look();
            }
            Ok(found) => self.found = found,
            Err(error) => self.message = format!("The search failed: {error}"),
        }
        if let Ok(count) = self.device.index().len() {
            self.count = count;
        }
        let same = self.found.iter().position(|found| Some(&found.note) == before.as_ref());
        self.selected = same.unwrap_or(self.selected).min(self.found.len().saturating_sub(1));
        self.show();
    }

    /// Loads the selected note.
    pub(super) fn show(&mut self) {
        self.shown = None;
        let Some(id) = self.wanted.as_ref().or(self.selected_note()).cloned() else { return };
        match self.load(&id) {
            Ok(Some(note)) => self.shown = Some((id, note)),
            // It was removed a moment ago, and the index follows.
            Ok(None) => {}
            Err(error) => self.message = format!("The note cannot be read: {error}"),
        }
    }

    pub(super) fn load(&self, id: &NoteId) -> Result<Option<Note>, LogError> {
        self.device.client().load(&EntityId::from(id.clone()))
    }

    /// Returns the name of a folder, if it is still there.
    pub(super) fn folder_name(&self, folder: Option<&FolderId>) -> Option<String> {
        self.device.client().read(|library| library.folders.get(folder?).cloned())
    }

    pub(super) fn selected_note(&self) -> Option<&NoteId> {
        self.found.get(self.selected).map(|found| &found.note)
    }

    /// Moves the selection by so many notes.
    pub(super) fn go(&mut self, by: isize) {
        let place = self.top.saturating_add(self.selected).saturating_add_signed(by);
        let bottom = self.top + self.height.saturating_sub(1);
        let top = if place < self.top { place } else { self.top + place.saturating_sub(bottom) };
        if top != self.top {
            self.found.clear();
            self.top = top;
        }
        self.selected = place - self.top;
        self.look();
    }

    /// Sets how many notes fit the screen.
    pub(super) fn resize(&mut self, height: usize) {
        let height = height.max(1);
        if height != self.height {
            self.height = height;
            self.look();
        }
    }

    /// Saves what is being written.
    pub(super) fn leave(&mut self) {
        self.save();
        self.device.close();
    }
}
