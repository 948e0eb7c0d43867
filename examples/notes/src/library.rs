//! The state: the folders. The notes are not in it.

use std::collections::BTreeMap;

use diplomatic::{EntityId, Meta, Reducer, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Event, FolderEvent, FolderId};

/// The folders.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Library {
    /// Their names.
    pub folders: BTreeMap<FolderId, String>,
}

impl Reducer for Library {
    type Event = Event;

    // Folders have nothing to do with one another, so what comes late costs no more than what comes in time.
    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: Event, _: &Meta) {
        match event {
            Event::Folder(FolderEvent::Named { folder, name }) => drop(self.folders.insert(folder, name)),
            Event::Folder(FolderEvent::Removed { folder }) => drop(self.folders.remove(&folder)),
            Event::Note(_) => {}
        }
    }
}

impl Library {
    /// Returns the folder with a name, if it is there.
    pub fn folder(&self, name: &str) -> Option<&FolderId> {
        self.folders.iter().find(|(_, other)| *other == name).map(|(id, _)| id)
    }
}

/// Returns the ID of the folder that is made under this name.
pub fn folder_named(name: &str) -> FolderId {
    named("folder", name)
}

/// Returns an ID that depends on a name alone.
pub(crate) fn named<Id: From<EntityId>>(kind: &str, name: &str) -> Id {
    let hash = blake3::Hasher::new_derive_key("diplomatic notes: names")
        .update(kind.as_bytes())
        .update(&[0])
        .update(name.as_bytes())
        .finalize();
    EntityId::new(&hash.as_bytes()[..8], Timestamp::EPOCH).into()
}
