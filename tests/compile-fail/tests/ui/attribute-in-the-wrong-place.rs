use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(singleton)]
enum Event {
    #[diplomatic(prefix = "todo")]
    Added { title: String },
    Renamed {
        #[diplomatic(overwrites)]
        todo: u64,
        title: String,
    },
}

fn main() {}
