//! The files of a note, which are read and written on other threads.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::thread;

use diplomatic::{Attachment, blocking};

use super::pane::{News, Pane};
use crate::event::{Event, NoteEvent, NoteId};
use crate::library::Library;
use crate::note::Note;

type Failure = Box<dyn Error + Send + Sync>;

impl Pane {
    /// Attaches the file at a path to a note, or takes the file `NAME` away if `typed` is `-NAME`.
    pub(super) fn attach(&mut self, note: NoteId, typed: &str) {
        if let Some(name) = typed.strip_prefix('-') {
            let event = NoteEvent::Attached { note, name: name.to_owned(), file: None };
            return self.write(vec![event.into()], "");
        }
        let path = Path::new(typed).to_owned();
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { return };
        self.message = format!("{name} is being read …");
        let client = self.device.client().clone();
        self.in_background(move || {
            let file = client.attach(File::open(&path)?)?;
            client.emit(Event::from(NoteEvent::Attached { note, name: name.clone(), file: Some(file) }))?;
            Ok(format!("{name} is attached."))
        });
    }

    /// Writes a file of a note to the directory in which the program was started. It replaces no other.
    pub(super) fn save_file(&mut self, note: &Note, name: &str) {
        let Some(file) = note.files.get(name).copied() else {
            self.message = format!("This note has no file {name:?}.");
            return;
        };
        self.message = format!("{name} is being fetched …");
        let (client, name) = (self.device.client().clone(), name.to_owned());
        self.in_background(move || {
            write(&client, &file, &name)?;
            Ok(format!("{name} is saved."))
        });
    }

    fn in_background(&self, act: impl FnOnce() -> Result<String, Failure> + Send + 'static) {
        let tell = self.tell.clone();
        thread::spawn(move || {
            let done = act().unwrap_or_else(|error| format!("That did not work: {error}"));
            // Nobody listens any more while the program ends.
            drop(tell.send(News::Done(done)));
        });
    }
}

fn write(client: &blocking::Client<Library>, file: &Attachment, name: &str) -> Result<(), Failure> {
    // Another device chose the name, which must not lead elsewhere.
    let target = Path::new(name).file_name().ok_or("its name is none for a file")?;
    let bytes = client.open_attachment(file)?;
    std::io::Write::write_all(&mut File::create_new(target)?, &bytes)?;
    Ok(())
}
