use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(deletes = "todo")]
    TodoRemoved { todo: EntityId },
    #[diplomatic(deletes = "list")]
    ListRemoved { list: EntityId },
}

fn main() {}
