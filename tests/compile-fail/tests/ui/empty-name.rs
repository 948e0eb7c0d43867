use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "")]
enum Event {
    #[diplomatic(type = "")]
    Added { title: String },
}

fn main() {}
