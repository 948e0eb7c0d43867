use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Todo {
    Added { title: String },
}

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Event {
    Added,
    #[diplomatic(flatten)]
    Todo(Todo),
}

fn main() {}
