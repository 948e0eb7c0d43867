use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
#[diplomatic(prefix = "task")]
enum Event {
    #[diplomatic(gid = "list", gid = "day")]
    Added { list: String, day: String },
    #[diplomatic(deletes = "todo", deletes = "todo")]
    Removed { todo: EntityId },
}

fn main() {}
