use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(pid = "list")]
    Added { list: Option<String> },
}

fn main() {}
