use diplomatic::standard::{Bag, Body, Decode, Encode, Head, HostKeys, Message, OpenBagError};

use crate::{Fields, assert_message, to_hex, vectors};

#[test]
fn bags_open_to_the_recorded_messages() {
    for case in vectors("bag").cases("seal") {
        let keys = HostKeys::derive(&case.seed(), &case.label());
        let bag = Bag::decode(&case.bytes("bag")).unwrap();
        assert_eq!(to_hex(&bag.to_bytes()), case.text("bag"));
        assert_eq!(to_hex(bag.head.signature.as_bytes()), case.text("sig"));
        assert_eq!(to_hex(bag.head.kdm.as_bytes()), case.text("kdm"));
        assert_eq!(to_hex(bag.head.head.as_bytes()), case.text("headCph"));
        assert_eq!(to_hex(bag.body.as_bytes()), case["bodyCph"].as_str().unwrap_or_default());

        let body = case["body"].as_str().map(|_| case.bytes("body")).filter(|body| !body.is_empty());
        assert_message(&keys.open(&bag).unwrap(), &case.bytes("head"), body.as_deref());
        let in_bulk = keys.open_heads([&bag.head, &bag.head]);
        for head in in_bulk {
            assert_message(&head.unwrap().open_body(&bag.body).unwrap(), &case.bytes("head"), body.as_deref());
        }
        assert!(bag.verify(keys.public_key()).is_ok());
    }
}

#[test]
fn messages_seal_to_bags_like_the_recorded_ones() {
    for case in vectors("bag").cases("seal") {
        let keys = HostKeys::derive(&case.seed(), &case.label());
        let body = case["body"].as_str().and_then(|_| Body::new(case.bytes("body")));
        let message = Message::join(Head::decode(&case.bytes("head")).unwrap(), body).unwrap();
        let recorded = Bag::decode(&case.bytes("bag")).unwrap();
        // Nonces are the sealer's choice; all else is fixed, and `open` reads the layout of the recorded bag.
        let bag = keys.seal(&message);
        assert_eq!(bag.head.kdm, recorded.head.kdm);
        assert_eq!(bag.to_bytes().len(), recorded.to_bytes().len());
        assert_eq!(keys.open(&bag).unwrap(), message);
    }
}

#[test]
fn damaged_bags_are_refused_with_the_recorded_status() {
    for case in vectors("bag").cases("reject") {
        let keys = HostKeys::derive(&case.seed(), &case.label());
        let bag = Bag::decode(&case.bytes("bag")).unwrap();
        assert_eq!(keys.open(&bag).map_err(OpenBagError::status), Err(case.status()), "{}", case.text("what"));
    }
}
