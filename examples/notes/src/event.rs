//! What happens to notes and folders.

use diplomatic::{Attachment, DiplomaticEvent, entity_id};

entity_id!(
    /// The ID of a note.
    pub struct NoteId;
);

entity_id!(
    /// The ID of a folder.
    pub struct FolderId;
);

/// All events of the app.
#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
pub enum Event {
    /// What happens to notes.
    #[diplomatic(flatten)]
    Note(NoteEvent),
    /// What happens to folders.
    #[diplomatic(flatten)]
    Folder(FolderEvent),
}

/// What happens to notes.
#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "note")]
pub enum NoteEvent {
    /// A new note.
    Added {
        /// Its first line.
        title: String,
        /// The rest.
        text: String,
    },
    /// A note that stands in a file. Importing the file again writes the same note again.
    #[diplomatic(entity = "note")]
    Imported {
        /// The note; its ID depends on the file's path alone.
        note: NoteId,
        /// Its first line.
        title: String,
        /// The rest.
        text: String,
        /// Its folder, if any.
        folder: Option<FolderId>,
        /// Its tags.
        tags: Vec<String>,
    },
    /// Another first line.
    #[diplomatic(overwrites = "note")]
    Titled {
        /// The note.
        note: NoteId,
        /// Its first line.
        title: String,
    },
    /// Another text.
    #[diplomatic(overwrites = "note")]
    Written {
        /// The note.
        note: NoteId,
        /// All but the first line.
        text: String,
    },
    /// Moved to a folder, or out of any.
    #[diplomatic(overwrites = "note")]
    Filed {
        /// The note.
        note: NoteId,
        /// The folder.
        folder: Option<FolderId>,
    },
    /// Got or lost a tag. Each tag of a note is a register of its own, so two devices can add one each.
    #[diplomatic(overwrites("note", "tag"), pid = "note")]
    Tagged {
        /// The note.
        note: NoteId,
        /// The tag, without `#`.
        tag: String,
        /// Whether the note has it.
        tagged: bool,
    },
    /// Got a file, or lost it. A file of the same name replaces it.
    #[diplomatic(overwrites("note", "name"), pid = "note")]
    Attached {
        /// The note.
        note: NoteId,
        /// The name of the file.
        name: String,
        /// Where its bytes are.
        file: Option<Attachment>,
    },
    /// Thrown away.
    #[diplomatic(deletes = "note")]
    Removed {
        /// The note.
        note: NoteId,
    },
}

/// What happens to folders.
#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "folder")]
pub enum FolderEvent {
    /// A folder, which is named by its ID: two devices that make a folder of the same name make the same one.
    #[diplomatic(entity = "folder")]
    Named {
        /// The folder.
        folder: FolderId,
        /// Its name.
        name: String,
    },
    /// Thrown away. Its notes stay, outside of any folder.
    #[diplomatic(deletes = "folder")]
    Removed {
        /// The folder.
        folder: FolderId,
    },
}

impl From<NoteEvent> for Event {
    fn from(event: NoteEvent) -> Self {
        Self::Note(event)
    }
}

impl From<FolderEvent> for Event {
    fn from(event: FolderEvent) -> Self {
        Self::Folder(event)
    }
}
