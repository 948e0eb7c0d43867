use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(overwrites("todo", "todo"))]
    Renamed { todo: EntityId, title: String },
}

fn main() {}
