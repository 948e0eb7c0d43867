use diplomatic::{DiplomaticEvent, EntityId};

#[derive(DiplomaticEvent)]
enum Part {
    Opened,
}

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(flatten)]
    Nothing,
    #[diplomatic(flatten)]
    Two(Part, Part),
    #[diplomatic(flatten = "part")]
    Named { part: Part },
    #[diplomatic(flatten, type = "part.any", was = "part")]
    Typed(Part),
    #[diplomatic(flatten, pid = "0")]
    Parented(EntityId),
    #[diplomatic(flatten, singleton)]
    Shaped(Part),
}

fn main() {}
