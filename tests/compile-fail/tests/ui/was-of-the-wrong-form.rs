use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Event {
    #[diplomatic(was = "todo.created", upcast = "from_created")]
    Added { title: String },
    #[diplomatic(was)]
    Opened,
    #[diplomatic(was(upcast = "from_shut"))]
    Closed,
    #[diplomatic(was = 5)]
    Filed,
    #[diplomatic(was("todo.mailed", upcast = from_mailed))]
    Sent,
    #[diplomatic(was("todo.lost", default))]
    Dropped,
}

fn main() {}
