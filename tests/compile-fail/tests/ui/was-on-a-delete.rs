use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Event {
    #[diplomatic(deletes = "todo", was = "todo.deleted")]
    Removed { todo: EntityId },
}

fn main() {}
