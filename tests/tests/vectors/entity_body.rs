use diplomatic::standard::{Decode, EntityBody, EntityId};

use crate::{Fields, vectors};

/// The recorded payloads, as the raw MessagePack that the files hold.
const PAYLOADS: [(&str, &[u8]); 6] = [
    ("insert() with only type and body", b"\xa5hello"),
    (
        "object body",
        b"\x88\xa5title\xa4milk\xa4done\xc2\xa1n\x03\xa3neg\xfe\xa2pi\xcb\x40\x0c\0\0\0\0\0\0\xa3big\xcf\0\0\x01\x9a\xb6\
          \x97\xe8\x7b\xa3nul\xc0\xa3arr\x92\x01\xa3two",
    ),
    ("with gid", b"\x01"),
    ("with pid", b"\x01"),
    ("date body", b"\xd7\xff\x6c\xb8\x08\0\x69\x24\x81\x7b"),
    ("binary body", b"\xc4\x03\x01\x02\x03"),
];

#[test]
fn entity_bodies_of_the_javascript_client_read() {
    let vectors = vectors("entity_body");
    let cases = vectors.cases("bodies");
    assert_eq!(cases.len(), PAYLOADS.len());
    for (case, (what, payload)) in cases.iter().zip(PAYLOADS) {
        assert_eq!(case.text("what"), what);
        let json = &case["json"];
        let bytes = case.bytes("msgpack");
        let body = EntityBody::decode(&bytes).unwrap();
        let expected = EntityBody {
            type_name: json.text("type"),
            payload,
            group: json["gid"].as_str(),
            parent: json["pid"].get("$bytes").map(|_| EntityId::decode(&json["pid"].bytes("$bytes")).unwrap()),
        };
        assert_eq!(body, expected, "{what}");
        assert_eq!(EntityBody::decode(&expected.to_bytes()).unwrap(), expected, "{what}, written by us");
    }
}
