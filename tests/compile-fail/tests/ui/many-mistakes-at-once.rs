use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

// Each mistake has its own message, and none of them causes another one in the code that uses the enum.
#[derive(DiplomaticEvent)]
#[diplomatic(prefix = todo)]
enum Event {
    #[diplomatic(overwrites = "tod", color = "red")]
    Renamed { todo: EntityId, title: String },
    #[diplomatic(singleton)]
    Theme(String, u8),
    #[diplomatic(deletes = "todo", gid = "todo")]
    Removed { todo: EntityId },
    #[diplomatic(type = "theme")]
    Painted,
}

fn main() {
    let _ = Event::Painted.to_draft();
    let _ = Event::TYPES;
}
