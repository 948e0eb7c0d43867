use diplomatic::DiplomaticEvent;
use diplomatic::raw::RawEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(flatten)]
    Text(String),
}

#[derive(DiplomaticEvent)]
enum Any {
    #[diplomatic(flatten)]
    Raw(RawEvent),
}

fn main() {}
