use diplomatic::DiplomaticEvent;
use diplomatic::standard::EntityId;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(overwrites = "tod")]
    Renamed { todo: EntityId, title: String },
    #[diplomatic(overwrites("list", "dya"))]
    Planned { list: String, day: u16, done: bool },
    #[diplomatic(entity = "1")]
    Put(EntityId),
    #[diplomatic(deletes = "todo")]
    Removed,
    #[diplomatic(gid = "group", pid = "parent")]
    Added { title: String },
}

fn main() {}
