use diplomatic::{DiplomaticEvent, entity_id};

entity_id!(struct TodoId;);
entity_id!(struct ListId;);

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(overwrites = "todo")]
    Renamed { todo: TodoId, title: String },
}

fn rename(list: ListId) -> Event {
    Event::Renamed { todo: list, title: "milk".into() }
}

fn main() {}
