use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(overwrites = "todo", entity = "todo")]
    Renamed { todo: EntityId, title: String },
    #[diplomatic(singleton)]
    #[diplomatic(deletes = "0")]
    Removed(EntityId),
}

fn main() {}
