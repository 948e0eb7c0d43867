use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Event {
    #[diplomatic(was("todo.created", upcast = "from_created"))]
    Added { title: String },
    #[diplomatic(was("todo.shut", upcast = "from_shut"))]
    Closed { why: String },
}

struct Created;

fn from_created(_: Created) -> Event {
    Event::Added { title: String::new() }
}

fn from_shut(why: String) -> String {
    why
}

fn main() {}
