use diplomatic::standard::Status;

use crate::vectors;

#[test]
fn names_and_numbers_are_the_recorded_ones_and_no_others() {
    let vectors = vectors("status");
    let recorded = vectors.as_object().unwrap();
    assert_eq!(Status::all().len(), recorded.len());
    for (name, number) in recorded {
        let status = Status::from_number(u8::try_from(number.as_u64().unwrap()).unwrap());
        assert_eq!(status.name(), Some(name.as_str()));
    }
}

#[test]
fn unknown_numbers_survive() {
    for number in 0..=u8::MAX {
        assert_eq!(Status::from_number(number).number(), number);
    }
}
