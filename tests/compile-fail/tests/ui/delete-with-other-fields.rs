use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(deletes = "todo")]
    Removed { todo: EntityId, reason: String },
}

fn main() {}
