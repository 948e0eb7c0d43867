//! Bytes in payloads.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use diplomatic::DiplomaticEvent;
use diplomatic::event::{Draft, Target};
use diplomatic::standard::EntityId;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{assert_round_trip, content, pack, read};

type Alias = Vec<u8>;

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
enum Bytes {
    Drawn {
        vector: Vec<u8>,
        array: [u8; 4],
        maybe: Option<Vec<u8>>,
        none: Option<[u8; 2]>,
        boxed: Box<[u8]>,
        cow: Cow<'static, [u8]>,
        many: Vec<std::vec::Vec<u8>>,
        by_name: BTreeMap<String, Option<Vec<u8>>>,
        hashed: HashMap<u8, Box<[u8]>>,
    },
    #[diplomatic(overwrites = "key")]
    Keyed {
        key: Vec<u8>,
        also: [u8; 2],
    },
    #[diplomatic(singleton)]
    Picture(Vec<u8>),
    Pair(Vec<u8>, u8),
    /// What is not known as bytes, or says itself how it is serialized.
    Others {
        alias: Alias,
        numbers: Vec<u16>,
        pair: (u8, u8),
        #[serde(with = "hex_digits")]
        digits: Vec<u8>,
        #[serde(skip)]
        skipped: Vec<u8>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rarely: Vec<u8>,
    },
}

/// The same, as builds wrote and read it for which bytes were numbers.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct OldKeyed {
    key: Vec<u8>,
    also: [u8; 2],
}

mod hex_digits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let byte = |place| u8::from_str_radix(&digits[place..place + 2], 16).map_err(serde::de::Error::custom);
        (0..digits.len()).step_by(2).map(byte).collect()
    }
}

fn drawn() -> Bytes {
    Bytes::Drawn {
        vector: vec![0, 200, 255],
        array: [1, 2, 3, 4],
        maybe: Some(vec![]),
        none: None,
        boxed: [9].into(),
        cow: Cow::Owned(vec![7]),
        many: vec![vec![1], vec![]],
        by_name: BTreeMap::from([("a".into(), Some(vec![5])), ("b".into(), None)]),
        hashed: HashMap::from([(1, [6].into())]),
    }
}

/// MessagePack `bin`.
fn bin(bytes: &[u8]) -> Vec<u8> {
    [&[0xc4, bytes.len() as u8], bytes].concat()
}

#[test]
fn bytes_are_bin_wherever_a_field_shows_them() {
    let payload = content(&drawn()).payload;
    let mut expected = vec![0x89];
    let mut entry = |name: &str, value: &[u8]| {
        expected.extend(pack(&name));
        expected.extend_from_slice(value);
    };
    entry("vector", &bin(&[0, 200, 255]));
    entry("array", &bin(&[1, 2, 3, 4]));
    entry("maybe", &bin(&[]));
    entry("none", &[0xc0]);
    entry("boxed", &bin(&[9]));
    entry("cow", &bin(&[7]));
    entry("many", &[&[0x92][..], &bin(&[1]), &bin(&[])].concat());
    entry("by_name", &[&[0x82, 0xa1, b'a'][..], &bin(&[5]), &[0xa1, b'b', 0xc0]].concat());
    entry("hashed", &[&[0x81, 0x01][..], &bin(&[6])].concat());
    assert_eq!(payload, expected);
    assert_round_trip(&drawn());

    assert_eq!(content(&Bytes::Picture(vec![1, 2])).payload, bin(&[1, 2]));
    assert_round_trip(&Bytes::Picture(vec![1, 2]));
    assert_eq!(content(&Bytes::Pair(vec![1], 2)).payload, [&[0x92][..], &bin(&[1]), &[2]].concat());
    assert_round_trip(&Bytes::Pair(vec![1], 2));
}

#[test]
fn attributes_and_other_types_stand_as_they_are() {
    let others = Bytes::Others {
        alias: vec![1, 200],
        numbers: vec![1],
        pair: (1, 2),
        digits: vec![0xab],
        skipped: vec![],
        rarely: vec![],
    };
    let payload = content(&others).payload;
    #[derive(Serialize)]
    struct Expected {
        alias: Vec<u8>,
        numbers: Vec<u16>,
        pair: (u8, u8),
        digits: &'static str,
    }
    assert_eq!(payload, pack(&Expected { alias: vec![1, 200], numbers: vec![1], pair: (1, 2), digits: "ab" }));
    assert_round_trip(&others);
}

proptest! {
    #[test]
    fn both_forms_are_read_by_old_and_new_builds_and_the_key_names_the_same_entity(key: Vec<u8>, also: [u8; 2]) {
        let event = Bytes::Keyed { key: key.clone(), also };
        let old = pack(&OldKeyed { key: key.clone(), also });
        prop_assert_eq!(read::<Bytes>("keyed", &old).unwrap(), event.clone());
        let payload = content(&event).payload;
        prop_assert_eq!(rmp_serde::from_slice::<OldKeyed>(&payload).unwrap(), OldKeyed { key: key.clone(), also });
        prop_assert_eq!(read::<Bytes>("keyed", &payload).unwrap(), event.clone());

        let Draft::Content { target: Target::Register { key: target }, .. } = event.to_draft().unwrap() else { unreachable!() };
        // As numbers, as ever.
        prop_assert_eq!(EntityId::register("keyed", &target), EntityId::register("keyed", &pack(&(key,))));
    }
}
