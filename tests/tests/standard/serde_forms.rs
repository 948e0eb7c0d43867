//! How entity ids stand in payloads and in text.

use std::collections::BTreeMap;

use diplomatic::standard::{Encode, EntityBody, EntityId};
use proptest::prelude::*;

use crate::structures::entity_id;

proptest! {
    #[test]
    fn an_entity_id_is_a_bin_in_message_pack_and_hex_digits_in_json(entity in entity_id()) {
        let bin = rmp_serde::to_vec(&entity).unwrap();
        let bytes = entity.to_bytes();
        prop_assert_eq!(&bin[..2], &[0xc4, bytes.len() as u8][..]);
        prop_assert_eq!(&bin[2..], &bytes[..]);
        prop_assert_eq!(rmp_serde::from_slice::<EntityId>(&bin).unwrap(), entity.clone());
        prop_assert_eq!(rmp_serde::from_read::<_, EntityId>(&bin[..]).unwrap(), entity.clone());

        let json = serde_json::to_string(&entity).unwrap();
        prop_assert_eq!(&json, &format!("\"{entity}\""));
        prop_assert_eq!(serde_json::from_str::<EntityId>(&json).unwrap(), entity.clone());

        let keyed = BTreeMap::from([(entity.clone(), 1)]);
        prop_assert_eq!(rmp_serde::from_slice::<BTreeMap<EntityId, i32>>(&rmp_serde::to_vec(&keyed).unwrap()).unwrap(), keyed.clone());
        prop_assert_eq!(serde_json::from_str::<BTreeMap<EntityId, i32>>(&serde_json::to_string(&keyed).unwrap()).unwrap(), keyed);

        // A parent in an entity body has the same form.
        let body = EntityBody { parent: Some(entity), ..EntityBody::new("t", EntityBody::NIL) }.to_bytes();
        prop_assert!(body.ends_with(&bin));
    }
}
