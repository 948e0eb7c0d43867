use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    Added(#[serde(skip)] String),
    #[diplomatic(singleton)]
    Theme {
        #[serde(skip)]
        dark: bool,
    },
}

fn main() {}
