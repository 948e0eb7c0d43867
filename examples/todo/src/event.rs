//! Events.

use diplomatic::{DiplomaticEvent, EntityId};

use crate::{Day, OrderKey, Preferences};

/// What can happen to a user's lists.
///
/// Each field of an item that can change independently is a register. So a rename on the phone and a tick on the laptop
/// both survive, even if both are offline. A list is small and edited as a whole, so it is an entity.
#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub enum TodoEvent {
    /// An item was added to a list. This is a fact: if two devices add "milk", there are two items.
    #[diplomatic(pid = "list")]
    Added {
        /// The list.
        list: EntityId,
        /// What is to be done.
        title: String,
        /// Its place in the list.
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
    /// An item got another due date, or none.
    #[diplomatic(overwrites = "item")]
    Due {
        /// The item.
        item: EntityId,
        /// The day, if there is one.
        due: Option<Day>,
    },
    /// An item was ticked, or the tick was removed.
    #[diplomatic(overwrites = "item")]
    Ticked {
        /// The item.
        item: EntityId,
        /// Whether it is done.
        done: bool,
    },
    /// An item was moved. List and place are one register, because a place is meaningful only within a list.
    #[diplomatic(overwrites = "item")]
    Placed {
        /// The item.
        item: EntityId,
        /// The list.
        list: EntityId,
        /// Its place in the list.
        order: OrderKey,
    },
    /// An item was moved to the archive, or back.
    #[diplomatic(overwrites = "item")]
    Archived {
        /// The item.
        item: EntityId,
        /// Whether it is in the archive.
        archived: bool,
    },
    /// A list was created, renamed or moved.
    #[diplomatic(entity = "list")]
    ListSaved {
        /// The list.
        list: EntityId,
        /// Its name.
        name: String,
        /// Its place among the lists.
        order: OrderKey,
    },
    /// An item or a list was deleted. Tombstones carry no type, so there is one event for both.
    #[diplomatic(deletes = "what")]
    Removed {
        /// The item or list.
        what: EntityId,
    },
    /// The user changed how lists are shown, on every device.
    #[diplomatic(singleton)]
    Preferred(Preferences),
}
