use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefx = "todo")]
enum Event {
    #[diplomatic(overwrite = "todo")]
    Renamed { todo: u64, title: String },
    #[diplomatic(serde)]
    Opened,
}

fn main() {}
