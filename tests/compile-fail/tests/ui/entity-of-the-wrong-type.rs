use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(entity = "todo")]
    Put { todo: String, title: String },
}

fn main() {}
