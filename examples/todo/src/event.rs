//! What can happen.

use diplomatic::{DiplomaticEvent, EntityId};

use crate::{Day, Item, OrderKey, Preferences};

/// What can happen to a person's lists.
///
/// Each field of an item that a person changes by itself is a register: so a rename on the phone and a tick on the laptop,
/// both offline, both survive. A list is small and edited as one, so it is written whole.
#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub enum TodoEvent {
    /// An item was added to a list. It is a fact: two devices that add "milk" make two items.
    #[diplomatic(pid = "list")]
    Added {
        /// The list.
        list: EntityId,
        /// What is to be done.
        title: String,
        /// Where it stands in the list.
        order: OrderKey,
    },
    /// An item got another title.
    #[diplomatic(overwrites = "item")]
    Renamed {
        /// The item.
        item: EntityId,
        /// What is to be done.
        title: String,
    },
    /// An item got other notes.
    #[diplomatic(overwrites = "item")]
    Noted {
        /// The item.
        item: EntityId,
        /// The notes; empty for none.
        notes: String,
    },
    /// An item has to be done by another day, or whenever.
    #[diplomatic(overwrites = "item")]
    Due {
        /// The item.
        item: EntityId,
        /// The day; none for whenever.
        due: Option<Day>,
    },
    /// An item was done, or is to be done after all.
    #[diplomatic(overwrites = "item")]
    Ticked {
        /// The item.
        item: EntityId,
        /// Whether it is done.
        done: bool,
    },
    /// An item was moved. List and place are one register, because a place means something within one list only.
    #[diplomatic(overwrites = "item")]
    Placed {
        /// The item.
        item: EntityId,
        /// The list.
        list: EntityId,
        /// Where it stands in the list.
        order: OrderKey,
    },
    /// An item went into the archive, or came back.
    #[diplomatic(overwrites = "item")]
    Archived {
        /// The item.
        item: EntityId,
        /// Whether it is in the archive.
        archived: bool,
    },
    /// An item came back after a delete, whole: the fact that first made it is gone for good.
    #[diplomatic(entity = "id")]
    Restored {
        /// The item.
        id: EntityId,
        /// All of it.
        item: Item,
    },
    /// A list was made, renamed or moved.
    #[diplomatic(entity = "list")]
    ListSaved {
        /// The list.
        list: EntityId,
        /// Its name.
        name: String,
        /// Where it stands among the lists.
        order: OrderKey,
    },
    /// An item or a list was deleted. A tombstone says nothing of types, so there is one delete for both.
    #[diplomatic(deletes = "what")]
    Removed {
        /// The item or list.
        what: EntityId,
    },
    /// How the person wants to see all of it, on every device.
    #[diplomatic(singleton)]
    Preferred(Preferences),
}
