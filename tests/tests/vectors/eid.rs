use diplomatic::standard::{Body, Decode, DecodeError, Encode, EntityId, Message, Timestamp};

use crate::{Fields, to_hex, vectors};

#[test]
fn entity_ids_both_ways() {
    for case in vectors("eid").cases("eids") {
        let entity = EntityId::new(&case.bytes("id"), Timestamp::from_millis(case.number("tsMs")));
        assert_eq!(to_hex(&entity.to_bytes()), case.text("eid"));
        assert_eq!(EntityId::decode(&case.bytes("eid")), Ok(entity.clone()));
        assert_eq!(case.text("eid").parse(), Ok(entity));
    }
}

#[test]
fn singletons_have_one_name_and_an_offset_from_the_epoch() {
    for case in vectors("eid").cases("singletons") {
        let name = case.text("type");
        let entity = EntityId::singleton(name);
        assert_eq!(to_hex(&entity.to_bytes()), case.text("eid"));
        assert_eq!(entity.singleton_type(), Some(name));

        let now = Timestamp::from_millis(case.number("nowMs"));
        let body = Body::new(vec![0xc0; case.number("len") as usize]);
        let message = Message::new(entity, now, case.number("ctr"), body).unwrap();
        assert_eq!(message.head().offset(), case.number("off"));
        assert_eq!(message.head().changed(), now);
    }
}

#[test]
fn other_bytes_are_refused_with_the_recorded_status() {
    for case in vectors("eid").cases("decodeErrors") {
        let refused = EntityId::decode(&case.bytes("hex")).map_err(DecodeError::status);
        assert_eq!(refused, Err(case.status()), "{case}");
    }
}
