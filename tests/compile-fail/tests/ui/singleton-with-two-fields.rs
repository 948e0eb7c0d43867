use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(singleton)]
    Theme { dark: bool, accent: String },
}

fn main() {}
