use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(singleton, gid = "0")]
    Theme(String),
    #[diplomatic(deletes = "todo", pid = "todo")]
    Removed { todo: EntityId },
}

fn main() {}
