use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(deletes = "0")]
    Removed(u64),
}

fn main() {}
