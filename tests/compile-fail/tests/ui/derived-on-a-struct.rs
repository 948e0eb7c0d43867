use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
struct Added {
    title: String,
}

fn main() {}
