use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(gid = "list")]
    Added { list: u64 },
}

fn main() {}
