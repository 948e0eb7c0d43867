//! Which entities an event refers to, whatever its type: what it writes tells.

use crate::standard::message_pack::{Cursor, Malformed, Value};
use crate::standard::{Decode, EntityId};

/// Returns what may be entity ids among the values of MessagePack: bins as we and the standard write them, and strings
/// of their hex digits, such as a group that is named after an entity.
///
/// Other bins and strings can look the same. Whoever asks the log for an entity of that name finds none.
pub(super) fn entity_ids(message_pack: &[u8]) -> Vec<EntityId> {
    let mut found = Vec::new();
    // A body need not be MessagePack; what is no value ends the search.
    let _ = each_leaf(message_pack, |value| {
        found.extend(match value {
            Value::Bin(bytes) => EntityId::decode(bytes).ok(),
            Value::Str(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
            _ => None,
        });
    });
    found.sort_unstable();
    found.dedup();
    found
}

fn each_leaf(message_pack: &[u8], mut look: impl FnMut(Value<'_>)) -> Result<(), Malformed> {
    let mut values = Cursor::new(message_pack);
    while !values.is_empty() {
        // The marker of a map or an array alone is no value; its content comes next.
        look(Cursor::new(values.part()?).value().unwrap_or(Value::Other));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::{Encode, Timestamp};

    #[test]
    fn ids_are_found_at_any_depth_as_bins_and_as_text() {
        let ids: Vec<EntityId> =
            (1..=4).map(|n| EntityId::new(&[n; 8], Timestamp::from_millis(1_764_000_000_000))).collect();
        let payload = (&ids[0], Some(vec![("key", &ids[1])]), ids[2].to_string(), "milk", 7, &ids[0]);
        let mut bytes = rmp_serde::to_vec_named(&payload).expect("plain data serializes");
        assert_eq!(entity_ids(&bytes), &ids[..3]);
        bytes.extend(rmp_serde::to_vec_named(&ids[3]).expect("an id serializes"));
        assert_eq!(entity_ids(&bytes), ids, "several values may follow one another");
        assert_eq!(ids[0].to_bytes().len(), 15);
    }

    #[test]
    fn what_is_no_message_pack_names_nothing() {
        assert_eq!(entity_ids(&[0xc1, 0xff]), []);
        assert_eq!(entity_ids(&[0xc6, 0xff, 0xff, 0xff, 0xff]), []);
        assert_eq!(entity_ids(&[]), []);
    }
}
