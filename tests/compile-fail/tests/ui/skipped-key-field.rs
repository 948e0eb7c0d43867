use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(overwrites = "todo")]
    Renamed {
        #[serde(skip_serializing, default)]
        todo: u64,
        title: String,
    },
}

fn main() {}
