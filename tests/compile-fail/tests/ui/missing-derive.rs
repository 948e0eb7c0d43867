use diplomatic::DiplomaticEvent;

enum Event {
    Opened,
}

fn types<E: DiplomaticEvent>() -> usize {
    E::TYPES.len()
}

fn main() {
    let _ = Event::Opened;
    types::<Event>();
}
