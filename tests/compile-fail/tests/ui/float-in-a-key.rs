use diplomatic::{DiplomaticEvent, EntityId};

#[derive(DiplomaticEvent)]
enum Event {
    #[diplomatic(overwrites = "price")]
    Priced { price: f64, what: String },
    #[diplomatic(overwrites("item", "size"))]
    Sized { item: EntityId, size: Option<(u8, f32)> },
}

fn main() {}
