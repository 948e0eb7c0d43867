use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Event {
    #[diplomatic(was = "todo.added")]
    Added { title: String },
    #[diplomatic(was("todo.added", "todo.retitled"))]
    Renamed { title: String },
    #[diplomatic(was = "todo.titled", was = "todo.retitled")]
    Named { title: String },
    #[diplomatic(was = "")]
    Opened,
}

fn main() {}
