use diplomatic::standard::{Body, Decode, DecodeError, Encode, EntityId, Head, Message, Timestamp};

use crate::{Fields, to_hex, vectors};

#[test]
fn heads_both_ways() {
    for case in vectors("message_head").cases("heads") {
        let head = Head::decode(&case.bytes("head")).unwrap();
        assert_eq!(to_hex(&head.entity().to_bytes()), case.text("eid"));
        assert_eq!(head.offset(), case.number("off"));
        assert_eq!(head.counter(), case.number("ctr"));
        assert_eq!(head.body_len(), case.number("len"));
        assert_eq!(head.body_hash().map(|hash| to_hex(hash)).as_deref(), case["hsh"].as_str());
        assert_eq!(head.hash().to_string(), case.text("headHash"));
        assert_eq!(to_hex(&head.to_bytes()), case.text("head"));

        let entity = EntityId::decode(&case.bytes("eid")).unwrap();
        let changed = Timestamp::from_millis(entity.created().as_millis() + case.number("off"));
        let body = case["body"].as_str().and_then(|_| Body::new(case.bytes("body")));
        let message = Message::new(entity, changed, case.number("ctr"), body.clone()).unwrap();
        assert_eq!(to_hex(message.head().as_bytes()), case.text("head"));
        assert_eq!(Message::join(head, body), Ok(message));
    }
}

#[test]
fn other_bytes_are_refused_with_the_recorded_status() {
    for case in vectors("message_head").cases("decodeErrors") {
        let refused = Head::decode(&case.bytes("hex")).map_err(DecodeError::status);
        assert_eq!(refused, Err(case.status()), "{case}");
    }
}
